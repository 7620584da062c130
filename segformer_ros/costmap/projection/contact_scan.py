# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Walk outwards over the ground in every direction, until the first obstacle.

Things that stand upright cover a bin of azimuth from their foot to their top, whatever the
camera's roll: the first obstacle sample is the contact with the ground, and nothing behind it
was seen. Overhangs are the known exception: the front edge of a table top
is met where the ray through it meets the ground, which is behind the table.
"""

from typing import NamedTuple, Optional, Tuple

import cv2
import numpy as np

from segformer_ros.common import arrays
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.cost_table import OBSTACLE
from segformer_ros.costmap.projection import kernels as kernels_of_c
from segformer_ros.costmap.projection.scan_table import ScanTable
from segformer_ros.costmap.settings import ProjectionSettings

# Image rows that a contact may lie behind a neighbour's. On a side seen at a steeper slant it
# takes that neighbour's range, or the next one's: a shift of two bins, 3 pixels, at most.
_EDGE_ROWS = 2


class Scan(NamedTuple):
    """
    What one mask shows, by azimuth bin of ``table``.

    ``contact`` (A,) float32 range of the first obstacle, inf if there is none; ``contact_pixel``
    and ``contact_depth`` (A,) index the mask at the obstacle's foot and ``min_run`` pixels into
    it (valid where ``contact`` is finite); ``foot_seen`` (A,) tells that ground was seen right
    before the contact, so that it is the obstacle's foot and not the edge of the view; ``blind``
    (A,) that no ground was seen before it at all: the foot lies below the view; ``clear`` (A,)
    float32 range up to which ground is seen without a gap, 0 for none; ``clear_pixel`` (A,)
    indexes the mask there; ``seen`` (A,) float32 range at which knowledge ends: the contact, or
    the last sample in view.
    """

    table: ScanTable
    contact: arrays.Float32
    contact_pixel: arrays.Int32
    contact_depth: arrays.Int32
    foot_seen: arrays.Bool
    blind: arrays.Bool
    clear: arrays.Float32
    clear_pixel: arrays.Int32
    seen: arrays.Float32


def reading_of(labels: arrays.UInt8, kinds_by_label: arrays.UInt8, settings: ProjectionSettings
               ) -> kernels_of_c.Reading:
    """Return how a mask is read; parameters as of :func:`scan`."""
    return kernels_of_c.Reading(labels, kinds_by_label, settings.min_run, settings.max_gap,
                                _EDGE_ROWS)


def scan(table: ScanTable, labels: arrays.UInt8, kinds_by_label: arrays.UInt8,
         settings: ProjectionSettings, kernels: Optional[kernels_of_c.ProjectionKernels] = None
         ) -> Scan:
    """
    Find contact and clear range of every bin.

    :param table: with its samples
    :param labels: (H * W + 1,) the flattened mask and one UNLABELED after it
    :param kinds_by_label: (256,) CostTable.kinds
    :param kernels: do the same faster
    """
    reading = reading_of(labels, kinds_by_label, settings)
    return Scan(table, *(scan_bins(table, reading) if kernels is None else
                         kernels.scan_bins(table.samples, table.ranges, reading)))


def scan_bins(table: ScanTable, reading: kernels_of_c.Reading) -> kernels_of_c.Shown:
    """Return what a mask shows, by bin; see :func:`scan`."""
    # Classes become kinds in the image, where OpenCV does it in one sweep.
    kinds = np.asarray(cv2.LUT(reading.labels, reading.kinds), np.uint8).reshape(-1).take(
        table.pixels)
    count = len(table.ranges)
    bins = np.arange(len(kinds))
    # Sixteen bits take a quarter of the time; a picture has no more rows.
    begun = np.arange(count, dtype=np.uint16) >= table.first[:, None].astype(np.uint16)
    obstacle = _runs(kinds == OBSTACLE, reading.min_run)
    start = obstacle.argmax(axis=1)
    found = obstacle[bins, start]
    border, beside = _border(table, kinds, start, reading.max_gap)
    blind = _below_view(table, kinds, np.where(found, start, -1), reading.min_run)
    # Before the view begins there is nothing to interrupt the ground.
    broken = _runs((kinds != GROUND) & begun, reading.min_run)
    stop = np.where(broken.any(axis=1), broken.argmax(axis=1), count)
    last_clear = _last_ground_before(kinds, stop, reading.min_run)
    has_clear = (stop > 0) & (kinds[bins, last_clear] == GROUND)
    clear = np.where(has_clear, table.ranges[last_clear], np.float32(0.0))
    start = np.where(found, start, 0)
    owner = _owners(np.where(found, start, count), found, reading.edge_rows)
    contact = np.where(found, border.astype(np.float32), np.float32(np.inf))[owner]
    deep = np.minimum(start + reading.min_run - 1, count - 1)
    return kernels_of_c.Shown(
        contact, table.pixels[bins, start][owner], table.pixels[bins, deep][owner],
        (beside & ~blind)[owner], blind[owner], np.minimum(clear, contact),
        table.pixels[bins, last_clear], np.minimum(contact, table.end))


def _owners(start: arrays.Index, found: arrays.Bool, edge_rows: int) -> arrays.Index:
    """
    Return the bin whose contact counts for each bin: itself, or a nearer neighbour.

    The outline of an upright thing runs along a bin, whatever the camera's roll. A bin on that
    line changes sides by the rounding of pixels, so it meets the thing somewhere between foot
    and top, which projects far behind it. A neighbour then meets the foot itself.
    """
    bins = np.arange(len(start))
    left, right = np.maximum(bins - 1, 0), np.minimum(bins + 1, len(start) - 1)
    nearer = np.where(start[left] <= start[right], left, right)
    owner = np.where(found & (start - start[nearer] > edge_rows), nearer, bins)
    # The neighbour may be one of those bins itself.
    return owner[owner]


def _below_view(table: ScanTable, kinds: arrays.UInt8, start: arrays.Index, min_run: int
                ) -> arrays.Bool:
    """Return where fewer than ``min_run`` samples of ground lie before one; -1 for none."""
    blind = np.zeros(len(kinds), np.bool_)
    asked = np.flatnonzero(start >= 0)
    if not len(asked):
        return blind
    # Ground right before most contacts spares them the count.
    plain = start[asked] - min_run >= table.first[asked]
    for back in range(1, min_run + 1):
        plain &= kinds[asked, np.maximum(start[asked] - back, 0)] == GROUND
    asked = asked[~plain]
    before = np.arange(kinds.shape[1]) < start[asked, None]
    blind[asked] = ((kinds[asked] == GROUND) & before).sum(axis=1) < min_run
    return blind


def _runs(flags: arrays.Bool, length: int) -> arrays.Bool:
    """Mark (A, R - length + 1) where ``length`` flags in a row begin."""
    length = min(length, flags.shape[1])
    count = flags.shape[1] - length + 1
    runs = flags[:, :count].copy()
    for offset in range(1, length):
        runs &= flags[:, offset:offset + count]
    return runs


def _last_ground_before(kinds: arrays.UInt8, stop: arrays.Index, window: int) -> arrays.Index:
    """Return the last ground sample within a window before a sample; ``stop - 1`` if none."""
    bins = np.arange(len(kinds))
    best = np.maximum(stop - 1, 0)
    for back in range(window, 0, -1):
        place = np.maximum(stop - back, 0)
        best = np.where(kinds[bins, place] == GROUND, place, best)
    return best


def _border(table: ScanTable, kinds: arrays.UInt8, start: arrays.Index, max_gap: int
            ) -> Tuple[arrays.Float32, arrays.Bool]:
    """Return the range half-way between ground and obstacle, and whether there is ground."""
    bins = np.arange(len(kinds))
    ground = _last_ground_before(kinds, start, max_gap + 1)
    beside = (kinds[bins, ground] == GROUND) & (ground < start)
    ranges = table.ranges[start]
    return np.where(beside, 0.5 * (ranges + table.ranges[ground]), ranges), beside
