# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What Nav2 is left with when the node stops serving: nothing of an old picture."""

import time

from nav_msgs.msg import OccupancyGrid
import numpy as np
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import stamp_seconds
from support.ros_graph import NodeProcess
from support.ros_graph import wait_until

MASKS = ('keepout_mask', 'speed_mask')


def lasting_parameters(folder):
    """Nothing fades by itself within the test."""
    return color_parameters(folder, **{'fusion.static_decay_time': 600.0,
                                       'fusion.forget_time': 600.0, 'keepout_cost': 100})


def is_blank(message, name):
    """Return whether a filter mask keeps nobody out and slows nobody down."""
    return np.all(np.array(message.data, np.int8) == (-1 if name == 'keepout_mask' else 0))


def test_deactivating_leaves_no_keepout_no_speed_limit_and_a_cloud_that_nav2_takes(
        domain, tmp_path):
    with NodeProcess(domain, tmp_path, lasting_parameters(tmp_path)), \
            CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        clouds = robot.subscribe(PointCloud2, robot.output('obstacle_points'), 10)
        masks = {name: robot.subscribe(OccupancyGrid, robot.output(name), LATCHED)
                 for name in MASKS}
        robot.look_until(
            lambda: clouds.messages and clouds.messages[-1].width and all(
                inbox.messages and not is_blank(inbox.messages[-1], name)
                for name, inbox in masks.items()), 'marks in clouds and masks')
        frame_id = clouds.messages[-1].header.frame_id
        # The camera dies; much later somebody stops the node.
        time.sleep(3.0)
        stopped = stamp_seconds(robot.now())
        assert robot.change_state('deactivate')
        empty = clouds.wait(lambda message: message.width == 0)
        assert len(empty.fields) == 6 and empty.header.frame_id == frame_id
        assert stamp_seconds(empty.header.stamp) >= stopped
        for name, inbox in masks.items():
            inbox.wait(lambda message, name=name: is_blank(message, name))
        # Whoever comes now gets no old mask either.
        for name in MASKS:
            late = robot.subscribe(OccupancyGrid, robot.output(name), LATCHED)
            assert is_blank(late.wait(), name)


def test_clearing_the_costmap_clears_the_filter_masks_at_once(domain, tmp_path):
    with NodeProcess(domain, tmp_path, lasting_parameters(tmp_path)), \
            CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        grids = robot.subscribe(OccupancyGrid, robot.output('costmap'), LATCHED)
        masks = {name: robot.subscribe(OccupancyGrid, robot.output(name), LATCHED)
                 for name in MASKS}
        robot.look_until(lambda: all(
            inbox.messages and not is_blank(inbox.messages[-1], name)
            for name, inbox in masks.items()), 'masks')

        # The last images may still be in work; they fill the grid again, so ask until it is empty.
        def is_cleared():
            assert robot.call(Trigger, '/segformer/clear_costmap', Trigger.Request()).success
            time.sleep(0.3)
            return GridView(grids.messages[-1]).known() == 0 and all(
                is_blank(inbox.messages[-1], name) for name, inbox in masks.items())
        wait_until(is_cleared, 'empty masks')
