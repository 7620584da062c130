# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap can be timed like a pipeline."""

import numpy as np
import pytest
from segformer_ros.evaluation.benchmark import benchmark


@pytest.mark.parametrize('mount', [benchmark.FIXED, benchmark.MOVING])
def test_costmap_variant_goes_through_all_its_stages(mount):
    variant = benchmark.costmap_variant(np.full((48, 64), 3, np.uint8), mount)
    for _ in range(2):
        assert set(variant.run().stages) == {'project', 'fuse', 'fill'}
