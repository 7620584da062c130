# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""CUDA buffers through the driver API: NVIDIA's cuda-python, or anything that calls alike."""

import abc
import contextlib
import ctypes
from typing import (Any, Callable, ContextManager, Dict, Iterator, List, NamedTuple, Optional,
                    Tuple, TYPE_CHECKING)

import numpy as np
from segformer_ros.common.errors import BackendError
from segformer_ros.inference.cuda.probe import LIBRARY

if TYPE_CHECKING:
    import numpy.typing as npt


class DeviceMemory(NamedTuple):
    """Memory of the GPU in bytes."""

    free: int
    total: int


class CudaBuffers(abc.ABC):
    """
    What TensorRT needs beside itself.

    The GPU's primary context is retained on opening, so that every library in the process
    shares it. It is current only inside ``with buffers.current():``; every other method must be
    called there. Whatever thread calls leaves its context stack as it was. One thread at a time.
    """

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """Return the library and its version."""

    @property
    @abc.abstractmethod
    def stream(self) -> int:
        """Return the handle of the stream that all work goes to."""

    @abc.abstractmethod
    def current(self) -> ContextManager[None]:
        """Push the context for a ``with`` block, and pop it at its end."""

    @abc.abstractmethod
    def allocate(self, nbytes: int) -> int:
        """Return the address of new memory on the GPU."""

    @abc.abstractmethod
    def pinned(self, shape: Tuple[int, ...], dtype: str) -> 'npt.NDArray[Any]':
        """Return a new page-locked host array; it is gone after :meth:`close`."""

    @abc.abstractmethod
    def copy_to_device(self, address: int, array: 'npt.NDArray[Any]') -> None:
        """Queue a copy of a pinned array to the GPU."""

    @abc.abstractmethod
    def copy_to_host(self, array: 'npt.NDArray[Any]', address: int) -> None:
        """Queue a copy from the GPU to a pinned array."""

    @abc.abstractmethod
    def synchronize(self) -> None:
        """Wait until everything queued is done."""

    @abc.abstractmethod
    def memory(self) -> DeviceMemory:
        """Return the GPU's memory."""

    @abc.abstractmethod
    def close(self) -> None:
        """Free everything and let the context go. Called outside ``current()``."""

    def capture(self, queue_work: Callable[[], None]) -> Callable[[], None]:
        """
        Record work as a CUDA graph.

        :param queue_work: queues copies and kernels on the stream; is called once
        :return: a function that queues the recorded work
        :raises BackendError: the library has no graphs, or the work cannot be recorded
        """
        raise BackendError('CUDA graphs are not available', got=self.description,
                           expected='a driver of CUDA 11.4 or later, through cuda-python or '
                                    'the built-in driver binding; pycuda has no graphs',
                           remedy='Set cuda_graphs: false, or upgrade the driver (JetPack).')


def _open_pycuda(index: int) -> CudaBuffers:
    from segformer_ros.inference.cuda.buffers import PycudaBuffers
    return PycudaBuffers(index)


def _open_cuda_bindings(index: int) -> CudaBuffers:
    from segformer_ros.inference.cuda import buffers as driver_buffers
    return driver_buffers.DriverBuffers(driver_buffers.import_cuda_bindings(), index)


def _open_ctypes(index: int) -> CudaBuffers:
    from segformer_ros.inference.cuda import buffers
    from segformer_ros.inference.cuda import buffers as driver_buffers
    return driver_buffers.DriverBuffers(buffers.CtypesDriver(), index)


# By preference. The last one needs nothing but the driver itself.
LIBRARIES: Dict[str, Callable[[int], CudaBuffers]] = {
    'pycuda': _open_pycuda,
    'cuda.bindings': _open_cuda_bindings,
    'ctypes': _open_ctypes,
}
WITHOUT_GRAPHS = ('pycuda',)


