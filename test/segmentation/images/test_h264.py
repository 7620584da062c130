# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A lost packet of H.264 is seen by the numbers of the pictures; test_video.py decodes them."""

import itertools

import pytest
from segformer_ros.segmentation.images.h264 import FrameNumbers

# The beginnings of six packets that x264 made, a key picture each four of them.
PACKETS = [bytes.fromhex(text) for text in (
    '0000016742c00bda0a3684000003000400000300f23c50aa80000000016588843a0c6000803084',
    '000001419a202ab130c40e0002', '000001419a402eb0433d703bd2', '000001419a602eb043ffffffff',
    '0000016742c00bda0a3684000003000400000300f23c50aa800000000165888202e86628000dd8',
    '000001419a202a9410ffffffff')]


def followed(*numbers):
    """Return which of some packets follow."""
    frames = FrameNumbers()
    return [frames.follows(PACKETS[number]) for number in numbers]


def test_a_whole_stream_follows():
    assert followed(*range(6)) == [True] * 6


@pytest.mark.parametrize('kept', [kept for count in range(1, 6)
                                  for kept in itertools.combinations(range(6), count)])
def test_nothing_follows_a_loss_until_a_key_picture(kept):
    expected, whole = [], False
    before = None
    for number in kept:
        # 4 begins anew, as 0 does.
        whole = number in (0, 4) or (whole and number == before + 1)
        before = number
        expected.append(whole)
    # Number 5 is numbered as number 1 is: behind a key picture both follow.
    if 0 in kept and 5 in kept and not {1, 2, 3, 4} & set(kept):
        expected[kept.index(5)] = True
    assert followed(*kept) == expected


def test_a_picture_that_no_other_refers_to_has_the_number_of_the_next_one():
    # As in streams of several temporal layers.
    alone = PACKETS[2][:3] + b'\x01' + PACKETS[2][4:]
    for packets, last in ((PACKETS[:2] + [alone] + PACKETS[2:4], True),
                          (PACKETS[:2] + [alone] + PACKETS[3:4], False)):
        frames = FrameNumbers()
        assert all(frames.follows(each) for each in packets[:-1])
        assert frames.follows(packets[-1]) == last


@pytest.mark.parametrize('packet', [
    b'', b'no start code', b'\0\0\1', b'\0\0\1\x41', PACKETS[0][:12], b'\0\0\1\x67' + bytes(60),
    b'\0\0\1\x09' * 10 ** 5 + PACKETS[1]])
def test_what_is_no_picture_follows_nothing_and_nothing_follows_it(packet):
    frames = FrameNumbers()
    assert frames.follows(PACKETS[0])
    assert not frames.follows(packet)
    assert frames.follows(PACKETS[4])
