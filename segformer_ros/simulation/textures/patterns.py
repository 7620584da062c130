# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Textures of natural ground, vegetation and plain materials."""

from typing import Any, Callable, Dict, NamedTuple, TYPE_CHECKING

import numpy as np
from segformer_ros.simulation.textures import noise as textures_noise
from segformer_ros.simulation.textures.surface import Surface

if TYPE_CHECKING:
    import numpy.typing as npt


class Material(NamedTuple):
    """
    What a surface is and looks like.

    ``class_id`` is its ADE20K class. ``pattern`` names a texture, ``palette`` (K, 3) float32
    holds its linear reflectances, ``scale`` stretches it (1 = natural size), ``salt`` makes
    its random cells its own. ``amount`` is the strength of its variation. ``shine`` is the
    share of the sky that it mirrors, ``glow`` the share of its light that is its own.
    """

    class_id: int
    pattern: str
    palette: 'npt.NDArray[np.float32]'
    scale: float = 1.0
    salt: int = 0
    amount: float = 1.0
    shine: float = 0.0
    glow: float = 0.0


Pattern = Callable[[Material, Surface], 'npt.NDArray[Any]']


def mix(first: Any, second: Any, part: 'npt.NDArray[Any]') -> 'npt.NDArray[Any]':
    """Blend two colours, (3,) or (N, 3), by a share (N,) of the second."""
    return first + (second - first) * part[:, None]


def _noise(material: Material, s: Surface, cell: float,
           salt: int = 0) -> 'npt.NDArray[Any]':
    shift = np.float32((material.salt * 7.31 + salt * 3.7) % 31.0)
    return textures_noise.fractal(s.u + shift, s.v + shift,
                                  cell * material.scale) * textures_noise.fade(
                                      0.25 * cell * material.scale, s.footprint)


def _tone(color: Any, noise: 'npt.NDArray[Any]', strength: float) -> 'npt.NDArray[Any]':
    return color * np.clip(1.0 + strength * noise, 0.15, 2.5)[:, None]


