# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The messages of an ONNX file. Numbers of fields are those of onnx.proto."""

import struct
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file import protobuf
from segformer_ros.model.spec import TensorSpec

_DTYPES = {
    1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64',
    8: 'str', 9: 'bool', 10: 'float16', 11: 'float64', 12: 'uint32', 13: 'uint64',
    14: 'complex64', 15: 'complex128', 16: 'bfloat16'}
_ITEM_BYTES = {
    'float32': 4, 'uint8': 1, 'int8': 1, 'uint16': 2, 'int16': 2, 'int32': 4, 'int64': 8,
    'bool': 1, 'float16': 2, 'float64': 8, 'uint32': 4, 'uint64': 8, 'complex64': 8,
    'complex128': 16, 'bfloat16': 2}
_STRUCT = {'float32': '<f', 'float64': '<d', 'float16': '<e', 'int64': '<q', 'int32': '<i',
           'uint8': '<B', 'int8': '<b', 'bool': '<?'}
_EXTERNAL = 1
_MOST_DIMENSIONS = 64


class Weight(NamedTuple):
    """
    A TensorProto.

    ``external_file`` names the file that holds the values instead of this one. ``number`` is
    the value of a single element.
    """

    name: str
    shape: Tuple[int, ...]
    elements: int
    dtype: str
    external_file: Optional[str]
    number: Optional[float] = None


class Node(NamedTuple):
    """
    A NodeProto; operators of other domains than ONNX's own read ``domain::name``.

    ``integers`` are the attributes that are a whole number, ``tensors`` those that are one,
    ``external_files`` the files that hold values of any attribute's tensors, ``references``
    those of a function's node that take their value from an attribute of the call, ``lists``
    those that are whole numbers.
    """

    op: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    subgraphs: Tuple[protobuf.Field, ...]
    integers: Dict[str, int]
    tensors: Tuple[Weight, ...]
    references: Tuple[Tuple[str, str], ...] = ()
    lists: Mapping[str, Tuple[int, ...]] = {}
    external_files: Tuple[str, ...] = ()


class Function(NamedTuple):
    """A FunctionProto: an operator that the file itself defines, as PyTorch 2.1 to 2.4 wrote."""

    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    nodes: Tuple[Node, ...]
    external_files: Tuple[str, ...] = ()


def read_opset(reader: protobuf.WireReader, message: protobuf.Field) -> Tuple[str, int]:
    """Return domain and version of an OperatorSetIdProto; ONNX's own domain is ``''``."""
    fields = reader.grouped(message)
    return _plain(reader.last_text(fields[1])), reader.last_integer(fields[2])


def read_node(reader: protobuf.WireReader, message: protobuf.Field) -> Node:
    """Read a NodeProto."""
    fields = reader.grouped(message)
    op, domain = reader.last_text(fields[4]), _plain(reader.last_text(fields[7]))
    subgraphs: List[protobuf.Field] = []
    tensors: List[Weight] = []
    external_files: List[str] = []
    integers = {}
    lists = {}
    references = []
    for attribute in fields[5]:
        # AttributeProto: 1 is the name, 3 a number, 5 a tensor, 6 a graph, 8 numbers, 11 graphs,
        # 21 an attribute of the function around it.
        parts = reader.grouped(attribute)
        subgraphs += parts[6] + parts[11]
        single, others = _attribute_tensors(reader, parts)
        tensors += single
        external_files += external_of(single + others)
        if parts[21]:
            references.append((reader.last_text(parts[1]), reader.last_text(parts[21])))
        if parts[3]:
            integers[reader.last_text(parts[1])] = reader.last_integer(parts[3])
        if parts[8]:
            lists[reader.last_text(parts[1])] = tuple(
                number for field in parts[8] for number in reader.integers(field))
    return Node(f'{domain}::{op}' if domain else op, tuple(map(reader.text, fields[1])),
                tuple(map(reader.text, fields[2])), tuple(subgraphs), integers, tuple(tensors),
                tuple(references), lists, tuple(external_files))


