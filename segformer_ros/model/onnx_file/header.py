# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What an ONNX file says about itself, read without the ``onnx`` package.

Only names, shapes and counts are read, never weights: quick on large files, safe on hostile
ones, and it works where ``onnx`` cannot be installed. Numbers of fields are those of onnx.proto.
"""

import functools
import hashlib
import os
from typing import Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file import messages
from segformer_ros.model.onnx_file import value_range
from segformer_ros.model.onnx_file.protobuf import Field
from segformer_ros.model.onnx_file.protobuf import WireReader
from segformer_ros.model.spec import TensorSpec

_LFS_POINTER = b'version https://git-lfs'
_DEEPEST_SUBGRAPH = 16
# These keep the number of channels, as an output's dynamic shape does not tell it.
_KEEP_CHANNELS = ('BatchNormalization', 'Cast', 'Identity', 'Resize', 'Upsample')
# These make of scores by class what an output holds.
SCORE_OPS = ('ArgMax', 'ArgMin', 'LogSoftmax', 'Sigmoid', 'Softmax')
COMPARISONS = ('Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Round')
# What they give is never below 0: depth, a distance, but no logit.
NEVER_NEGATIVE = ('Abs', 'Exp', 'Relu', 'Softplus', 'Sqrt')
_LAST_STEPS = SCORE_OPS + COMPARISONS + NEVER_NEGATIVE
# With a constant they change what an output holds.
ARITHMETIC = ('Add', 'Div', 'Mul', 'Sub')
# These may stand after them.
_TAIL_OPS = _KEEP_CHANNELS[1:] + _LAST_STEPS + (
    'Clip', 'Gather', 'Reshape', 'Slice', 'Squeeze', 'Transpose', 'Unsqueeze')
# Their results differ from run to run.
_RANDOM_OPS = ('Bernoulli', 'Multinomial', 'RandomNormal', 'RandomNormalLike', 'RandomUniform',
               'RandomUniformLike')
_MOST_STEPS_BACK = 16


class OnnxHeader(NamedTuple):
    """
    The metadata of an ONNX file.

    ``opsets`` holds the version by domain, ONNX's own being ``''``. ``ops`` counts the nodes
    by operator, those of subgraphs and of the file's own functions too; operators of other domains
    read ``domain::name``.
    ``parameters`` counts the elements of all weights, ``parameters_by_dtype`` those of each
    element type; ``external_files`` names the files that hold weights instead of this one.
    ``output_channels`` is the number of filters of the convolution that computes an output,
    for files whose shapes are dynamic. ``tails`` holds for an output the steps from it back to
    the first one of ``SCORE_OPS``, ``COMPARISONS`` or ``NEVER_NEGATIVE`` on the way, if there is
    one. ``random`` names operators whose results differ from run to run, or that compute as in
    training. ``enlarged`` names outputs that a resize near them gives their size. ``ranges``
    holds between which numbers the values of an output lie, where that is known.
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
    ranges: Mapping[str, value_range.Range] = {}

    @property
    def opset(self) -> int:
        """Return the version of ONNX's own operators, 0 if none is stated."""
        return self.opsets.get('', 0)


class TailStep(NamedTuple):
    """
    A step near an output; ``axis`` is None where it has none or takes the default.

    ``perm`` is that of a transpose. ``channel_axis`` is the axis of its input on which the
    channels of the last convolution lie, where an argmax is known to have one.
    """

    op: str
    axis: Optional[int]
    perm: Tuple[int, ...] = ()
    channel_axis: Optional[int] = None


def read_onnx_header(path: str) -> OnnxHeader:
    """
    Read the metadata of an ONNX file.

    :raises ModelError: unreadable, damaged, or not an ONNX file
    """
    try:
        with open(path, 'rb') as stream:
            if stream.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise ModelError(
                    'Model file is a pointer of Git LFS, not the model', got=path,
                    expected='an ONNX file', remedy='Run `git lfs pull` where it was cloned, or '
                    'download the file itself.')
            stream.seek(0)
            return _read_model(WireReader(stream, path))
    except OSError as error:
        raise ModelError('Model file cannot be read', got=f'{path}: {error.strerror}',
                         expected='an ONNX file') from error


