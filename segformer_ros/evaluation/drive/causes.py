# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Why a robot came too near to something, by what its camera saw of it."""

import math
from typing import Any, Callable, Iterable, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.evaluation.drive import nav2_rules

WALKED_INTO = 'person walked into the standing robot'
WALKED_ON = 'person in the costmap walked on into the way'
OVERHANG = 'overhang'
PLANNER = 'planner'
UNSEEN = 'foot never in view'
NETWORK = 'network'
LATENCY = 'seen for less than a second'
COSTMAP = 'costmap'
SEEN_LONG = 1.0
"""Seconds of a foot in view after which there is no excuse."""
# What begins higher than this stands on nothing, metres.
_FOOT = 0.08
# Pixels around a foot's place in which it is looked for.
_WINDOW = 3
# Metres around a place within which a lethal cell is that place's.
_NEAR = 0.15


class View(NamedTuple):
    """
    One image: its time in seconds, world_from_optical (4, 4), and labels (H, W).

    ``truth`` is what is there, and ``mask`` what the labels say; ``image`` RGB uint8, None where
    nobody needed one.
    """

    time: float
    pose: arrays.Float64
    truth: arrays.UInt8
    mask: arrays.UInt8
    image: Optional[arrays.UInt8] = None


class Sight(NamedTuple):
    """Seconds for which a foot was in view, and for which the labels called it an obstacle."""

    seen: float
    named: float


class Evidence(NamedTuple):
    """
    What is known of one place.

    ``is_person``; ``speed`` of the robot, metres per second; ``bottom`` of the thing, metres;
    ``sight`` of its foot; ``in_costmap`` whether the planner's costmap is lethal there.
    """

    is_person: bool
    speed: float
    bottom: float
    sight: Sight
    in_costmap: bool


def cause_of(evidence: Evidence) -> str:
    """Return the first cause in the order from camera to wheels that explains it."""
    if evidence.is_person and abs(evidence.speed) < 0.05:
        return WALKED_INTO
    if evidence.in_costmap:
        # A costmap says where somebody was, not where they go.
        return WALKED_ON if evidence.is_person else PLANNER
    if evidence.bottom > _FOOT:
        return OVERHANG
    if evidence.sight.seen == 0.0:
        return UNSEEN
    if evidence.sight.named < 0.5 * evidence.sight.seen:
        return NETWORK
    return LATENCY if evidence.sight.seen < SEEN_LONG else COSTMAP


def sight_of(views: Iterable[View], place_at: Callable[[float], Tuple[float, float]],
             class_id: int, camera: arrays.Float64, lethal: arrays.Bool, period: float) -> Sight:
    """
    Return for how long a foot was in view.

    :param views: of one camera or of several
    :param place_at: x, y of the foot at a time, inf where there was none
    :param class_id: of the thing
    :param camera: (3, 3) intrinsic matrix
    :param lethal: (256,) by class id
    :param period: seconds that each moment counts
    """
    times, named_times = set(), set()
    for view in views:
        x, y = place_at(view.time)
        if not math.isfinite(x):
            continue
        pose, mask = view.pose, view.mask
        local = np.array([x, y, 0.02]).dot(pose[:3, :3]) - pose[:3, 3].dot(pose[:3, :3])
        if local[2] < 0.1:
            continue
        u, v, _ = camera.dot(local / local[2])
        height, width = mask.shape
        if not (0.0 <= u < width and 0.0 <= v < height):
            continue
        rows = slice(max(0, int(v) - _WINDOW), int(v) + _WINDOW + 1)
        columns = slice(max(0, int(u) - _WINDOW), int(u) + _WINDOW + 1)
        shown = view.truth[rows, columns] == class_id
        if shown.any():
            times.add(view.time)
        if lethal[mask[rows, columns][shown]].any():
            named_times.add(view.time)
    return Sight(len(times) * period, len(named_times) * period)


def is_lethal_near(costmap: nav2_rules.Costmap, x: float, y: float) -> bool:
    """Return whether a costmap has a lethal cell at a place or right beside it."""
    cell = costmap.cell_of(x, y)
    if cell is None:
        return False
    reach = int(math.ceil(_NEAR / costmap.resolution))
    rows = slice(max(0, cell[1] - reach), cell[1] + reach + 1)
    columns = slice(max(0, cell[0] - reach), cell[0] + reach + 1)
    found: Any = (costmap.costs[rows, columns] == nav2_rules.LETHAL).any()
    return bool(found)