def read_function(reader: protobuf.WireReader, message: protobuf.Field) -> Tuple[str, Function]:
    """Read a FunctionProto; return the operator that nodes call it by, and the function."""
    fields = reader.grouped(message)
    op, domain = reader.last_text(fields[1]), _plain(reader.last_text(fields[10]))
    external_files: List[str] = []
    for attribute in fields[11]:
        # What calls that do not state the attribute take.
        single, others = _attribute_tensors(reader, reader.grouped(attribute))
        external_files += external_of(single + others)
    return f'{domain}::{op}' if domain else op, Function(
        tuple(map(reader.text, fields[4])), tuple(map(reader.text, fields[5])),
        tuple(read_node(reader, field) for field in fields[7]), tuple(external_files))


def read_sparse(reader: protobuf.WireReader, message: protobuf.Field) -> List[Weight]:
    """Return values and indices of a SparseTensorProto."""
    fields = reader.grouped(message)
    return [read_weight(reader, field) for field in fields[1] + fields[2]]


def external_of(weights: Sequence[Weight]) -> List[str]:
    """Return the names of the files that hold weights instead of this one."""
    return [weight.external_file for weight in weights if weight.external_file is not None]


def read_weight(reader: protobuf.WireReader, message: protobuf.Field) -> Weight:
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
    number = _number(reader, fields, dtype) if count == 1 else None
    return Weight(name, shape, count, dtype, None, number)


def _attribute_tensors(reader: protobuf.WireReader, parts: Dict[int, List[protobuf.Field]]
                       ) -> Tuple[List[Weight], List[Weight]]:
    """Return the tensor that an attribute is, and those of its other kinds."""
    # AttributeProto: 5 is a tensor, 10 tensors, 22 a sparse one, 23 sparse ones.
    others = [read_weight(reader, field) for field in parts[10]]
    for field in parts[22] + parts[23]:
        others += read_sparse(reader, field)
    return [read_weight(reader, field) for field in parts[5]], others


def _number(reader: protobuf.WireReader, fields: Dict[int, List[protobuf.Field]],
            dtype: str) -> Optional[float]:
    """Return the one value of a TensorProto."""
    raw = [reader.content(field) for field in fields[9][-1:]]
    for data in raw + [reader.content(field) for key in (4, 10) for field in fields[key]
                       if field.kind == protobuf.LENGTH]:
        code = _STRUCT.get(dtype)
        if code is not None and len(data) == struct.calcsize(code):
            return float(struct.unpack(code, data)[0])
        return None
    # int32 holds the smaller ones and truth values, too; int64 has a field of its own.
    found = [value for key in (5, 7) for field in fields[key] for value in reader.integers(field)]
    return float(found[0]) if len(found) == 1 and dtype != 'float16' else None


def read_value(reader: protobuf.WireReader, message: protobuf.Field) -> TensorSpec:
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


def _tensor_type(reader: protobuf.WireReader, message: protobuf.Field) -> List[protobuf.Field]:
    # TypeProto: 1 is a tensor; the others are sequences, maps and the like.
    return [part for kind in reader.children(message) if kind.number == 1
            for part in reader.children(kind)]


def _dimension(reader: protobuf.WireReader, message: protobuf.Field) -> Optional[int]:
    sizes = reader.grouped(message)[1]
    size = reader.last_integer(sizes)
    return size if sizes and size >= 0 else None


def _location(reader: protobuf.WireReader, message: protobuf.Field) -> Optional[str]:
    fields = reader.grouped(message)
    value = reader.last_text(fields[2])
    return value if reader.last_text(fields[1]) == 'location' else None


def _plain(domain: str) -> str:
    return '' if domain == 'ai.onnx' else domain


def _dtype(reader: protobuf.WireReader, codes: Sequence[protobuf.Field]) -> str:
    code = reader.last_integer(codes)
    return _DTYPES.get(code, f'onnx_type_{code}') if codes else ''