def model_digest(onnx_path: str) -> str:
    """
    Return a digest of an ONNX file and of the files beside it that hold its weights.

    :return: the file's SHA-256 where it holds all weights itself, or is not an ONNX file that
        could name others: whoever runs it says what is wrong with it
    :raises ModelError: a file of weights is missing, or lies elsewhere
    """
    found = sha256_of(onnx_path)
    try:
        header = _header_of(onnx_path, found)
    except ModelError:
        return found
    external = header.external_files
    if not external:
        return found
    check_weights(onnx_path, header)
    state = hashlib.sha256(found.encode('ascii'))
    for name in external:
        path = os.path.join(os.path.dirname(os.path.abspath(onnx_path)), name)
        state.update(f'{name} {sha256_of(path)}'.encode())
    return state.hexdigest()


@functools.lru_cache(maxsize=8)
def _header_of(onnx_path: str, sha256: str) -> OnnxHeader:
    # Every cache asks for the digest, and to read a header takes longer than to hash its file.
    return read_onnx_header(onnx_path)


def check_weights(onnx_path: str, header: OnnxHeader) -> None:
    """
    Look for the files that hold a network's weights; none outside its folder is touched.

    :raises ModelError: one is missing, no file, or lies elsewhere, through a link too
    """
    folder = os.path.dirname(os.path.realpath(onnx_path))
    beside = os.path.dirname(os.path.abspath(onnx_path))
    for name in header.external_files:
        parts = name.replace('\\', '/').split('/')
        is_inside = not name.startswith('/') and '..' not in parts and '\0' not in name
        path = os.path.join(beside, name) if is_inside else name
        if is_inside:
            roots = (folder, os.path.realpath(beside))
            is_inside = any(os.path.realpath(path).startswith(root + os.sep) for root in roots)
        if not is_inside or os.path.realpath(path) == os.path.realpath(onnx_path):
            raise ModelError(
                'Weights of the model lie where no file of them may', got=repr(name),
                expected=f'a file of its own in {beside}',
                remedy='Export the model again, with its weights in one file or beside it.')
        if not os.path.isfile(path):
            raise ModelError('Weights of the model are missing', got=onnx_path, expected=path,
                             remedy='Copy the file beside the model.')


def _read_model(reader: WireReader) -> OnnxHeader:
    fields = reader.grouped(reader.whole())
    ir_version = reader.last_integer(fields[1])
    graphs = fields[7]
    if len(graphs) != 1 or ir_version <= 0:
        raise reader.damaged(f'{len(graphs)} graphs and IR version {ir_version}', 0)
    graph = _Graph(reader, dict(messages.read_function(reader, field) for field in fields[25]))
    graph.read(graphs[0])
    return OnnxHeader(
        ir_version=ir_version,
        producer=' '.join(map(reader.text, fields[2] + fields[3])),
        opsets=dict(messages.read_opset(reader, field) for field in fields[8]),
        # Up to IR version 3 weights are listed among the inputs.
        inputs=tuple(spec for spec in graph.inputs if spec.name not in graph.weights),
        outputs=tuple(graph.outputs),
        ops=graph.ops,
        parameters=sum(graph.parameters.values()),
        parameters_by_dtype=graph.parameters,
        external_files=tuple(sorted(graph.external_files)),
        output_channels=graph.output_channels(),
        file_bytes=reader.size,
        tails=graph.tails(), random=graph.random(), enlarged=graph.enlarged(),
        ranges=graph.ranges())


