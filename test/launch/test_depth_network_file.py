# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""config/depth_network.yaml is what the node takes."""

from segformer_ros.ros.parameters.node import combined_fault
from segformer_ros.ros.parameters.node import snapshot
from support.node_parameters import node_values


def test_the_file_for_a_depth_network_asks_for_depth_of_unknown_scale(project_root):
    values = node_values(project_root, 'depth_network.yaml')
    assert combined_fault(values) is None
    parameters = snapshot(values)
    camera, = parameters.cameras
    assert camera.depth_transport == 'raw' and camera.depth_topic == '/depth_anything/depth'
    assert parameters.costmap.settings.depth.kind == 'inverse'
    # A mask has to wait for a second network, and not come faster than it.
    assert parameters.costmap.transform_tolerance > 0.2 and 0.0 < parameters.max_rate <= 10.0
