# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Materials, and the patterns that colour them: of nature first, then of things people build."""

from typing import Any, Callable, Dict, NamedTuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.simulation.textures import noise
from segformer_ros.simulation.textures.surface import Surface


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
    palette: arrays.Float32
    scale: float = 1.0
    salt: int = 0
    amount: float = 1.0
    shine: float = 0.0
    glow: float = 0.0


Pattern = Callable[[Material, Surface], arrays.Array]


def mix(first: Any, second: Any, part: arrays.Array) -> arrays.Array:
    """Blend two colours, (3,) or (N, 3), by a share (N,) of the second."""
    return first + (second - first) * part[:, None]


def _noise(material: Material, s: Surface, cell: float, salt: int = 0) -> arrays.Array:
    shift, cell = np.float32((material.salt * 7.31 + salt * 3.7) % 31.0), cell * material.scale
    return noise.fractal(s.u + shift, s.v + shift, cell) * noise.fade(0.25 * cell, s.footprint)


def _tone(color: Any, change: arrays.Array, strength: float) -> arrays.Array:
    return color * np.clip(1.0 + strength * change, 0.15, 2.5)[:, None]


def plain(m: Material, s: Surface) -> arrays.Array:
    """Return paint or plaster: one colour with a faint mottle."""
    return _tone(m.palette[0], _noise(m, s, 0.8), 0.05 * m.amount)


def cloth(m: Material, s: Surface) -> arrays.Array:
    """Return upholstery: weave of two directions over a mottle."""
    weave = np.sin(s.u * (110.0 / m.scale)) + np.sin(s.v * (110.0 / m.scale))
    tone = 0.10 * weave * noise.fade(0.03 * m.scale, s.footprint) + 0.12 * _noise(m, s, 0.15)
    return _tone(m.palette[0], tone, m.amount)


def quilt(m: Material, s: Surface) -> arrays.Array:
    """Return bedding: diamonds of two tones with dark seams."""
    p = 0.30 * m.scale
    a, b = s.u + s.v, s.u - s.v
    seam = np.maximum(noise.line(a, p, 0.02, s.footprint), noise.line(b, p, 0.02, s.footprint))
    check = noise.cell_value(np.round(a / p + 0.5), np.round(b / p + 0.5), m.salt) > 0.5
    color = np.where(check[:, None], m.palette[0], m.palette[1])
    return mix(color, m.palette[0] * 0.3, seam)


def grass(m: Material, s: Surface) -> arrays.Array:
    """Return lawn: blades at a hand's size, patches at a metre's."""
    part = np.clip(0.5 + 0.45 * _noise(m, s, 0.16) + 0.15 * _noise(m, s, 2.5, 1), 0, 1)
    return mix(m.palette[0], m.palette[1], part)


def field(m: Material, s: Surface) -> arrays.Array:
    """Return crop rows: stripes of plants with earth between."""
    period = 0.75 * m.scale
    wave = 0.5 + 0.5 * np.sin(s.v * (6.2832 / period)) * noise.fade(0.4 * period, s.footprint)
    part = np.clip(wave + 0.25 * _noise(m, s, 0.5), 0, 1)
    return mix(m.palette[0], m.palette[1], part)


def foliage(m: Material, s: Surface) -> arrays.Array:
    """Return leaves: hard-edged light and dark clumps."""
    part = np.clip(0.5 + 1.3 * _noise(m, s, 0.55), 0, 1)
    return mix(m.palette[0], m.palette[1], part)


def earth(m: Material, s: Surface) -> arrays.Array:
    """Return bare soil: broad stains, cracks and scattered stones."""
    stain = np.clip(0.5 + 0.5 * _noise(m, s, 1.6), 0, 1)
    color = mix(m.palette[0], m.palette[1], stain)
    crack = np.clip(1.0 - np.abs(_noise(m, s, 0.9, 2)) * 9.0, 0, 1)
    crack = crack * noise.fade(0.05 * m.scale, s.footprint)
    return mix(color, m.palette[0] * 0.25, 0.8 * crack)


def gravel(m: Material, s: Surface) -> arrays.Array:
    """Return path: pebbles, each with its own tone."""
    size = 0.07 * m.scale
    jitter = 0.4 * size * _noise(m, s, 4 * size)
    pebble = noise.cell_value(np.floor((s.u + jitter) / size),
                              np.floor((s.v - jitter) / size), m.salt)
    contrast = noise.fade(size, s.footprint)
    color = mix(m.palette[0], m.palette[1], 0.5 + (pebble - 0.5) * contrast)
    edge = np.clip((np.abs(s.v) - 0.40 * s.height) / (0.10 * s.height), 0, 1)
    return mix(color, m.palette[0] * 0.6, 0.5 * edge)


