# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The watch's thread: what it says, what it corrects, and that nobody waits for it."""

import math

import numpy as np
import pytest
from segformer_ros.calibration.ground_motion import mount_of
from segformer_ros.calibration.verdict import MountVerdict
from segformer_ros.calibration.watch import WatchedFrame
from segformer_ros.costmap.geometry import transforms
from segformer_ros.ros.costmap.mount_watcher import MountWatcher
from support import noise_floor
from support.noise_floor import DEGREE
from support.noise_floor import TOLD
from support.ros_graph import wait_until


def drive(watcher, true, images=14, is_ground=noise_floor.IS_GROUND, start=10.0):
    """Show the watcher a drive, each image when the one before is done."""
    camera, floor, place = noise_floor.camera(), noise_floor.floor_picture(), np.eye(4)
    for index in range(images):
        image, mask = noise_floor.seen(floor, place, true)
        frame = WatchedFrame(start + 0.4 * index, image, mask,
                             transforms.CameraPose(place, TOLD.matrix()))
        watcher.offer(frame, camera, is_ground)
        wait_until(lambda: watcher.is_idle, 'the image to be done')
        place = place.dot(transforms.planar_pose(0.15, 0.0, 0.02))
    return frame


@pytest.mark.parametrize('apply', [False, True])
def test_a_camera_that_is_bumped_is_told_and_corrected_where_that_is_asked_for(apply):
    said = []
    watcher = MountWatcher('front', said.append, MountVerdict(5.0, 0.05, apply))
    watcher.start()
    try:
        frame = drive(watcher, TOLD._replace(pitch=TOLD.pitch + 1.5 * DEGREE))
    finally:
        assert watcher.stop(10.0)
    fault = watcher.fault()
    assert fault.startswith('front: the mount is off: pitch +1.')
    assert ('corrected by +1.' in fault) == apply
    assert ('calibrate_mount' in fault) != apply
    assert len(said) == 1 and said[0].startswith('front: the mount is off: pitch +1.')
    pitch = mount_of(watcher.corrected(frame.pose).ground_from_camera).pitch - TOLD.pitch
    assert math.degrees(pitch) == pytest.approx(1.5 * apply, abs=0.2)
    figures = dict(watcher.figures())
    assert figures['front: mount is off by'].startswith('pitch +1.')
    assert ('front: mount corrected by' in figures) == apply
    assert 0.1 < float(figures[
        'front: mount watch [ms of processor time an image]']) < 1000.0


def test_a_mount_as_it_is_told_is_left_alone():
    said = []
    watcher = MountWatcher('', said.append, MountVerdict(5.0, 0.05, True))
    watcher.start()
    try:
        frame = drive(watcher, TOLD)
    finally:
        assert watcher.stop(10.0)
    assert (watcher.fault(), said) == ('', [])
    assert watcher.corrected(frame.pose) is frame.pose
    assert dict(watcher.figures())['mount is off by'] != 'unknown'


def test_other_classes_and_another_range_count_from_the_next_image_on():
    watcher = MountWatcher('', print, MountVerdict(5.0, 0.5, False))
    watcher.start()
    try:
        off = TOLD._replace(pitch=TOLD.pitch + 0.7 * DEGREE)
        drive(watcher, off)
        assert watcher.fault() == ''
        # The same error costs more than a smaller cell.
        watcher.measure_by(5.0, 0.05)
        drive(watcher, off, start=20.0)
        assert watcher.fault() != ''
        # By the names of another network there is no ground in view.
        drive(watcher, TOLD, is_ground=np.zeros(256, bool), start=30.0)
        assert dict(watcher.figures())['mount is off by'] == 'unknown'
    finally:
        assert watcher.stop(10.0)


def test_images_beyond_one_that_waits_are_left_out():
    watcher = MountWatcher('', print, MountVerdict(5.0, 0.05, True))
    # Not started: nothing is ever done, and nobody waits.
    image, mask = noise_floor.seen(noise_floor.floor_picture(), np.eye(4), TOLD)
    pose = transforms.CameraPose(np.eye(4), TOLD.matrix())
    for index in range(5):
        watcher.offer(WatchedFrame(10.0 + index, image, mask, pose), noise_floor.camera(),
                      noise_floor.IS_GROUND)
    assert not watcher.is_idle
    assert dict(watcher.figures())['mount is off by'] == 'unknown'
