# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Depth images are found by the stamps of images, and a nearer one is waited for."""

import numpy as np
import pytest
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.camera_input import DepthImages
from segformer_ros.costmap.camera_input import is_rectified
from segformer_ros.costmap.camera_input import MEAN_BYTES

MS = 10 ** 6
IMAGE = 1000 * MS


class Stamped:
    """A message of which only the stamp is read, and how large it is."""

    frame_id = 'depth'
    encoding = '16UC1'

    def __init__(self, stamp_ns, size=0, frame_id='depth'):
        self.header = self
        self.stamp = self
        self.sec, self.nanosec = divmod(stamp_ns, 10 ** 9)
        self.stamp_ns = stamp_ns
        self.data = range(size)
        self.frame_id = frame_id


def images(*late_ms, kept=10):
    found = DepthImages('/depth', kept)
    for each in late_ms:
        found.add(Stamped(IMAGE + each * MS))
    return found


def taken(found, is_last):
    try:
        return (found.at(IMAGE, is_last).stamp_ns - IMAGE) // MS
    except TransformError as error:
        assert 'one within 20 ms on /depth' in str(error)
        return None


@pytest.mark.parametrize('late_ms, at_once, at_last', [
    ((), None, None), ((0,), 0, 0), ((-33, 0), 0, 0), ((-20,), None, -20), ((-21,), None, None),
    ((20,), 20, 20), ((21,), None, None), ((-15,), None, -15), ((-15, 18), -15, -15),
    ((-15, 8), 8, 8), ((-15, 40), -15, -15), ((8, -15), 8, 8)])
def test_one_before_the_image_is_taken_once_no_nearer_one_can_come(late_ms, at_once, at_last):
    found = images(*late_ms)
    assert taken(found, is_last=False) == at_once
    assert taken(found, is_last=True) == at_last


def test_any_two_neighbours_give_the_nearer_one_in_either_order():
    random = np.random.RandomState(5)
    for _ in range(300):
        late = sorted(random.choice(np.arange(-40, 41), 4, replace=False).tolist())
        near = [each for each in late if abs(each) <= 20]
        expected = min(near, key=abs) if near else None
        tied = [each for each in near if abs(each) == abs(expected)]
        assert taken(images(*late), True) in (tied or [None])
        assert taken(images(*late[::-1]), True) in (tied or [None])


def test_the_oldest_make_way():
    assert taken(images(0, 33, 66, kept=2), True) is None
    assert taken(images(0, 33, kept=2), True) == 0


@pytest.mark.parametrize('size, frame_id', [
    (MEAN_BYTES, 'depth'), (100, 'x' * MEAN_BYTES)])
def test_what_waits_is_bounded_in_bytes_and_the_newest_stays(size, frame_id):
    found = DepthImages('/depth', 2)
    for late in (-33, 0):
        found.add(Stamped(IMAGE + late * MS, size, frame_id))
    assert not _is_kept(found, IMAGE - 33 * MS) and _is_kept(found, IMAGE)
    # The newest is kept whatever it takes: nothing else of the camera is.
    found.add(Stamped(IMAGE + 33 * MS, 9 * MEAN_BYTES))
    assert _is_kept(found, IMAGE + 33 * MS) and not _is_kept(found, IMAGE)


def test_one_in_the_place_of_another_of_its_stamp_is_not_counted_twice():
    found = DepthImages('/depth', 2)
    for _ in range(5):
        found.add(Stamped(IMAGE - 33 * MS, MEAN_BYTES - 100))
    found.add(Stamped(IMAGE, MEAN_BYTES - 100))
    assert _is_kept(found, IMAGE - 33 * MS) and _is_kept(found, IMAGE)


def _is_kept(found, stamp_ns):
    try:
        return found.at(stamp_ns).stamp_ns == stamp_ns
    except TransformError:
        return False


@pytest.mark.parametrize('choice, topic, expected', [
    ('yes', '/image_raw', True), ('no', '/image_rect', False), ('auto', '/image_rect', True),
    ('auto', '/image_raw', False)])
def test_a_camera_is_rectified_by_choice_or_by_its_name(choice, topic, expected):
    assert is_rectified(choice, topic) is expected
