# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The body's tilt from an IMU: what it is, when it is, and when there is none."""

import math

import numpy as np
import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry import tilt
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.geometry.transforms import turn
from segformer_ros.simulation.robot import imu as simulated_imu

DEGREE = math.radians(1.0)
START = 1.7e9
STEP = 0.01


def quaternion(roll, pitch, yaw):
    """Return x, y, z, w by multiplying three turns about axes, one after the other."""
    def times(a, b):
        return (a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
                a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0],
                a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3],
                a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2])

    def about(axis, angle):
        parts = [0.0, 0.0, 0.0, math.cos(angle / 2)]
        parts[axis] = math.sin(angle / 2)
        return parts
    return times(times(about(2, yaw), about(1, pitch)), about(0, roll))


def filled(pitch_at, slope_time=0.0, seconds=6.0, roll=0.0, yaw_rate=0.7):
    """Return a buffer that knows the pitch, degrees, at every hundredth of a second."""
    buffer = tilt.TiltBuffer(slope_time)
    for index in range(int(seconds / STEP) + 1):
        time = index * STEP
        buffer.add(tilt.ImuSample(START + time, quaternion(
            roll * DEGREE, pitch_at(time) * DEGREE, yaw_rate * time)))
    return buffer


def pitch_of(rotation):
    return math.degrees(math.asin(-rotation[2, 0]))


def raised(call):
    with pytest.raises((TransformError, InvalidInputError)) as caught:
        call()
    return str(caught.value)


def test_a_tipped_body_is_laid_on_the_ground_again():
    # Independent: each point of the ground as the tipped camera sees it, put back by the pose.
    mount = mount_pose(0.8, 0.35, 0.02, 0.2, 0.05, 0.1)
    pose = CameraPose(planar_pose(1.0, 2.0, 0.4), mount)
    random = np.random.RandomState(1)
    for _ in range(20):
        roll, pitch = random.uniform(-5.0, 5.0, 2)
        body = np.eye(4)
        body[:3, :3] = turn(roll * DEGREE, pitch * DEGREE, 0.0)
        point = np.array([random.uniform(1.0, 5.0), random.uniform(-2.0, 2.0), 0.0, 1.0])
        ray = np.linalg.inv(body.dot(mount)).dot(point)[:3]
        buffer = filled(lambda time, pitch=pitch: pitch, roll=roll)
        found = tilt.tipped(pose, buffer.tilt_at(START + 3.0, np.eye(3))).ground_from_camera
        direction = found[:3, :3].dot(ray)
        met = found[:3, 3] - found[2, 3] / direction[2] * direction
        assert np.abs(met[:2] - point[:2]).max() < 0.02
        # Without it the formula of the docs holds, to its first order.
        if abs(roll) < 0.5 and abs(point[1]) < 0.5:
            direction = mount[:3, :3].dot(ray)
            wrong = mount[:3, 3] - mount[2, 3] / direction[2] * direction
            d = point[0] - 0.2
            assert abs(wrong[0] - point[0]) == pytest.approx(
                abs(pitch) * DEGREE * (0.64 + d * d) / 0.8, rel=0.6)


def test_an_imu_that_is_mounted_turned_says_the_same():
    sensor = turn(math.pi, 0.0, math.pi / 2)
    buffer = tilt.TiltBuffer(0.0)
    world_from_sensor = turn(0.0, 3.0 * DEGREE, 0.0).dot(sensor)
    for index in range(20):
        # x, y, z, w of a rotation matrix by its trace.
        m = world_from_sensor
        w = math.sqrt(max(0.0, 1.0 + m[0, 0] + m[1, 1] + m[2, 2])) / 2
        if w < 0.1:
            x = math.sqrt(1.0 + m[0, 0] - m[1, 1] - m[2, 2]) / 2
            q = (x, (m[0, 1] + m[1, 0]) / (4 * x), (m[0, 2] + m[2, 0]) / (4 * x),
                 (m[2, 1] - m[1, 2]) / (4 * x))
        else:
            q = ((m[2, 1] - m[1, 2]) / (4 * w), (m[0, 2] - m[2, 0]) / (4 * w),
                 (m[1, 0] - m[0, 1]) / (4 * w), w)
        buffer.add(tilt.ImuSample(START + index * STEP, q))
    assert pitch_of(buffer.tilt_at(START + 0.1, sensor)) == pytest.approx(3.0, abs=1e-6)


def test_the_tilt_is_that_of_the_images_stamp():
    buffer = filled(lambda time: 2.0 * time)
    for stamp in (1.0, 1.234, 4.9951):
        assert pitch_of(buffer.tilt_at(START + stamp, np.eye(3))) == pytest.approx(
            2.0 * stamp, abs=1e-4)


