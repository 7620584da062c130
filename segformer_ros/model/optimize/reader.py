# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""An ONNX graph read backwards, with constants resolved and layout steps left out."""

from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import ModelError

# They move values but compute none. What a network means does not hang on them, only where a
# value lies; a graph in which that matters fails the comparison with the original.
LAYOUT_OPS = frozenset(('Reshape', 'Transpose', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity',
                        'Dropout', 'Cast'))


class UnsupportedGraphError(ModelError):
    """The graph cannot be rewritten; the text says at which step."""


class GraphReader:
    """
    Producers and constants of an ONNX graph by tensor name.

    :param model: an ``onnx.ModelProto``; not changed
    """

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper
        self._to_array = numpy_helper.to_array
        self._nodes = list(model.graph.node)
        self._producers: Dict[str, Any] = {}
        for node in self._nodes:
            # Outputs and inputs that are left out have no name.
            for output in filter(None, node.output):
                self._producers[output] = node
        self._check_order()
        self._initializers = {entry.name: entry for entry in model.graph.initializer}
        self._constants: Dict[str, Optional[arrays.Array]] = {}

    def _check_order(self) -> None:
        """Refuse a graph with a loop, in which no walk ends."""
        waiting: Dict[str, List[Any]] = {}
        missing: Dict[int, int] = {}
        ready: List[Any] = []
        for node in self._nodes:
            needed = {name for name in node.input if name in self._producers}
            missing[id(node)] = len(needed)
            for name in needed:
                waiting.setdefault(name, []).append(node)
            if not needed:
                ready.append(node)
        reached = 0
        while ready:
            reached += 1
            for name in set(ready.pop().output):
                for node in waiting.pop(name, ()):
                    missing[id(node)] -= 1
                    if missing[id(node)] == 0:
                        ready.append(node)
        if reached != len(missing):
            raise UnsupportedGraphError('the graph has a loop')

    def weight_dtypes(self) -> Iterator[Tuple[str, str]]:
        """Yield name and ONNX element type of every constant that the file stores apart."""
        import onnx
        for name, entry in self._initializers.items():
            yield name, onnx.TensorProto.DataType.Name(entry.data_type)

    def constant(self, tensor: str) -> Optional[arrays.Array]:
        """Return the value of a constant tensor, or None if it depends on the input."""
        if tensor not in self._constants:
            self._constants[tensor] = self._evaluate(tensor)
        return self._constants[tensor]

    def scalar(self, tensor: str) -> Optional[float]:
        """Return the value of a constant with one element, else None."""
        value = self.constant(tensor)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def source(self, tensor: str) -> str:
        """Return the tensor that this one is a copy, another shape or an order of."""
        node = self._producers.get(tensor)
        while node is not None and node.op_type in LAYOUT_OPS:
            tensor = node.input[0]
            node = self._producers.get(tensor)
        return tensor

    def node(self, tensor: str, *op_types: str) -> Optional[Any]:
        """Return the node that computes a tensor if it is of one of these types, else None."""
        found = self._producers.get(self.source(tensor))
        return found if found is not None and found.op_type in op_types else None

    def siblings(self, node: Any) -> List[Any]:
        """Return the nodes of the same type that take the same tensor first, itself included."""
        source = self.source(node.input[0])
        return [each for each in self._nodes if each.op_type == node.op_type and each.input
                and self.source(each.input[0]) == source]

    def operands(self, node: Any) -> Tuple[List[str], List[arrays.Array]]:
        """Return the inputs of a node that depend on the network's input, and its constants."""
        variable, fixed = [], []
        for tensor in node.input:
            value = self.constant(tensor)
            if value is None:
                variable.append(tensor)
            else:
                fixed.append(value)
        return variable, fixed

    def _evaluate(self, tensor: str) -> Optional[arrays.Array]:
        if tensor in self._initializers:
            return np.asarray(self._to_array(self._initializers[tensor]))
        node = self._producers.get(tensor)
        if node is None:
            return None
        if node.op_type == 'Constant':
            return self._constant_node(node)
        if node.op_type not in ('Identity', 'Transpose', 'Cast', 'CastLike', 'Shape', 'Expand',
                                'Split'):
            return None
        value = self.constant(node.input[0])
        # CastLike takes the type of the image's tensors, which is float32 as the weights are.
        if value is None or node.op_type in ('Identity', 'CastLike'):
            return value
        if node.op_type == 'Shape':
            return np.array(value.shape[attribute(node, 'start', 0):attribute(node, 'end', None)],
                            np.int64)
        if node.op_type == 'Split':
            return self._part(node, tensor, value)
        if node.op_type == 'Expand':
            return _expanded(value, self.constant(node.input[1]))
        if node.op_type == 'Transpose':
            return np.transpose(value, attribute(node, 'perm', None))
        # 1 is TensorProto.FLOAT; no other type is met on the way of a float32 network.
        return value.astype(np.float32) if attribute(node, 'to', 1) == 1 else None

    def _part(self, node: Any, tensor: str, value: arrays.Array) -> Optional[arrays.Array]:
        """Return one output of a ``Split``: weights that a module keeps in one tensor."""
        axis, count = attribute(node, 'axis', 0), len(node.output)
        # Sizes are an attribute up to opset 12, then an input; without both the parts are equal.
        sizes = self.constant(node.input[1]) if len(node.input) > 1 else attribute(
            node, 'split', None)
        if not -value.ndim <= axis < value.ndim:
            return None
        if sizes is None:
            # The last part is the smaller one.
            each = -(-value.shape[axis] // count)
            sizes = [each] * (count - 1) + [value.shape[axis] - each * (count - 1)]
        bounds = np.cumsum([0] + [int(size) for size in sizes])
        if len(bounds) != count + 1 or bounds[-1] != value.shape[axis] or min(sizes) < 0:
            return None
        index = list(node.output).index(tensor)
        return np.asarray(np.take(value, range(bounds[index], bounds[index + 1]), axis))

    def _constant_node(self, node: Any) -> Optional[arrays.Array]:
        for name, convert in (('value', self._to_array), ('value_float', np.float32),
                              ('value_int', np.int64), ('value_floats', np.asarray),
                              ('value_ints', np.asarray)):
            value = attribute(node, name, None)
            if value is not None:
                return np.asarray(convert(value))
        return None


def _expanded(value: arrays.Array, shape: Optional[arrays.Array]) -> Optional[arrays.Array]:
    """Return a view of another shape, which takes no memory; None where it is not known."""
    if shape is None:
        return None
    try:
        wanted = np.broadcast_to(value.dtype.type(0), [int(size) for size in shape.reshape(-1)])
        return np.broadcast_to(value, np.broadcast(value, wanted).shape)
    except ValueError:
        return None


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return the value of a node's attribute, or ``default`` where it is not set."""
    import onnx
    for entry in node.attribute:
        if entry.name == name:
            return onnx.helper.get_attribute_value(entry)
    return default
