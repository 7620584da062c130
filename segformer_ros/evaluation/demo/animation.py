# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write pictures to files: PNG, and GIF with one set of colours for the whole run."""

from typing import Any, Sequence, Tuple

import numpy as np
from PIL import Image
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError

# Colours that a GIF can have.
MOST = 256
# The boxes that cover most colours, so that a small bright thing is not averaged away; and no
# dithering. Pillow's names of both moved into enumerations with version 9.1.
_MAXCOVERAGE = 1
_NO_DITHER: Any = 0


def palette_of(frames: Sequence[arrays.UInt8],
               kept: Sequence[Tuple[int, int, int]] = ()) -> Any:
    """
    Return a picture of Pillow's mode P whose palette serves all frames.

    :param frames: RGB uint8, all of one width
    :param kept: colours that must be among them
    """
    fixed = np.array(sorted(set(kept)), np.uint8).reshape(-1, 3)[:MOST]
    chosen = fixed
    if len(fixed) < MOST:
        # The middle of each step of 8 levels: with every shade of a noisy picture Pillow would
        # take minutes.
        montage = Image.fromarray(np.concatenate(frames) & 0xf8 | 4).quantize(
            MOST - len(fixed), _MAXCOVERAGE, dither=_NO_DITHER)
        found = np.array(montage.getpalette(), np.uint8).reshape(-1, 3)[:MOST - len(fixed)]
        # None in the step of one that is kept: Pillow could take it in its place.
        steps = {tuple(color) for color in (fixed >> 3).tolist()}
        apart = [tuple(color) not in steps for color in (found >> 3).tolist()]
        chosen = np.concatenate([fixed, found[apart]])
    # The rest repeats the first colour: Pillow would fill it with black.
    rest = np.repeat(chosen[:1], MOST - len(chosen), axis=0)
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
