# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Some frames of a recording beside their grids, for the report."""

import math
from typing import Dict, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import Occupancy
from segformer_ros.evaluation.metrics.grid_agreement import GridPicture
from segformer_ros.evaluation.run import grid_pictures
from segformer_ros.segmentation.images.compressed import encode_jpeg
from segformer_ros.segmentation.images.compressed import encode_png
from segformer_ros.segmentation.images.palette import overlay

WIDTH = 480
"""Pixels of a picture across, at most."""
QUALITY = 80
ALPHA = 0.45
ROOM = 6
"""Frames of one recording."""
FOUND_COLOR: grid_pictures.Color = (20, 150, 90)
MISSED_COLOR: grid_pictures.Color = (255, 60, 200)


class Contacts(NamedTuple):
    """Cells of the grid that truly are contacts, (M,) each: those marked, and those missed."""

    found: arrays.Index
    missed: arrays.Index


class GridFrames:
    """
    Keeps those frames that miss most contacts; without a reference some, spread evenly.

    :param source: of the frames, for the report
    :param palette: (256, 3) RGB by class
    """

    def __init__(self, source: str, palette: arrays.UInt8) -> None:
        self._source = source
        self._palette = palette
        self._count = 0
        self._stride = 1
        self._kept: Dict[int, Tuple[int, GridPicture]] = {}

    def offer(self, name: str, image: arrays.UInt8, view: CameraView, grid: Occupancy,
              contacts: Optional[Contacts]) -> None:
        """
        Take a frame.

        :param name: of the frame
        :param image: (H, W, 3) RGB
        :param view: of the mask
        :param grid: after it
        :param contacts: where heights tell them
        """
        position, self._count = self._count, self._count + 1
        # The most missed contacts stay; without a reference, every stride-th frame.
        score = len(contacts.missed) if contacts is not None else 0
        if (contacts is None and position % self._stride) or (
                contacts is not None and len(self._kept) == ROOM
                and score <= min(kept for kept, _ in self._kept.values())):
            return
        self._kept[position] = score, self._picture(name, image, view, grid, contacts)
        if len(self._kept) <= ROOM:
            return
        if contacts is not None:
            del self._kept[min(self._kept, key=lambda each: (self._kept[each][0], -each))]
            return
        self._stride *= 2
        self._kept = {each: kept for each, kept in self._kept.items()
                      if each % self._stride == 0}

    def _picture(self, name: str, image: arrays.UInt8, view: CameraView, grid: Occupancy,
                 contacts: Optional[Contacts]) -> GridPicture:
        return GridPicture(
            self._source, name,
            encode_jpeg(_at_most(overlay(image, view.mask, self._palette, ALPHA)),
                        QUALITY).tobytes(),
            encode_png(grid_with_contacts(view, grid, contacts)).tobytes(),
            None if contacts is None else len(contacts.found) + len(contacts.missed),
            None if contacts is None else len(contacts.found))

    def pictures(self) -> List[GridPicture]:
        """Return what was kept, in the order of the frames."""
        return [self._kept[position][1] for position in sorted(self._kept)]


def grid_with_contacts(view: CameraView, grid: Occupancy,
                       contacts: Optional[Contacts]) -> arrays.UInt8:
    """
    Draw a whole grid as a map: x to the right, y up, the robot as an arrow.

    :param contacts: are drawn over it: green where they are marked, pink where they are missed
    :return: RGB, at most :data:`WIDTH` pixels and a cell across
    """
    geometry = grid.geometry
    pixels = max(1, WIDTH // geometry.width)
    colors = grid_pictures.occupancy_palette()[grid.values.view(np.uint8)]
    if contacts is not None:
        flat = colors.reshape(-1, 3)
        flat[contacts.found], flat[contacts.missed] = FOUND_COLOR, MISSED_COLOR
    picture = np.ascontiguousarray(colors[::-1].repeat(pixels, 0).repeat(pixels, 1))
    robot = _robot(view, geometry)
    grid_pictures.draw_robot(picture, robot.x * pixels,
                             (geometry.height - robot.y) * pixels, robot.yaw)
    return picture


def _robot(view: CameraView, geometry: GridGeometry) -> grid_pictures.GridPose:
    pose = view.pose.odom_from_ground
    return grid_pictures.GridPose(
        (float(pose[0, 3]) - geometry.origin_x) / geometry.resolution,
        (float(pose[1, 3]) - geometry.origin_y) / geometry.resolution,
        math.atan2(pose[1, 0], pose[0, 0]))


def _at_most(picture: arrays.UInt8) -> arrays.UInt8:
    height, width = picture.shape[:2]
    if width <= WIDTH:
        return picture
    return np.asarray(cv2.resize(picture, (WIDTH, max(1, round(height * WIDTH / width))),
                                 interpolation=cv2.INTER_AREA), np.uint8)
