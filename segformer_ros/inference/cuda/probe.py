# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Ask the CUDA driver for a GPU before any CUDA library is imported.

Some TensorRT builds kill the process when their runtime is made without a driver, which no
``try`` can catch. libcuda itself answers politely, so it is asked first, through ctypes.
"""

import ctypes
import glob
from typing import Any, Callable, NamedTuple, Optional, Tuple

from segformer_ros.common.errors import BackendError

LIBRARY = 'libcuda.so.1'

# CUdevice_attribute of cuda.h
_MULTIPROCESSORS = 16
_INTEGRATED = 18
_MAJOR = 75
_MINOR = 76

NO_GPU_REMEDY = (
    'On a Jetson, start the container with the NVIDIA runtime (docker run --runtime nvidia, '
    'see docs/jetson.md); on a desktop, install the NVIDIA driver. '
    'Without a GPU use backend: onnxruntime.')

# Both name the exact driver: the first on a Jetson, the second on a desktop.
RELEASE_FILES = ('/etc/nv_tegra_release', '/proc/driver/nvidia/version')

DEVICE_FILES = ('dev/nvidia[0-9]*', 'dev/nvhost-ctrl*', 'dev/nvmap', 'proc/driver/nvidia/version',
                'etc/nv_tegra_release')
PCI_VENDOR = '0x10de'


class GpuInfo(NamedTuple):
    """
    One GPU as the driver describes it.

    ``compute_capability`` is (major, minor); ``driver_version`` is CUDA's number, 1000 * major
    + 10 * minor; ``driver_release`` the first line of the driver's own release file, empty if
    there is none; ``total_memory`` is in bytes. An ``integrated`` GPU shares the CPU's memory.
    """

    number: int
    name: str
    compute_capability: Tuple[int, int]
    multiprocessors: int
    driver_version: int
    driver_release: str
    total_memory: int
    integrated: bool

    def __str__(self) -> str:
        """Return ``Orin (sm_87)``."""
        return '{} (sm_{}{})'.format(self.name, *self.compute_capability)


def probe_gpu(index: int = 0, load: Callable[[str], Any] = ctypes.CDLL) -> GpuInfo:
    """
    Initialise the CUDA driver and describe one GPU; creates no context.

    :param index: of the GPU
    :param load: opens a shared library by name
    :raises BackendError: there is no driver, it cannot be initialised, or no such GPU
    """
    try:
        library = load(LIBRARY)
    except OSError as error:
        raise BackendError('No CUDA driver', got=error, expected=LIBRARY,
                           remedy=NO_GPU_REMEDY) from error
    _call(library, 'cuInit', ctypes.c_uint(0))
    count = ctypes.c_int()
    _call(library, 'cuDeviceGetCount', ctypes.byref(count))
    if not 0 <= index < count.value:
        raise BackendError('No such GPU', got=f'number {index}',
                           expected=f'one of {count.value} GPU(s), counted from 0',
                           remedy=NO_GPU_REMEDY)
    device = ctypes.c_int()
    _call(library, 'cuDeviceGet', ctypes.byref(device), ctypes.c_int(index))
    name = ctypes.create_string_buffer(256)
    _call(library, 'cuDeviceGetName', name, ctypes.c_int(len(name)), device)
    total = ctypes.c_size_t()
    _call(library, 'cuDeviceTotalMem_v2', ctypes.byref(total), device)
    version = ctypes.c_int()
    _call(library, 'cuDriverGetVersion', ctypes.byref(version))

    def attribute(number: int) -> int:
        value = ctypes.c_int()
        _call(library, 'cuDeviceGetAttribute', ctypes.byref(value), ctypes.c_int(number), device)
        return value.value

    return GpuInfo(number=index, name=name.value.decode('utf-8', 'replace'),
                   compute_capability=(attribute(_MAJOR), attribute(_MINOR)),
                   multiprocessors=attribute(_MULTIPROCESSORS), driver_version=version.value,
                   driver_release=driver_release(), total_memory=total.value,
                   integrated=bool(attribute(_INTEGRATED)))


def driver_release(paths: Tuple[str, ...] = RELEASE_FILES) -> str:
    """Return the first line of the first release file that can be read, else ``''``."""
    for path in paths:
        line = _first_line(path)
        if line:
            return line
    return ''


def has_nvidia_hardware(root: str = '/') -> bool:
    """
    Return whether this machine shows an NVIDIA GPU, with its driver or without.

    :param root: of the file system
    """
    if any(glob.glob(root + pattern) for pattern in DEVICE_FILES):
        return True
    return any(_first_line(path) in (PCI_VENDOR, 'Tegra')
               for pattern in ('sys/bus/pci/devices/*/vendor', 'sys/devices/soc0/family')
               for path in glob.glob(root + pattern))


def _first_line(path: str) -> Optional[str]:
    try:
        with open(path, encoding='utf-8', errors='replace') as stream:
            return stream.readline().strip()
    except OSError:
        return None


def _call(library: Any, function: str, *arguments: Any) -> None:
    status = getattr(library, function)(*arguments)
    if status != 0:
        raise BackendError(f'The CUDA driver refused {function}',
                           got=f'error {status}', expected='0 (CUDA_SUCCESS)',
                           remedy=NO_GPU_REMEDY)
