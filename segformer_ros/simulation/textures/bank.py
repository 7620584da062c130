# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Materials drawn from two disjoint sets: one to train on, one held out."""

from typing import Callable, Dict, Optional, Sequence, Tuple

import numpy as np

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.simulation.textures.noise import hsv
from segformer_ros.simulation.textures.patterns import Material

# Of each material. The sets share families, never a draw.
_HELD_OUT = 48
VARIANTS = {'train': 21 * _HELD_OUT, 'held_out': _HELD_OUT}
"""Of each material in a set. A network that trains on many looks knows others better."""
_FIRST = {'train': 0, 'held_out': 100000}

# ADE20K indices (zhou et al., "Scene Parsing through ADE20K Dataset", 2017).
WALL, BUILDING, SKY, FLOOR, TREE, CEILING, ROAD, BED, WINDOW, GRASS = range(10)
CABINET, SIDEWALK, PERSON, EARTH, DOOR, TABLE = 10, 11, 12, 13, 14, 15
PLANT, CURTAIN, CHAIR, CAR, WATER, PAINTING, SOFA = 17, 18, 19, 20, 21, 22, 23
RUG, FIELD, FENCE, ROCK, BOX_CLASS, PATH, BOOKCASE, POLE = 28, 29, 32, 34, 41, 52, 62, 93

Color = Tuple[float, float, float]
Random = np.random.RandomState


def _any(r: Random, low: float = 0.35, high: float = 0.9, most: float = 0.6) -> Color:
    return hsv(r.uniform(), r.uniform(0.0, most), r.uniform(low, high))


def _warm(r: Random, low: float = 0.35, high: float = 0.85) -> Color:
    return hsv(r.uniform(0.02, 0.13), r.uniform(0.1, 0.65), r.uniform(low, high))


def _grey(r: Random, low: float, high: float, most: float = 0.12) -> Color:
    return hsv(r.uniform(), r.uniform(0.0, most), r.uniform(low, high))


def _leaf(r: Random, low: float, high: float) -> Color:
    # From autumn yellow to blue-green.
    return hsv(r.uniform(0.11, 0.38), r.uniform(0.25, 0.7), r.uniform(low, high))


def _soil(r: Random, low: float, high: float) -> Color:
    return hsv(r.uniform(0.02, 0.14), r.uniform(0.1, 0.55), r.uniform(low, high))


def _tint(color: Color, factor: float) -> Color:
    return color[0] * factor, color[1] * factor, color[2] * factor


def _two_leaves(r: Random, low: float, high: float, ratio: float) -> Sequence[Color]:
    light = _leaf(r, low, high)
    return [_tint(light, ratio), light]


