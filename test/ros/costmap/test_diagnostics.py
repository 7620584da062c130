# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap's entry tells the worst fault of any camera, and the state of the grid."""

import pytest
from segformer_ros.common.errors import ERROR
from segformer_ros.common.errors import OK
from segformer_ros.common.errors import WARN
from segformer_ros.ros.costmap.diagnostics import costmap_status
from segformer_ros.ros.costmap.diagnostics import CostmapState
from segformer_ros.ros.io.statistics import CameraStatistics
from segformer_ros.ros.io.status import NodeState
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import snapshot

ACTIVE = NodeState('active', True, '', '', 'system')


def parameters(**changes):
    return snapshot(dict({row.name: row.default for row in node_rows() + CAMERA_ROWS}, **changes))


def used(now):
    statistics = CameraStatistics(0.0)
    for step in range(20):
        statistics.record_served(now - 0.1 * (19 - step), '', (640, 480), {'projecting': 0.003})
    return statistics


def status(reports, now=10.0, state=ACTIVE, trouble='', grid_rate=5.0, **changes):
    costmap = None if reports is None else CostmapState(
        {name: each.report(now) for name, each in reports.items()}, grid_rate, 0.42, 3.25, 1,
        'tf2_ros', 'indoor', 'base_footprint')
    return costmap_status(costmap, trouble, state, parameters(**changes))


def test_a_healthy_costmap_tells_its_figures():
    found = status({'': used(10.0)})
    values = dict(found.values)
    assert (found.level, found.message) == (OK, '42 % of the cells known')
    assert values['grid rate [Hz]'] == '5.00'
    assert values['oldest known cell [s]'] == '3.25'
    assert values['clock went back'] == '1'
    assert values['transforms'] == 'tf2_ros'
    assert values['frames'] == 'base_footprint in odom'
    assert values['projecting [ms]'] == 'p50 3.0, p95 3.0'


@pytest.mark.parametrize('silence, level', [
    (0.9, OK), (1.1, WARN), (4.9, WARN), (5.1, ERROR)])
def test_silence_turns_to_warning_and_error(silence, level):
    assert status({'': used(10.0)}, 10.0 + silence).level == level


def test_a_rate_limit_is_no_fault():
    assert status({'': used(10.0)}, 12.5, max_rate=0.5).level == OK


def test_the_cause_is_told_and_the_worst_camera_decides():
    bad = used(10.0)
    bad.record_error('No CameraInfo was received.', rejected=False)
    found = status({'front': used(20.0), 'left': bad}, 20.0)
    assert found.level == ERROR
    assert found.message == 'left: nothing new for 10.0 s: No CameraInfo was received.'
    assert dict(found.values)['left: last error'] == 'No CameraInfo was received.'
    one = used(20.0)
    one.record_error('No transform.', rejected=False)
    found = status({'front': one, 'left': bad}, 20.0)
    assert found.message.startswith('front: last mask was of no use: No transform.; left: ')
    assert status({'front': one}, 20.0).level == WARN


def test_a_slow_grid_is_told_and_an_unknown_rate_is_not():
    assert 'grids per second instead of 5.0' in status({'': used(10.0)}, grid_rate=3.0).message
    assert status({'': used(10.0)}, grid_rate=None).level == OK


def test_masks_so_late_that_what_moves_has_faded_are_told():
    late = used(10.0)
    for age, level in ((1.4, OK), (1.6, WARN)):
        late.record_arrival(10.0, 1, age)
        found = status({'': late})
        assert found.level == level
        assert dict(found.values)['mask age [s]'] == f'{age:.2f}'
    assert 'raise fusion.dynamic_decay_time above 1.5 s' in found.message


def test_what_is_off_says_why():
    assert status(None, trouble='Unknown class name.')[:3] == (
        ERROR, 'costmap', 'off: Unknown class name.')
    assert status(None, costmap=False).message == 'off, as the parameter costmap says'
    assert status(None).message == 'none: not configured'
    for state in (ACTIVE._replace(lifecycle='inactive'), ACTIVE._replace(enabled=False)):
        found = status({'': used(10.0)}, 100.0, state)
        assert (found.level, found.message) == (OK, 'not serving')


def test_a_clock_that_does_not_run_is_told_once_and_is_a_warning():
    bad, other = used(10.0), used(10.0)
    bad.record_error('Mask cannot be placed: no time comes.', rejected=False)
    other.record_error('No CameraInfo was received.', rejected=False)
    reports = {'front': bad.report(30.0), 'left': other.report(30.0)}
    costmap = CostmapState(reports, 5.0, 0.0, 0.0, 1, 'tf2_ros', 'indoor', 'base_footprint',
                           clock_fault='no time comes')
    found = costmap_status(costmap._replace(reports={'front': reports['front']}), '', ACTIVE,
                           parameters())
    assert (found.level, found.message) == (WARN, 'no time comes')
    # A clock that stands: no image comes, and no camera has a fault of its own.
    found = costmap_status(costmap._replace(reports={'front': used(10.0).report(30.0)}), '',
                           ACTIVE, parameters())
    assert (found.level, found.message) == (WARN, 'no time comes')
    # What is wrong beside it still is.
    found = costmap_status(costmap, '', ACTIVE, parameters())
    assert (found.level, found.message) == (
        ERROR, 'no time comes; left: nothing new for 20.0 s: No CameraInfo was received.')


def test_an_imu_and_a_mount_that_are_off_are_told():
    costmap = CostmapState(
        {'': used(10.0).report(10.0)}, 5.0, 0.42, 3.25, 1, 'tf2_ros', 'indoor', 'base_footprint')
    found = costmap_status(costmap._replace(
        imu_fault='IMU is late.', imu=(('IMU', '/imu'),),
        mount_faults=('the mount is off: pitch +1.00 +- 0.15 degrees',),
        mounts=(('mount is off by', 'pitch +1.00'),)), '', ACTIVE, parameters())
    assert found.level == WARN
    assert 'the IMU is not used, and the ground is taken to be level' in found.message
    assert 'IMU is late.; the mount is off: pitch +1.00' in found.message
    values = dict(found.values)
    assert (values['IMU'], values['mount is off by']) == ('/imu', 'pitch +1.00')
    assert costmap_status(costmap, '', ACTIVE, parameters()).level == OK
