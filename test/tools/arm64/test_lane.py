# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The package on ARM64, under emulation: a slice of the tests, run by an ARM64 Python.

Kernels against their twins and against what an x86-64 recorded, the costmap's stages, a whole
frame of the shipped network, the making and comparing of an optimized model, and what reads
bytes. Part of make test-slow; by itself: make test-arm64.
"""

import os
import re
import subprocess
import sys
import time

import pytest

# The ADE20K export at 512 x 512 takes 100 s of processor time there and tests of postprocessing
# 150 s, whose results the recorded ones hold bit by bit: they are not among them. Nor are property
# tests, whose examples are the same on every processor.
SLICES = {
    'recorded': ['test/tools/arm64/test_recorded_results.py'],
    'kernels': ['test/segmentation/test_kernel_build.py', '-k',
                'built_once or sign_of_char or damaged_library_without'],
    'segmentation': ['test/segmentation/test_exact_argmax.py',
                     'test/segmentation/test_preprocessing.py'],
    'optimized model': ['test/model/optimize/test_worker.py', 'test/model/optimize/test_cache.py'],
    'costmap': ['test/costmap/test_grid.py', 'test/costmap/test_points.py',
                'test/costmap/test_cost_table.py', 'test/costmap/geometry/test_transforms.py',
                'test/costmap/geometry/test_transform_buffer.py'],
    'common': ['test/common/test_machine.py', 'test/common/test_file_cache.py',
               'test/common/test_image_header.py', 'test/common/test_private_files.py',
               'test/common/test_table_cache.py', 'test/model/onnx_file/test_header.py'],
}
LEAST_TESTS = 250
UNAVAILABLE = 69


@pytest.fixture(scope='module')
def arm64(project_root):
    """Return what runs a command of ARM64; made once, and kept in the checkout."""
    folder = os.path.join(project_root, '.venv-arm64')
    tools = os.path.join(project_root, 'tools', 'arm64')
    done = subprocess.run([os.path.join(tools, 'prepare.sh'), folder], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=1200,
                          env=dict(os.environ, PYTHON=sys.executable))
    if done.returncode == UNAVAILABLE:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout

    def run(*arguments, timeout=900, **environment):
        command = [os.path.join(tools, 'enter.sh'), folder,
                   os.path.join(folder, 'root', 'usr', 'bin', 'python3.11')]
        variables = {name: value for name, value in os.environ.items()
                     if not name.startswith(('PYTHON', 'PYTEST', 'AMENT', 'ROS'))}
        return subprocess.run(command + list(arguments), env=dict(variables, **environment),
                              cwd=project_root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, timeout=timeout)
    return run


@pytest.mark.slow
def test_python_and_its_children_are_of_arm64(arm64):
    code = ('import subprocess, sys\n'
            'ask = [sys.executable, "-c", "import platform; print(platform.machine())"]\n'
            'print(subprocess.check_output(ask).decode(), end="")\n'
            'import numpy, os, platform\n'
            'print(platform.machine(), numpy.arange(5).sum(), os.access("/", os.R_OK))\n')
    done = arm64('-c', code)
    assert (done.returncode, done.stdout) == (0, 'aarch64\naarch64 10 True\n')


COUNTS = {}


@pytest.mark.slow
@pytest.mark.parametrize('name', SLICES)
def test_slice_is_green_on_arm64(arm64, tmp_path, capsys, name):
    began, used = time.monotonic(), os.times()
    done = arm64('-m', 'pytest', '-p', 'no:cacheprovider', '-q', '-s', '-m',
                 'not slow and not hypothesis',
                 *SLICES[name], SEGFORMER_ROS_CACHE=str(tmp_path / 'cache'),
                 SEGFORMER_ROS_TEST_ENVIRONMENT='arm64')
    now = os.times()
    spent = now.children_user + now.children_system - used.children_user - used.children_system
    with capsys.disabled():
        told = '\n'.join(line for line in done.stdout.splitlines() if ' differ' in line)
        print(f'\narm64, {name}: {done.stdout.strip().splitlines()[-1]}; '
              f'{time.monotonic() - began:.0f} s, {spent:.0f} s of processor time\n{told}')
    assert done.returncode == 0, done.stdout
    passed, = re.findall(r'(\d+) passed', done.stdout)
    COUNTS[name] = int(passed)


@pytest.mark.slow
def test_as_many_tests_ran_as_the_lane_promises(arm64):
    if set(COUNTS) != set(SLICES):
        pytest.skip('not every slice of the ARM64 lane was run')
    assert sum(COUNTS.values()) >= LEAST_TESTS, COUNTS
