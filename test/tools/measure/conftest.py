# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What tests of landings share."""

import pytest


@pytest.fixture
def settings(project_root):
    """Return the settings of the costmap in config/drone.yaml."""
    from segformer_ros.ros.parameters.costmap import costmap_parameters
    from support.node_parameters import node_values
    return costmap_parameters(node_values(project_root, 'drone.yaml')).settings
