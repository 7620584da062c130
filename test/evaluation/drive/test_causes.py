# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Why a robot touched something, by what its camera saw."""

import numpy as np
import pytest
from segformer_ros.evaluation.drive import causes
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.simulation.world.trajectory import camera_mount

SEEN, NEVER = causes.Sight(3.0, 3.0), causes.Sight(0.0, 0.0)


@pytest.mark.parametrize('evidence, cause', [
    ((True, 0.0, 0.0, SEEN, True), causes.WALKED_INTO),
    ((True, 0.3, 0.0, SEEN, True), causes.WALKED_ON),
    # It backs, or creeps.
    ((True, -0.3, 0.0, SEEN, True), causes.WALKED_ON),
    ((True, 0.05, 0.0, SEEN, True), causes.WALKED_ON),
    ((True, -0.04, 0.0, SEEN, True), causes.WALKED_INTO),
    ((False, 0.3, 0.0, SEEN, True), causes.PLANNER),
    ((False, 0.3, 0.7, NEVER, True), causes.PLANNER),
    ((False, 0.3, 0.7, SEEN, False), causes.OVERHANG),
    ((False, 0.3, 0.0, NEVER, False), causes.UNSEEN),
    ((True, 0.3, 0.0, causes.Sight(2.0, 0.5), False), causes.NETWORK),
    ((True, 0.3, 0.0, causes.Sight(0.75, 0.5), False), causes.LATENCY),
    ((True, 0.3, 0.0, causes.Sight(1.0, 1.0), False), causes.COSTMAP),
    ((False, 0.3, 0.0, SEEN, False), causes.COSTMAP)])
def test_each_cause_has_its_evidence(evidence, cause):
    assert causes.cause_of(causes.Evidence(*evidence)) == cause


INTRINSICS = np.array([[200.0, 0.0, 159.5], [0.0, 200.0, 119.5], [0.0, 0.0, 1.0]])
CHAIR, FLOOR = 19, 3


def view(time, column, labels=CHAIR):
    """Return a view in which a chair fills three columns, from a camera at the origin."""
    truth = np.full((240, 320), FLOOR, np.uint8)
    truth[:, column - 1:column + 2] = CHAIR
    mask = np.where(truth == CHAIR, labels, truth).astype(np.uint8)
    pose = camera_mount(1.0, 0.3)
    return causes.View(time, pose, truth, mask)


def column_of(x, y):
    """Return the column in which a camera 1 m high sees a place on the ground."""
    ahead = np.cos(0.3) * x + np.sin(0.3) * 0.98
    return int(round(159.5 - 200.0 * y / ahead))


def test_a_foot_counts_while_it_is_in_the_picture_and_shown():
    lethal = np.zeros(256, bool)
    lethal[CHAIR] = True
    here = column_of(3.0, 0.5)
    # Two cameras at one moment are one moment.
    views = [view(0.0, here), view(0.25, here, labels=FLOOR), view(0.5, here + 60),
             view(0.75, here), view(0.75, here)]

    def sight(place):
        return causes.sight_of(views, lambda time: place, CHAIR, INTRINSICS, lethal, 0.25)
    assert sight((3.0, 0.5)) == (0.75, 0.5)
    # Behind the camera, beside the picture and below it nothing is seen.
    for place in ((-3.0, 0.5), (1.5, 3.0), (0.3, 0.0)):
        assert sight(place) == (0.0, 0.0)
    # What moves is looked for where it was.
    moving = causes.sight_of(views, lambda time: (3.0, 0.5 if time < 0.6 else 1.5), CHAIR,
                             INTRINSICS, lethal, 0.25)
    assert moving == (0.5, 0.25)
    late = causes.sight_of(views, lambda time: (3.0 if time > 0.6 else np.inf, 0.5), CHAIR,
                           INTRINSICS, lethal, 0.25)
    assert late == (0.25, 0.25)


def test_lethal_cells_count_right_beside_a_place():
    costmap = nav2_rules.Costmap(4.0, 0.05)
    costmap.costs[40, 50] = nav2_rules.LETHAL
    x, y = costmap.center_of(50, 40)
    assert causes.is_lethal_near(costmap, x, y)
    for off_x, off_y in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)):
        assert causes.is_lethal_near(costmap, x + 0.14 * off_x, y + 0.14 * off_y)
        assert not causes.is_lethal_near(costmap, x + 0.3 * off_x, y + 0.3 * off_y)
    assert not causes.is_lethal_near(costmap, 9.0, 9.0)
    # What inflation writes is not the thing itself.
    costmap.costs[40, 50] = nav2_rules.INSCRIBED
    assert not causes.is_lethal_near(costmap, x, y)
