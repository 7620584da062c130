# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The same logits give the same masks, grids and clouds on every processor, bit by bit.

What was recorded on an x86-64 is compared here: on another x86-64 by make test, on ARM64 by
make test-arm64. The command that records it is in tools/arm64/recorded_results.py.
"""

import os
import sys

import numpy as np
import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(os.path.dirname(TESTS), 'tools', 'arm64'))

import recorded_results  # noqa: E402
from segformer_ros.common.compiled import compiler  # noqa: E402
from segformer_ros.segmentation import kernel_build  # noqa: E402


@pytest.fixture(scope='module')
def recorded():
    with np.load(os.path.join(TESTS, 'data', 'recorded_x86_64.npz')) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope='module')
def kernels():
    if compiler.find_compiler().path is None:
        pytest.skip('no C compiler')
    compiled = kernel_build.load_kernels()
    assert compiled.kernels is not None, compiled.origin
    return compiled.kernels


def has_fused_multiply_add():
    """Return whether the kernels fuse where they say so: every ARM64, and x86 since 2013."""
    with open('/proc/cpuinfo') as stream:
        text = stream.read()
    return ' fma ' in text or 'asimd' in text


def compare(found, recorded, levels=0):
    """Compare results with those of the same name; confidence may differ by some levels."""
    assert found
    for name, values in found.items():
        expected = recorded[name]
        assert values.shape == expected.shape and values.dtype == expected.dtype, name
        if 'confidence' in name and levels:
            assert np.abs(values.astype(int) - expected).max() <= levels, name
        else:
            assert np.array_equal(values, expected), name


def test_kernels_give_the_masks_confidence_and_tensors_of_the_record(kernels, recorded):
    levels = 0 if has_fused_multiply_add() else 1
    compare(recorded_results.masks(kernels, 'kernels'), recorded, levels)
    compare(recorded_results.tensors(kernels, 'kernels'), recorded)


def test_numpy_and_pillow_give_the_masks_and_tensors_of_the_record(recorded):
    # numpy's exp and log are vectorised otherwise on each processor.
    compare(recorded_results.masks(None, 'twins'), recorded, 1)
    compare(recorded_results.tensors(None, 'twins'), recorded)


def test_kernels_and_twins_agree_in_the_record(recorded):
    compare({name.replace('kernels', 'twins'): values for name, values in recorded.items()
             if name.startswith('kernels')}, recorded, 1)


def test_costmap_gives_the_grids_and_clouds_of_the_record(recorded):
    compare(recorded_results.costmaps(recorded['twins mask nchw 0.0'],
                                      recorded['twins confidence nchw 0.0']), recorded)


def test_whole_frames_of_the_shipped_network_give_the_masks_of_the_record(kernels, recorded):
    pytest.importorskip('onnxruntime')
    found = recorded_results.frames(kernels)
    # A sum in another order moves a logit in its last bits: a pixel on a border may tip.
    for name in [name for name in found if name.startswith('frame opencv')]:
        values = found.pop(name)
        if 'mask' in name:
            differing = np.mean(values != recorded[name])
            print(f'{name}: {differing:.3%} of the labels differ after the plain OpenCV resize')
            assert differing <= 0.002, name
    for name in [name for name in found if 'mask' in name]:
        differing = np.mean(found[name] != recorded[name])
        print(f'{name}: {differing:.4%} of the labels differ')
    compare(found, recorded, 1)


def test_plain_opencv_resize_differs_by_a_level_at_most(recorded):
    for name, values in recorded_results.plain_resize().items():
        distance = np.abs(values.astype(int) - recorded[name])
        print(f'{name}: {np.mean(distance > 0):.3%} of the values differ')
        assert distance.max() <= 1