def asphalt(m: Material, s: Surface) -> arrays.Array:
    """Return road: fine speckle, wheel tracks, a dashed middle line and edge lines."""
    color = _tone(m.palette[0], _noise(m, s, 0.12) + 0.8 * _noise(m, s, 3.0, 1), 0.09)
    track = np.exp(-((np.abs(s.v) - 0.25 * s.height) / (0.09 * s.height)) ** 2)
    color = color * (1.0 - 0.15 * track)[:, None]
    soft = np.maximum(s.footprint, 1e-3)
    middle = np.clip((0.09 - np.abs(s.v)) / soft + 0.5, 0, 1) * np.minimum(1, 0.18 / soft)
    middle = middle * ((s.u / 3.0 - np.floor(s.u / 3.0)) < 0.5)
    edge = np.clip((0.07 - np.abs(np.abs(s.v) - 0.46 * s.height)) / soft + 0.5, 0, 1)
    paint = np.maximum(middle, edge * np.minimum(1, 0.14 / soft)) * 0.9
    return mix(color, m.palette[1], paint)


def paving(m: Material, s: Surface) -> arrays.Array:
    """Return sidewalk: square slabs of slightly different tone with dark joints."""
    p = 0.6 * m.scale
    tone = noise.cell_value(np.round(s.u / p + 0.5), np.round(s.v / p + 0.5), m.salt) - 0.5
    color = _tone(m.palette[0],
                  tone * noise.fade(p, s.footprint) * 2.0 + 0.3 * _noise(m, s, 0.2), 0.22)
    joint = np.maximum(noise.line(s.u, p, 0.035, s.footprint),
                       noise.line(s.v, p, 0.035, s.footprint))
    return mix(color, m.palette[1], joint)


def water(m: Material, s: Surface) -> arrays.Array:
    """Return ripples: long waves of dark and light; the sky's mirror comes from ``shine``."""
    cell = 1.1 * m.scale
    wave = noise.fractal(s.u * 0.35 + m.salt, s.v * 1.2, cell) * noise.fade(
        0.25 * cell, s.footprint)
    return mix(m.palette[0], m.palette[1], np.clip(0.35 + 0.3 * wave, 0, 1))


def stone(m: Material, s: Surface) -> arrays.Array:
    """Return rock: layered, cracked, strongly mottled."""
    part = np.clip(0.5 + 0.5 * _noise(m, s, 0.5), 0, 1)
    color = mix(m.palette[0], m.palette[1], part)
    crack = np.clip(1.0 - np.abs(_noise(m, s, 0.6, 3)) * 7.0, 0, 1)
    return mix(color, m.palette[0] * 0.2, 0.8 * crack)


def bark(m: Material, s: Surface) -> arrays.Array:
    """Return trunk: ridges along the height."""
    ridge = noise.fractal(s.u * 3.0 + m.salt, s.v * 0.35, 0.25 * m.scale)
    return _tone(m.palette[0], ridge * noise.fade(0.03, s.footprint), 0.35)


def _grain(m: Material, along: Any, across: Any, footprint: Any) -> arrays.Array:
    ring = noise.fractal(along * 0.12 + m.salt, across * 1.6 + m.salt, 0.12 * m.scale)
    return np.clip(1.0 + 0.22 * m.amount * ring * noise.fade(0.02, footprint), 0.3, 1.8)


def _inset(s: Surface, margin: float) -> arrays.Array:
    """Return the distance to the face's border minus a margin, metres; > 0 inside."""
    return np.minimum(0.5 * s.width - np.abs(s.u), 0.5 * s.height - np.abs(s.v)) - margin


def _step(distance: Any, footprint: Any) -> arrays.Array:
    return np.clip(distance / np.maximum(footprint, 1e-4) + 0.5, 0.0, 1.0)


def wood(m: Material, s: Surface) -> arrays.Array:
    """Give a table its grain along u, and a darker rim."""
    color = m.palette[0] * _grain(m, s.u, s.v, s.footprint)[:, None]
    return mix(color * 0.65, color, _step(_inset(s, 0.03), s.footprint))


