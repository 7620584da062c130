# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What an ONNX file says about itself, read without the ``onnx`` package.

Only names, shapes and counts are read, never weights: quick on large files, safe on hostile
ones, and it works where ``onnx`` cannot be installed. Numbers of fields are those of onnx.proto.
"""

import hashlib
import os
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file.protobuf import Field
from segformer_ros.model.onnx_file.protobuf import WireReader
from segformer_ros.model.spec import TensorSpec

_DTYPES = {
    1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64',
    8: 'str', 9: 'bool', 10: 'float16', 11: 'float64', 12: 'uint32', 13: 'uint64',
    14: 'complex64', 15: 'complex128', 16: 'bfloat16'}
_ITEM_BYTES = {
    'float32': 4, 'uint8': 1, 'int8': 1, 'uint16': 2, 'int16': 2, 'int32': 4, 'int64': 8,
    'bool': 1, 'float16': 2, 'float64': 8, 'uint32': 4, 'uint64': 8, 'complex64': 8,
    'complex128': 16, 'bfloat16': 2}
_EXTERNAL = 1
_MOST_DIMENSIONS = 64
_DEEPEST_SUBGRAPH = 16
# These keep the number of channels, as an output's dynamic shape does not tell it.
_KEEP_CHANNELS = ('BatchNormalization', 'Cast', 'Identity', 'Resize', 'Upsample')
# These make of scores by class what an output holds.
SCORE_OPS = ('ArgMax', 'LogSoftmax', 'Sigmoid', 'Softmax')
COMPARISONS = ('Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Round')
# These may stand after them.
_TAIL_OPS = _KEEP_CHANNELS[1:] + SCORE_OPS + COMPARISONS + (
    'Clip', 'Gather', 'Reshape', 'Slice', 'Squeeze', 'Transpose', 'Unsqueeze')
# Their results differ from run to run.
_RANDOM_OPS = ('Bernoulli', 'Multinomial', 'RandomNormal', 'RandomNormalLike', 'RandomUniform',
               'RandomUniformLike')
_MOST_STEPS_BACK = 16


class OnnxHeader(NamedTuple):
    """
    The metadata of an ONNX file.

    ``opsets`` holds the version by domain, ONNX's own being ``''``. ``ops`` counts the nodes
    by operator, those of subgraphs too; operators of other domains read ``domain::name``.
    ``parameters`` counts the elements of all weights, ``parameters_by_dtype`` those of each
    element type; ``external_files`` names the files that hold weights instead of this one.
    ``output_channels`` is the number of filters of the convolution that computes an output,
    for files whose shapes are dynamic. ``tails`` holds for an output the steps from it back to
    the first one of ``SCORE_OPS`` or ``COMPARISONS`` on the way, if there is one. ``random`` names
    operators whose results differ from run to run, or that compute as in training. ``enlarged``
    names outputs that a resize near them gives their size.
    """

    ir_version: int
    producer: str
    opsets: Dict[str, int]
    inputs: Tuple[TensorSpec, ...]
    outputs: Tuple[TensorSpec, ...]
    ops: Dict[str, int]
    parameters: int
    parameters_by_dtype: Dict[str, int]
    external_files: Tuple[str, ...]
    output_channels: Dict[str, int]
    file_bytes: int
    tails: 'Mapping[str, Tuple[TailStep, ...]]' = {}
    random: Tuple[str, ...] = ()
    enlarged: Tuple[str, ...] = ()

    @property
    def opset(self) -> int:
        """Return the version of ONNX's own operators, 0 if none is stated."""
        return self.opsets.get('', 0)


class TailStep(NamedTuple):
    """A step near an output; ``axis`` is None where it has none or takes the default."""

    op: str
    axis: Optional[int]


class Weight(NamedTuple):
    """
    A TensorProto.

    ``external_file`` names the file that holds the values instead of this one. ``is_true`` is
    the value of a single truth value.
    """

    name: str
    shape: Tuple[int, ...]
    elements: int
    dtype: str
    external_file: Optional[str]
    is_true: bool = False


