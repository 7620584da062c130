# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames of a process with the settings fault no new pages in."""

import platform
import subprocess
import sys

import pytest

# Three blocks a frame, freed together, as message, picture and mask are.
FRAMES = '''
import resource
import sys

import numpy as np
from segformer_ros.segmentation.allocator import keep_freed_memory

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
    pages_of_a_frame = 3 * 2000000 // 4096
    assert page_faults(project_root, 'leave') > 5 * pages_of_a_frame
    assert page_faults(project_root, 'keep') < pages_of_a_frame // 10