def planks(m: Material, s: Surface) -> arrays.Array:
    """Return floor boards along u with dark joints, each board with its own tone."""
    w, length = 0.16 * m.scale, 1.3 * m.scale
    row = np.floor(s.v / w)
    shifted = s.u + noise.cell_value(row, row, m.salt) * length
    board = noise.cell_value(row, np.floor(shifted / length), m.salt + 1) - 0.5
    tone = (1.0 + 0.55 * board * noise.fade(w, s.footprint)) * _grain(m, s.u, s.v, s.footprint)
    joint = np.maximum(noise.line(s.v, w, 0.012, s.footprint),
                       noise.line(shifted, length, 0.012, s.footprint))
    return mix(m.palette[0] * tone[:, None], m.palette[0] * 0.25, joint)


def tiles(m: Material, s: Surface) -> arrays.Array:
    """Return floor tiles: squares of two tones with light or dark grout."""
    p = 0.40 * m.scale
    value = noise.cell_value(np.floor(s.u / p), np.floor(s.v / p), m.salt)
    tone = 1.0 + (0.3 * (value - 0.5) + 0.05 * noise.fractal(s.u, s.v, 0.3)) * noise.fade(
        p, s.footprint)
    grout = np.maximum(noise.line(s.u, p, 0.02, s.footprint),
                       noise.line(s.v, p, 0.02, s.footprint))
    return mix(m.palette[0] * tone[:, None], m.palette[1], grout)


def wallpaper(m: Material, s: Surface) -> arrays.Array:
    """Return upright stripes over plaster, and a skirting board at the bottom."""
    stripe = noise.line(s.u, 0.5 * m.scale, 0.22 * m.scale, s.footprint)
    color = mix(m.palette[0], m.palette[0] * 0.8 + m.palette[1] * 0.2, stripe * m.amount)
    board = _step(0.10 - (s.v + 0.5 * s.height), s.footprint)
    return mix(color, m.palette[2], board)


def plaster(m: Material, s: Surface) -> arrays.Array:
    """Paint a wall with a skirting board at the bottom."""
    color = m.palette[0] * (1.0 + 0.04 * noise.fractal(s.u + m.salt, s.v, 1.2))[:, None]
    return mix(color, m.palette[2], _step(0.10 - (s.v + 0.5 * s.height), s.footprint))


def panels(m: Material, s: Surface) -> arrays.Array:
    """Return ceiling: large square panels with thin lines and bright light fields."""
    p = 1.2 * m.scale
    i, j = np.floor(s.u / p), np.floor(s.v / p)
    grid = np.maximum(noise.line(s.u, p, 0.03, s.footprint), noise.line(s.v, p, 0.03, s.footprint))
    color = mix(m.palette[0] * np.ones((s.u.size, 1), np.float32), m.palette[0] * 0.5, grid)
    lit = ((i % 2 == 0) & (j % 2 == 0)).astype(np.float32) * (1 - grid)
    return mix(color, np.float32(1.6), lit * m.amount)


def rug(m: Material, s: Surface) -> arrays.Array:
    """Return nested borders around a field of diamonds."""
    edge = _inset(s, 0.0)
    color = np.where((edge < 0.08)[:, None], m.palette[0], m.palette[1])
    color = np.where(((edge > 0.16) & (edge < 0.24))[:, None], m.palette[2], color)
    p = 0.28 * m.scale
    diamond = np.abs(s.u / p - np.round(s.u / p)) + np.abs(s.v / p - np.round(s.v / p))
    inside = (edge > 0.30) & (diamond < 0.33)
    color = np.where(inside[:, None], m.palette[2], color)
    core = (edge > 0.30) & (diamond < 0.14)
    color = np.where(core[:, None], m.palette[0], color)
    tuft = noise.fractal(s.u * 2, s.v * 2, 0.12) * noise.fade(0.03, s.footprint)
    return color * (1.0 + 0.12 * tuft)[:, None]


def door(m: Material, s: Surface) -> arrays.Array:
    """Draw a frame, two sunk panels and a bright handle."""
    color = m.palette[0] * _grain(m, s.v, s.u, s.footprint)[:, None]
    frame = 1.0 - _step(_inset(s, 0.07), s.footprint)
    color = mix(color, m.palette[1], frame)
    high = np.abs(s.v) - 0.25 * s.height
    rim = np.maximum(np.abs(s.u) - 0.28 * s.width, np.abs(high) - 0.17 * s.height)
    color = mix(color, m.palette[0] * 0.45, _step(0.03 - np.abs(rim), s.footprint))
    knob = np.hypot(s.u - 0.36 * s.width, s.v + 0.02 * s.height)
    return mix(color, np.float32(0.9), _step(0.05 - knob, s.footprint))