class Node(NamedTuple):
    """
    A NodeProto; operators of other domains than ONNX's own read ``domain::name``.

    ``integers`` are the attributes that are a whole number, ``tensors`` those that are one.
    """

    op: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    subgraphs: Tuple[Field, ...]
    integers: Dict[str, int]
    tensors: Tuple[Field, ...]


def read_onnx_header(path: str) -> OnnxHeader:
    """
    Read the metadata of an ONNX file.

    :raises ModelError: unreadable, damaged, or not an ONNX file
    """
    try:
        with open(path, 'rb') as stream:
            return _read_model(WireReader(stream, path))
    except OSError as error:
        raise ModelError('Model file cannot be read', got=f'{path}: {error.strerror}',
                         expected='an ONNX file') from error


def model_digest(onnx_path: str) -> str:
    """
    Return a digest of an ONNX file and of the files beside it that hold its weights.

    :return: the file's SHA-256 where it holds all weights itself, or is not an ONNX file that
        could name others: whoever runs it says what is wrong with it
    :raises ModelError: a file of weights is missing
    """
    found = sha256_of(onnx_path)
    try:
        external = read_onnx_header(onnx_path).external_files
    except ModelError:
        return found
    if not external:
        return found
    state = hashlib.sha256(found.encode('ascii'))
    for name in external:
        path = os.path.join(os.path.dirname(os.path.abspath(onnx_path)), name)
        if not os.path.isfile(path):
            raise ModelError('Weights of the model are missing', got=onnx_path, expected=path,
                             remedy='Copy the file beside the model.')
        state.update(f'{name} {sha256_of(path)}'.encode())
    return state.hexdigest()


def _read_model(reader: WireReader) -> OnnxHeader:
    fields = reader.grouped(reader.whole())
    ir_version = reader.last_integer(fields[1])
    graphs = fields[7]
    if len(graphs) != 1 or ir_version <= 0:
        raise reader.damaged(f'{len(graphs)} graphs and IR version {ir_version}', 0)
    graph = _Graph(reader)
    graph.read(graphs[0])
    return OnnxHeader(
        ir_version=ir_version,
        producer=' '.join(map(reader.text, fields[2] + fields[3])),
        opsets=dict(read_opset(reader, field) for field in fields[8]),
        # Up to IR version 3 weights are listed among the inputs.
        inputs=tuple(spec for spec in graph.inputs if spec.name not in graph.weights),
        outputs=tuple(graph.outputs),
        ops=graph.ops,
        parameters=sum(graph.parameters.values()),
        parameters_by_dtype=graph.parameters,
        external_files=tuple(sorted(graph.external_files)),
        output_channels=graph.output_channels(),
        file_bytes=reader.size,
        tails=graph.tails(), random=graph.random(), enlarged=graph.enlarged())


