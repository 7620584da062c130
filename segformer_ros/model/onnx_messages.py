# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The messages of ONNX that say something about names and shapes.

Field numbers: onnx.proto of ONNX 1.8 and later, whose numbers never change.
"""

from typing import List
from typing import NamedTuple
from typing import Optional
from typing import Tuple

from segformer_ros.errors import ModelError
from segformer_ros.model.protobuf_wire import Field
from segformer_ros.model.protobuf_wire import WireReader
from segformer_ros.model.tensor_spec import TensorSpec

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


class Weight(NamedTuple):
    """
    A TensorProto.

    ``external_file`` names the file that holds the values instead of this one.
    """

    name: str
    shape: Tuple[int, ...]
    elements: int
    dtype: str
    external_file: Optional[str]


class Node(NamedTuple):
    """A NodeProto; operators of other domains than ONNX's own read ``domain::name``."""

    op: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    subgraphs: Tuple[Field, ...]


def read_opset(reader: WireReader, message: Field) -> Tuple[str, int]:
    """Return domain and version of an OperatorSetIdProto; ONNX's own domain is ``''``."""
    domain, version = '', 0
    for field in reader.children(message):
        if field.number == 1:
            domain = reader.text(field)
        elif field.number == 2:
            version = reader.integer(field)
    return _plain(domain), version


def read_node(reader: WireReader, message: Field) -> Node:
    """Read a NodeProto."""
    op, domain = '', ''
    inputs: List[str] = []
    outputs: List[str] = []
    subgraphs: List[Field] = []
    for field in reader.children(message):
        if field.number == 1:
            inputs.append(reader.text(field))
        elif field.number == 2:
            outputs.append(reader.text(field))
        elif field.number == 4:
            op = reader.text(field)
        elif field.number == 7:
            domain = _plain(reader.text(field))
        elif field.number == 5:
            # AttributeProto: 6 is a graph, 11 a list of graphs.
            subgraphs += [inner for inner in reader.children(field) if inner.number in (6, 11)]
    return Node('{}::{}'.format(domain, op) if domain else op, tuple(inputs), tuple(outputs),
                tuple(subgraphs))


def read_weight(reader: WireReader, message: Field) -> Weight:
    """
    Read a TensorProto without its values.

    :raises ModelError: its values have another size than its shape says
    """
    shape: List[int] = []
    name, dtype, raw_bytes, location = '', '', -1, 0
    external_file = None
    for field in reader.children(message):
        if field.number == 1:
            shape += reader.integers(field)
        elif field.number == 2:
            dtype = _dtype(reader.integer(field))
        elif field.number == 8:
            name = reader.text(field)
        elif field.number == 9:
            raw_bytes = field.end - field.start
        elif field.number == 13:
            external_file = _location(reader, field) or external_file
        elif field.number == 14:
            location = reader.integer(field)
    if len(shape) > _MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise reader.damaged('weights of shape {}'.format(shape[:8]), message.start)
    count = 1
    for size in shape:
        count *= size
    if location == _EXTERNAL:
        return Weight(name, tuple(shape), count, dtype, external_file or '(not named)')
    if raw_bytes >= 0 and dtype in _ITEM_BYTES and raw_bytes != count * _ITEM_BYTES[dtype]:
        raise reader.damaged('{} bytes for {} weights {}'.format(raw_bytes, dtype, shape),
                             message.start)
    return Weight(name, tuple(shape), count, dtype, None)


def read_value(reader: WireReader, message: Field) -> TensorSpec:
    """
    Read a ValueInfoProto: an input or output of the graph.

    :raises ModelError: it is no tensor, or its number of dimensions is not stated
    """
    name, dtype = '', ''
    shape: Optional[List[Optional[int]]] = None
    for field in reader.children(message):
        if field.number == 1:
            name = reader.text(field)
        elif field.number == 2:
            for part in _tensor_type(reader, field):
                if part.number == 1:
                    dtype = _dtype(reader.integer(part))
                elif part.number == 2:
                    shape = [_dimension(reader, size) for size in reader.children(part)
                             if size.number == 1]
    if not dtype or shape is None or len(shape) > _MOST_DIMENSIONS:
        raise ModelError(
            'Input or output {!r} of the model is no tensor of known shape'.format(name),
            remedy='Export the model with fixed shapes, or run onnx.shape_inference on it.')
    return TensorSpec(name, dtype, tuple(shape))


def _tensor_type(reader: WireReader, message: Field) -> List[Field]:
    # TypeProto: 1 is a tensor; the others are sequences, maps and the like.
    return [part for kind in reader.children(message) if kind.number == 1
            for part in reader.children(kind)]


def _dimension(reader: WireReader, message: Field) -> Optional[int]:
    size: Optional[int] = None
    for field in reader.children(message):
        if field.number == 1:
            size = reader.integer(field)
    return size if size is not None and size >= 0 else None


def _location(reader: WireReader, message: Field) -> Optional[str]:
    entry = {field.number: reader.text(field) for field in reader.children(message)
             if field.number in (1, 2)}
    return entry.get(2) if entry.get(1) == 'location' else None


def _plain(domain: str) -> str:
    return '' if domain == 'ai.onnx' else domain


def _dtype(code: int) -> str:
    return _DTYPES.get(code, 'onnx_type_{}'.format(code))