def window(m: Material, s: Surface) -> arrays.Array:
    """Draw a frame with a cross, and daylight with far hills behind the glass."""
    up = s.v / s.height + 0.5
    hill = 0.30 + 0.08 * np.sin(s.u * 2.1 + m.salt) + 0.04 * np.sin(s.u * 5.3)
    glass = np.where((up < hill)[:, None], m.palette[1], m.palette[2] * (0.9 + 0.5 * up)[:, None])
    bar = np.minimum(np.abs(s.u), np.abs(s.v - 0.15 * s.height)) - 0.03
    frame = np.maximum(1.0 - _step(_inset(s, 0.07), s.footprint), _step(-bar, s.footprint))
    return mix(glass, m.palette[0], frame)


def cabinet(m: Material, s: Surface) -> arrays.Array:
    """Return doors or drawers with dark gaps and a handle each; a plain board on top."""
    color = m.palette[0] * _grain(m, s.v, s.u, s.footprint)[:, None]
    columns = np.maximum(1.0, np.round(s.width / (0.55 * m.scale)))
    rows = np.maximum(1.0, np.round(s.height / (0.60 * m.scale)))
    w, h = s.width / columns, s.height / rows
    u = (s.u + 0.5 * s.width) / w
    v = (s.v + 0.5 * s.height) / h
    du = (0.5 - np.abs(u - np.floor(u) - 0.5)) * w
    dv = (0.5 - np.abs(v - np.floor(v) - 0.5)) * h
    gap = _step(0.018 - np.minimum(du, dv), s.footprint)
    color = mix(color, m.palette[0] * 0.12, np.where(s.top, 0.0, gap))
    off_u = np.abs((u - np.floor(u) - 0.5) * w)
    off_v = np.abs((v - np.floor(v) - 0.8) * h)
    handle = _step(np.minimum(0.10 - off_u, 0.022 - off_v), s.footprint)
    return mix(color, m.palette[1], np.where(s.top, 0.0, handle))


def books(m: Material, s: Surface) -> arrays.Array:
    """Return shelves full of book backs of every colour; wood at the sides."""
    tall = 0.36 * m.scale
    v = (s.v + 0.5 * s.height) / tall
    shelf = np.floor(v)
    w = 0.075 * m.scale
    slot = np.floor(s.u / w)
    top = 0.62 + 0.28 * noise.cell_value(slot, shelf, m.salt)
    rel = v - shelf
    chosen = (noise.cell_value(slot, shelf, m.salt + 1) * (len(m.palette) - 1)).astype(int) + 1
    color = m.palette[np.clip(chosen, 1, len(m.palette) - 1)]
    color = color * (1.0 - 0.5 * noise.line(s.u, w, 0.012, s.footprint))[:, None]
    empty = (rel > top) | (rel < 0.10)
    wood_color = m.palette[0] * _grain(m, s.u, s.v, s.footprint)[:, None]
    color = np.where((rel < 0.10)[:, None], wood_color, color)
    color = np.where((empty & (rel > 0.5))[:, None], m.palette[0] * 0.15, color)
    outside = s.top | ~s.front | (_inset(s, 0.04) < 0)
    return np.where(outside[:, None], wood_color, color)


def folds(m: Material, s: Surface) -> arrays.Array:
    """Return curtain: hanging folds as a wave of light along u."""
    phase = s.u * (6.2832 / (0.17 * m.scale)) + 0.6 * np.sin(s.u * 9.0 + m.salt)
    wave = np.sin(phase) * noise.fade(0.08 * m.scale, s.footprint)
    return m.palette[0] * (1.0 + 0.45 * wave)[:, None]


def canvas(m: Material, s: Surface) -> arrays.Array:
    """Return painting: a frame, a pale mount and a picture of blobs."""
    edge = _inset(s, 0.0)
    part = np.clip(0.5 + 1.5 * noise.fractal(s.u + m.salt, s.v, 0.5), 0, 1)
    color = mix(m.palette[1], m.palette[2], part)
    color = np.where((edge < 0.13)[:, None], np.float32(0.75), color)
    return np.where((edge < 0.06)[:, None], m.palette[0], color)


def carton(m: Material, s: Surface) -> arrays.Array:
    """Return box: board with a tape strip across the middle, a label and dark edges."""
    color = m.palette[0] * (1.0 + 0.06 * noise.fractal(s.u, s.v * 5, 0.2))[:, None]
    color = mix(color, m.palette[1], _step(0.10 * s.width - np.abs(s.u), s.footprint))
    label = np.maximum(np.abs(s.u - 0.28 * s.width) - 0.12 * s.width,
                       np.abs(s.v + 0.2 * s.height) - 0.14 * s.height)
    color = mix(color, np.float32(0.85), _step(-label, s.footprint))
    return mix(color * 0.45, color, _step(_inset(s, 0.02), s.footprint))


