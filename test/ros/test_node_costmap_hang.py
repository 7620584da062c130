# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""While the backend hangs the costmap goes on, fades, and says nothing that is not so."""

from nav_msgs.msg import OccupancyGrid
import numpy as np
from sensor_msgs.msg import PointCloud2
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import GridView
from support.costmap_robot import LATCHED
from support.costmap_robot import RELIABLE_50
from support.costmap_robot import stamp_seconds
from support.faulty_process import faulty_node

FORGET = 1.5


def test_clouds_stop_and_the_grid_keeps_its_rate_and_is_unknown_in_time(domain, tmp_path):
    # The hang lasts: the fading is to be seen before another backend serves.
    parameters = color_parameters(tmp_path, hang_timeout=600.0, **{
        'fusion.forget_time': FORGET})
    with faulty_node(domain, tmp_path, parameters) as node, CostmapRobot(domain) as robot:
        grids = robot.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
        robot.wait_for_state('active')
        robot.look_until(lambda: grids.messages and len(GridView(
            grids.messages[-1]).lethal()) >= 8, 'the box in the grid')
        node.let('hang')
        before = len(grids.messages)
        robot.look_until(lambda: GridView(grids.messages[-1]).known() == 0, 'the grid to fade')
        fading = [(stamp_seconds(message.header.stamp), GridView(message).known())
                  for message in grids.messages[before:]]
        sent = [stamp_seconds(header.stamp) for header in robot.sent]
        shown = [stamp_seconds(message.header.stamp) for message in clouds.messages]
        # Each cloud is that of an image, and none came of the images that hang.
        assert set(shown) <= set(sent) and max(shown) < sent[-1] - 0.5
        # What the grid knew when it knew it last was younger than it may get, and gone then.
        assert all(stamp - max(shown) <= FORGET for stamp, known in fading if known)
        # Ten a second were asked for; a busy machine may be late with some of them.
        assert 0.09 < np.median(np.diff([stamp for stamp, _ in fading])) < 0.2
        node.let('ok')
        robot.look_until(lambda: len(GridView(grids.messages[-1]).lethal()) >= 8,
                         'the box in the grid again')
