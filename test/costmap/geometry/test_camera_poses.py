# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Poses of cameras: the frame that stands in for the ground, the age of ranges, texts."""

import tracemalloc
import types

import numpy as np
import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry import camera_poses
from segformer_ros.costmap.geometry.camera_poses import CameraPoses
from segformer_ros.costmap.geometry.camera_poses import Frames
from segformer_ros.costmap.geometry.camera_poses import Mount
from segformer_ros.costmap.geometry.camera_poses import range_reading
from segformer_ros.costmap.geometry.camera_poses import RANGE_READINGS
from segformer_ros.costmap.geometry.camera_poses import RangeReading
from segformer_ros.costmap.geometry.transforms import planar_pose

SECOND = 1000000000
MOUNT = Mount(height=1.2, pitch=0.4)
IDENTITY = np.eye(4)


class Robot:
    """Transforms by name, the same at all times; ``names`` are known."""

    source = 'a robot'

    def __init__(self, *names, **poses):
        self.names, self.poses, self.is_destroyed = set(names), poses, False

    def knows(self, name):
        """Return whether a transform names it."""
        return name in self.names

    def lookup(self, target, source, stamp_ns):
        """Return a pose."""
        try:
            return self.poses[f'{target}_{source}']
        except KeyError:
            raise TransformError('Unknown frame', got=source, remedy='Publish it.') from None

    def clear(self):
        """Forget."""
        self.poses = {}

    def destroy(self):
        """End."""
        self.is_destroyed = True


@pytest.fixture
def clock(monkeypatch):
    """Return a clock of one number of seconds that a test may change."""
    now = [100.0]
    monkeypatch.setattr(camera_poses.time, 'monotonic', lambda: now[0])
    return now


def test_base_link_is_the_ground_after_half_the_tolerance_until_the_footprint_comes(clock):
    told, robot = [], Robot('base_link')
    poses = CameraPoses(robot, told.append)
    frames = Frames(transform_tolerance=3.0)
    ground = []
    for after in (0.0, 1.4, 1.6, 5.0):
        clock[0] = 100.0 + after
        ground.append(poses.with_known_ground(Mount(), frames).ground_frame)
    assert ground == ['base_footprint', 'base_footprint', 'base_link', 'base_link']
    assert poses.ground_frame(frames) == 'base_link'
    assert len(told) == 1 and 'z = 0 of base_link counts as the ground' in told[0]
    robot.names.add('base_footprint')
    for _ in range(2):
        assert poses.with_known_ground(Mount(), frames) == frames
    assert poses.ground_frame(frames) == 'base_footprint'
    assert len(told) == 2 and 'base_footprint has come' in told[1]
    # The time counts anew where it goes again.
    robot.names.remove('base_footprint')
    assert poses.with_known_ground(Mount(), frames) == frames
    clock[0] += 1.6
    assert poses.with_known_ground(Mount(), frames).ground_frame == 'base_link'


@pytest.mark.parametrize('names, frames, mount', [
    ((), Frames(), Mount()),
    (('base_link',), Frames(ground_frame='floor'), Mount()),
    (('base_link',), Frames(odom_frame='base_link'), Mount()),
    (('base_link',), Frames(odom_frame='base_footprint'), Mount()),
    (('base_link',), Frames(is_nadir=True), Mount()),
    (('base_link', 'base_footprint'), Frames(), Mount())])
def test_nothing_stands_in_where_nothing_has_to_or_can(clock, names, frames, mount):
    told = []
    poses = CameraPoses(Robot(*names), told.append)
    for _ in range(3):
        assert poses.with_known_ground(mount, frames) == frames
        assert poses.ground_frame(frames) == frames.ground_frame
        clock[0] += 100.0
    assert told == []


def test_a_drone_whose_mount_is_known_stands_on_the_stand_in(clock):
    poses = CameraPoses(Robot('base_link'))
    assert poses.with_known_ground(MOUNT, Frames(is_nadir=True)).ground_frame == 'base_link'


def test_frames_of_megabytes_at_a_range_finder_fill_no_memory():
    poses = CameraPoses(Robot())
    tracemalloc.start()
    try:
        for number in range(RANGE_READINGS):
            poses.add_range(range_reading(types.SimpleNamespace(
                range=1.0, min_range=0.1, max_range=9.0, header=types.SimpleNamespace(
                    frame_id=f'{number}_' + 'x' * 100000,
                    stamp=types.SimpleNamespace(sec=number, nanosec=0)))))
        assert tracemalloc.get_traced_memory()[0] < 2000000
    finally:
        tracemalloc.stop()


def test_time_that_went_back_begins_the_wait_anew(clock):
    poses = CameraPoses(Robot('base_link'))
    frames = Frames(transform_tolerance=2.0)
    poses.with_known_ground(Mount(), frames)
    clock[0] += 0.9
    poses.clear()
    assert poses.with_known_ground(Mount(), frames) == frames
    clock[0] += 0.9
    assert poses.with_known_ground(Mount(), frames) == frames


