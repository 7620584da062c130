# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two minutes of what ``make soak`` does, and that its books would show a loss."""

import copy

import pytest
from support.ros_fixtures import use_own_transport

pytest.importorskip('rclpy', reason='rclpy is not installed')

use_own_transport()


def test_percentiles_are_values_that_occurred():
    from support import soak
    seconds = [0.001 * each for each in range(200, 0, -1)]
    assert soak.percentiles(seconds) == {
        'masks': 200, 'p50': 100.0, 'p90': 180.0, 'p99': 198.0, 'p100': 200.0}
    assert soak.percentiles([0.5]) == {
        'masks': 1, 'p50': 500.0, 'p90': 500.0, 'p99': 500.0, 'p100': 500.0}
    assert soak.percentiles([]) == {'masks': 0}


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
    # Capture had its turns, of which the samples at a change are left out.
    for turn in report['latency_ms'].values():
        assert 50 < turn['masks'] < 1200 and turn['p50'] <= turn['p90'] <= turn['p100']
    spoilt = copy.deepcopy(report)
    spoilt['cameras']['front']['lost_by_node'] = 1
    spoilt['cameras']['rear']['wrong'] = 2
    spoilt['capture']['frames'] = 101
    assert soak.faults_of(spoilt) == [
        'front: 1 lost_by_node', 'rear: 2 wrong',
        'captured: 101 frames, {} MiB'.format(spoilt['capture']['largest_mib'])]
    soak_plot.write(report, str(tmp_path / 'soak.png'))
    assert Image.open(str(tmp_path / 'soak.png')).size[0] == soak_plot.WIDTH
