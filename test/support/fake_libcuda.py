# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
libcuda on the fake device, called through real ctypes prototypes.

Each function is a C callback with the argument types of cuda.h, so that a wrong number or size
of arguments shows as it would with the driver.
"""

import ctypes

import numpy as np

from support.fake_device import device
from support.fake_device import DeviceError

_P = ctypes.c_void_p
_INTS = ctypes.POINTER(ctypes.c_int)
_SIZES = ctypes.POINTER(ctypes.c_size_t)
_HANDLES = ctypes.POINTER(ctypes.c_void_p)
_ADDRESSES = ctypes.POINTER(ctypes.c_uint64)
_ATTRIBUTES = {16: 16, 18: 1, 75: 8, 76: 7}
OUT_OF_MEMORY = 2


def _bytes(address, nbytes):
    return np.frombuffer((ctypes.c_uint8 * nbytes).from_address(address), np.uint8)


class FakeLibcuda:
    """
    Functions by name; an attribute that is not listed does not exist.

    :param failing: statuses to return, by name of function
    :param missing: names that this driver lacks
    """

    def __init__(self, failing=None, missing=()):
        self._failing = failing or {}
        self._missing = missing
        self._graphs = {}
        self._kept = {}

    def __getattr__(self, name):
        """Return a C function."""
        if name in self._missing or name not in _FUNCTIONS:
            raise AttributeError(f'undefined symbol: {name}')
        types, body = _FUNCTIONS[name]

        def call(*arguments):
            if name in self._failing:
                return self._failing[name]
            try:
                body(self, *arguments)
            except DeviceError as error:
                return OUT_OF_MEMORY if 'memory' in str(error) else 201
            return 0

        function = ctypes.CFUNCTYPE(ctypes.c_int, *types)(call)
        self._kept[name] = function
        return function

    def host_alloc(self, target, nbytes):
        """Allocate page-locked memory."""
        device.need_context()
        array = np.empty(nbytes, np.uint8)
        device.pinned[array.ctypes.data] = array
        target[0] = array.ctypes.data

    def end_capture(self, stream, target):
        """Return what was recorded."""
        recorded = device.streams[stream]['capturing']
        device.streams[stream]['capturing'] = None
        self._graphs[id(recorded)] = recorded
        target[0] = id(recorded)

    def instantiate(self, target, graph):
        """Make a graph that can be launched."""
        self._graphs[graph + 1] = list(self._graphs[graph])
        target[0] = graph + 1

    def launch(self, graph, stream):
        """Queue a graph."""
        for work in self._graphs[graph]:
            device.enqueue(stream, work)


def _set(pointer, value):
    pointer[0] = value


def _find_device(pointer, number):
    if number != 0:
        raise DeviceError('invalid device')
    pointer[0] = number


def _set_name(target, size, _):
    ctypes.memmove(target, b'Orin\0', 5)


def _free_host(address):
    if device.pinned.pop(address, None) is None:
        raise DeviceError('invalid address')


_NAMES = ctypes.POINTER(ctypes.c_char_p)
_ERRORS = {OUT_OF_MEMORY: b'CUDA_ERROR_OUT_OF_MEMORY', 201: b'CUDA_ERROR_INVALID_CONTEXT'}
_INT, _UINT, _SIZE, _DEV = ctypes.c_int, ctypes.c_uint, ctypes.c_size_t, ctypes.c_uint64
_FUNCTIONS = {
    'cuInit': ((_UINT,), lambda lib, flags: None),
    'cuDeviceGetCount': ((_INTS,), lambda lib, out: _set(out, 1)),
    'cuDeviceGet': ((_INTS, _INT), lambda lib, out, number: _find_device(out, number)),
    'cuGetErrorName': ((_INT, _NAMES), lambda lib, status, out: _set(out, _ERRORS.get(status))),
    'cuDeviceGetName': ((_P, _INT, _INT), lambda lib, out, size, dev: _set_name(out, size, dev)),
    'cuDeviceTotalMem_v2': ((_SIZES, _INT), lambda lib, out, dev: _set(out, 8 << 30)),
    'cuDriverGetVersion': ((_INTS,), lambda lib, out: _set(out, 12060)),
    'cuDeviceGetAttribute': (
        (_INTS, _INT, _INT), lambda lib, out, which, dev: _set(out, _ATTRIBUTES[which])),
    'cuDevicePrimaryCtxRetain': ((_HANDLES, _INT), lambda lib, out, dev: _set(
        out, device.retain())),
    'cuDevicePrimaryCtxRelease_v2': ((_INT,), lambda lib, dev: device.release()),
    'cuCtxPushCurrent_v2': ((_P,), lambda lib, context: device.push(context)),
    'cuCtxGetCurrent': ((_HANDLES,), lambda lib, out: _set(
        out, device.stack()[-1] if device.stack() else None)),
    'cuCtxPopCurrent_v2': ((_HANDLES,), lambda lib, out: _set(out, device.pop())),
    'cuMemAlloc_v2': ((_ADDRESSES, _SIZE), lambda lib, out, size: _set(
        out, device.allocate(size))),
    'cuMemFree_v2': ((_DEV,), lambda lib, address: device.free_memory(address)),
    'cuMemHostAlloc': ((_HANDLES, _SIZE, _UINT), lambda lib, out, size, flags: lib.host_alloc(
        out, size)),
    'cuMemFreeHost': ((_P,), lambda lib, address: _free_host(address)),
    'cuMemGetInfo_v2': ((_SIZES, _SIZES), lambda lib, free, total: (
        _set(free, device.free), _set(total, device.total))),
    'cuStreamCreate': ((_HANDLES, _UINT), lambda lib, out, flags: _set(
        out, device.create_stream())),
    'cuStreamDestroy_v2': ((_P,), lambda lib, stream: device.destroy_stream(stream)),
    'cuStreamSynchronize': ((_P,), lambda lib, stream: device.synchronize(stream)),
    'cuMemcpyHtoDAsync_v2': ((_DEV, _P, _SIZE, _P), lambda lib, to, source, size, stream:
                             device.copy_in(to, _bytes(source, size), stream)),
    'cuMemcpyDtoHAsync_v2': ((_P, _DEV, _SIZE, _P), lambda lib, to, source, size, stream:
                             device.copy_out(_bytes(to, size), source, stream)),
    'cuStreamBeginCapture_v2': ((_P, _INT), lambda lib, stream, mode: device.streams[
        stream].update(capturing=[])),
    'cuStreamEndCapture': ((_P, _HANDLES), lambda lib, stream, out: lib.end_capture(stream, out)),
    'cuGraphInstantiateWithFlags': ((_HANDLES, _P, ctypes.c_ulonglong), lambda lib, out, graph,
                                    flags: lib.instantiate(out, graph)),
    'cuGraphLaunch': ((_P, _P), lambda lib, graph, stream: lib.launch(graph, stream)),
    'cuGraphExecDestroy': ((_P,), lambda lib, graph: lib._graphs.pop(graph) and None),
    'cuGraphDestroy': ((_P,), lambda lib, graph: lib._graphs.pop(graph) and None),
}