def open_buffers(index: int = 0, library: str = 'auto',
                 with_graphs: bool = False) -> CudaBuffers:
    """
    Retain the primary context of a GPU through the first library that can be imported.

    :param index: of the GPU
    :param library: ``auto``, or one of ``LIBRARIES``
    :param with_graphs: ``auto`` passes over libraries that cannot record CUDA graphs
    :raises BackendError: no such library, or the GPU cannot be used
    """
    if library != 'auto':
        if library not in LIBRARIES:
            raise BackendError('Unknown CUDA buffer library', got=repr(library),
                               expected='auto or one of {}'.format(', '.join(LIBRARIES)))
        names = [library]
    else:
        names = [name for name in LIBRARIES if not (with_graphs and name in WITHOUT_GRAPHS)]
    missing: List[str] = []
    for name in names:
        try:
            return LIBRARIES[name](index)
        except (ImportError, OSError) as error:
            # OSError: the module is there, a shared library that it needs is not.
            missing.append(f'{name}: {error}')
    raise BackendError('No CUDA buffer library', got='; '.join(missing),
                       expected=' or '.join(names),
                       remedy='Install pycuda or cuda-python: docs/jetson.md says which version.')


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
            raise BackendError('CUDA driver call failed', got=f'{function}: {error}') from error
        status = result[0]
        if status != 0:
            raise BackendError('CUDA driver call failed',
                               got='{}: {}'.format(function, getattr(status, 'name', status)),
                               expected='0 (CUDA_SUCCESS)')
        values = result[1:]
        return values[0] if len(values) == 1 else values


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


class CaptureMode:
    """``CUstreamCaptureMode`` of cuda.h."""

    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


class CtypesDriver:
    """
    libcuda itself.

    :param load: opens a shared library by name
    :raises OSError: there is no driver
    """

    CUstreamCaptureMode = CaptureMode
    description = f'ctypes ({LIBRARY})'

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


class PycudaBuffers(CudaBuffers):
    """
    Buffers of pycuda, never of ``pycuda.autoinit``.

    ``autoinit`` makes a context of its own that is current in the importing thread alone, and
    that cudart, which TensorRT uses, does not share.

    :param index: of the GPU
    :raises ImportError: pycuda is not installed
    :raises BackendError: pycuda is too old
    """

    def __init__(self, index: int) -> None:
        import pycuda
        import pycuda.driver
        self._cuda: Any = pycuda.driver
        self._description = 'pycuda {}'.format(getattr(pycuda, 'VERSION_TEXT', ''))
        self._cuda.init()
        device = self._cuda.Device(index)
        if not hasattr(device, 'retain_primary_context'):
            raise BackendError('pycuda is too old', got=self._description,
                               expected='2020.1 or later', remedy='Upgrade pycuda.')
        self._context: Any = device.retain_primary_context()
        self._device: List[Any] = []
        self._host: List['npt.NDArray[Any]'] = []
        with self.current():
            self._stream: Any = self._cuda.Stream()

    @property
    def description(self) -> str:
        """Return pycuda and its version."""
        return self._description

    @property
    def stream(self) -> int:
        """Return the stream's handle."""
        return int(self._stream.handle)

    def current(self) -> ContextManager[None]:
        """Push the primary context, and pop it at the end."""
        return self._pushed()

    @contextlib.contextmanager
    def _pushed(self) -> Iterator[None]:
        self._context.push()
        try:
            yield
        finally:
            self._cuda.Context.pop()

    def allocate(self, nbytes: int) -> int:
        """Return the address of new memory on the GPU."""
        self._device.append(self._cuda.mem_alloc(nbytes))
        return int(self._device[-1])

    def pinned(self, shape: Tuple[int, ...], dtype: str) -> 'npt.NDArray[Any]':
        """Return a new page-locked array."""
        self._host.append(self._cuda.pagelocked_empty(shape, dtype))
        return self._host[-1]

    def copy_to_device(self, address: int, array: 'npt.NDArray[Any]') -> None:
        """Queue a copy to the GPU."""
        self._cuda.memcpy_htod_async(address, array, self._stream)

    def copy_to_host(self, array: 'npt.NDArray[Any]', address: int) -> None:
        """Queue a copy from the GPU."""
        self._cuda.memcpy_dtoh_async(array, address, self._stream)

    def synchronize(self) -> None:
        """Wait for the stream."""
        self._stream.synchronize()

    def memory(self) -> DeviceMemory:
        """Return the GPU's memory."""
        free, total = self._cuda.mem_get_info()
        return DeviceMemory(int(free), int(total))

    def close(self) -> None:
        """Free everything while the context is current, then let it go."""
        if self._context is None:
            return
        with self.current():
            for allocation in self._device:
                allocation.free()
            self._device.clear()
            # pycuda frees a page-locked array with its last reference.
            self._host.clear()
            self._stream = None
        handle = int(self._context.handle)
        self._context.detach()
        self._context = None
        _pop_if_current(handle)


def _pop_if_current(handle: int) -> None:
    # To detach a context, pycuda makes it current, and it stays so: right for a context that
    # is destroyed then, wrong for the primary one.
    try:
        driver = CtypesDriver()
    except OSError:
        # No driver under the usual name, hence no stack to tidy.
        return
    if driver.cuCtxGetCurrent() == (0, handle):
        driver.cuCtxPopCurrent()
