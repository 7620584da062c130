# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Maps of a drive: what lies where in them, by the colours of single pixels."""

import numpy as np
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.drive import pictures
from segformer_ros.evaluation.drive import report
from segformer_ros.evaluation.drive.judge import GoalFigures
from segformer_ros.evaluation.run import grid_pictures


def test_a_map_shows_things_where_they_are_from_the_robot():
    costmap = nav2_rules.Costmap(6.0, 0.05, (1.0, 2.0))
    x, y = costmap.center_of(np.arange(120)[None, :], np.arange(120)[:, None])
    # A wall one metre ahead along x, and unseen ground beyond two metres to the right.
    costmap.costs[np.broadcast_to(np.abs(x - 2.1) < 0.1, costmap.costs.shape)] = 254
    known = np.broadcast_to(y > 0.0, costmap.costs.shape)
    image = np.zeros((24, 32, 3), np.uint8)
    scene = pictures.Scene(1.0, image, image, costmap, known, (1.0, 2.0, 0.0),
                           np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([[0.0, 2.0], [1.0, 2.0]]),
                           (0.0, 3.0), 'note')
    drawn = pictures.frame(scene, costmap, 'title', 0.25)
    height, width = pictures.PANEL_WH[1], pictures.PANEL_WH[0]
    # The lower left panel; panels follow each other with a margin.
    seen = pictures._map_picture(costmap, known, scene, 0.25, scene.path)
    assert seen.shape == (height, width, 3)

    def color_at(along_x, along_y):
        scale = width / 8.0
        return tuple(seen[int(height / 2 - (along_y - 2.0) * scale),
                          int(width / 2 + (along_x - 1.0) * scale)])

    assert color_at(2.1, 2.8) == grid_pictures.LETHAL_COLOR
    assert color_at(1.5, 2.8) == grid_pictures.FREE_COLOR
    assert color_at(1.5, -0.3) == grid_pictures.UNKNOWN_COLOR
    assert color_at(0.0, 3.0) == pictures.GOAL_COLOR
    assert color_at(1.0, 2.6) == pictures.PATH_COLOR
    assert color_at(0.4, 2.0) == pictures.WAY_COLOR
    assert drawn.shape[1] > 2 * width and drawn.shape[0] > 2 * height


def test_figures_add_up_and_stand_on_the_page():
    goals = [GoalFigures(1.0, 2.0, True, 10.0, 5.0, 4.0, 0.2, 0, 1),
             GoalFigures(3.0, 2.0, False, 90.0, 7.0, None, 0.1, 2, 0)]
    found = report.summary('indoor', 3, 'net', goals,
                           report.Costs(100.0, 50.0, {'node': 12.0}, [0.1, 0.2, 0.3]))
    assert (found['goals'], found['reached'], found['contacts'],
            found['stops_without_cause']) == (2, 1, 2, 1)
    assert found['least_clearance'] == 0.1 and found['length'] == 12.0
    assert found['worst_path_ratio'] == 1.25 and found['real_time_factor'] == 2.0
    assert found['image_to_costmap'] == {'p50': 0.2, 'p95': 0.29}
    page = report.page(found)
    assert 'way at most 1.25 times the best on the true map' in page
    assert '| 1.0, 2.0 | yes | 10.0 s | 5.0 m | 4.00 m | 0.20 m | 0 | 1 |' in page
    assert '| 3.0, 2.0 | no | 90.0 s | 7.0 m | - m | 0.10 m | 2 | 0 |' in page
    # A drive that ended at once has nothing to divide by.
    empty = report.summary('indoor', 3, 'net', [], report.Costs(0.0, 0.0, {}, []))
    assert empty['real_time_factor'] is None and empty['least_clearance'] is None
    assert '0 of 0 goals' in report.page(empty)
