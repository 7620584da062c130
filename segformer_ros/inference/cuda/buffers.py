# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The choice between the libraries that give CUDA buffers."""

from typing import Callable, Dict, List

from segformer_ros.common.errors import BackendError
from segformer_ros.inference.cuda import driver_buffers
from segformer_ros.inference.cuda.interface import CudaBuffers
from segformer_ros.inference.cuda.pycuda_buffers import PycudaBuffers


def _open_driver(index: int) -> CudaBuffers:
    return driver_buffers.DriverBuffers(driver_buffers.Libcuda(), index)


# By preference. The last one needs nothing but the driver itself.
LIBRARIES: Dict[str, Callable[[int], CudaBuffers]] = {
    'pycuda': PycudaBuffers, 'ctypes': _open_driver}
WITHOUT_GRAPHS = ('pycuda',)


def open_buffers(index: int = 0, library: str = 'auto', with_graphs: bool = False) -> CudaBuffers:
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
                               expected=f"auto or one of {', '.join(LIBRARIES)}")
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
                       remedy='Install the NVIDIA driver: docs/jetson.md says which version.')
