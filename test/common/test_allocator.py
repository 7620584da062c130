# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames fault no new pages in once the settings are made; the collector passes imports over."""

import gc
import platform
import resource
import subprocess
import sys
import weakref

import pytest
from segformer_ros.common.allocator import no_garbage

# Three blocks a frame, freed together, as message, picture and mask are.
FRAMES = '''
import resource
import sys

import numpy as np
from segformer_ros.common.allocator import keep_freed_memory

if sys.argv[1] == 'keep':
    assert keep_freed_memory()

def frame():
    for block in [np.empty(2000000, np.uint8) for _ in range(3)]:
        block[:] = 1

for _ in range(3):
    frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
'''


def page_faults(project_root, setting):
    output = subprocess.check_output([sys.executable, '-c', FRAMES, setting], cwd=project_root)
    return int(output.decode('ascii'))


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='not glibc')
def test_frames_fault_no_pages_in_once_freed_memory_is_kept(project_root):
    pages_of_a_frame = 3 * 2000000 // resource.getpagesize()
    assert page_faults(project_root, 'leave') > 5 * pages_of_a_frame
    assert page_faults(project_root, 'keep') < pages_of_a_frame // 10


RETURNED = '''
import numpy as np
from segformer_ros.common.allocator import keep_freed_memory
from segformer_ros.common.allocator import return_freed_memory

def resident_pages():
    with open('/proc/self/statm', encoding='ascii') as stream:
        return int(stream.read().split()[1])

assert keep_freed_memory()
blocks = [np.ones(2000000, np.uint8) for _ in range(20)]
full = resident_pages()
del blocks
kept = resident_pages()
assert return_freed_memory()
print(full - kept, full - resident_pages())
'''


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='not glibc')
def test_freed_memory_that_was_kept_can_be_handed_back(project_root):
    output = subprocess.check_output([sys.executable, '-c', RETURNED], cwd=project_root)
    by_itself, by_request = [int(word) for word in output.split()]
    pages_of_the_blocks = 20 * 2000000 // resource.getpagesize()
    assert by_itself < pages_of_the_blocks // 10
    assert by_request > 9 * pages_of_the_blocks // 10


class Knot:
    """An object that only the collector can free."""

    def __init__(self):
        self.itself = self


def test_nothing_is_collected_inside_and_everything_is_afterwards():
    with no_garbage():
        assert not gc.isenabled()
    assert gc.isenabled()
    seen = weakref.ref(Knot())
    gc.collect()
    assert seen() is None


# In a process of its own, since nothing else gives back what was left out.
LEFT_OUT = '''
import gc
import weakref

from segformer_ros.common.allocator import no_garbage

class Knot:
    def __init__(self):
        self.itself = self

with no_garbage():
    seen = weakref.ref(Knot())
gc.collect()
assert (seen() is not None) == hasattr(gc, 'freeze')
if hasattr(gc, 'freeze'):
    gc.unfreeze()
    gc.collect()
assert seen() is None
'''


def test_what_was_made_inside_is_never_gone_through_again_from_cpython_3_7_on(project_root):
    subprocess.check_call([sys.executable, '-c', LEFT_OUT], cwd=project_root)


def test_collector_that_was_off_stays_off_and_an_error_leaves_it_as_it_was():
    with pytest.raises(KeyError), no_garbage():
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with no_garbage():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
