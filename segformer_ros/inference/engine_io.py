# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The one fork of the runtime: how tensors of an engine are named and enqueued.

TensorRT 8.2 and 8.4 number them ("bindings"), 8.5 to 8.6 know both ways, 10 and 11 know names
alone. Nothing else of the runtime differs.
"""

import abc
from typing import Any
from typing import List
from typing import Mapping
from typing import NamedTuple
from typing import Tuple

from segformer_ros.errors import BackendError
from segformer_ros.inference.tensorrt_api import TensorrtApi
from segformer_ros.model.tensor_spec import TensorSpec


class EngineTensors(NamedTuple):
    """Inputs and outputs of an engine, in its own order."""

    inputs: Tuple[TensorSpec, ...]
    outputs: Tuple[TensorSpec, ...]


class EngineIo(abc.ABC):
    """Tensors of one engine, and their enqueueing in one execution context."""

    def __init__(self, api: TensorrtApi, engine: Any, context: Any) -> None:
        self._dtypes = api.dtypes()
        self._engine = engine
        self._context = context

    def release(self) -> None:
        """Drop engine and context; a traceback may keep this object, but not them."""
        self._context = None
        self._engine = None

    @abc.abstractmethod
    def tensors(self) -> EngineTensors:
        """Return the engine's tensors."""

    @abc.abstractmethod
    def bind(self, addresses: Mapping[str, int]) -> None:
        """Tell where on the GPU each tensor lies. Once, before :meth:`enqueue`."""

    @abc.abstractmethod
    def enqueue(self, stream: int) -> None:
        """
        Queue one inference.

        :raises BackendError: TensorRT refused; a refused call runs nothing, so that the
            outputs would be those of the frame before
        """


class BindingIo(EngineIo):
    """TensorRT 8.2 and 8.4."""

    def __init__(self, api: TensorrtApi, engine: Any, context: Any) -> None:
        super().__init__(api, engine, context)
        self._addresses: List[int] = []

    def tensors(self) -> EngineTensors:
        """Return the engine's bindings."""
        inputs: List[TensorSpec] = []
        outputs: List[TensorSpec] = []
        for index in range(self._engine.num_bindings):
            spec = TensorSpec(
                self._engine.get_binding_name(index),
                self._dtypes[self._engine.get_binding_dtype(index)],
                tuple(int(size) for size in self._engine.get_binding_shape(index)))
            (inputs if self._engine.binding_is_input(index) else outputs).append(spec)
        return EngineTensors(tuple(inputs), tuple(outputs))

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Keep the addresses in binding order."""
        self._addresses = [addresses[self._engine.get_binding_name(index)]
                           for index in range(self._engine.num_bindings)]

    def enqueue(self, stream: int) -> None:
        """Queue one inference."""
        if not self._context.execute_async_v2(self._addresses, stream):
            raise _refused('execute_async_v2')


class NamedIo(EngineIo):
    """TensorRT 8.5 and later."""

    def __init__(self, api: TensorrtApi, engine: Any, context: Any) -> None:
        super().__init__(api, engine, context)
        self._input_mode = api.module.TensorIOMode.INPUT

    def tensors(self) -> EngineTensors:
        """Return the engine's tensors."""
        inputs: List[TensorSpec] = []
        outputs: List[TensorSpec] = []
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            spec = TensorSpec(
                name, self._dtypes[self._engine.get_tensor_dtype(name)],
                tuple(int(size) for size in self._engine.get_tensor_shape(name)))
            is_input = self._engine.get_tensor_mode(name) == self._input_mode
            (inputs if is_input else outputs).append(spec)
        return EngineTensors(tuple(inputs), tuple(outputs))

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Hand the addresses to the context, which keeps them."""
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise _refused('set_tensor_address({!r})'.format(name))

    def enqueue(self, stream: int) -> None:
        """Queue one inference."""
        if not self._context.execute_async_v3(stream):
            raise _refused('execute_async_v3')


def engine_io(api: TensorrtApi, engine: Any, context: Any) -> EngineIo:
    """Return the way that this TensorRT names tensors."""
    if api.named_tensors:
        return NamedIo(api, engine, context)
    return BindingIo(api, engine, context)


def _refused(call: str) -> BackendError:
    return BackendError('TensorRT refused {}'.format(call), got='False', expected='True',
                        remedy='TensorRT prints the reason to the terminal, above.')
