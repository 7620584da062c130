# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The part of pycuda.driver that is used, on the fake device.

Names, parameters and results are those of pycuda 2025.1.2, read from the docstrings of its
compiled module.
"""

import numpy as np

from support.fake_device import device as _device
from support.fake_device import DeviceError


class Error(Exception):
    """pycuda's base of errors."""


class MemoryError(Error):
    """Out of device memory."""


class LogicError(Error):
    """Called wrongly, or without a context."""


def _translated(function, *arguments):
    try:
        return function(*arguments)
    except DeviceError as error:
        raise (MemoryError if 'memory' in str(error) else LogicError)(str(error))


def init(flags=0):
    """Initialise."""


class Context:
    """A context."""

    def __init__(self, handle):
        self._handle = handle

    def push(self):
        """Make current."""
        _translated(_device.push, self._handle)

    @staticmethod
    def pop():
        """Return to the one before."""
        _translated(_device.pop)

    @property
    def handle(self):
        """Return the driver's handle."""
        return self._handle

    def detach(self):
        """Release; as in pycuda 2025.1.2, the context stays pushed."""
        _translated(_device.push, self._handle)
        _translated(_device.release)


class Device:
    """A GPU."""

    def __init__(self, number):
        if number != 0:
            raise LogicError('invalid device ordinal')

    def retain_primary_context(self):
        """Retain."""
        return Context(_device.retain())


class DeviceAllocation:
    """Memory on the GPU."""

    def __init__(self, address):
        self._address = address

    def __int__(self):
        """Return the address."""
        return self._address

    def free(self):
        """Free."""
        _translated(_device.free_memory, self._address)


def mem_alloc(nbytes):
    """Allocate."""
    return DeviceAllocation(_translated(_device.allocate, nbytes))


def pagelocked_empty(shape, dtype, order='C', mem_flags=0):
    """Allocate on the host."""
    _translated(_device.need_context)
    return np.empty(shape, dtype, order)


class Stream:
    """A stream; the real one is destroyed with its last reference."""

    def __init__(self, flags=0):
        self.handle = _translated(_device.create_stream)

    def synchronize(self):
        """Wait."""
        _translated(_device.synchronize, self.handle)

    def __del__(self):
        """Destroy."""
        _device.streams.pop(self.handle, None)


def memcpy_htod_async(dest, src, stream=None):
    """Copy to the GPU."""
    _translated(_device.copy_in, int(dest), src, stream.handle)


def memcpy_dtoh_async(dest, src, stream=None):
    """Copy from the GPU."""
    _translated(_device.copy_out, dest, int(src), stream.handle)


def mem_get_info():
    """Return free and total memory."""
    _translated(_device.need_context)
    return (_device.free, _device.total)
