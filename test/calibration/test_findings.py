# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is said of drives that determine little, and of numbers that are at their bounds."""

import math

import numpy as np
import pytest
from segformer_ros.calibration import drive as calibration_drive
from segformer_ros.calibration import findings
from segformer_ros.calibration import report
from segformer_ros.calibration import solver
from segformer_ros.calibration.motion_log import Joint
from segformer_ros.calibration.trajectory import Trajectory
from segformer_ros.costmap.geometry.camera_poses import Mount
from segformer_ros.costmap.geometry.transforms import planar_pose
from support.mount_drives import camera_of

pytest.importorskip('scipy', reason='scipy is not installed for this Python')

START = Mount(0.8, math.radians(20.0))
SIZE = (160, 120)


def driven(speed=0.5, turn=0.0, texture=True, ground=True, frames=12, grain=8):
    """Return a drive of small images of other noise each, a step of 0.1 s after the last."""
    stamps = np.arange(-5, 10 * frames + 5) * 0.02
    trajectory = Trajectory(stamps, [planar_pose(
        speed * stamp, 0.0, turn * stamp) for stamp in stamps])
    random = np.random.RandomState(3)
    drive = calibration_drive.Drive(
        trajectory, START, lambda image: np.full(image.shape[:2], ground),
        calibration_drive.DriveSettings(step=0.05, most_delay=0.05))
    for index in range(frames):
        value = random.randint(0, 256, (SIZE[1] // grain, SIZE[0] // grain)) if texture else \
            np.full((SIZE[1] // grain, SIZE[0] // grain), 90)
        image = np.kron(value, np.ones((grain, grain), int)).astype(np.uint8)
        drive.add(0.1 * index, np.dstack([image] * 3))
    return drive


def remarks_on(drive):
    solved = calibration_drive.calibrate(drive, camera_of('none', *SIZE))
    return ' '.join(findings.find('front', drive, solved).remarks)


@pytest.mark.parametrize(('drive', 'said', 'unsaid'), [
    ({'texture': False}, 'no texture', 'Too few ground points'),
    ({'ground': False}, 'Too few ground points', 'no texture'),
    ({'speed': 0.0}, 'stands still', 'turns on the spot'),
    ({'speed': 0.0, 'turn': 1.0}, 'turns on the spot', 'stands still'),
    ({}, 'straight on', 'stands still'),
    # Of coarse noise enough corners seem to be followed, by chance.
    ({'turn': 0.5, 'grain': 2}, 'corners could be followed', 'straight on'),
    ({'turn': 0.5}, 'does not determine height and pitch and roll and yaw', 'straight on'),
])
def test_the_reason_is_told_for_each_kind_of_drive(drive, said, unsaid):
    remarks = remarks_on(driven(**drive))
    assert said in remarks and unsaid not in remarks


def test_images_without_odometry_at_their_stamps_are_told():
    drive = driven(frames=2)
    late = calibration_drive.Drive(drive.trajectory, START, lambda image: image[..., 0] > 0)
    assert not late.add(1e6, drive.frames[0].image)
    assert 'No image has odometry at its stamp' in remarks_on(late)


SURE = (0.01, 0.001, 0.001, 0.001, 0.002)


def solved_with(deviations=SURE, delay=0.0, kept=1.0, pixel=0.1, shift=6.0, by_x=(0.0,) * 5,
                guessed=(), **way):
    """Return the findings of a made-up solution; ``by_x`` is what a metre of x changes."""
    drive = driven(**(way or {'turn': 0.5}))
    count = 100
    observations = solver.Observations(np.zeros((count, 2)), np.full((count, 2), shift),
                                       np.zeros(count, int), np.zeros((1, 2)))
    solution = solver.Solution(
        Mount(0.7, 0.3, 0.01, 0.02), delay, np.array(deviations), np.zeros(5), np.zeros(5),
        np.zeros((count, 2)), np.arange(count) < kept * count, pixel,
        np.stack([by_x, np.zeros(5)], axis=1))
    return findings.find('front', drive, calibration_drive.Calibration(
        calibration_drive.Followed(observations, 50.0, 0.5), solution), Mount(0.9, 0.2), guessed)


def test_numbers_beyond_their_limits_stay_as_at_the_start_and_are_marked():
    found = solved_with([0.01, 0.001, 0.05, 0.001, 0.01])
    assert found.mount == START._replace(height=0.7, pitch=0.3, yaw=0.02)
    assert not found.is_complete and solved_with([0.01, 0.001, 0.01, 0.001, 0.01]).is_complete
    assert 'does not determine roll: it is kept' in ' '.join(found.remarks)
    table = report.as_table(found)
    assert [line.split()[1] for line in table.split('\n') if 'not determined' in line] == ['?']
    parameters = report.as_parameters(found, 'front')
    assert 'front.mount.roll: 0.00000  # not determined by the drive' in parameters
    assert 'front.mount.pitch: 0.30000  # 17.19 +- 0.06 deg' in parameters
    told = {quantity.name: quantity.told for quantity in found.quantities}
    assert told['height'] == 0.9 and told['pitch'] == pytest.approx(math.degrees(0.2))


def test_an_offset_is_told_with_its_sign_and_at_its_bound():
    sure = [0.01, 0.001, 0.001, 0.001, 0.002]
    assert '30 ms after their stamps' in ' '.join(solved_with(sure, 0.03).remarks)
    assert '30 ms before their stamps' in ' '.join(solved_with(sure, -0.03).remarks)
    at_bound = ' '.join(solved_with(sure, 0.0499).remarks)
    assert 'at its bound of 0.05 s' in at_bound and 'larger --max-offset' in at_bound
    assert 'stamps' not in ' '.join(solved_with(sure, 0.003).remarks)
    assert '60 % of the tracks do not move' in ' '.join(solved_with(sure, kept=0.4).remarks)


def test_an_offset_that_is_unsure_at_its_bound_is_told_with_the_option():
    unsure = SURE[:4] + (0.1,)
    assert 'beyond its bound of 0.05 s: give a larger --max-offset' in ' '.join(
        solved_with(unsure, -0.0499).remarks)
    assert solved_with(unsure, 0.03).remarks == ()
    # Of a straight line chance alone says what the offset is.
    assert '--max-offset' not in ' '.join(solved_with(unsure, 0.0499, speed=0.5).remarks)


@pytest.mark.parametrize(('fit', 'said'), [
    ({'pixel': 1.2}, 'Tracks are 1.2 px off where 0.1 to 0.3 are usual: wrong camera_info, a '
     'camera that is mounted upside down, wrong frames or odometry.'),
    ({'shift': 0.3}, 'Images do not move while the robot does'),
])
def test_a_fit_that_failed_determines_nothing(fit, said):
    found = solved_with(**fit)
    assert said in ' '.join(found.remarks)
    assert found.mount == START and not found.is_complete
    assert not any(quantity.is_determined for quantity in found.quantities)
    assert report.as_table(found).count('not determined') == len(found.quantities)


@pytest.mark.parametrize('fit', [{'pixel': 0.8}, {'shift': 0.6}])
def test_a_fit_that_is_a_little_worse_than_usual_counts(fit):
    found = solved_with(**fit)
    assert found.is_complete and found.remarks == ()


@pytest.mark.parametrize('pixel, counts', [(0.9, True), (1.5, True), (2.5, False)])
def test_a_fit_in_larger_images_may_be_off_by_more_pixels(pixel, counts, monkeypatch):
    # The images here have 160: twice the width up to which a pixel is the limit.
    monkeypatch.setattr(findings, '_MOST_PIXELS_WIDTH', 80)
    assert solved_with(pixel=pixel).is_complete == counts


def test_a_turn_on_the_spot_determines_pitch_and_roll_alone_whatever_the_lever_arm_tells():
    found = solved_with(speed=0.0, turn=1.0)
    assert 'turns on the spot' in ' '.join(found.remarks)
    assert found.mount == START._replace(pitch=0.3, roll=0.01) and not found.is_complete
    assert 'does not determine height and yaw: they are kept' in ' '.join(found.remarks)


def test_an_error_of_the_place_is_part_of_the_deviations():
    turned = (0.5, 0.0, 0.0, math.radians(30.0), 0.0)
    told, guessed = solved_with(by_x=turned), solved_with(by_x=turned, guessed=['x'])
    own, of_x = math.degrees(SURE[3]), np.array([0.3, 3.0])
    assert [found.quantities[3].deviation for found in (told, guessed)] == pytest.approx(
        np.hypot(own, of_x))
    assert told.is_complete and told.remarks == ()
    assert guessed.mount == START._replace(height=0.7, pitch=0.3, roll=0.01)
    assert 'does not determine yaw' in ' '.join(guessed.remarks)


def test_a_place_that_nobody_told_is_named_with_what_it_costs():
    said = ' '.join(solved_with(by_x=(0.5, 0.0, 0.0, math.radians(-30.0), 0.0),
                                guessed=['x', 'y']).remarks)
    assert 'No transform tells x and y of the lens: taken as 0' in said
    assert 'give --x and --y' in said
    assert 'a centimetre of x costs 0.30 degrees of yaw and 0.5 % of the height' in said
    assert 'a centimetre of y costs 0.00 degrees of yaw' in said
    alone = ' '.join(solved_with(guessed=['y']).remarks)
    assert 'tells y of the lens' in alone and 'of x' not in alone


@pytest.mark.parametrize('angles', [(0.1, -0.4, 2.0), (-3.0, 1.2, -0.5), (0.0, math.pi / 2, 0.7)])
def test_angles_for_urdf_are_those_of_scipy(angles):
    from scipy.spatial.transform import Rotation
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('xyz', angles).as_matrix()
    assert np.allclose(report.roll_pitch_yaw(pose), angles, atol=1e-7)
    line = report.as_transform(Joint('base_link', 'camera', pose))
    assert line.endswith('--frame-id base_link --child-frame-id camera')