class _Graph:
    """What is collected on a walk through a graph and its subgraphs."""

    def __init__(self, reader: WireReader) -> None:
        self._reader = reader
        self._producers: Dict[str, Node] = {}
        self.inputs: List[TensorSpec] = []
        self.outputs: List[TensorSpec] = []
        self.weights: Dict[str, Weight] = {}
        self.ops: Dict[str, int] = {}
        self.parameters: Dict[str, int] = {}
        self.external_files: Set[str] = set()
        self._dropouts: List[str] = []
        self._true: Set[str] = set()
        self._training = False

    def read(self, main: Field) -> None:
        # A stack of its own: nesting in the file must not become recursion here.
        pending = [(main, 0)]
        while pending:
            graph, depth = pending.pop()
            if depth > _DEEPEST_SUBGRAPH:
                raise self._reader.damaged('subgraphs nested too deeply', graph.start)
            for field in self._reader.children(graph):
                if field.number == 1:
                    node = read_node(self._reader, field)
                    self.ops[node.op] = self.ops.get(node.op, 0) + 1
                    pending += [(inner, depth + 1) for inner in node.subgraphs]
                    self._note_training(node)
                    if depth == 0:
                        self._producers.update((output, node) for output in node.outputs)
                elif field.number == 5:
                    self._take(read_weight(self._reader, field), depth)
                elif field.number == 11 and depth == 0:
                    self.inputs.append(read_value(self._reader, field))
                elif field.number == 12 and depth == 0:
                    self.outputs.append(read_value(self._reader, field))

    def tails(self) -> Dict[str, Tuple[TailStep, ...]]:
        found = {spec.name: self._tail_of(spec.name) for spec in self.outputs}
        return {name: steps for name, steps in found.items() if steps}

    def enlarged(self) -> Tuple[str, ...]:
        return tuple(spec.name for spec in self.outputs if self._is_enlarged(spec.name))

    def random(self) -> Tuple[str, ...]:
        found = [op for op in _RANDOM_OPS if op in self.ops]
        if any(name in self._true for name in self._dropouts):
            found.append('Dropout in training mode')
        if self._training:
            found.append('BatchNormalization in training mode')
        return tuple(found)

    def _note_training(self, node: Node) -> None:
        if node.op == 'Dropout' and len(node.inputs) > 2:
            self._dropouts.append(node.inputs[2])
        elif node.op == 'Constant':
            if any(read_weight(self._reader, field).is_true for field in node.tensors):
                self._true.update(node.outputs)
        elif node.op == 'BatchNormalization':
            self._training = self._training or bool(node.integers.get('training_mode'))

    def _tail_of(self, name: str) -> Tuple[TailStep, ...]:
        steps: List[TailStep] = []
        for _ in range(_MOST_STEPS_BACK):
            node = self._producers.get(name)
            if node is None or not node.inputs or node.op not in _TAIL_OPS:
                break
            steps.append(TailStep(node.op, node.integers.get('axis')))
            if node.op in SCORE_OPS + COMPARISONS:
                return tuple(steps)
            name = node.inputs[0]
        return ()

    def _is_enlarged(self, name: str) -> bool:
        for _ in range(_MOST_STEPS_BACK):
            node = self._producers.get(name)
            if node is None or not node.inputs or node.op not in _TAIL_OPS:
                return False
            if node.op in ('Resize', 'Upsample'):
                return True
            name = node.inputs[0]
        return False

    def output_channels(self) -> Dict[str, int]:
        found = {spec.name: self._channels_of(spec.name) for spec in self.outputs}
        return {name: channels for name, channels in found.items() if channels is not None}

    def _channels_of(self, name: str) -> Optional[int]:
        # Few nodes follow the last convolution; a hostile file may have a loop.
        for _ in range(_MOST_STEPS_BACK):
            node = self._producers.get(name)
            if node is None or not node.inputs:
                return None
            if node.op == 'Conv' and len(node.inputs) > 1:
                weight = self.weights.get(node.inputs[1])
                return weight.shape[0] if weight is not None and weight.shape else None
            if node.op not in _KEEP_CHANNELS + SCORE_OPS + ('Squeeze', 'Transpose'):
                return None
            name = node.inputs[0]
        return None

    def _take(self, weight: Weight, depth: int) -> None:
        self.parameters[weight.dtype] = \
            self.parameters.get(weight.dtype, 0) + weight.elements
        if weight.external_file is not None:
            self.external_files.add(weight.external_file)
        if weight.is_true:
            self._true.add(weight.name)
        if depth == 0:
            self.weights[weight.name] = weight


def read_opset(reader: WireReader, message: Field) -> Tuple[str, int]:
    """Return domain and version of an OperatorSetIdProto; ONNX's own domain is ``''``."""
    fields = reader.grouped(message)
    return _plain(reader.last_text(fields[1])), reader.last_integer(fields[2])