class _Graph:
    """What is collected on a walk through a graph and its subgraphs."""

    def __init__(self, reader: WireReader, functions: Dict[str, messages.Function]) -> None:
        self._reader = reader
        self._functions = functions
        self._producers: Dict[str, messages.Node] = {}
        self.inputs: List[TensorSpec] = []
        self.outputs: List[TensorSpec] = []
        self.weights: Dict[str, messages.Weight] = {}
        self.ops: Dict[str, int] = {}
        self.parameters: Dict[str, int] = {}
        self.external_files: Set[str] = set()
        self._dropouts: List[str] = []
        self._inner: Dict[str, messages.Node] = {}
        self._numbers: Dict[str, Optional[float]] = {}
        self._values = value_range.ValueRanges(
            lambda name: self._producer(name) or self._inner.get(name), self._numbers,
            self._channels_of)
        self._training = False

    def read(self, main: Field) -> None:
        # A stack of its own: nesting in the file must not become recursion here.
        pending = [(main, 0)]
        for function in self._functions.values():
            self.external_files.update(function.external_files)
            for node in function.nodes:
                self._count(node)
                pending += [(inner, 1) for inner in node.subgraphs]
        while pending:
            graph, depth = pending.pop()
            if depth > _DEEPEST_SUBGRAPH:
                raise self._reader.damaged('subgraphs nested too deeply', graph.start)
            for field in self._reader.children(graph):
                if field.number == 1:
                    node = messages.read_node(self._reader, field)
                    self._count(node)
                    pending += [(inner, depth + 1) for inner in node.subgraphs]
                    if depth == 0:
                        self._producers.update((output, node) for output in node.outputs)
                elif field.number == 5:
                    self._take(messages.read_weight(self._reader, field), depth)
                elif field.number == 15:
                    weights = messages.read_sparse(self._reader, field)
                    self.external_files.update(messages.external_of(weights))
                elif field.number == 11 and depth == 0:
                    self.inputs.append(messages.read_value(self._reader, field))
                elif field.number == 12 and depth == 0:
                    self.outputs.append(messages.read_value(self._reader, field))

    def tails(self) -> Dict[str, Tuple[TailStep, ...]]:
        found = {spec.name: self._tail_of(spec.name) for spec in self.outputs}
        return {name: steps for name, steps in found.items() if steps}

    def enlarged(self) -> Tuple[str, ...]:
        return tuple(spec.name for spec in self.outputs if self._is_enlarged(spec.name))

    def random(self) -> Tuple[str, ...]:
        found = [op for op in _RANDOM_OPS if op in self.ops]
        # True, or what Cast, Not, Squeeze and the like make so of a constant.
        if any(self._values.of(name).low > 0.0 for name in self._dropouts):
            found.append('Dropout in training mode')
        if self._training:
            found.append('BatchNormalization in training mode')
        return tuple(found)

    def _count(self, node: messages.Node) -> None:
        self.ops[node.op] = self.ops.get(node.op, 0) + 1
        self.external_files.update(node.external_files)
        if node.op == 'Dropout' and len(node.inputs) > 2:
            self._dropouts.append(node.inputs[2])
        elif node.op == 'Constant':
            number: Optional[float] = node.integers.get('value_int')
            for tensor in node.tensors:
                number = tensor.number
            self._numbers.update((output, number) for output in node.outputs)
        elif node.op == 'BatchNormalization':
            # Before opset 14 the mode shows in the further outputs.
            self._training = self._training or bool(
                node.integers.get('training_mode') or len(list(filter(None, node.outputs))) > 1)
        for output in node.outputs:
            self._inner.setdefault(output, node)

    def _producer(self, name: str) -> Optional[messages.Node]:
        """Return the node that computes a tensor; in place of a call, the function's own."""
        # A call may stand in a function; a hostile file may nest them for ever.
        for _ in range(_MOST_STEPS_BACK):
            node = self._producers.get(name)
            if node is None or node.op not in self._functions:
                return node
            self._unfold(node)
        return None

    def _is_constant(self, name: str) -> bool:
        node = self._producers.get(name)
        return name in self.weights or (node is not None and node.op == 'Constant')

    def _unfold(self, call: messages.Node) -> None:
        """Put a function's nodes in place of a call of it."""
        function = self._functions[call.op]
        inside = f'{call.outputs[0]}/'
        names = dict(zip(function.inputs, call.inputs))
        for output, name in zip(function.outputs, call.outputs):
            if output in names:
                # An input that is passed on.
                self._producers[name] = messages.Node(
                    'Identity', (names[output],), (name,), (), {}, ())
            else:
                names[output] = name
                self._producers.pop(name, None)
        for node in function.nodes:
            integers = dict(node.integers)
            integers.update((key, call.integers[of]) for key, of in node.references
                            if of in call.integers)
            inputs, outputs = (tuple(name and names.get(name, inside + name) for name in each)
                               for each in (node.inputs, node.outputs))
            whole = node._replace(inputs=inputs, outputs=outputs, integers=integers)
            self._producers.update((output, whole) for output in outputs)

    def _tail_of(self, name: str) -> Tuple[TailStep, ...]:
        steps: List[TailStep] = []
        for _ in range(_MOST_STEPS_BACK):
            node = self._producer(name)
            if node is None or not node.inputs or node.op not in _TAIL_OPS + ARITHMETIC:
                break
            steps.append(TailStep(
                node.op, node.integers.get('axis'), node.lists.get('perm', ()),
                self._channel_axis(node.inputs[0]) if node.op == 'ArgMax' else None))
            if node.op in _LAST_STEPS:
                return tuple(steps)
            inputs = [each for each in node.inputs if not self._is_constant(each)]
            if node.op in ARITHMETIC and len(inputs) != 1:
                break
            name = (inputs or node.inputs)[0]
        return ()

    def _channel_axis(self, name: str) -> Optional[int]:
        moves: List[Tuple[int, ...]] = []
        for _ in range(_MOST_STEPS_BACK):
            node = self._producer(name)
            if node is None or not node.inputs:
                return None
            if node.op in ('Conv', 'ConvTranspose'):
                axis = 1
                for perm in reversed(moves):
                    axis = perm.index(axis)
                return axis
            inputs = [each for each in node.inputs if not self._is_constant(each)]
            if node.op == 'Transpose':
                moves.append(node.lists.get('perm', ()))
                if sorted(moves[-1]) != [0, 1, 2, 3]:
                    return None
            elif (node.op in ARITHMETIC and len(inputs) != 1) \
                    or node.op not in _KEEP_CHANNELS + SCORE_OPS[2:] + ARITHMETIC:
                return None
            name = (inputs or node.inputs)[0]
        return None

    def ranges(self) -> Dict[str, value_range.Range]:
        found = {spec.name: self._values.of(spec.name) for spec in self.outputs}
        return {name: bounds for name, bounds in found.items() if bounds != value_range.UNKNOWN}

    def _is_enlarged(self, name: str) -> bool:
        for _ in range(_MOST_STEPS_BACK):
            node = self._producer(name)
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
            node = self._producer(name)
            if node is None or not node.inputs:
                return None
            if node.op == 'Conv' and len(node.inputs) > 1:
                weight = self.weights.get(node.inputs[1])
                return weight.shape[0] if weight is not None and weight.shape else None
            if node.op not in _KEEP_CHANNELS + SCORE_OPS + ('Squeeze', 'Transpose'):
                return None
            name = node.inputs[0]
        return None

    def _take(self, weight: messages.Weight, depth: int) -> None:
        self.parameters[weight.dtype] = \
            self.parameters.get(weight.dtype, 0) + weight.elements
        if weight.external_file is not None:
            self.external_files.add(weight.external_file)
        self._numbers.setdefault(weight.name, weight.number)
        if depth == 0:
            self.weights[weight.name] = weight
