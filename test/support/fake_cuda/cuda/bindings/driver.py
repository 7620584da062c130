# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The part of cuda.bindings.driver that is used, on the fake device.

Names and parameters are those of cuda-bindings 12.9 (``cuGraphInstantiate`` without a log
buffer); ``test_cuda_buffers`` compares them with the real module where that is installed.
"""

import ctypes
import enum

import numpy as np

from support.fake_device import device as _device
from support.fake_device import DeviceError


class CUresult(enum.IntEnum):
    """Statuses."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_INVALID_CONTEXT = 201


class CUstreamCaptureMode(enum.IntEnum):
    """Capture modes."""

    CU_STREAM_CAPTURE_MODE_GLOBAL = 0
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


_graphs = {}


def _answer(function, *arguments):
    try:
        value = function(*arguments)
    except DeviceError as error:
        status = CUresult.CUDA_ERROR_INVALID_CONTEXT
        if 'memory' in str(error):
            status = CUresult.CUDA_ERROR_OUT_OF_MEMORY
        return status, None
    return (CUresult.CUDA_SUCCESS,) if value is None else (CUresult.CUDA_SUCCESS, value)


def cuInit(Flags):
    """Initialise."""
    return (CUresult.CUDA_SUCCESS,)


def cuDeviceGet(ordinal):
    """Return a device."""
    if ordinal != 0:
        return CUresult.CUDA_ERROR_INVALID_VALUE, None
    return CUresult.CUDA_SUCCESS, 0


def cuDevicePrimaryCtxRetain(dev):
    """Retain."""
    return _answer(_device.retain)


def cuDevicePrimaryCtxRelease(dev):
    """Release."""
    return _answer(_device.release)


def cuCtxPushCurrent(ctx):
    """Push."""
    return _answer(_device.push, ctx)


def cuCtxPopCurrent():
    """Pop."""
    return _answer(_device.pop)


def cuMemAlloc(bytesize):
    """Allocate."""
    return _answer(_device.allocate, bytesize)


def cuMemFree(dptr):
    """Free."""
    return _answer(_device.free_memory, dptr)


def cuMemHostAlloc(bytesize, Flags):
    """Allocate on the host."""
    def allocate():
        _device.need_context()
        array = np.empty(bytesize, np.uint8)
        _device.pinned[array.ctypes.data] = array
        return array.ctypes.data
    return _answer(allocate)


def cuMemFreeHost(p):
    """Free on the host."""
    def free():
        _device.need_context()
        if _device.pinned.pop(p, None) is None:
            raise DeviceError('invalid address')
    return _answer(free)


def cuMemGetInfo():
    """Return free and total memory."""
    return CUresult.CUDA_SUCCESS, _device.free, _device.total


def cuStreamCreate(Flags):
    """Create."""
    return _answer(_device.create_stream)


def cuStreamDestroy(hStream):
    """Destroy."""
    return _answer(_device.destroy_stream, hStream)


def cuStreamSynchronize(hStream):
    """Wait."""
    return _answer(_device.synchronize, hStream)


def _host_array(address, nbytes):
    return np.frombuffer((ctypes.c_uint8 * nbytes).from_address(address), np.uint8)


def cuMemcpyHtoDAsync(dstDevice, srcHost, ByteCount, hStream):
    """Copy to the GPU."""
    return _answer(_device.copy_in, dstDevice, _host_array(srcHost, ByteCount), hStream)


def cuMemcpyDtoHAsync(dstHost, srcDevice, ByteCount, hStream):
    """Copy from the GPU."""
    return _answer(_device.copy_out, _host_array(dstHost, ByteCount), srcDevice, hStream)


def cuStreamBeginCapture(hStream, mode):
    """Begin to record."""
    def begin():
        _device.streams[hStream]['capturing'] = []
    return _answer(begin)


def cuStreamEndCapture(hStream):
    """End recording; return the graph."""
    def end():
        recorded = _device.streams[hStream]['capturing']
        _device.streams[hStream]['capturing'] = None
        _graphs[id(recorded)] = recorded
        return id(recorded)
    return _answer(end)


def cuGraphInstantiate(hGraph, flags):
    """Make a graph that can be launched."""
    return _answer(lambda: _graphs.setdefault(hGraph + 1, list(_graphs[hGraph])) and hGraph + 1)


def cuGraphLaunch(hGraphExec, hStream):
    """Queue what was recorded."""
    def launch():
        for work in _graphs[hGraphExec]:
            _device.enqueue(hStream, work)
    return _answer(launch)


def cuGraphExecDestroy(hGraphExec):
    """Destroy."""
    del _graphs[hGraphExec]
    return (CUresult.CUDA_SUCCESS,)


def cuGraphDestroy(hGraph):
    """Destroy."""
    del _graphs[hGraph]
    return (CUresult.CUDA_SUCCESS,)
