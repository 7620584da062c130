# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Make the C library keep the memory that images free, and the collector leave modules alone.

glibc hands blocks of images back to the kernel when they are freed, and the kernel clears every
page anew for the next frame: 640 faults a frame of 640 x 480, which is more work than taking
the message itself.
"""

import contextlib
import ctypes
import gc
from typing import Dict, Iterator

MEGABYTE = 1 << 20
# Names and numbers of mallopt(3), from glibc's malloc.h.
SETTINGS: Dict[str, int] = {
    'M_MMAP_THRESHOLD': 32 * MEGABYTE,  # the most that 64 bit glibc takes; 4K rgb8 has 24
    'M_TRIM_THRESHOLD': 256 * MEGABYTE,
    'M_TOP_PAD': 16 * MEGABYTE}
_NUMBERS = {'M_MMAP_THRESHOLD': -3, 'M_TRIM_THRESHOLD': -1, 'M_TOP_PAD': -2}


def keep_freed_memory() -> bool:
    """
    Change the allocator's settings for the rest of the process.

    Blocks up to 32 MB come from the heap, which shrinks no more until 256 MB are free.

    :return: whether the C library took all of them; others than glibc have no such settings
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    taken = [mallopt(_NUMBERS[name], size) == 1 for name, size in SETTINGS.items()]
    return all(taken)


def return_freed_memory() -> bool:
    """
    Hand memory that was freed back to the kernel, whatever the settings say.

    malloc_trim(3) of glibc: milliseconds, so between two configurations and not between frames.

    :return: whether there was any; false with C libraries other than glibc
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    return bool(trim(0))


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """
    Collect nothing inside of the block, and never go through what was made there.

    Made for imports: those of the node leave 100,000 objects. Going through them again and again
    is a quarter of the processor time of a process that does nothing else. CPython 3.6 cannot
    leave objects out, and only waits.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        # From 3.7 on.
        getattr(gc, 'freeze', lambda: None)()
    finally:
        if was_enabled:
            gc.enable()
