# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What TensorRT needs of CUDA, whatever library provides it."""

import abc
from typing import Callable, ContextManager, NamedTuple, Tuple

from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError


class DeviceMemory(NamedTuple):
    """Memory of the GPU in bytes."""

    free: int
    total: int


class CudaBuffers(abc.ABC):
    """
    What TensorRT needs beside itself.

    The GPU's primary context is retained by the constructor, so that every library in the process
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
    def pinned(self, shape: Tuple[int, ...], dtype: str) -> arrays.Array:
        """Return a new page-locked host array; it is gone after :meth:`close`."""

    @abc.abstractmethod
    def copy_to_device(self, address: int, array: arrays.Array) -> None:
        """Queue a copy of a pinned array to the GPU."""

    @abc.abstractmethod
    def copy_to_host(self, array: arrays.Array, address: int) -> None:
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
                           expected='a driver of CUDA 11.4 or later, through the built-in '
                                    'binding (ctypes); pycuda has no graphs',
                           remedy='Set cuda_graphs: false, or upgrade the driver (JetPack).')
