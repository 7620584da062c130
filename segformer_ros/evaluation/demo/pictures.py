# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo's pictures: a still of each world, PNG, and an animation of all, GIF."""

import os
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from PIL import Image
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.demo import panels as pictures
from segformer_ros.evaluation.demo.report import DemoFrame
from segformer_ros.evaluation.demo.true_grid import LEGEND
from segformer_ros.evaluation.run import grid_pictures
from segformer_ros.model.classes import ClassTable
from segformer_ros.segmentation.images.palette import overlay

ANIMATION = 'demo.gif'
ANIMATION_PANEL_WIDTH = 320
MOST_STILL_PANEL_WIDTH = 640
TRUTH_ALPHA = 0.5

_KEPT = (pictures.BACKGROUND, pictures.FRAME, pictures.TEXT, pictures.FAINT_TEXT)
# Colours that a GIF can have.
MOST_COLORS = 256
# The boxes that cover most colours, so that a small bright thing is not averaged away; and no
# dithering. Pillow's names of both moved into enumerations with version 9.1.
_MAXCOVERAGE = 1
_NO_DITHER: Any = 0


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
        self._with_grids = all(frame.grids is not None for run in frames.values() for frame in run)
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
                              for entry in legend + LEGEND]
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
            return pictures.Sheet(panel_wh, 2, (self._legends[world], LEGEND))
        return pictures.Sheet(panel_wh, 3, (self._legends[world],))

    def _draw(self, world: str, frame: DemoFrame, sheet: pictures.Sheet) -> arrays.UInt8:
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


def palette_of(frames: Sequence[arrays.UInt8], kept: Sequence[Tuple[int, int, int]] = ()) -> Any:
    """
    Return a picture of Pillow's mode P whose palette serves all frames.

    :param frames: RGB uint8, all of one width
    :param kept: colours that must be among them
    """
    fixed = np.array(sorted(set(kept)), np.uint8).reshape(-1, 3)[:MOST_COLORS]
    chosen = fixed
    if len(fixed) < MOST_COLORS:
        # The middle of each step of 8 levels: with every shade of a noisy picture Pillow would
        # take minutes.
        montage = Image.fromarray(np.concatenate(frames) & 0xf8 | 4).quantize(
            MOST_COLORS - len(fixed), _MAXCOVERAGE, dither=_NO_DITHER)
        found = np.array(montage.getpalette(), np.uint8).reshape(-1, 3)[:MOST_COLORS - len(fixed)]
        # None in the step of one that is kept: Pillow could take it in its place.
        steps = {tuple(color) for color in (fixed >> 3).tolist()}
        apart = [tuple(color) not in steps for color in (found >> 3).tolist()]
        chosen = np.concatenate([fixed, found[apart]])
    # The rest repeats the first colour: Pillow would fill it with black.
    rest = np.repeat(chosen[:1], MOST_COLORS - len(chosen), axis=0)
    palette = Image.new('P', (1, 1))
    palette.putpalette(np.concatenate([chosen, rest]).tobytes())
    return palette


def write_png(path: str, picture: arrays.UInt8) -> None:
    """
    Write one RGB picture.

    :raises OSError: it cannot be written
    """
    Image.fromarray(picture).save(path, format='PNG', optimize=True)


def write_gif(path: str, frames: Sequence[arrays.UInt8], seconds: float,
              kept: Sequence[Tuple[int, int, int]] = ()) -> None:
    """
    Write an endless animation.

    All frames share their colours, and none is dithered: what stands still looks still.

    :param frames: RGB uint8, all of one size, at least one
    :param seconds: that each frame is shown; GIF knows hundredths
    :param kept: colours that must not change, for example those of a legend
    :raises InvalidInputError: no frame, or sizes that differ
    :raises OSError: it cannot be written
    """
    shapes = {frame.shape for frame in frames}
    if len(shapes) != 1:
        raise InvalidInputError('Frames make no animation', got=sorted(shapes) or 'no frame',
                                expected='one size')
    palette = palette_of(frames, kept)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=_NO_DITHER)
              for frame in frames]
    images[0].save(path, format='GIF', save_all=True, append_images=images[1:], loop=0,
                   optimize=False, duration=round(1000 * seconds))
