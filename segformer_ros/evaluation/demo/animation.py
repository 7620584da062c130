# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write pictures to files: PNG, and GIF with one set of colours for the whole run."""

from typing import Any, Sequence, Tuple, TYPE_CHECKING

import numpy as np
from PIL import Image
from segformer_ros.common.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy.typing as npt

MOST = 256
_BITS = 5
"""Of each channel that are looked at: steps of 8 levels."""
_ROUNDS = 4


class ColorMap:
    """
    256 colours and the nearest of them for any colour.

    :param colors: (N, 3) RGB uint8, N at most 256
    """

    def __init__(self, colors: 'npt.NDArray[np.uint8]') -> None:
        self.colors = colors
        every = _bin_centres(np.arange(1 << (3 * _BITS)))
        self._index = np.empty(len(every), np.uint8)
        for start in range(0, len(every), 4096):
            block = every[start:start + 4096]
            self._index[start:start + 4096] = _distances(
                block, colors.astype(np.float32)).argmin(1)
        # Colours of the list map to themselves; the first ones win where two share a bin.
        self._index[_bins(colors)[::-1]] = np.arange(len(colors))[::-1]

    def indices(self, picture: 'npt.NDArray[np.uint8]') -> 'npt.NDArray[np.uint8]':
        """
        Return the number of the nearest colour for each pixel.

        :param picture: RGB uint8 (H, W, 3)
        :return: uint8 (H, W)
        """
        return np.take(self._index, _bins(picture))


def choose_colors(pictures: 'Sequence[npt.NDArray[np.uint8]]',
                  kept: Sequence[Tuple[int, int, int]] = ()) -> ColorMap:
    """
    Return the colours that serve all pictures best.

    :param pictures: RGB uint8 (H, W, 3)
    :param kept: colours that must be among them
    """
    counts = np.zeros(1 << (3 * _BITS), np.int64)
    for picture in pictures:
        counts += np.bincount(_bins(picture).ravel(), minlength=len(counts))
    used = np.flatnonzero(counts)
    points = _bin_centres(used)
    weights = np.sqrt(counts[used])
    fixed = np.array(sorted(set(kept)), np.float32).reshape(-1, 3)[:MOST]
    colors = _spread(points, weights, fixed)
    for _ in range(_ROUNDS):
        colors = _settle(points, weights, colors, len(fixed))
    return ColorMap(np.rint(colors).astype(np.uint8))


def _spread(points: 'npt.NDArray[np.float32]', weights: 'npt.NDArray[np.float64]',
            fixed: 'npt.NDArray[np.float32]') -> 'npt.NDArray[np.float32]':
    """Add, one after another, the point that the colours so far serve worst."""
    colors = list(fixed) or [points[weights.argmax()]]
    worst = _distances(points, np.array(colors)).min(1)
    while len(colors) < min(MOST, len(points) + len(fixed)):
        at = int((worst * weights).argmax())
        if worst[at] == 0:
            break
        colors.append(points[at])
        worst = np.minimum(worst, _distances(points, points[at:at + 1])[:, 0])
    return np.array(colors)


def _settle(points: 'npt.NDArray[np.float32]', weights: 'npt.NDArray[np.float64]',
            colors: 'npt.NDArray[np.float32]', fixed: int) -> 'npt.NDArray[np.float32]':
    """Move each colour that is not fixed to the middle of the points nearest to it."""
    nearest = _distances(points, colors).argmin(1)
    total = np.bincount(nearest, weights, minlength=len(colors))
    sums = np.stack([np.bincount(nearest, weights * points[:, channel], minlength=len(colors))
                     for channel in range(3)], 1)
    moved = colors.copy()
    movable = np.flatnonzero(total)
    movable = movable[movable >= fixed]
    moved[movable] = sums[movable] / total[movable, np.newaxis]
    return moved


def _distances(points: 'npt.NDArray[np.float32]',
               colors: 'npt.NDArray[np.float32]') -> 'npt.NDArray[np.float32]':
    """Return squared distances, (points, colours)."""
    result = np.zeros((len(points), len(colors)), np.float32)
    for channel in range(3):
        result += np.square(points[:, channel, np.newaxis] - colors[np.newaxis, :, channel])
    return result


def _bins(picture: 'npt.NDArray[np.uint8]') -> 'npt.NDArray[Any]':
    red, green, blue = ((picture[..., channel] >> (8 - _BITS)).astype(np.uint16)
                        for channel in range(3))
    return (red << (2 * _BITS)) | (green << _BITS) | blue


def _bin_centres(bins: 'npt.NDArray[np.intp]') -> 'npt.NDArray[np.float32]':
    mask = (1 << _BITS) - 1
    top = np.stack([bins >> (2 * _BITS), (bins >> _BITS) & mask, bins & mask], 1)
    step = 1 << (8 - _BITS)
    return (top * step + (step - 1) / 2.0).astype(np.float32)


def write_png(path: str, picture: 'npt.NDArray[np.uint8]') -> None:
    """
    Write one RGB picture.

    :raises OSError: it cannot be written
    """
    Image.fromarray(picture).save(path, format='PNG', optimize=True)


def write_gif(path: str, frames: 'Sequence[npt.NDArray[np.uint8]]', seconds: float,
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
    color_map = choose_colors(frames, kept)
    images = []
    for frame in frames:
        image = Image.fromarray(color_map.indices(frame))
        image.putpalette(color_map.colors.tobytes())
        images.append(image)
    images[0].save(path, format='GIF', save_all=True, append_images=images[1:], loop=0,
                   optimize=False, duration=round(1000 * seconds))
