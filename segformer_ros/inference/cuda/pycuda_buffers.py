# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""CUDA buffers of pycuda."""

import contextlib
from typing import Any, Iterator, List, Tuple

from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.inference.cuda import driver_buffers
from segformer_ros.inference.cuda.interface import CudaBuffers
from segformer_ros.inference.cuda.interface import DeviceMemory


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
        self._description = f"pycuda {getattr(pycuda, 'VERSION_TEXT', '')}"
        self._cuda.init()
        device = self._cuda.Device(index)
        if not hasattr(device, 'retain_primary_context'):
            raise BackendError('pycuda is too old', got=self._description,
                               expected='2020.1 or later', remedy='Upgrade pycuda.')
        self._context: Any = device.retain_primary_context()
        self._device: List[Any] = []
        self._host: List[arrays.Array] = []
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

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Push the primary context, and pop it at the end."""
        self._context.push()
        try:
            yield
        finally:
            self._cuda.Context.pop()

    def allocate(self, nbytes: int) -> int:
        """Return the address of new memory on the GPU."""
        self._device.append(self._cuda.mem_alloc(nbytes))
        return int(self._device[-1])

    def pinned(self, shape: Tuple[int, ...], dtype: str) -> arrays.Array:
        """Return a new page-locked array."""
        self._host.append(self._cuda.pagelocked_empty(shape, dtype))
        return self._host[-1]

    def copy_to_device(self, address: int, array: arrays.Array) -> None:
        """Queue a copy to the GPU."""
        self._cuda.memcpy_htod_async(address, array, self._stream)

    def copy_to_host(self, array: arrays.Array, address: int) -> None:
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
        libcuda = driver_buffers.Libcuda()
    except OSError:
        # No driver under the usual name, hence no stack to tidy.
        return
    if libcuda.cuCtxGetCurrent() == (0, handle):
        libcuda.cuCtxPopCurrent()
