# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write an ONNX graph node by node, with readable names and shared constants."""

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from segformer_ros.common import install
from segformer_ros.common.errors import BackendError

# IR version of the onnx release that brought the operator set. Runtimes refuse newer ones than
# they know: onnxruntime 1.10 knows 8.
IR_OF_OPSET = {13: 7, 17: 8}
MICROSOFT = 'com.microsoft'


def import_onnx() -> Any:
    """
    Return the module ``onnx``.

    :raises BackendError: it is not installed
    """
    try:
        import onnx
    except ImportError as error:
        raise BackendError('onnx cannot be imported', got=error,
                           remedy=install.RUNTIME) from error
    return onnx


class GraphWriter:
    """
    A graph under construction.

    Tensors are handled by name. Names begin with the scopes that are open, so that a runtime's
    profile or a list of layers can be read.

    :param opset: version of the standard operator set
    :raises BackendError: ``onnx`` is not installed
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self._onnx = import_onnx()
        # onnx 1.11 does not import this one by itself.
        from onnx import numpy_helper
        self._from_array = numpy_helper.from_array
        self._scopes: List[str] = []
        self._names: Dict[str, int] = {}
        self._constants: Dict[Tuple[str, Tuple[int, ...], bytes], str] = {}
        self._initializers: List[Any] = []
        self._nodes: List[Any] = []
        self._domains = {'': opset}
        self._ir_version = IR_OF_OPSET.get(opset, 0)

    @contextlib.contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Prefix names inside the ``with`` block."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def constant(self, value: Any, name: str) -> str:
        """
        Return a tensor with this value; floats become float32, integers int64.

        :param name: of it, unless the same value was written before
        """
        array = np.asarray(value)
        array = np.array(array, np.int64 if array.dtype.kind in 'iu' else np.float32, order='C')
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._unique(name)
            self._initializers.append(self._from_array(array, self._constants[key]))
        return self._constants[key]

    def op(self, op_type: str, inputs: Sequence[str], domain: str = '',
           output: Optional[str] = None, **attributes: Any) -> str:
        """
        Append a node with one output and return the output's name.

        :param inputs: tensors; an empty name leaves an optional one out
        :param output: its name, by default one made from scopes and type
        """
        if domain:
            self._domains[domain] = 1
        output = output or self._unique(op_type)
        self._nodes.append(self._onnx.helper.make_node(
            op_type, list(inputs), [output], name=output, domain=domain, **attributes))
        return output

    def reshape(self, tensor: str, *sizes: int) -> str:
        """Append a reshape to a fixed shape."""
        return self.op('Reshape', [tensor, self.constant(sizes, 'shape')])

    def transpose(self, tensor: str, *order: int) -> str:
        """Append a change of the order of axes."""
        return self.op('Transpose', [tensor], perm=list(order))

    def include(self, model: Any, new_names: Mapping[str, str]) -> None:
        """
        Append the nodes and constants of another model of the same operator set.

        :param model: an ``onnx.ModelProto``; not changed
        :param new_names: tensors of it to rename
        """
        for node in model.graph.node:
            copy = type(node)()
            copy.CopyFrom(node)
            for names in (copy.input, copy.output):
                names[:] = [new_names.get(name, name) for name in names]
            self._nodes.append(copy)
        self._initializers.extend(model.graph.initializer)
        self._ir_version = model.ir_version
        self._domains.update({entry.domain: entry.version for entry in model.opset_import})

    def finish(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """
        Return the checked model.

        :param inputs: from :meth:`value_info`
        :param outputs: from :meth:`value_info`
        :return: an ``onnx.ModelProto``
        """
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, 'segformer', list(inputs), list(outputs),
                                  self._initializers)
        model = helper.make_model(graph, producer_name='segformer_ros', opset_imports=[
            helper.make_opsetid(domain, version) for domain, version in self._domains.items()])
        model.ir_version = self._ir_version
        self._onnx.checker.check_model(model)
        return model

    def value_info(self, name: str, dtype: str, shape: Sequence[int]) -> Any:
        """Return the declaration of an input or output; dtype is a numpy name."""
        kind = getattr(self._onnx.TensorProto, {'float32': 'FLOAT', 'uint8': 'UINT8'}[dtype])
        return self._onnx.helper.make_tensor_value_info(name, kind, list(shape))

    def _unique(self, name: str) -> str:
        path = '/'.join(self._scopes + [name])
        count = self._names.get(path, 0)
        self._names[path] = count + 1
        return f'{path}_{count}' if count else path