def down_at(height):
    pose = planar_pose(1.0, 2.0, 0.0)
    # x of the frame, the beam's, points down.
    pose[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    pose[2, 3] = height
    return pose


@pytest.mark.parametrize('age, is_used', [
    (0.0, True), (0.999, True), (1.0, True), (1.001, False), (-1.0, True), (-1.001, False)])
def test_a_range_counts_for_a_second_on_both_sides(age, is_used):
    poses = CameraPoses(Robot(odom_eye=down_at(30.0), odom_beam=down_at(29.0)))
    frames = Frames(is_nadir=True, height_source='range')
    stamp = 10 * SECOND
    poses.add_range(RangeReading(4.0, 'beam', stamp - int(round(age * SECOND))))
    if not is_used:
        with pytest.raises(TransformError) as caught:
            poses.pose_of(Mount(), 'eye', stamp, frames)
        assert caught.value.got == f'{age:.3f} s'
    else:
        pose = poses.pose_of(Mount(), 'eye', stamp, frames)
        assert pose.ground_from_camera[2, 3] == pytest.approx(5.0)


def test_of_many_ranges_the_last_before_the_image_counts():
    poses = CameraPoses(Robot(odom_eye=down_at(9.0), odom_beam=down_at(9.0)))
    frames = Frames(is_nadir=True, height_source='range')
    stamp = 10 * SECOND
    # As they come over an unordered link.
    for distance, before in ((5.0, 500000000), (3.0, 100000000), (4.0, 300000000), (7.0, -1)):
        poses.add_range(RangeReading(distance, 'beam', stamp - before))

    def height(at):
        return poses.pose_of(Mount(), 'eye', at, frames).ground_from_camera[2, 3]
    assert [height(stamp), height(stamp + 1), height(stamp - 100000001),
            height(stamp - 300000000), height(stamp - 900000000)] == [3.0, 7.0, 4.0, 4.0, 5.0]
    poses.clear()
    with pytest.raises(TransformError, match='No range was received'):
        poses.pose_of(MOUNT, 'eye', stamp, frames._replace(odom_frame='base_footprint'))


def test_a_mount_carries_the_camera_of_a_drone_too():
    robot = planar_pose(3.0, 4.0, 0.0)
    robot[2, 3] = 20.0
    poses = CameraPoses(Robot(odom_base_footprint=robot))
    pose = poses.pose_of(MOUNT, '', SECOND, Frames(is_nadir=True))
    assert pose.ground_from_camera[2, 3] == pytest.approx(21.2)
    assert pose.odom_from_ground[:3, 3] == pytest.approx([3.0, 4.0, 0.0])


@pytest.mark.parametrize('tolerance, waited', [(0.0, False), (0.25, True)])
def test_a_missing_transform_names_frames_parameters_and_the_wait(tolerance, waited):
    poses = CameraPoses(Robot(odom_base_footprint=IDENTITY))
    frames = Frames(transform_tolerance=tolerance)
    with pytest.raises(TransformError) as caught:
        poses.pose_of(Mount(), 'eye', SECOND, frames)
    remedy = caught.value.remedy
    assert remedy.startswith("Publish it. Asked for 'eye' (frame_id of the images) in "
                             "'base_footprint' (ground_frame)")
    assert ('waited 0.25 s (transform_tolerance)' in remedy) == waited
    assert ('wait longer' in remedy) == waited
    with pytest.raises(TransformError, match='Unknown frame') as caught:
        CameraPoses(Robot()).pose_of(MOUNT, 'eye', SECOND, frames)
    assert "'base_footprint' (ground_frame) in 'odom' (odom_frame)" in caught.value.remedy


def test_depth_is_taken_where_tf_says_that_it_is_the_same_place():
    poses = CameraPoses(Robot(eye_depth=IDENTITY, eye_tower=planar_pose(2.0, 0.0, 0.0)))
    poses.check_same_place('eye', 'eye', SECOND)
    poses.check_same_place('eye', 'depth', SECOND)
    for elsewhere in ('tower', 'nowhere'):
        with pytest.raises(InvalidInputError):
            poses.check_same_place('eye', elsewhere, SECOND)


def test_a_body_that_tips_tips_the_pose_and_the_end_is_handed_on():
    asked, robot = [], Robot(odom_base_footprint=IDENTITY, base_footprint_imu=IDENTITY)

    def tip(pose, stamp_ns, frame_of, is_last):
        asked.append((stamp_ns, frame_of('imu').tolist(), is_last))
        return pose._replace(odom_from_ground=planar_pose(7.0, 0.0, 0.0))
    poses = CameraPoses(robot, tip=tip)
    for is_last in (True, False):
        pose = poses.pose_of(MOUNT, '', SECOND, Frames(), is_last)
        assert pose.odom_from_ground[0, 3] == 7.0
    poses.pose_of(MOUNT, '', SECOND, Frames())
    assert asked == [(SECOND, IDENTITY.tolist(), is_last) for is_last in (True, False, True)]
    assert poses.source == 'a robot'
    poses.destroy()
    assert robot.is_destroyed
