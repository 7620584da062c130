# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The strip between robot and view, which no image shows.

An obstacle that fills the lowest row in view stands somewhere in this strip, and one that has left
the view at its lower edge is still there. Three things are known: no robot fits through, the grid
remembers where a foot was, and it remembers ground on which nothing stood.
"""

from typing import NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import observation
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.projection import cells
from segformer_ros.costmap.projection.scan_table import ScanTable

# Samples of a cell's side along the strip.
_PER_CELL = 2.0
# Cells beyond the view's edge at which a foot that has just left the view may be marked.
_SLACK_CELLS = 2.0
# The view also begins at the picture's sides, farther ahead than below by more than this.
_SIDE = 1.5


class BlindStrip(NamedTuple):
    """
    The strip of one mount, by azimuth bin of its scan table.

    ``edge`` (A,) float32 range at which the view begins, 0 where a bin begins at the picture's
    side or not at all; ``corners`` (4, 2) are those of a rectangle around it, in the ground
    frame, metres.
    """

    edge: arrays.Float32
    corners: arrays.Float64


class StripLines(NamedTuple):
    """
    Samples of a mount's strip, on lines from the foot point, for cells of one size.

    So near, bins are narrower than a cell: one line serves all within half a cell of it. ``line``
    (A,) intp is each bin's, ``number`` how many there are, ``ranges`` (S,) float32 metres along
    them; ``x`` and ``y`` (L, S) float32 metres in the ground frame; ``outside`` (L, S) tells what
    lies out of the robot; ``slack`` float32 metres beyond the view's edge that still count.
    """

    resolution: float
    line: arrays.Index
    number: int
    ranges: arrays.Float32
    x: arrays.Float32
    y: arrays.Float32
    outside: arrays.Bool
    slack: np.float32


def lay_lines(strip: BlindStrip, table: ScanTable, resolution: float, robot_radius: float
              ) -> StripLines:
    """
    Return the samples of a strip.

    :param resolution: cell size, metres
    :param robot_radius: around the ground frame's origin, metres
    """
    step = resolution / _PER_CELL
    slack = np.float32(_SLACK_CELLS * resolution)
    ranges = np.arange(step, float(strip.edge.max()) + slack, step).astype(np.float32)
    bins = len(strip.edge)
    # A unit of azimuth is at most a radian.
    group = max(1, int(step / (float(ranges[-1]) * table.step)))
    middle = np.minimum(np.arange(group // 2, bins + group // 2, group), bins - 1)
    x = np.float32(table.foot[0]) + ranges * table.directions[middle, :1]
    y = np.float32(table.foot[1]) + ranges * table.directions[middle, 1:]
    return StripLines(resolution, np.arange(bins) // group, len(middle), ranges, x, y,
                      np.hypot(x, y) >= robot_radius, slack)


class Strip(NamedTuple):
    """
    What one image and the grid say of the strip.

    ``remembered`` (A,) float32 range of the nearest foot that the grid holds in the strip, inf
    for none; ``fill`` holds points all over the strip of the bins that have to be filled;
    ``may_stand`` (N,) of those, where the grid may take it: what stays did not come to ground
    that was seen free. ``placed`` (A,) bins in which the grid knows what ``may_stand`` says.
    """

    remembered: arrays.Float32
    fill: observation.Obstacles
    may_stand: arrays.Bool
    placed: arrays.Bool


def lay_strip(table: ScanTable, mask_wh: Tuple[int, int]) -> BlindStrip:
    """
    Return the strip before a mount's view.

    :param mask_wh: the mask's width and height, pixels
    """
    width, height = mask_wh
    first = np.minimum(table.first, len(table.ranges) - 1)
    begin = np.where(table.end > 0.0, table.ranges[first], np.float32(0.0))
    ahead = begin * table.directions.dot(table.heading.astype(np.float32))
    column, row = table.edge_pixels % width, table.edge_pixels // width
    border = (column <= 1) | (column >= width - 2) | (row <= 1) | (row >= height - 2)
    nearest = float(ahead[begin > 0.0].min()) if (begin > 0.0).any() else 0.0
    edge = np.where(border & (ahead > _SIDE * nearest), np.float32(0.0), begin)
    ends = np.append(np.zeros((1, 2)), edge[:, None] * table.directions, axis=0)
    low, high = ends.min(axis=0) + table.foot, ends.max(axis=0) + table.foot
    return BlindStrip(edge, np.array([[x, y] for x in (low[0], high[0])
                                      for y in (low[1], high[1])]))


def stands_in(strip: BlindStrip, pose: CameraPose, grid: CostGrid) -> bool:
    """Return whether the grid may remember a foot in the strip."""
    return grid.stands_within(*cells.to_odom(pose.odom_from_ground, strip.corners[:, 0],
                                             strip.corners[:, 1]))


class StripView(NamedTuple):
    """
    What one image shows at the strip's edge, by azimuth bin.

    ``blind`` (A,) bins whose lowest pixels in view show an obstacle; ``moving`` (A,) whether it
    is one that moves; ``labels`` (A,) uint8 its class; ``sure`` (A,) float32 0..1.
    """

    blind: arrays.Bool
    moving: arrays.Bool
    labels: arrays.UInt8
    sure: arrays.Float32


def look_into(strip: BlindStrip, lines: StripLines, seen: StripView, pose: CameraPose,
              grid: CostGrid, holds_foot: bool) -> Strip:
    """
    Return what stands in the strip, as far as it can be told.

    A foot that the grid remembers stands for what fills the view, unless that may have moved
    since.

    :param holds_foot: what :func:`stands_in` says
    """
    remembered = np.full(len(strip.edge), np.inf, np.float32)
    blind = seen.blind & (strip.edge > 0.0)
    line, ranges = lines.line, lines.ranges
    odom = cells.to_odom(pose.odom_from_ground, lines.x, lines.y)
    places, inside = grid.geometry.indices(*odom)
    inside &= lines.outside
    if holds_foot:
        window = grid.geometry.window(*odom, margin=cells.GROWN_MARGIN)
        marked = grid.standing_cells(window)
        standing = np.zeros((grid.geometry.height, grid.geometry.width), np.bool_)
        standing[window] = marked
        # Before what fills the view marks grow by a cell. Ground that is in view tells itself what
        # stands on it.
        grown = cells.grown_marks(marked, window, grid.geometry)
        nearest = np.where(blind, _first(grown[places] & inside, ranges)[line],
                           _first(standing.reshape(-1)[places] & inside, ranges)[line])
        found = nearest < np.where(blind, strip.edge + lines.slack, strip.edge)
        remembered[found] = np.minimum(nearest, strip.edge)[found]
    # One bin speaks for each line, one that shows what moves where there is any.
    chosen = blind & (seen.moving | ~np.isfinite(remembered))
    speakers = np.flatnonzero(chosen)
    speakers = speakers[np.argsort(~seen.moving[speakers], kind='stable')]
    speakers = speakers[observation.first_of_each(line[speakers], lines.number)]
    owners, steps = np.nonzero(inside[line[speakers]] & (ranges < strip.edge[speakers, None]))
    bins = speakers[owners]
    filled = places[line[bins], steps]
    may_stand = seen.moving[bins] | ~grid.shows_ground(filled)
    stands = np.zeros(lines.number, np.bool_)
    stands[line[bins[may_stand]]] = True
    placed = np.isfinite(remembered) | (chosen & stands[line])
    # One point for each cell: near the camera many lines share one.
    once = observation.first_of_each(filled, grid.geometry.width * grid.geometry.height)
    bins, steps, may_stand = bins[once], steps[once], may_stand[once]
    return Strip(remembered, observation.Obstacles(
        lines.x[line[bins], steps], lines.y[line[bins], steps], seen.labels[bins], seen.sure[bins],
        seen.sure[bins], np.zeros(len(bins), np.bool_)), may_stand, placed)


def _first(hit: arrays.Bool, ranges: arrays.Float32) -> arrays.Float32:
    """Return the nearest range that is hit on each line, inf where none is."""
    return np.where(hit.any(axis=1), ranges[hit.argmax(axis=1)], np.float32(np.inf))
