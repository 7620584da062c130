# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write pictures to files: PNG, and GIF with one set of colours for the whole run."""

from typing import Sequence
from typing import Tuple
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segformer_ros.errors import InvalidInputError
from segformer_ros.evaluation.gif_colors import choose_colors

if TYPE_CHECKING:
    import numpy.typing as npt


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
