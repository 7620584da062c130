# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""People, animals and vehicles in one image: one place for each, and how well it is known."""

import math
from typing import Callable, List, NamedTuple, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.observation import Obstacles
from segformer_ros.costmap.projection.cells import to_odom
from segformer_ros.costmap.projection.labelled_view import LabelledView

MOST_SIGHTINGS = 32
"""Of one image; the nearest are kept."""
# Side of the squares whose neighbours belong together, metres: feet up to twice this apart.
_SQUARE = 0.25
# Standard deviation of a place beyond what the view's angles say: the swing of legs, metres.
_SWING = 0.05
# Of the pitch that the transforms give, radians; the pixel's own angle comes to it.
_PITCH = 0.005
# What shows of a wide thing changes with the point of view: share of the width beyond a person's.
_OUTLINE, _PERSON = 0.2, 0.7
# Share of the image's width beside its edges in which a thing may go on outside.
_EDGE = 0.02
# Share of the image at its edges, and of the range at its end, where a foot may be overlooked.
_MARGIN = 0.05
# What stands nearer by this much, metres, right beside a thing in view, radians, may cover it.
_COVERED, _BESIDE = 0.15, 0.03


class Sighting(NamedTuple):
    """
    One thing of a moving class in one image, metres in odom.

    ``x``, ``y`` its middle; ``error`` standard deviation of each; ``left``, ``right`` its
    outermost points as the camera sees them; ``extent`` from one to the other at least;
    ``whole`` whether neither the image's edge nor a nearer thing may cut it off.
    """

    x: float
    y: float
    error: float
    left: Tuple[float, float]
    right: Tuple[float, float]
    extent: float
    whole: bool


def sightings_of(obstacles: Obstacles, view: LabelledView, costs: cost_table.CostTable
                 ) -> List[Sighting]:
    """
    Return what may move in one image, the nearest first.

    :param obstacles: of the whole image, in the ground frame; those whose foot is not in view
        have no place
    """
    moves = costs.dynamic[obstacles.labels] & obstacles.foot_seen
    chosen = np.flatnonzero(moves & (costs.kinds[obstacles.labels] == cost_table.OBSTACLE))
    if not len(chosen):
        return []
    foot = view.foot
    aside_x, aside_y = obstacles.x - np.float32(foot[0]), obstacles.y - np.float32(foot[1])
    ahead_x, ahead_y = view.pose.ground_from_camera[:2, 2].astype(np.float32)
    # Straight ahead is 0, so that no thing lies on both sides of the jump.
    bearings = np.arctan2(ahead_x * aside_y - ahead_y * aside_x,
                          ahead_x * aside_x + ahead_y * aside_y)
    ranges = np.hypot(aside_x, aside_y)
    x, y = to_odom(view.pose.odom_from_ground, obstacles.x[chosen], obstacles.y[chosen])
    groups = _groups(x, y)
    order = np.lexsort((bearings[chosen], groups))
    chosen, x, y = chosen[order], x[order], y[order]
    starts = np.flatnonzero(np.append(True, np.diff(groups[order]) > 0))
    ends = np.append(starts[1:], len(chosen))
    counts = ends - starts
    near = np.add.reduceat(ranges[chosen], starts) / counts
    middle_x, middle_y = np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts
    extents = np.hypot(np.maximum.reduceat(x, starts) - np.minimum.reduceat(x, starts),
                       np.maximum.reduceat(y, starts) - np.minimum.reduceat(y, starts))
    cut = np.logical_or.reduceat(_beside_edge(obstacles.x[chosen], obstacles.y[chosen], view),
                                 starts)
    found = []
    for index in np.argsort(near, kind='mergesort')[:MOST_SIGHTINGS].tolist():
        right, left = starts[index], ends[index] - 1
        extent = float(extents[index])
        found.append(Sighting(
            float(middle_x[index]), float(middle_y[index]),
            _error(float(near[index]), view, extent),
            (float(x[left]), float(y[left])), (float(x[right]), float(y[right])), extent,
            not (cut[index] or _is_covered(bearings, ranges, chosen[right], -1.0)
                 or _is_covered(bearings, ranges, chosen[left], 1.0))))
    return found


def _is_covered(bearings: arrays.Float32, ranges: arrays.Float32, end: int, side: float) -> bool:
    """Return whether something nearer lies right beside the outermost point of a thing."""
    beyond = np.float32(side) * (bearings - bearings[end])
    # The thing's own points lie on the other side.
    return bool(((beyond > 0.0) & (beyond < _BESIDE)
                 & (ranges < ranges[end] - np.float32(_COVERED))).any())


def shown_places(view: LabelledView, max_range: float) -> Callable[[float, float], bool]:
    """
    Return a function that tells whether a place in odom lies well within an image.

    :param max_range: metres from the camera's foot within which feet are looked for
    """
    to_camera = inverse(view.pose.odom_from_ground.dot(view.pose.ground_from_camera)).tolist()
    ground = float(view.pose.odom_from_ground[2, 3])
    width, height = view.camera.size_wh
    farthest = (1.0 - _MARGIN) * max_range

    def shows(x: float, y: float) -> bool:
        local = [np.float64(row[0] * x + row[1] * y + row[2] * ground + row[3])
                 for row in to_camera[:3]]
        if local[2] <= 0.0 or math.sqrt(sum(value * value for value in local)) > farthest:
            return False
        u, v = view.camera.project(*(np.array([value]) for value in local))
        return bool(_MARGIN * width < u[0] < (1.0 - _MARGIN) * width
                    and _MARGIN * height < v[0] < (1.0 - _MARGIN) * height)
    return shows


def _error(distance: float, view: LabelledView, extent: float) -> float:
    """Return the standard deviation of a foot's place, metres."""
    height = max(view.height, 0.05)
    angle = math.hypot(_PITCH, 1.0 / view.camera.fy)
    return math.hypot(_SWING + _OUTLINE * max(0.0, extent - _PERSON),
                      angle * (distance * distance + height * height) / height)


def _beside_edge(x: arrays.Float32, y: arrays.Float32, view: LabelledView) -> arrays.Bool:
    to_camera = inverse(view.pose.ground_from_camera)
    local = [row[0] * x + row[1] * y + row[3] for row in to_camera[:3].tolist()]
    with np.errstate(invalid='ignore', divide='ignore'):
        u, _ = view.camera.project(*local)
        width = view.camera.size_wh[0]
        # NaN lies outside, too.
        return np.asarray(~((u > _EDGE * width) & (u < (1.0 - _EDGE) * width)), np.bool_)


def _groups(x: arrays.Float64, y: arrays.Float64) -> arrays.Int32:
    """Return the number of the group to which each point belongs."""
    columns, rows = (np.floor(values / _SQUARE).astype(np.intp) for values in (x, y))
    columns -= columns.min()
    rows -= rows.min()
    squares = np.zeros((int(rows.max()) + 1, int(columns.max()) + 1), np.uint8)
    squares[rows, columns] = 1
    _, numbers = cv2.connectedComponents(squares, connectivity=8, ltype=cv2.CV_32S)
    return np.asarray(numbers[rows, columns], np.int32)