@pytest.mark.parametrize('seconds, low, high', [(1.0, 2.9, 3.1), (1.8, 2.9, 3.1),
                                                (3.0, -0.1, 0.1)])
def test_a_brake_tips_the_body_and_a_long_slope_does_not(seconds, low, high):
    end = 10.0
    buffer = filled(lambda time: 3.0 * (end - seconds < time <= end), 4.0, end)
    assert low < pitch_of(buffer.tilt_at(START + end, np.eye(3))) < high
    # Level ground everywhere: a slope is a tilt, too.
    buffer.slope_time = 0.0
    assert pitch_of(buffer.tilt_at(START + end, np.eye(3))) == pytest.approx(3.0, abs=0.01)


def test_nothing_is_left_behind_by_a_brake():
    buffer = filled(lambda time: 3.0 * (6.0 < time < 7.5), 4.0, 12.0)
    for stamp in np.arange(7.6, 12.0, 0.1):
        assert abs(pitch_of(buffer.tilt_at(START + stamp, np.eye(3)))) < 1e-6


def test_an_imu_that_sits_askew_tips_nothing():
    buffer = filled(lambda time: 5.0, 4.0, 6.0, roll=-2.0)
    rotation = buffer.tilt_at(START + 6.0, np.eye(3))
    assert tilt.angle_between(rotation[:, 2], np.array([0.0, 0.0, 1.0])) < 1e-6
    pose = CameraPose(np.eye(4), mount_pose(0.8, 0.3))
    assert tilt.tipped(pose, rotation) is pose


def test_what_the_samples_do_not_reach_is_refused():
    buffer = tilt.TiltBuffer(4.0)
    assert 'No IMU sample' in raised(lambda: buffer.up_at(START))
    buffer = filled(lambda time: 1.0, 4.0)
    assert 'late' in raised(lambda: buffer.tilt_at(START + 6.02, np.eye(3)))
    assert 'older' in raised(lambda: buffer.tilt_at(START - 0.5, np.eye(3)))
    assert 'too few' in raised(lambda: buffer.tilt_at(START + 0.5, np.eye(3)))
    buffer.tilt_at(START + 1.1, np.eye(3))


@pytest.mark.parametrize('gap, is_used', [(0.09, True), (0.12, False)])
def test_nothing_is_interpolated_over_a_gap(gap, is_used):
    buffer = filled(lambda time: 1.0)
    buffer.add(tilt.ImuSample(START + 6.0 + gap, quaternion(0.0, DEGREE, 0.0)))
    if is_used:
        assert pitch_of(buffer.tilt_at(START + 6.04, np.eye(3))) == pytest.approx(1.0)
    else:
        assert 'Gap' in raised(lambda: buffer.tilt_at(START + 6.04, np.eye(3)))


def test_samples_of_no_use_are_refused_and_change_nothing():
    buffer = filled(lambda time: 1.0)
    level = (0.0, 0.0, 0.0, 1.0)
    for sample, text in (
            (tilt.ImuSample(START + 6.01, (0.0, float('nan'), 0.0, 1.0)), 'not finite'),
            (tilt.ImuSample(float('nan'), level), 'not finite'),
            (tilt.ImuSample(START + 6.01), 'neither orientation nor'),
            (tilt.ImuSample(START + 6.01, None, (0.0, 0.0, 0.0)), 'neither orientation nor'),
            (tilt.ImuSample(START + 5.9, level), 'out of order'),
            (tilt.ImuSample(START + 6.0, level), 'out of order'),
            (tilt.ImuSample(START + 6.01, (0.0, 0.0, 0.0, 0.01)), 'not a quaternion')):
        assert text in raised(lambda sample=sample: buffer.add(sample))
        assert buffer.newest == START + 6.0
    assert pitch_of(buffer.tilt_at(START + 5.995, np.eye(3))) == pytest.approx(1.0)


@pytest.mark.parametrize('degrees, jumps', [(3.0, False), (5.0, True)])
def test_an_orientation_that_jumps_begins_anew(degrees, jumps):
    buffer = filled(lambda time: 0.0)
    sample = tilt.ImuSample(START + 6.01, quaternion(0.0, degrees * DEGREE, 0.0))
    if jumps:
        assert 'jumps' in raised(lambda: buffer.add(sample))
        assert 'No IMU sample' in raised(lambda: buffer.up_at(START + 5.0))
    else:
        buffer.add(sample)
        assert buffer.newest == START + 6.01


