# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A mask seen from above, for drones: everything lies where it is seen.

What stands up leans outwards in such a picture, over ground that is hidden anyway, so its whole
outline is taken as obstacle. What hangs over ground (a tree's crown, a roof's edge) starts
nearer to the camera's foot point than it is seen: a point b metres up that is seen on the ground
at distance d stands above ``d (h - b) / h``. Obstacles are therefore drawn out inwards by the
height that overhangs may have.
"""

from typing import Optional

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import observation
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.projection import cells
from segformer_ros.costmap.projection import scan_table
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.model.classes import UNLABELED

# How bad it is to be on a pixel; where several share a cell the worst counts. Ground is its cost.
_UNSEEN = 99
_STAYS = 100
_MOVES = 101
# Pixels; a cell that covers more is far too coarse for the height.
_WIDEST_REACH = 20
# An overhang above half the camera's height would lie outside the picture almost everywhere.
_HIGHEST_OVERHANG = 0.5


class NadirProjector:
    """
    Projects the masks of one camera that looks down.

    :param settings: ``max_range``, ``horizon`` and ``overhang`` are used
    :param ego_mask: (H, W) 255 where the camera sees its own drone
    """

    def __init__(self, settings: ProjectionSettings,
                 ego_mask: Optional[arrays.UInt8] = None) -> None:
        self.settings = settings
        # The last one stands for all that is out of view.
        self._hidden = None if ego_mask is None else np.append(ego_mask.reshape(-1) > 0, True)
        self._camera: Optional[CameraModel] = None
        self._outline: Optional[scan_table.ViewRays] = None

    def project(self, view: LabelledView, costs: cost_table.CostTable, grid: CostGrid
                ) -> observation.Projection:
        """Project one view; see :mod:`labelled_view`."""
        geometry = grid.geometry
        near = cells.cells_between(geometry, view.pose.odom_from_ground, view.foot,
                                   self._outline_on_ground(view))
        x, y = near.x + np.float32(view.foot[0]), near.y + np.float32(view.foot[1])
        pixels = scan_table.pixel_indices(view.camera, inverse(view.pose.ground_from_camera), x, y)
        bad = _worst_image(view, costs, geometry.resolution)[pixels]
        far = near.x * near.x + near.y * near.y > self.settings.max_range ** 2
        looked_at = (~far & (pixels < len(view.labels) - 1) if self._hidden is None
                     else ~far & ~self._hidden[pixels])
        bad[far] = _UNSEEN
        bad = self._drawn_inwards(bad, near, view, geometry)
        return _projection(bad, near.cells, x, y, pixels, view, costs)._replace(
            doubtful=near.cells[looked_at & (bad == _UNSEEN)])

    def _outline_on_ground(self, view: LabelledView) -> arrays.Float64:
        if self._outline is None or view.camera is not self._camera:
            self._camera, self._outline = view.camera, scan_table.view_rays(view.camera)
        ground_from_camera = view.pose.ground_from_camera
        rays = self._outline.coarse.dot(ground_from_camera[:3, :3].T)
        rays = rays[rays[:, 2] < -self.settings.horizon]
        scale = view.height / -rays[:, 2]
        across = np.hypot(rays[:, 0], rays[:, 1])
        if not len(rays) or (across * scale).min() > self.settings.max_range:
            raise TransformError(
                'Camera sees no ground',
                expected=f'some within max_range {self.settings.max_range:.1f} m',
                remedy='Check that the camera looks down, and raise max_range with the height.')
        scale = np.minimum(scale, self.settings.max_range / np.maximum(across, 1e-9))
        return ground_from_camera[:2, 3] + rays[:, :2] * scale[:, None]

    def _drawn_inwards(self, bad: arrays.UInt8, near: cells.GroundCells, view: LabelledView,
                       geometry: observation.GridGeometry) -> arrays.UInt8:
        overhang = min(self.settings.overhang, _HIGHEST_OVERHANG * view.height)
        reach = overhang / (view.height - overhang)
        if not (bad >= _STAYS).any():
            return bad
        # Steps of one cell at the edge of the view; nearer in they overlap.
        farthest = float(np.sqrt((near.x * near.x + near.y * near.y).max()))
        steps = int(np.ceil(farthest * reach / geometry.resolution))
        table = np.zeros(geometry.width * geometry.height, np.uint8)
        table[near.cells] = np.where(bad >= _STAYS, bad, 0)
        turn = view.pose.odom_from_ground[:2, :2] / geometry.resolution
        step_x = (turn[0, 0] * near.x + turn[0, 1] * near.y).astype(np.float32)
        step_y = (turn[1, 0] * near.x + turn[1, 1] * near.y).astype(np.float32)
        column = (near.cells % geometry.width).astype(np.float32)
        row = (near.cells // geometry.width).astype(np.float32)
        for share in np.linspace(0.0, reach, steps + 1)[1:].tolist():
            mx = np.rint(column + share * step_x)
            my = np.rint(row + share * step_y)
            inside = (mx >= 0) & (mx < geometry.width) & (my >= 0) & (my < geometry.height)
            there = table[np.where(inside, my * geometry.width + mx, 0).astype(np.intp)]
            bad = np.maximum(bad, np.where(inside, there, 0).astype(np.uint8))
        return bad


def _worst_image(view: LabelledView, costs: cost_table.CostTable, resolution: float
                 ) -> arrays.UInt8:
    """Return (H * W + 1,) how bad the worst pixel is that shares a cell with each pixel."""
    table = np.full(256, _UNSEEN, np.uint8)
    table[costs.kinds == cost_table.GROUND] = np.minimum(
        costs.costs[costs.kinds == cost_table.GROUND], cost_table.HIGHEST_COST)
    table[costs.kinds == cost_table.OBSTACLE] = _STAYS
    table[(costs.kinds == cost_table.OBSTACLE) & costs.dynamic] = _MOVES
    camera = view.camera
    width, height = camera.size_wh
    image = cv2.LUT(view.labels[:-1].reshape(height, width), table)
    # Half a cell's diagonal in pixels, straight below the camera, where it is largest.
    reach = int(np.ceil(np.sqrt(0.5) * resolution / view.height * max(camera.fx, camera.fy)))
    side = 2 * min(reach, _WIDEST_REACH) + 1
    image = cv2.dilate(image, np.ones((side, side), np.uint8))
    return np.append(image.reshape(-1), np.uint8(_UNSEEN))


def _projection(bad: arrays.UInt8, places: arrays.Index, x: arrays.Float32, y: arrays.Float32,
                pixels: arrays.Index, view: LabelledView,
                costs: cost_table.CostTable) -> observation.Projection:
    sure = view.confidence_at(np.minimum(pixels, len(view.labels) - 2))
    # Seen through an overhang or a neighbour: the pixel itself may show something else.
    shown = view.labels[pixels]
    shown = np.where((costs.kinds[shown] == cost_table.OBSTACLE) == (bad >= _STAYS), shown,
                     np.uint8(UNLABELED))
    ground = np.flatnonzero(bad <= cost_table.HIGHEST_COST)
    blocked = np.flatnonzero(bad >= _STAYS)
    seen, static, dynamic = (
        observation.Evidence(places[found], sure[found])
        for found in (ground, np.flatnonzero(bad == _STAYS), np.flatnonzero(bad == _MOVES)))
    return observation.Projection(
        observation.Observation(seen, bad[ground].astype(np.float32), static, dynamic),
        observation.Obstacles(x[blocked], y[blocked], shown[blocked], sure[blocked], sure[blocked],
                              np.ones(len(blocked), np.bool_)),
        observation.GroundPoints(x[ground], y[ground], shown[ground], sure[ground]))
