# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""CUDA buffers through the driver API: NVIDIA's cuda-python, or anything that calls alike."""

import contextlib
import ctypes
from typing import Any
from typing import Callable
from typing import ContextManager
from typing import Iterator
from typing import List
from typing import Optional
from typing import Tuple
from typing import TYPE_CHECKING

import numpy as np

from segformer_ros.errors import BackendError
from segformer_ros.inference.cuda_buffers import CudaBuffers
from segformer_ros.inference.cuda_buffers import DeviceMemory

if TYPE_CHECKING:
    import numpy.typing as npt

# cuda.h
_STREAM_NON_BLOCKING = 1


def import_cuda_bindings() -> Any:
    """
    Return the driver module of cuda-python.

    ``cuda.bindings.driver`` exists from 11.8.3 and 12.6 on; before, the module was
    ``cuda.cuda``.

    :raises ImportError: cuda-python is not installed
    """
    try:
        from cuda.bindings import driver
    except ImportError:
        from cuda import cuda as driver
    return driver


class DriverBuffers(CudaBuffers):
    """
    Buffers of the CUDA driver API.

    :param driver: functions named as in cuda.h that return a tuple of the status and the values
    :param index: of the GPU
    :raises BackendError: the driver refused a call
    """

    def __init__(self, driver: Any, index: int) -> None:
        self._driver = driver
        # cuGraphInstantiate took a log buffer before CUDA 12; the other name is its successor
        # under CUDA 11, which 12 folded into it.
        self._instantiate = next(
            (name for name in ('cuGraphInstantiateWithFlags', 'cuGraphInstantiate')
             if hasattr(driver, name)), None)
        self._call('cuInit', 0)
        self._gpu: Any = self._call('cuDeviceGet', index)
        self._context: Any = self._call('cuDevicePrimaryCtxRetain', self._gpu)
        self._device: List[Any] = []
        self._host: List[Any] = []
        self._graph: Optional[Any] = None
        with self.current():
            self._stream: Any = self._call('cuStreamCreate', _STREAM_NON_BLOCKING)

    @property
    def description(self) -> str:
        """Return the module that answers."""
        if hasattr(self._driver, 'description'):
            return str(self._driver.description)
        return str(self._driver.__name__)

    @property
    def stream(self) -> int:
        """Return the stream's handle."""
        return int(self._stream)

    def current(self) -> ContextManager[None]:
        """Push the primary context, and pop it at the end."""
        return self._pushed()

    @contextlib.contextmanager
    def _pushed(self) -> Iterator[None]:
        self._call('cuCtxPushCurrent', self._context)
        try:
            yield
        finally:
            self._call('cuCtxPopCurrent')

    def allocate(self, nbytes: int) -> int:
        """Return the address of new memory on the GPU."""
        self._device.append(self._call('cuMemAlloc', nbytes))
        return int(self._device[-1])

    def pinned(self, shape: Tuple[int, ...], dtype: str) -> 'npt.NDArray[Any]':
        """Return a new page-locked array."""
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        self._host.append(self._call('cuMemHostAlloc', count * kind.itemsize, 0))
        memory: Any = (ctypes.c_uint8 * (count * kind.itemsize)).from_address(int(self._host[-1]))
        return np.frombuffer(memory, dtype=kind).reshape(shape)

    def copy_to_device(self, address: int, array: 'npt.NDArray[Any]') -> None:
        """Queue a copy to the GPU."""
        self._call('cuMemcpyHtoDAsync', address, array.ctypes.data, array.nbytes, self._stream)

    def copy_to_host(self, array: 'npt.NDArray[Any]', address: int) -> None:
        """Queue a copy from the GPU."""
        self._call('cuMemcpyDtoHAsync', array.ctypes.data, address, array.nbytes, self._stream)

    def synchronize(self) -> None:
        """Wait for the stream."""
        self._call('cuStreamSynchronize', self._stream)

    def memory(self) -> DeviceMemory:
        """Return the GPU's memory."""
        free, total = self._call('cuMemGetInfo')
        return DeviceMemory(int(free), int(total))

    def capture(self, queue_work: Callable[[], None]) -> Callable[[], None]:
        """Record what ``queue_work`` queues; a second call replaces the first recording."""
        if self._instantiate is None:
            return super().capture(queue_work)
        if self._graph is not None:
            self._call('cuGraphExecDestroy', self._graph)
            self._graph = None
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call('cuStreamBeginCapture', self._stream, mode)
        try:
            queue_work()
        except Exception:
            # A capture must be ended even after a failure, or the stream stays unusable; its
            # status can only repeat the failure that is under way.
            self._driver.cuStreamEndCapture(self._stream)
            raise
        graph = self._call('cuStreamEndCapture', self._stream)
        try:
            self._graph = self._call(self._instantiate, graph, 0)
        finally:
            self._call('cuGraphDestroy', graph)
        return self._launch

    def _launch(self) -> None:
        self._call('cuGraphLaunch', self._graph, self._stream)

    def close(self) -> None:
        """Free everything while the context is current, then let it go."""
        if self._context is None:
            return
        # After a fault on the GPU every call fails: try them all, then tell the first error.
        failures: List[BackendError] = []

        def free(function: str, handle: Any) -> None:
            try:
                self._call(function, handle)
            except BackendError as error:
                failures.append(error)

        free('cuCtxPushCurrent', self._context)
        if self._graph is not None:
            free('cuGraphExecDestroy', self._graph)
            self._graph = None
        while self._device:
            free('cuMemFree', self._device.pop())
        while self._host:
            free('cuMemFreeHost', self._host.pop())
        free('cuStreamDestroy', self._stream)
        self._driver.cuCtxPopCurrent()
        free('cuDevicePrimaryCtxRelease', self._gpu)
        self._context = None
        if failures:
            raise failures[0]

    def _call(self, function: str, *arguments: Any) -> Any:
        try:
            result = getattr(self._driver, function)(*arguments)
        except RuntimeError as error:
            # cuda-python raises this where libcuda itself is missing.
            raise BackendError('CUDA driver call failed', got='{}: {}'.format(
                function, error)) from error
        status = result[0]
        if status != 0:
            raise BackendError('CUDA driver call failed',
                               got='{}: {}'.format(function, getattr(status, 'name', status)),
                               expected='0 (CUDA_SUCCESS)')
        values = result[1:]
        return values[0] if len(values) == 1 else values
