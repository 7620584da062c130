# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Memory of masks is used again when nobody has it, and never before."""

import array

import numpy as np
import pytest
from segformer_ros.segmentation import postprocessing
from segformer_ros.segmentation.postprocessing import bytes_of
from segformer_ros.segmentation.postprocessing import PixelBuffers


def address(values):
    return values.ctypes.data


def test_memory_is_used_again_once_the_array_is_gone():
    buffers = PixelBuffers()
    taken = buffers.take((3, 5))
    assert taken.shape == (3, 5) and taken.dtype == np.uint8
    assert taken.flags.writeable and taken.flags.c_contiguous
    first = address(taken)
    del taken
    assert address(buffers.take((3, 5))) == first
    # Another shape of as many pixels, too.
    assert buffers.take((5, 3)).shape == (5, 3)


@pytest.mark.parametrize('holder', [
    lambda taken: taken, lambda taken: taken[1:, 2:], lambda taken: taken.T,
    lambda taken: memoryview(taken), bytes_of, lambda taken: bytes_of(taken[:]),
    lambda taken: np.frombuffer(bytes_of(taken), np.uint8)])
def test_what_anybody_still_holds_is_not_handed_out(holder):
    buffers = PixelBuffers()
    taken = buffers.take((3, 5))
    taken[...] = 7
    first = address(taken)
    held = holder(taken)
    del taken
    others = [buffers.take((3, 5)) for _ in range(3 * postprocessing.MOST_KEPT)]
    assert len({address(each) for each in others} | {first}) == 1 + len(others)
    for number, each in enumerate(others):
        each[...] = 100 + number
    assert set(np.asarray(held).ravel().tolist()) == {7}
    assert [set(each.ravel().tolist()) for each in others] == [
        {100 + number} for number in range(len(others))]


def test_no_more_is_kept_than_two_frames_need_a_few_times():
    buffers = PixelBuffers()
    for size in range(1, 5 * postprocessing.MOST_KEPT):
        buffers.take((size, 2))
    assert len(buffers._kept) == postprocessing.MOST_KEPT
    assert sorted(map(len, buffers._kept)) == list(
        range(8 * postprocessing.MOST_KEPT, 10 * postprocessing.MOST_KEPT, 2))


def test_bytes_are_those_of_the_array_itself():
    taken = PixelBuffers().take((4, 6))
    taken[...] = np.arange(24).reshape(4, 6)
    found = bytes_of(taken)
    assert type(found) is array.array and found.typecode == 'B'
    assert found.tolist() == list(range(24))
    taken[3, 5] = 99
    assert found[-1] == 99
    assert bytes_of(taken.reshape(-1)) is found


@pytest.mark.parametrize('part', [
    lambda taken: taken[1:], lambda taken: taken[:-1], lambda taken: taken[:, ::-1],
    lambda taken: taken.T, lambda taken: taken[:, :3], lambda taken: taken.copy(),
    lambda taken: np.frombuffer(bytes(24), np.uint8),
    lambda taken: np.frombuffer(array.array('h', range(12)), np.uint8)])
def test_bytes_of_anything_else_are_not_given(part):
    assert bytes_of(part(PixelBuffers().take((4, 6)))) is None