def test_stamps_that_go_back_begin_anew():
    buffer = filled(lambda time: 1.0)
    assert 'went back' in raised(
        lambda: buffer.add(tilt.ImuSample(START + 1.0, (0.0, 0.0, 0.0, 1.0))))
    assert buffer.newest == -math.inf
    buffer.add(tilt.ImuSample(START + 1.01, (0.0, 0.0, 0.0, 1.0)))
    assert buffer.newest == START + 1.01


@pytest.mark.parametrize('degrees', [29.0, 31.0])
def test_a_robot_on_its_side_is_a_wrong_frame(degrees):
    buffer = filled(lambda time: degrees)
    if degrees < 30.0:
        assert pitch_of(buffer.tilt_at(START + 3.0, np.eye(3))) == pytest.approx(degrees)
    else:
        assert 'on its side' in raised(lambda: buffer.tilt_at(START + 3.0, np.eye(3)))


def test_old_samples_are_forgotten():
    buffer = filled(lambda time: 0.0, 2.0, 20.0)
    assert 'older' in raised(lambda: buffer.up_at(START + 7.9))
    buffer.up_at(START + 8.1)


def raw_drive(slope_time, errors, brake=1.0, seconds=40.0):
    """Return a buffer that heard a raw IMU of a robot that brakes, and its true pitch."""
    imu = simulated_imu.SimulatedImu(errors, 3)
    buffer = tilt.TiltBuffer(slope_time)
    pitches, pitch, before = [], 0.0, 0.0
    for index in range(int(seconds / STEP) + 1):
        time = index * STEP
        # Every 4 s it brakes for 0.6 s and gathers speed again for 0.6 s.
        phase = time % 4.0
        acceleration = brake * (-(2.0 < phase < 2.6) + (2.8 < phase < 3.4))
        pitch += (-2.0 * DEGREE * acceleration - pitch) * STEP / 0.15
        measured = imu.measure(simulated_imu.Motion(
            pitch, 0.3 * time, (pitch - before) / STEP, 0.3, acceleration, 0.4))
        before = pitch
        pitches.append(math.degrees(pitch))
        buffer.add(tilt.ImuSample(START + time, None, tuple(measured.turn_rate),
                                  tuple(measured.acceleration)))
    return buffer, np.array(pitches)


@pytest.mark.parametrize('bias', [0.0, 0.5, -1.0])
def test_gyroscope_and_accelerometer_tell_the_tilt_of_brakes(bias):
    errors = simulated_imu.ImuErrors(bias=bias * DEGREE)
    buffer, pitches = raw_drive(4.0, errors)
    stamps = np.arange(3000, 4000)
    found = np.array([pitch_of(buffer.tilt_at(START + index * STEP, np.eye(3)))
                      for index in stamps])
    off = np.abs(found - pitches[stamps])
    assert np.abs(pitches).max() > 1.8
    assert np.percentile(off, 90) < 0.3
    assert off.max() < 0.6


def test_neither_alone_would_tell_it():
    # The accelerometer takes the brake for a tilt of 5.8 degrees; the gyroscope drifts.
    errors = simulated_imu.ImuErrors(bias=0.5 * DEGREE)
    imu = simulated_imu.SimulatedImu(errors, 3)
    rest = [imu.measure(simulated_imu.Motion(0.0)) for _ in range(1000)]
    assert np.mean([each.turn_rate[1] for each in rest]) * 40.0 > 15.0 * DEGREE
    force = np.mean([imu.measure(simulated_imu.Motion(0.0, acceleration=-1.0)).acceleration
                     for _ in range(200)], axis=0)
    assert math.degrees(math.atan2(-force[0], force[2])) == pytest.approx(5.8, abs=0.1)


def test_a_raw_imu_is_not_believed_before_a_second_nor_in_free_fall():
    buffer = tilt.TiltBuffer(0.0)
    for index in range(99):
        buffer.add(tilt.ImuSample(START + index * STEP, None, (0.0,) * 3, (0.0, 0.0, 9.8)))
    assert buffer.newest == -math.inf
    for index in range(99, 103):
        buffer.add(tilt.ImuSample(START + index * STEP, None, (0.0,) * 3, (0.0, 0.0, 9.8)))
    assert buffer.newest > START
    buffer = tilt.TiltBuffer(0.0)
    with pytest.raises(InvalidInputError) as caught:
        for index in range(110):
            buffer.add(tilt.ImuSample(START + index * STEP, None, (0.0,) * 3, (0.0, 0.0, 1.0)))
    assert 'not that of gravity' in str(caught.value)
