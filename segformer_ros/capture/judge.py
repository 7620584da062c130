# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Which frames are worth labelling: unsure ones, flickering ones, ones that depth contradicts.

All of this looks at some thousand pixels of a frame. Flicker is told only where the view stands
still: there every change of a label is the network's. Motion compensation was left out: by
optical flow it is wrong where things pass before others, and by pose wherever the ground is not
flat; both are where labels change for good reasons.
"""

from typing import Dict, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from segformer_ros.capture import frame as frames
from segformer_ros.capture import lidar
from segformer_ros.common import arrays
from segformer_ros.common.time import NANOSECONDS
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.cost_table import OBSTACLE
from segformer_ros.costmap.projection.measured_height import sort_by_height
from segformer_ros.costmap.settings import METRIC

COLUMNS = 80
"""Cells across the coarse view; each is the mean of some pixels, so that noise averages out."""
STILL_LEVELS = 3.0
"""Of 255: a cell that differs by less, once exposure is taken out, has not changed."""
STILL_SHARE = 0.9
"""Of the cells that must not have changed where a view stands still."""
LEAST_INTERIOR = 0.3
"""Of the cells that must lie inside of regions, or flicker is not told."""
LONGEST_PAUSE = 1.0
"""Seconds between two frames that are compared."""
THINNED = 4
"""Every so manieth pixel of rows and columns is looked at for confidence and depth."""
# Metres; nearer than any depth camera measures.
_NEAREST = 0.05
# Measured pixels of ground and obstacles, below which depth says too little.
_LEAST_MEASURED = 200


class Thresholds(NamedTuple):
    """
    What makes a frame worth keeping; the shares are 0..1, and 0 does not look.

    ``low_confidence`` is the confidence 0..1 below which a pixel counts as unsure;
    ``trickle_period`` seconds between two frames of one camera that are kept whatever they show,
    0 for none.
    """

    low_confidence: float = 0.5
    unsure_share: float = 0.15
    flicker_share: float = 0.05
    depth_share: float = 0.15
    lidar_share: float = 0.15
    trickle_period: float = 60.0


class Verdict(NamedTuple):
    """Why a frame is kept; ``score`` is the share of its pixels behind that, 0..1."""

    reason: str
    score: float


class CoarseView(NamedTuple):
    """
    A frame as a few cells: ``grey`` (h, w) float32, ``labels`` (h, w) uint8.

    ``inside`` (h, w) bool: the cell and its neighbours have one label, so no border is near.
    """

    stamp_ns: int
    grey: arrays.Float32
    labels: arrays.UInt8
    inside: arrays.Bool


class CaptureJudge:
    """Decides on the frames of all cameras, one after the other."""

    def __init__(self) -> None:
        self._before: Dict[str, Tuple[frames.NetworkIdentity, CoarseView]] = {}
        self._kept: Dict[Tuple[str, str], CoarseView] = {}
        self._latest: Optional[CoarseView] = None
        self._trickled: Dict[str, float] = {}

    def judge(self, frame: frames.CandidateFrame, thresholds: Thresholds,
              now: float) -> Optional[Verdict]:
        """
        Return why a frame is to be kept, None where it is not.

        A frame that looks like the last one kept of that camera for the same reason is not kept
        again: a robot that is parked before a riddle would fill the folder with one picture.

        :param now: seconds of a steady clock
        """
        if frame.measured is not None:
            view = self._latest = coarse_view(frame)
            return self._contradicted(frame, frame.measured, view, thresholds)
        network, before = self._before.get(frame.camera, (None, None))
        if network is not frame.network:
            before = None  # where two networks differ, neither of them flickers
        view = self._latest = coarse_view(frame)
        self._before[frame.camera] = frame.network, view
        if frame.asked:
            return Verdict(frames.SERVICE, 0.0)
        if thresholds.flicker_share > 0.0 and before is not None:
            found = self._verdict(frame, view, frames.FLICKER, flicker_share(before, view),
                                  thresholds.flicker_share)
            if found is not None:
                return found
        if thresholds.unsure_share > 0.0 and frame.confidence is not None:
            found = self._verdict(
                frame, view, frames.UNSURE,
                unsure_share(frame.confidence, thresholds.low_confidence),
                thresholds.unsure_share)
            if found is not None:
                return found
        if thresholds.trickle_period > 0.0 and now - self._trickled.get(
                frame.camera, -np.inf) >= thresholds.trickle_period:
            return Verdict(frames.TRICKLE, 0.0)
        return None

    def record_kept(self, frame: frames.CandidateFrame, verdict: Verdict, now: float) -> None:
        """Remember that the frame that was judged last is in the folder."""
        if self._latest is not None:
            self._kept[frame.camera, verdict.reason] = self._latest
        self._trickled[frame.camera] = now

    def _contradicted(self, frame: frames.CandidateFrame, measured: frames.MeasuredView,
                      view: CoarseView, thresholds: Thresholds) -> Optional[Verdict]:
        for reason, threshold, share_of in (
                (frames.DEPTH, thresholds.depth_share, contradicted_share),
                (frames.LIDAR, thresholds.lidar_share, lidar.contradicted_share)):
            if threshold > 0.0:
                found = self._verdict(frame, view, reason, share_of(measured), threshold)
                if found is not None:
                    return found
        return None

    def _verdict(self, frame: frames.CandidateFrame, view: CoarseView, reason: str,
                 score: Optional[float], threshold: float) -> Optional[Verdict]:
        if score is None or score < threshold:
            return None
        kept = self._kept.get((frame.camera, reason))
        if kept is not None and is_still(kept, view):
            return None
        return Verdict(reason, round(score, 4))


def coarse_view(frame: frames.CandidateFrame) -> CoarseView:
    """Return the few cells of a frame that are compared with those of others."""
    height, width = frame.mask.shape
    columns = min(COLUMNS, width)
    rows = max(1, min(height, round(height * columns / width)))
    # Green: most of the light, and half of the sensor's pixels.
    grey = cv2.resize(np.ascontiguousarray(frame.image[:, :, 1]), (columns, rows),
                      interpolation=cv2.INTER_AREA).astype(np.float32)
    labels = cv2.resize(frame.mask, (columns, rows), interpolation=cv2.INTER_NEAREST)
    kernel = np.ones((3, 3), np.uint8)
    inside = cv2.erode(labels, kernel) == cv2.dilate(labels, kernel)
    return CoarseView(frame.stamp_ns, grey, np.asarray(labels, np.uint8), np.asarray(inside))


def still_cells(before: CoarseView, now: CoarseView) -> Optional[arrays.Bool]:
    """Return the cells that show the same as before, None where the sizes differ."""
    if before.grey.shape != now.grey.shape:
        return None
    change = now.grey - before.grey
    return np.abs(change - np.median(change)) < STILL_LEVELS


def is_still(before: CoarseView, now: CoarseView) -> bool:
    """Return whether two views show the same picture, but for a few cells and the exposure."""
    still = still_cells(before, now)
    return still is not None and float(still.mean()) >= STILL_SHARE


def flicker_share(before: CoarseView, now: CoarseView) -> Optional[float]:
    """
    Return the share of the cells that change their label though nothing else changes.

    Cells at the borders of regions are left out: there labels waver in every network.

    :return: 0..1; None where the view does not stand still, the frames lie too far apart, or
        nearly everything is border
    """
    age = now.stamp_ns - before.stamp_ns
    still = still_cells(before, now)
    if still is None or not 0 < age <= LONGEST_PAUSE * NANOSECONDS \
            or float(still.mean()) < STILL_SHARE:
        return None
    judged = still & before.inside & now.inside
    if float(judged.mean()) < LEAST_INTERIOR:
        return None
    return float((before.labels != now.labels)[judged].mean())


def unsure_share(confidence: arrays.UInt8, low_confidence: float) -> float:
    """
    Return the share of the pixels below a confidence.

    :param confidence: (H, W) 0..255
    :param low_confidence: 0..1
    """
    return float((confidence[::THINNED, ::THINNED] < 255.0 * low_confidence).mean())


def contradicted_share(measured: frames.MeasuredView) -> Optional[float]:
    """
    Return the share of the measured pixels whose class the depth image contradicts.

    Those are what the costmap takes from the depth against the label: level ground named as
    something that has to stand up, and ground that stands up or lies below the plane.

    :return: 0..1; None where too little is measured, or where depth is an estimate
    """
    view = measured.view
    if view.depth is None or view.depth.shape != view.mask.shape \
            or measured.settings.kind != METRIC:
        return None
    thin = np.s_[::THINNED, ::THINNED]
    labels, depth = view.mask[thin], view.depth[thin]
    rays = view.camera.rays().reshape(view.mask.shape + (3,))[thin]
    kinds = measured.costs.kinds[labels]
    with np.errstate(invalid='ignore'):
        use = (depth > _NEAREST) & (depth < np.inf) & (rays[..., 2] > 0.0)
    use &= (kinds == GROUND) | (kinds == OBSTACLE)
    if measured.ego_mask is not None:
        use &= measured.ego_mask[thin] == 0
    points = rays[use] / rays[use][:, 2:] * depth[use][:, None]
    matrix = view.pose.ground_from_camera.astype(np.float32)
    moved = points.dot(matrix[:3, :3].T)
    away = np.hypot(moved[:, 0], moved[:, 1])
    near = away <= measured.max_range
    if np.count_nonzero(near) < _LEAST_MEASURED:
        return None
    labels = labels[use][near]
    found = sort_by_height((moved[:, 2] + matrix[2, 3])[near], away[near], labels, measured.costs,
                           measured.settings)
    contradicted = found.misnamed | (found.obstacle & (measured.costs.kinds[labels] == GROUND))
    return float(contradicted.mean())
