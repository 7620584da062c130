# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Settings: the defaults hold together, and nonsense is refused by name."""

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap.settings import check
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import FusionSettings
from segformer_ros.costmap.settings import GridSettings
from segformer_ros.costmap.settings import ProjectionSettings


def test_the_defaults_pass():
    check(CostmapSettings())


@pytest.mark.parametrize('settings, words', [
    (GridSettings(resolution=0.0),
     "'grid.resolution' is out of bounds: got 0.0; expected 0.01 .. 2"),
    (GridSettings(size=float('nan')), "'grid.size'"),
    (ProjectionSettings(mode='sideways'), "Unknown projection mode: got 'sideways'"),
    (ProjectionSettings(max_range=-1.0), "'projection.max_range'"),
    (CostmapSettings(fusion=FusionSettings(cost_gain=0.0)), "'fusion.cost_gain'"),
    (CostmapSettings(category_width=1), "'category_width'")])
def test_what_cannot_work_is_named(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        check(settings)


@pytest.mark.parametrize('settings, problem, named', [
    (GridSettings(size=1.5, block=0.8), 'smaller than two blocks',
     ['grid.size 1.5', 'grid.block 0.8', '1.6 m']),
    (GridSettings(size=200.0), 'too many cells',
     ['grid.size 200.0', 'grid.resolution 0.05', '2048 cells a side']),
    (FusionSettings(mark_threshold=4.0), 'No cell could ever be lethal',
     ['fusion.mark_threshold 4.0', 'fusion.occupied_limit 3.5']),
    (FusionSettings(static_decay_time=60.0), 'outlive the memory',
     ['got fusion.static_decay_time 60.0 s;', 'fusion.forget_time 30.0']),
    (FusionSettings(forget_time=1.0), 'outlive the memory',
     ['fusion.static_decay_time 20.0 s and fusion.dynamic_decay_time 1.5 s',
      'fusion.forget_time 1.0']),
    (FusionSettings(dynamic_decay_time=31.0), 'outlive the memory',
     ['got fusion.dynamic_decay_time 31.0 s;', 'fusion.forget_time 30.0'])])
def test_two_settings_that_do_not_fit_are_both_named_with_their_values(settings, problem, named):
    with pytest.raises(ConfigurationError, match=problem) as caught:
        check(settings)
    assert [each for each in named if each not in str(caught.value)] == []