def plain(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Paint or plaster: one colour with a faint mottle."""
    return _tone(m.palette[0], _noise(m, s, 0.8), 0.05 * m.amount)


def cloth(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Upholstery: weave of two directions over a mottle."""
    weave = np.sin(s.u * (110.0 / m.scale)) + np.sin(s.v * (110.0 / m.scale))
    tone = 0.10 * weave * textures_noise.fade(0.03 * m.scale, s.footprint) + 0.12 * _noise(
        m, s, 0.15)
    return _tone(m.palette[0], tone, m.amount)


def quilt(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Bedding: diamonds of two tones with dark seams."""
    p = 0.30 * m.scale
    a, b = s.u + s.v, s.u - s.v
    seam = np.maximum(textures_noise.line(a, p, 0.02, s.footprint),
                      textures_noise.line(b, p, 0.02, s.footprint))
    check = textures_noise.cell_value(np.round(a / p + 0.5), np.round(b / p + 0.5), m.salt) > 0.5
    color = np.where(check[:, None], m.palette[0], m.palette[1])
    return mix(color, m.palette[0] * 0.3, seam)


def grass(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Lawn: blades at a hand's size, patches at a metre's."""
    part = np.clip(0.5 + 0.45 * _noise(m, s, 0.16) + 0.15 * _noise(m, s, 2.5, 1), 0, 1)
    return mix(m.palette[0], m.palette[1], part)


def field(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Crop rows: stripes of plants with earth between."""
    period = 0.75 * m.scale
    wave = 0.5 + 0.5 * np.sin(s.v *
                              (6.2832 / period)) * textures_noise.fade(0.4 * period, s.footprint)
    part = np.clip(wave + 0.25 * _noise(m, s, 0.5), 0, 1)
    return mix(m.palette[0], m.palette[1], part)


def foliage(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Leaves: hard-edged light and dark clumps."""
    part = np.clip(0.5 + 1.3 * _noise(m, s, 0.55), 0, 1)
    return mix(m.palette[0], m.palette[1], part)


def earth(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Bare soil: broad stains, cracks and scattered stones."""
    stain = np.clip(0.5 + 0.5 * _noise(m, s, 1.6), 0, 1)
    color = mix(m.palette[0], m.palette[1], stain)
    crack = np.clip(1.0 - np.abs(_noise(m, s, 0.9, 2)) * 9.0, 0, 1)
    crack = crack * textures_noise.fade(0.05 * m.scale, s.footprint)
    return mix(color, m.palette[0] * 0.25, 0.8 * crack)


def gravel(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Path: pebbles, each with its own tone."""
    size = 0.07 * m.scale
    jitter = 0.4 * size * _noise(m, s, 4 * size)
    pebble = textures_noise.cell_value(np.floor((s.u + jitter) / size),
                                       np.floor((s.v - jitter) / size), m.salt)
    contrast = textures_noise.fade(size, s.footprint)
    color = mix(m.palette[0], m.palette[1], 0.5 + (pebble - 0.5) * contrast)
    edge = np.clip((np.abs(s.v) - 0.40 * s.height) / (0.10 * s.height), 0, 1)
    return mix(color, m.palette[0] * 0.6, 0.5 * edge)


def asphalt(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Road: fine speckle, wheel tracks, a dashed middle line and edge lines."""
    color = _tone(m.palette[0], _noise(m, s, 0.12) + 0.8 * _noise(m, s, 3.0, 1), 0.09)
    track = np.exp(-((np.abs(s.v) - 0.25 * s.height) / (0.09 * s.height)) ** 2)
    color = color * (1.0 - 0.15 * track)[:, None]
    soft = np.maximum(s.footprint, 1e-3)
    middle = np.clip((0.09 - np.abs(s.v)) / soft + 0.5, 0, 1) * np.minimum(1, 0.18 / soft)
    middle = middle * ((s.u / 3.0 - np.floor(s.u / 3.0)) < 0.5)
    edge = np.clip((0.07 - np.abs(np.abs(s.v) - 0.46 * s.height)) / soft + 0.5, 0, 1)
    paint = np.maximum(middle, edge * np.minimum(1, 0.14 / soft)) * 0.9
    return mix(color, m.palette[1], paint)


def paving(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Sidewalk: square slabs of slightly different tone with dark joints."""
    p = 0.6 * m.scale
    tone = textures_noise.cell_value(np.round(s.u / p + 0.5), np.round(s.v / p + 0.5),
                                     m.salt) - 0.5
    color = _tone(m.palette[0],
                  tone * textures_noise.fade(p, s.footprint) * 2.0 + 0.3 * _noise(m, s, 0.2), 0.22)
    joint = np.maximum(textures_noise.line(s.u, p, 0.035, s.footprint),
                       textures_noise.line(s.v, p, 0.035, s.footprint))
    return mix(color, m.palette[1], joint)


def water(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Ripples: long waves of dark and light; the sky's mirror comes from ``shine``."""
    cell = 1.1 * m.scale
    wave = textures_noise.fractal(s.u * 0.35 + m.salt, s.v * 1.2, cell) * textures_noise.fade(
        0.25 * cell, s.footprint)
    return mix(m.palette[0], m.palette[1], np.clip(0.35 + 0.3 * wave, 0, 1))


def stone(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Rock: layered, cracked, strongly mottled."""
    part = np.clip(0.5 + 0.5 * _noise(m, s, 0.5), 0, 1)
    color = mix(m.palette[0], m.palette[1], part)
    crack = np.clip(1.0 - np.abs(_noise(m, s, 0.6, 3)) * 7.0, 0, 1)
    return mix(color, m.palette[0] * 0.2, 0.8 * crack)


def bark(m: Material, s: Surface) -> 'npt.NDArray[Any]':
    """Trunk: ridges along the height."""
    ridge = textures_noise.fractal(s.u * 3.0 + m.salt, s.v * 0.35, 0.25 * m.scale)
    return _tone(m.palette[0], ridge * textures_noise.fade(0.03, s.footprint), 0.35)


PATTERNS: Dict[str, Pattern] = {
    'plain': plain, 'cloth': cloth, 'quilt': quilt, 'grass': grass, 'field': field,
    'foliage': foliage, 'earth': earth, 'gravel': gravel, 'asphalt': asphalt,
    'paving': paving, 'water': water, 'stone': stone, 'bark': bark,
}
