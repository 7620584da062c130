# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A camera's sensor: exposure, white balance, blur and noise turn linear light into bytes."""

from typing import NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays

# Grey that the automatic exposure aims at (linear; 0.25 is shown as half).
_TARGET = 0.26
# Drawn once: real sensors' noise is white, and shifting a tile is fast.
_NOISE_SIDE = 1031
_NOISE = np.random.RandomState(50913).standard_normal(_NOISE_SIDE * _NOISE_SIDE).astype(np.float32)


class Sensor(NamedTuple):
    """
    What a camera does to light.

    ``exposure``: factor on the automatic exposure. ``white_balance``: factors on red and
    blue. ``noise``: standard deviation at mid grey, 0..1 of full scale. ``vignette``: light
    lost in the corners, 0..1. ``softness``: share of the light that a lens spreads to the
    neighbouring pixels, 0..0.5.
    """

    exposure: float = 1.0
    white_balance: Tuple[float, float] = (1.0, 1.0)
    noise: float = 0.010
    vignette: float = 0.12
    softness: float = 0.22


USUAL_SENSOR = Sensor()


def _spread(image: arrays.Array, amount: float) -> arrays.Array:
    side = np.float32(amount * 0.5)
    keep = np.float32(1.0 - amount)
    for axis in (0, 1):
        view = image if axis == 0 else image.swapaxes(0, 1)
        out = view * keep
        out[1:] += view[:-1] * side
        out[:-1] += view[1:] * side
        out[0] += view[0] * side
        out[-1] += view[-1] * side
        image = out if axis == 0 else out.swapaxes(0, 1)
    return image


def _smear(image: arrays.Array, motion: Tuple[float, float]) -> arrays.Array:
    steps = int(np.ceil(max(abs(motion[0]), abs(motion[1]))))
    if steps < 1:
        return image
    total = np.zeros_like(image)
    for step in range(steps + 1):
        part = step / float(steps) - 0.5
        shift = (int(np.rint(motion[1] * part)), int(np.rint(motion[0] * part)))
        rows = np.clip(np.arange(image.shape[0]) - shift[0], 0, image.shape[0] - 1)
        columns = np.clip(np.arange(image.shape[1]) - shift[1], 0, image.shape[1] - 1)
        total += image[rows][:, columns]
    return total / np.float32(steps + 1)


def expose(light: arrays.Float32, sensor: Sensor, random: np.random.RandomState,
           motion: Tuple[float, float] = (0.0, 0.0)) -> arrays.UInt8:
    """
    Return the image that a sensor makes of linear light.

    :param light: linear colour (H, W, 3) float32
    :param random: source of the noise
    :param motion: pixels right and down that the scene moves while the shutter is open
    :return: RGB uint8 (H, W, 3); gamma 2
    """
    height, width = light.shape[:2]
    image = _smear(_spread(np.minimum(light, np.float32(4.0)), sensor.softness), motion)
    gain = sensor.exposure * _TARGET / max(float(image[::4, ::4].mean()), 1e-3)
    tint = np.array([sensor.white_balance[0], 1.0, sensor.white_balance[1]]) * gain
    y = (np.arange(height) / max(height - 1.0, 1.0) * 2 - 1)[:, None]
    x = (np.arange(width) / max(width - 1.0, 1.0) * 2 - 1)[None]
    fall = (1.0 - sensor.vignette * 0.5 * (x * x + y * y)).astype(np.float32)
    image = image * tint.astype(np.float32) * fall[..., None]
    # A soft shoulder instead of a hard clip: bright skies keep their shape. It reaches white
    # at twice full scale, and would fall beyond.
    np.minimum(image, np.float32(2.0), out=image)
    image = np.sqrt(image / (1.0 + 0.25 * image * image))
    start = int(random.randint(_NOISE_SIDE * _NOISE_SIDE))
    noise = np.take(_NOISE, np.arange(start, start + image.size), mode='wrap')
    image += noise.reshape(image.shape) * np.float32(sensor.noise)
    return (np.clip(image, 0.0, 1.0) * np.float32(255.0) + np.float32(0.5)).astype(np.uint8)