Recipe = Tuple[int, Sequence[str], Callable[[Random], Sequence[Color]]]
RECIPES: Dict[str, Recipe] = {
    'wall': (WALL, ('plaster', 'plaster', 'wallpaper'),
             lambda r: [_any(r, 0.5, 0.92, 0.5), _any(r), _grey(r, 0.2, 0.95)]),
    'ceiling': (CEILING, ('panels',), lambda r: [_grey(r, 0.6, 0.95, 0.2)]),
    'floor': (FLOOR, ('planks', 'tiles'), lambda r: [_any(r, 0.3, 0.8, 0.55),
                                                     _grey(r, 0.15, 0.9)]),
    'rug': (RUG, ('rug',), lambda r: [_any(r, 0.2, 0.9, 0.8), _any(r, 0.2, 0.9, 0.8),
                                      _any(r, 0.2, 0.9, 0.8)]),
    'door': (DOOR, ('door',), lambda r: [_any(r, 0.3, 0.9, 0.6), _grey(r, 0.2, 0.95)]),
    'window': (WINDOW, ('window',), lambda r: [_grey(r, 0.2, 0.95), _leaf(r, 0.3, 0.7),
                                               hsv(r.uniform(0.52, 0.64),
                                                   r.uniform(0.02, 0.45), 1.0)]),
    'curtain': (CURTAIN, ('folds',), lambda r: [_any(r, 0.35, 0.9, 0.7)]),
    'painting': (PAINTING, ('canvas',), lambda r: [_any(r, 0.05, 0.7), _any(r, 0.2, 0.9, 0.9),
                                                   _any(r, 0.2, 0.9, 0.9)]),
    'table': (TABLE, ('wood',), lambda r: [_any(r, 0.3, 0.9, 0.55)]),
    'chair': (CHAIR, ('plain',), lambda r: [_any(r, 0.15, 0.9, 0.8)]),
    'cabinet': (CABINET, ('cabinet',), lambda r: [_any(r, 0.35, 0.92, 0.5),
                                                  _grey(r, 0.1, 0.95)]),
    'bed': (BED, ('quilt',), lambda r: [_any(r, 0.4, 0.95, 0.6), _any(r, 0.4, 0.95, 0.6)]),
    'linen': (BED, ('plain',), lambda r: [_grey(r, 0.75, 0.97)]),
    'headboard': (BED, ('wood',), lambda r: [_warm(r)]),
    'sofa': (SOFA, ('cloth',), lambda r: [_any(r, 0.25, 0.85, 0.7)]),
    'bookcase': (BOOKCASE, ('books',), lambda r: [_any(r, 0.2, 0.85, 0.5)] + [
        _any(r, 0.2, 0.95, 0.9) for _ in range(9)]),
    'box': (BOX_CLASS, ('carton',), lambda r: [_any(r, 0.45, 0.85, 0.5), _any(r, 0.5, 0.9)]),
    'leaves': (PLANT, ('foliage',), lambda r: _two_leaves(r, 0.4, 0.8, 0.15)),
    'pot': (PLANT, ('bands',), lambda r: [_any(r, 0.3, 0.9, 0.7), _any(r, 0.3, 0.9, 0.7)]),
    'skin': (PERSON, ('plain',), lambda r: [hsv(r.uniform(0.03, 0.08), r.uniform(0.3, 0.6),
                                                r.uniform(0.35, 0.95))]),
    'hair': (PERSON, ('plain',), lambda r: [_warm(r, 0.05, 0.5)]),
    'shirt': (PERSON, ('cloth',), lambda r: [_any(r, 0.2, 0.95, 0.9)]),
    'trousers': (PERSON, ('plain',), lambda r: [_any(r, 0.12, 0.6, 0.6)]),
    'grass': (GRASS, ('grass',), lambda r: _two_leaves(r, 0.4, 0.75, 0.45)),
    'field': (FIELD, ('field',), lambda r: [_soil(r, 0.3, 0.6), _leaf(r, 0.45, 0.8)]),
    'earth': (EARTH, ('earth',), lambda r: [_soil(r, 0.35, 0.7), _soil(r, 0.35, 0.75)]),
    'path': (PATH, ('gravel',), lambda r: [_soil(r, 0.25, 0.45), _soil(r, 0.6, 0.9)]),
    'road': (ROAD, ('asphalt',), lambda r: [_grey(r, 0.25, 0.6), _grey(r, 0.85, 0.95, 0.3)]),
    'sidewalk': (SIDEWALK, ('paving',), lambda r: [_any(r, 0.45, 0.8, 0.3),
                                                   _grey(r, 0.15, 0.35)]),
    'water': (WATER, ('water',), lambda r: [hsv(r.uniform(0.3, 0.65), r.uniform(0.15, 0.6),
                                                r.uniform(0.15, 0.4)),
                                            hsv(r.uniform(0.3, 0.65), r.uniform(0.1, 0.5),
                                                r.uniform(0.4, 0.7))]),
    'trunk': (TREE, ('bark',), lambda r: [_soil(r, 0.2, 0.5)]),
    'crown': (TREE, ('foliage',), lambda r: _two_leaves(r, 0.35, 0.75, 0.12)),
    'building': (BUILDING, ('facade',), lambda r: [_any(r, 0.4, 0.9, 0.5),
                                                   _grey(r, 0.3, 0.95),
                                                   hsv(0.58, r.uniform(0.0, 0.4), 0.3),
                                                   _any(r, 0.3, 0.8, 0.6)]),
    'fence': (FENCE, ('fence',), lambda r: [_any(r, 0.35, 0.95, 0.5)]),
    'pole': (POLE, ('bands',), lambda r: [_any(r, 0.15, 0.9, 0.8), _grey(r, 0.6, 0.95)]),
    'rock': (ROCK, ('stone',), lambda r: [_soil(r, 0.25, 0.5), _grey(r, 0.5, 0.8, 0.25)]),
    'car_body': (CAR, ('bodywork',), lambda r: [_any(r, 0.15, 0.95, 0.9),
                                                _grey(r, 0.05, 0.15),
                                                hsv(0.12, r.uniform(0.0, 0.5), 1.0)]),
    'car_glass': (CAR, ('glasshouse',), lambda r: [_any(r, 0.15, 0.95, 0.9),
                                                   hsv(0.58, 0.3, r.uniform(0.1, 0.25))]),
    'tyre': (CAR, ('plain',), lambda r: [_grey(r, 0.08, 0.2)]),
}
CLASSES = tuple(sorted({SKY}.union(recipe[0] for recipe in RECIPES.values())))
"""Every class that a world can show."""
_SHINE = {'water': 0.45, 'car_glass': 0.25, 'car_body': 0.08}
_GLOW = {'window': 0.75}
_ORDER = {name: index for index, name in enumerate(sorted(RECIPES))}


class TextureBank:
    """
    Draw materials by name from one set of variants.

    :param split: ``'train'`` or ``'held_out'``: no colour, scale or pattern phase of one set
        occurs in the other
    :param seed: of the draws from the larger set
    :raises ConfigurationError: for another split
    """

    def __init__(self, split: str, seed: int = 0) -> None:
        if split not in _FIRST:
            raise ConfigurationError('no such set of textures', repr(split),
                                     ' or '.join(sorted(_FIRST)))
        self.split = split
        self._random = np.random.RandomState(seed)

    def variant(self, name: str, index: int) -> Material:
        """
        Return one variant of a material.

        :param name: a key of ``RECIPES``
        :param index: 0 to ``VARIANTS[split]`` - 1
        :return: the material; the same arguments always give the same material
        """
        class_id, families, colors = RECIPES[name]
        r = np.random.RandomState([_ORDER[name], _FIRST[self.split] + index])
        pattern = families[r.randint(len(families))]
        return Material(class_id, pattern, np.array(colors(r), np.float32),
                        scale=float(r.uniform(0.8, 1.3)), salt=int(r.randint(1, 10000)),
                        amount=float(r.uniform(0.5, 1.0)), shine=_SHINE.get(name, 0.0),
                        glow=_GLOW.get(name, 0.0))

    def draw(self, name: str, random: Random, class_id: Optional[int] = None) -> Material:
        """
        Return a random variant.

        :param name: a key of ``RECIPES``
        :param random: the world's random numbers; one is used up
        :param class_id: labels the surface as another class
        """
        # One number of the world's for every set: what stands where does not hang on its looks.
        index = int(random.randint(_HELD_OUT))
        index += _HELD_OUT * int(self._random.randint(VARIANTS[self.split] // _HELD_OUT))
        material = self.variant(name, index)
        return material if class_id is None else material._replace(class_id=class_id)
