# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two minutes of what ``make soak`` does, and that its books would show a loss."""

import copy

import pytest
from support.ros_fixtures import use_own_transport

pytest.importorskip('rclpy', reason='rclpy is not installed')

use_own_transport()


@pytest.mark.slow
def test_two_minutes_of_disturbances_lose_nothing_and_leave_no_memory_behind(tmp_path):
    from PIL import Image
    from support import soak
    from support import soak_plot
    report = soak.Soak(str(tmp_path), 2.0, seed=7).run()
    assert soak.faults_of(report) == []
    assert {fault['fault'] for fault in report['faults']} == {
        fault.__name__ for fault in soak.FAULTS}
    # A run this short may still fill caches: 2 % are asked of the long one.
    assert report['memory']['growth'] < 0.05
    spoilt = copy.deepcopy(report)
    spoilt['cameras']['front']['lost_by_node'] = 1
    spoilt['cameras']['rear']['wrong'] = 2
    spoilt['capture']['frames'] = 101
    assert soak.faults_of(spoilt) == [
        'front: 1 lost_by_node', 'rear: 2 wrong',
        'captured: 101 frames, {} MiB'.format(spoilt['capture']['largest_mib'])]
    soak_plot.write(report, str(tmp_path / 'soak.png'))
    assert Image.open(str(tmp_path / 'soak.png')).size[0] == soak_plot.WIDTH
