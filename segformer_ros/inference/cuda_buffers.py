# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Memory, copies and one stream on a GPU, whichever Python library gives them."""

import abc
from typing import Any
from typing import Callable
from typing import ContextManager
from typing import Dict
from typing import List
from typing import NamedTuple
from typing import Tuple
from typing import TYPE_CHECKING

from segformer_ros.errors import BackendError

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
    from segformer_ros.inference.pycuda_buffers import PycudaBuffers
    return PycudaBuffers(index)


def _open_cuda_bindings(index: int) -> CudaBuffers:
    from segformer_ros.inference import driver_buffers
    return driver_buffers.DriverBuffers(driver_buffers.import_cuda_bindings(), index)


def _open_ctypes(index: int) -> CudaBuffers:
    from segformer_ros.inference import ctypes_driver
    from segformer_ros.inference import driver_buffers
    return driver_buffers.DriverBuffers(ctypes_driver.CtypesDriver(), index)


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
            missing.append('{}: {}'.format(name, error))
    raise BackendError('No CUDA buffer library', got='; '.join(missing),
                       expected=' or '.join(names),
                       remedy='Install pycuda or cuda-python: docs/jetson.md says which version.')
