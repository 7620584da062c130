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
    (GridSettings(resolution=0.0), "'resolution' is out of bounds: got 0.0; expected 0.01 .. 2"),
    (GridSettings(size=float('nan')), "'size'"),
    (GridSettings(size=1.5), 'smaller than two blocks'),
    (GridSettings(size=200.0), 'too many cells: got 200.0 m with cells of 0.05 m; expected at '
                               'most 2048 cells a side'),
    (ProjectionSettings(mode='sideways'), "Unknown projection mode: got 'sideways'"),
    (ProjectionSettings(max_range=-1.0), "'max_range'"),
    (FusionSettings(mark_threshold=4.0), 'No cell could ever be lethal'),
    (FusionSettings(static_decay_time=60.0), 'outlive the memory.*forget_time'),
    (CostmapSettings(fusion=FusionSettings(cost_gain=0.0)), "'cost_gain'"),
    (CostmapSettings(category_width=1), "'category_width'")])
def test_what_cannot_work_is_named(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        check(settings)