def facade(m: Material, s: Surface) -> arrays.Array:
    """Return house front: a grid of dark windows on brick; seams on the roof."""
    w, h = 2.2 * m.scale, 2.8 * m.scale
    i, j = np.floor(s.u / w), np.floor((s.v + 0.5 * s.height) / h)
    du = np.abs(s.u / w - i - 0.5) * w - 0.26 * w
    dv = np.abs((s.v + 0.5 * s.height) / h - j - 0.55) * h - 0.26 * h
    rim = np.maximum(du, dv)
    brick = np.maximum(noise.line(s.v, 0.16, 0.02, s.footprint), 0)
    color = m.palette[0] * (1.0 - 0.25 * brick + 0.08 * noise.fractal(s.u, s.v, 2.0))[:, None]
    glass = m.palette[2] * (0.4 + 1.2 * noise.cell_value(i, j, m.salt))[:, None]
    color = mix(color, m.palette[1], _step(0.10 - rim, s.footprint))
    color = mix(color, glass, _step(-rim, s.footprint))
    seam = noise.line(s.u, 0.9 * m.scale, 0.12, s.footprint)
    edge = 1.0 - _step(_inset(s, 0.35), s.footprint)
    roof = mix(m.palette[3] * (1.0 + 0.1 * noise.fractal(s.u, s.v, 1.0))[:, None],
               m.palette[3] * 0.45, np.maximum(seam, edge))
    return np.where(s.top[:, None], roof, color)


def fence(m: Material, s: Surface) -> arrays.Array:
    """Return upright boards with dark gaps and two rails."""
    p = 0.22 * m.scale
    gap = noise.line(s.u, p, 0.06, s.footprint)
    tone = 1.0 + 0.4 * (noise.cell_value(np.round(s.u / p + 0.5), s.u * 0, m.salt) -
                        0.5) * noise.fade(p, s.footprint)
    color = mix(m.palette[0] * tone[:, None], m.palette[0] * 0.1, gap)
    rail = np.abs(np.abs(s.v) - 0.27 * s.height) < 0.06
    return np.where(rail[:, None], m.palette[0] * 0.7, color)


def glasshouse(m: Material, s: Surface) -> arrays.Array:
    """Return upper part of a car: dark panes in a painted frame, a painted roof."""
    pane = _step(_inset(s, 0.10), s.footprint) * (np.abs(s.u) > 0.05)
    return np.where(s.top[:, None], m.palette[0], mix(m.palette[0], m.palette[1], pane))


def bodywork(m: Material, s: Surface) -> arrays.Array:
    """Return lower part of a car: paint, a dark sill, lamps at the ends."""
    color = mix(m.palette[0] * np.ones((s.u.size, 1), np.float32), m.palette[1],
                _step(0.12 - (s.v + 0.5 * s.height), s.footprint) * ~s.top)
    lamp = s.front & (np.abs(np.abs(s.u) - 0.36 * s.width) < 0.12 * s.width) & (
        np.abs(s.v - 0.12 * s.height) < 0.16 * s.height)
    return np.where(lamp[:, None], m.palette[2], color)


def bands(m: Material, s: Surface) -> arrays.Array:
    """Return pole: broad rings of two tones up the height."""
    ring = np.floor((s.v + 0.5 * s.height) / (0.5 * m.scale)) % 2
    return mix(m.palette[0], m.palette[1], ring * m.amount)


PATTERNS: Dict[str, Pattern] = {
    'plain': plain, 'cloth': cloth, 'quilt': quilt, 'grass': grass, 'field': field,
    'foliage': foliage, 'earth': earth, 'gravel': gravel, 'asphalt': asphalt, 'paving': paving,
    'water': water, 'stone': stone, 'bark': bark, 'wood': wood, 'planks': planks, 'tiles': tiles,
    'wallpaper': wallpaper, 'plaster': plaster, 'panels': panels, 'rug': rug, 'door': door,
    'window': window, 'cabinet': cabinet, 'books': books, 'folds': folds, 'canvas': canvas,
    'carton': carton, 'facade': facade, 'fence': fence, 'glasshouse': glasshouse,
    'bodywork': bodywork, 'bands': bands,
}
