# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A wall clock that a test sets, for one process and its children alone.

A library before all others adds a number of nanoseconds, which lies in a file, to what the
system says of CLOCK_REALTIME. Steady clocks stay as they are, as with ``date -s``. What waits in
the kernel for a moment of the wall clock waits by the machine's own.
"""

import mmap
import os
import shutil
import struct
import subprocess
import time

from builtin_interfaces.msg import Time
import pytest

_SOURCE = r'''
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void open_file(void) {
  const char *path = getenv("STEPPED_CLOCK_FILE");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) offset = mapped;
  close(file);
}

int clock_gettime(clockid_t id, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, id, now);
  if (!failed && offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
    int64_t all = now->tv_sec * 1000000000LL + now->tv_nsec + *offset;
    now->tv_sec = all / 1000000000LL;
    now->tv_nsec = all % 1000000000LL;
  }
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *kept) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (kept) *kept = exact.tv_sec;
  return exact.tv_sec;
}
'''


class SteppedClock:
    """
    The wall clock of a process.

    :param folder: for the library and the file
    """

    def __init__(self, folder):
        compiler = shutil.which('cc') or shutil.which('gcc')
        if compiler is None:
            pytest.skip('no C compiler')
        source, library, path = (os.path.join(str(folder), name) for name in (
            'stepped_clock.c', 'stepped_clock.so', 'stepped_clock'))
        with open(source, 'w', encoding='ascii') as stream:
            stream.write(_SOURCE)
        subprocess.check_call([compiler, '-O1', '-shared', '-fPIC', '-o', library, source])
        with open(path, 'wb') as stream:
            stream.write(bytes(8))
        with open(path, 'r+b') as stream:
            self._map = mmap.mmap(stream.fileno(), 8)
        self.environment = {'LD_PRELOAD': library, 'STEPPED_CLOCK_FILE': path}

    def step(self, seconds):
        """Set the clock forward, or back."""
        before, = struct.unpack('<q', self._map[:])
        self._map[:] = struct.pack('<q', before + int(seconds * 1e9))

    def seconds(self):
        """Return what the process takes for now."""
        return time.time() + struct.unpack('<q', self._map[:])[0] / 1e9

    def stamp(self):
        """Return it as a message."""
        whole, part = divmod(self.seconds(), 1.0)
        return Time(sec=int(whole), nanosec=int(part * 1e9))
