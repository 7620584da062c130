# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""CUDA buffers of the driver itself, through ctypes."""

import contextlib
import ctypes
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.inference.cuda.interface import CudaBuffers
from segformer_ros.inference.cuda.interface import DeviceMemory
from segformer_ros.inference.cuda.probe import LIBRARY

# cuda.h
_STREAM_NON_BLOCKING = 1
_CAPTURE_MODE_THREAD_LOCAL = 1
_INT = ctypes.c_int
_UINT = ctypes.c_uint
_SIZE = ctypes.c_size_t
_FLAGS = ctypes.c_ulonglong
_HANDLE = ctypes.c_void_p
_DEVICE_POINTER = ctypes.c_uint64


class _Out:
    """A parameter through which the driver returns a value."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind


# Name here: symbol in libcuda and its parameters in order.
_CALLS: Dict[str, Tuple[str, Tuple[Any, ...]]] = {
    'cuInit': ('cuInit', (_UINT,)),
    'cuGetErrorName': ('cuGetErrorName', (_INT, _Out(ctypes.c_char_p))),
    'cuDeviceGet': ('cuDeviceGet', (_Out(_INT), _INT)),
    'cuDevicePrimaryCtxRetain': ('cuDevicePrimaryCtxRetain', (_Out(_HANDLE), _INT)),
    'cuDevicePrimaryCtxRelease': ('cuDevicePrimaryCtxRelease_v2', (_INT,)),
    'cuCtxPushCurrent': ('cuCtxPushCurrent_v2', (_HANDLE,)),
    'cuCtxGetCurrent': ('cuCtxGetCurrent', (_Out(_HANDLE),)),
    'cuCtxPopCurrent': ('cuCtxPopCurrent_v2', (_Out(_HANDLE),)),
    'cuMemAlloc': ('cuMemAlloc_v2', (_Out(_DEVICE_POINTER), _SIZE)),
    'cuMemFree': ('cuMemFree_v2', (_DEVICE_POINTER,)),
    'cuMemHostAlloc': ('cuMemHostAlloc', (_Out(_HANDLE), _SIZE, _UINT)),
    'cuMemFreeHost': ('cuMemFreeHost', (_HANDLE,)),
    'cuMemGetInfo': ('cuMemGetInfo_v2', (_Out(_SIZE), _Out(_SIZE))),
    'cuStreamCreate': ('cuStreamCreate', (_Out(_HANDLE), _UINT)),
    'cuStreamDestroy': ('cuStreamDestroy_v2', (_HANDLE,)),
    'cuStreamSynchronize': ('cuStreamSynchronize', (_HANDLE,)),
    'cuMemcpyHtoDAsync': (
        'cuMemcpyHtoDAsync_v2', (_DEVICE_POINTER, _HANDLE, _SIZE, _HANDLE)),
    'cuMemcpyDtoHAsync': (
        'cuMemcpyDtoHAsync_v2', (_HANDLE, _DEVICE_POINTER, _SIZE, _HANDLE)),
    'cuStreamBeginCapture': ('cuStreamBeginCapture_v2', (_HANDLE, _INT)),
    'cuStreamEndCapture': ('cuStreamEndCapture', (_HANDLE, _Out(_HANDLE))),
    # In libcuda since CUDA 11.4: JetPack 4 (CUDA 10.2) has no graphs through this class.
    'cuGraphInstantiateWithFlags': (
        'cuGraphInstantiateWithFlags', (_Out(_HANDLE), _HANDLE, _FLAGS)),
    'cuGraphLaunch': ('cuGraphLaunch', (_HANDLE, _HANDLE)),
    'cuGraphExecDestroy': ('cuGraphExecDestroy', (_HANDLE,)),
    'cuGraphDestroy': ('cuGraphDestroy', (_HANDLE,)),
}


class Libcuda:
    """
    Functions named as in cuda.h that return a tuple of the status and the values.

    :param load: opens a shared library by name
    :raises OSError: there is no driver
    """

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._library = load(LIBRARY)

    def __getattr__(self, name: str) -> Callable[..., Tuple[Any, ...]]:
        """Return a driver function; one that this libcuda lacks is an AttributeError."""
        if name not in _CALLS:
            raise AttributeError(name)
        symbol, parameters = _CALLS[name]
        function = getattr(self._library, symbol)

        def call(*arguments: Any) -> Tuple[Any, ...]:
            values = iter(arguments)
            outputs: List[Any] = []
            passed: List[Any] = []
            for parameter in parameters:
                if isinstance(parameter, _Out):
                    outputs.append(parameter.kind())
                    passed.append(ctypes.byref(outputs[-1]))
                else:
                    # Untyped, ctypes would cut an address to 32 bits.
                    passed.append(parameter(next(values)))
            status = function(*passed)
            return (status,) + tuple(output.value for output in outputs)

        return call


class DriverBuffers(CudaBuffers):
    """
    Buffers of the CUDA driver API.

    :param driver: libcuda
    :param index: of the GPU
    :raises BackendError: the driver refused a call
    """

    def __init__(self, driver: Libcuda, index: int) -> None:
        self._driver = driver
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
        """Return the binding and the library."""
        return f'ctypes ({LIBRARY})'

    @property
    def stream(self) -> int:
        """Return the stream's handle."""
        return int(self._stream)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Push the primary context, and pop it at the end."""
        self._call('cuCtxPushCurrent', self._context)
        try:
            yield
        finally:
            self._call('cuCtxPopCurrent')

    def allocate(self, nbytes: int) -> int:
        """Return the address of new memory on the GPU."""
        self._device.append(self._call('cuMemAlloc', nbytes))
        return int(self._device[-1])

    def pinned(self, shape: Tuple[int, ...], dtype: str) -> arrays.Array:
        """Return a new page-locked array."""
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        self._host.append(self._call('cuMemHostAlloc', count * kind.itemsize, 0))
        memory: Any = (ctypes.c_uint8 * (count * kind.itemsize)).from_address(int(self._host[-1]))
        return np.frombuffer(memory, dtype=kind).reshape(shape)

    def copy_to_device(self, address: int, array: arrays.Array) -> None:
        """Queue a copy to the GPU."""
        self._call('cuMemcpyHtoDAsync', address, array.ctypes.data, array.nbytes, self._stream)

    def copy_to_host(self, array: arrays.Array, address: int) -> None:
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
        if not hasattr(self._driver, 'cuGraphInstantiateWithFlags'):
            return super().capture(queue_work)
        if self._graph is not None:
            self._call('cuGraphExecDestroy', self._graph)
            self._graph = None
        self._call('cuStreamBeginCapture', self._stream, _CAPTURE_MODE_THREAD_LOCAL)
        try:
            queue_work()
        except Exception:
            # A capture must be ended even after a failure, or the stream stays unusable; its
            # status can only repeat the failure that is under way.
            self._driver.cuStreamEndCapture(self._stream)
            raise
        graph = self._call('cuStreamEndCapture', self._stream)
        try:
            self._graph = self._call('cuGraphInstantiateWithFlags', graph, 0)
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
        status, *values = getattr(self._driver, function)(*arguments)
        if status != 0:
            name = self._driver.cuGetErrorName(status)[1] or b'unknown error'
            raise BackendError('CUDA driver call failed',
                               got=f"{function}: {status} ({name.decode('ascii')})",
                               expected='0 (CUDA_SUCCESS)')
        return values[0] if len(values) == 1 else values
