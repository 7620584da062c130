# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A GPU without a GPU: memory by address, context stacks by thread, streams that work late.

Work on a stream runs when the stream is waited for, not before, so that a missing wait shows as
an old result. A call without a current context fails, as with the real driver.
"""

import threading

import numpy as np

# Above 32 bits: a binding that cuts addresses is found out.
FIRST_ADDRESS = 0x7f0000000000


class DeviceError(Exception):
    """What the fake libraries turn into their own errors."""


class Device:
    """State of the GPU; ``reset`` before each test."""

    def __init__(self):
        self.reset()

    def reset(self, free=2 << 30, total=4 << 30):
        """Forget everything."""
        self.free, self.total = free, total
        self.memory = {}
        self.pinned = {}
        self.streams = {}
        self.retained = 0
        self.fail_allocations_above = None
        self._next = FIRST_ADDRESS
        self._stacks = threading.local()

    # --- contexts

    def stack(self):
        """Return the contexts of the calling thread."""
        if not hasattr(self._stacks, 'contexts'):
            self._stacks.contexts = []
        return self._stacks.contexts

    def retain(self):
        """Retain the primary context."""
        self.retained += 1
        return 0xc0

    def release(self):
        """Release the primary context."""
        if self.retained == 0:
            raise DeviceError('primary context is not retained')
        self.retained -= 1

    def push(self, context):
        """Make a context current."""
        if self.retained == 0 or context != 0xc0:
            raise DeviceError('no such context')
        self.stack().append(context)

    def pop(self):
        """Return to the context before."""
        if not self.stack():
            raise DeviceError('context stack is empty')
        return self.stack().pop()

    def need_context(self):
        """Fail where no context is current."""
        if not self.stack():
            raise DeviceError('invalid device context')

    # --- memory

    def allocate(self, nbytes):
        """Return the address of new memory."""
        self.need_context()
        if self.fail_allocations_above is not None and nbytes > self.fail_allocations_above:
            raise DeviceError('out of memory')
        address = self._next
        self._next += nbytes + 256
        # Garbage, not zeros: memory that nobody wrote must not look like a result.
        self.memory[address] = np.full(nbytes, 0xa5, np.uint8)
        return address

    def free_memory(self, address):
        """Free memory."""
        self.need_context()
        if address not in self.memory:
            raise DeviceError('invalid address')
        del self.memory[address]

    def bytes_at(self, address, nbytes):
        """Return a view of memory that was allocated with at least so many bytes."""
        if address not in self.memory or len(self.memory[address]) < nbytes:
            raise DeviceError('invalid address')
        return self.memory[address][:nbytes]

    # --- streams

    def create_stream(self):
        """Return the handle of a new stream."""
        self.need_context()
        self._next += 256
        self.streams[self._next] = {'queue': [], 'capturing': None}
        return self._next

    def destroy_stream(self, stream):
        """Destroy a stream."""
        del self.streams[stream]

    def enqueue(self, stream, work):
        """Queue a function."""
        self.need_context()
        if stream not in self.streams:
            raise DeviceError('invalid stream')
        state = self.streams[stream]
        (state['queue'] if state['capturing'] is None else state['capturing']).append(work)

    def copy_in(self, address, array, stream):
        """Queue a copy to the device; the array is read when the copy runs."""
        source = array.reshape(-1).view(np.uint8)
        target = self.bytes_at(address, array.nbytes)
        self.enqueue(stream, lambda: np.copyto(target, source))

    def copy_out(self, array, address, stream):
        """Queue a copy from the device."""
        target = array.reshape(-1).view(np.uint8)
        source = self.bytes_at(address, array.nbytes)
        self.enqueue(stream, lambda: np.copyto(target, source))

    def synchronize(self, stream):
        """Run what was queued."""
        self.need_context()
        state = self.streams[stream]
        if state['capturing'] is not None:
            raise DeviceError('stream is capturing')
        while state['queue']:
            state['queue'].pop(0)()

    def is_clean(self):
        """Return whether everything was given back."""
        return not (self.memory or self.streams or self.retained or self.stack()
                    or self.pinned)


device = Device()
