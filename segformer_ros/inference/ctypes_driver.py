# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The few CUDA driver calls that buffers need, through ctypes.

Called like ``cuda.bindings.driver``: every function returns a tuple of the status and the
values. So a robot with neither pycuda nor cuda-python can run TensorRT too. Names, types and
the ``_v2`` suffixes are those of cuda.h, whose functions keep their binary interface.
"""

import ctypes
from typing import Any
from typing import Callable
from typing import Dict
from typing import List
from typing import Tuple

from segformer_ros.inference.cuda_probe import LIBRARY

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
    description = 'ctypes ({})'.format(LIBRARY)

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
