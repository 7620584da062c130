# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo's pictures: an animation of all worlds and a still of each."""

import os
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.evaluation.demo import grid_pictures
from segformer_ros.evaluation.demo import panels as pictures
from segformer_ros.evaluation.demo.animation import write_gif
from segformer_ros.evaluation.demo.animation import write_png
from segformer_ros.evaluation.demo.report import DemoFrame
from segformer_ros.model.classes import ClassTable
from segformer_ros.segmentation.images.palette import overlay

ANIMATION = 'demo.gif'
ANIMATION_PANEL_WIDTH = 320
MOST_STILL_PANEL_WIDTH = 640
TRUTH_ALPHA = 0.5

_KEPT = (pictures.BACKGROUND, pictures.FRAME, pictures.TEXT, pictures.FAINT_TEXT)


class DemoPictures:
    """
    Draws and writes the pictures.

    With a costmap for every frame, it stands below the camera beside the true one; else the
    true classes stand at the right.

    :param frames: in order, by world; at least one of each world
    :param classes: of masks and truth
    :param titles: what the title says of each world
    :param notes: what stands at the right of each world's title, for example its mIoU
    """

    def __init__(self, frames: Mapping[str, Sequence[DemoFrame]], classes: ClassTable,
                 titles: Mapping[str, str], notes: Mapping[str, str]) -> None:
        self._frames = frames
        self._palette = classes.palette()
        self._with_grids = all(frame.grids is not None for run in frames.values()
                               for frame in run)
        self._titles = titles
        self._notes = notes
        self._legends: Dict[str, Tuple[pictures.LegendEntry, ...]] = {
            world: pictures.legend_of(
                [mask for frame in run for mask in (frame.truth, frame.mask)], classes.names,
                self._palette)
            for world, run in frames.items()}

    def write(self, folder: str, seconds: float = 0.4) -> List[str]:
        """
        Write the animation and one still of each world.

        :param folder: must exist
        :param seconds: that each frame of the animation is shown
        :return: the paths written
        :raises OSError: a file cannot be written
        """
        paths = []
        for world, run in self._frames.items():
            path = os.path.join(folder, world + '.png')
            # By the second half of the run the costmap holds more than one view.
            write_png(path, self.still(world, most_varied(run[len(run) // 2:])))
            paths.append(path)
        path = os.path.join(folder, ANIMATION)
        kept = list(_KEPT) + [entry.color for legend in self._legends.values()
                              for entry in legend + grid_pictures.LEGEND]
        write_gif(path, self.animation_frames(), seconds, kept)
        return paths + [path]

    def still(self, world: str, frame: DemoFrame) -> arrays.UInt8:
        """Draw one frame at the camera's own size (or a little less), RGB uint8."""
        sheet = self._sheet(world, frame, min(frame.image.shape[1], MOST_STILL_PANEL_WIDTH))
        return self._draw(world, frame, sheet)

    def animation_frames(self) -> List[arrays.UInt8]:
        """Draw all frames of all worlds, RGB uint8 of one size."""
        sheets = {world: self._sheet(world, run[0], ANIMATION_PANEL_WIDTH)
                  for world, run in self._frames.items()}
        # Legends differ in length; the first drawing of each world tells the height.
        height = max(self._draw(world, run[0], sheets[world]).shape[0]
                     for world, run in self._frames.items())
        return [self._draw(world, frame, sheets[world]._replace(least_height=height))
                for world, run in self._frames.items() for frame in run]

    def _sheet(self, world: str, frame: DemoFrame, panel_width: int) -> pictures.Sheet:
        height, width = frame.image.shape[:2]
        panel_wh = (panel_width, round(panel_width * height / float(width)))
        if self._with_grids:
            return pictures.Sheet(panel_wh, 2, (self._legends[world], grid_pictures.LEGEND))
        return pictures.Sheet(panel_wh, 3, (self._legends[world],))

    def _draw(self, world: str, frame: DemoFrame,
              sheet: pictures.Sheet) -> arrays.UInt8:
        panels = [
            pictures.Panel('camera', frame.image),
            pictures.Panel('what the network sees', frame.overlay)
        ]
        if self._with_grids and frame.grids is not None:
            panels += [
                pictures.Panel(caption,
                               grid_pictures.grid_picture(grid, frame.grids.robot, sheet.panel_wh))
                for caption, grid in (('costmap', frame.grids.costmap),
                                      ('true costs of what was seen', frame.grids.seen_truth()))
            ]
        else:
            panels.append(pictures.Panel('the truth', overlay(
                frame.image, frame.truth, self._palette, TRUTH_ALPHA)))
        return pictures.compose(sheet, panels, self._titles[world], self._notes[world])


def most_varied(frames: Sequence[DemoFrame], least_share: float = 0.004) -> DemoFrame:
    """
    Return the frame that shows the most classes, the first one of several.

    :param frames: at least one
    :param least_share: a class counts if it covers as much of the picture, 0..1
    """
    def variety(frame: DemoFrame) -> int:
        counts = np.bincount(frame.truth.ravel())
        return int((counts >= least_share * frame.truth.size).sum())

    return max(frames, key=variety)