def read_node(reader: WireReader, message: Field) -> Node:
    """Read a NodeProto."""
    fields = reader.grouped(message)
    op, domain = reader.last_text(fields[4]), _plain(reader.last_text(fields[7]))
    subgraphs: List[Field] = []
    tensors: List[Field] = []
    integers = {}
    for attribute in fields[5]:
        # AttributeProto: 1 is the name, 3 a number, 5 a tensor, 6 a graph, 11 a list of graphs.
        parts = reader.grouped(attribute)
        subgraphs += parts[6] + parts[11]
        tensors += parts[5]
        if parts[3]:
            integers[reader.last_text(parts[1])] = reader.last_integer(parts[3])
    return Node(f'{domain}::{op}' if domain else op, tuple(map(reader.text, fields[1])),
                tuple(map(reader.text, fields[2])), tuple(subgraphs), integers, tuple(tensors))


def read_weight(reader: WireReader, message: Field) -> Weight:
    """
    Read a TensorProto without its values.

    :raises ModelError: its values have another size than its shape says
    """
    fields = reader.grouped(message)
    shape = tuple(size for field in fields[1] for size in reader.integers(field))
    dtype = _dtype(reader, fields[2])
    name = reader.last_text(fields[8])
    external_file = None
    for entry in fields[13]:
        external_file = _location(reader, entry) or external_file
    if len(shape) > _MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise reader.damaged(f'weights of shape {list(shape[:8])}', message.start)
    count = 1
    for size in shape:
        count *= size
    if reader.last_integer(fields[14]) == _EXTERNAL:
        return Weight(name, shape, count, dtype, external_file or '(not named)')
    for raw in fields[9][-1:]:
        raw_bytes = raw.end - raw.start
        if dtype in _ITEM_BYTES and raw_bytes != count * _ITEM_BYTES[dtype]:
            raise reader.damaged(f'{raw_bytes} bytes for {dtype} weights {list(shape)}',
                                 message.start)
    # Truth values lie in raw bytes (9), or among the int32 values (5).
    is_true = dtype == 'bool' and count == 1 and (
        any(reader.content(raw) != b'\0' for raw in fields[9][-1:])
        or any(value for field in fields[5] for value in reader.integers(field)))
    return Weight(name, shape, count, dtype, None, is_true)


def read_value(reader: WireReader, message: Field) -> TensorSpec:
    """
    Read a ValueInfoProto: an input or output of the graph.

    :raises ModelError: it is not a tensor, or its number of dimensions is not stated
    """
    fields = reader.grouped(message)
    name = reader.last_text(fields[1])
    dtype = ''
    shape: Optional[List[Optional[int]]] = None
    for part in (part for kind in fields[2] for part in _tensor_type(reader, kind)):
        if part.number == 1:
            dtype = _dtype(reader, [part])
        elif part.number == 2:
            shape = [_dimension(reader, size) for size in reader.children(part)
                     if size.number == 1]
    if not dtype or shape is None or len(shape) > _MOST_DIMENSIONS:
        raise ModelError(
            f'Input or output {name!r} of the model is not a tensor of known shape',
            remedy='Export the model with fixed shapes, or run onnx.shape_inference on it.')
    return TensorSpec(name, dtype, tuple(shape))


def _tensor_type(reader: WireReader, message: Field) -> List[Field]:
    # TypeProto: 1 is a tensor; the others are sequences, maps and the like.
    return [part for kind in reader.children(message) if kind.number == 1
            for part in reader.children(kind)]


def _dimension(reader: WireReader, message: Field) -> Optional[int]:
    sizes = reader.grouped(message)[1]
    size = reader.last_integer(sizes)
    return size if sizes and size >= 0 else None


def _location(reader: WireReader, message: Field) -> Optional[str]:
    fields = reader.grouped(message)
    value = reader.last_text(fields[2])
    return value if reader.last_text(fields[1]) == 'location' else None


def _plain(domain: str) -> str:
    return '' if domain == 'ai.onnx' else domain


def _dtype(reader: WireReader, codes: Sequence[Field]) -> str:
    code = reader.last_integer(codes)
    return _DTYPES.get(code, f'onnx_type_{code}') if codes else ''
