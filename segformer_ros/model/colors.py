# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Choose colours that tell many classes apart."""

import itertools
from typing import Dict
from typing import List
from typing import Mapping
from typing import Optional
from typing import Sequence
from typing import Tuple
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Rgb = Tuple[int, int, int]

_LATTICE_STEP = 15
# Anchored colours keep at least this distance from each other. Of 16, 18, 20, 21, 22 and 24 it
# gives the 150 classes of ADE20K the largest smallest distance: 17.0.
_ANCHOR_DISTANCE = 20.0


def distinct_colors(names: Sequence[str],
                    anchors: Optional[Mapping[str, Rgb]] = None) -> List[Rgb]:
    """
    Return one colour for every name, far from all others and from black.

    Anchored names first take the free colour nearest to their anchor. Every other name then
    takes the colour farthest from all taken ones (farthest-point sampling), by Euclidean
    distance in CIELAB (CIE 1976), where 2.3 is just noticeable. There is no randomness.

    :param names: at most 255, all different
    :param anchors: wanted colours of some names (a sky is blue), in order of precedence
    :return: (red, green, blue), 0..255, in the order of the names
    """
    levels = range(0, 256, _LATTICE_STEP)
    candidates = list(itertools.product(levels, levels, levels))
    lab = lab_of_rgb(candidates)
    nearest_taken = _distance(lab, (0, 0, 0))
    chosen: Dict[str, Rgb] = {}

    def take(name: str, index: int) -> None:
        chosen[name] = candidates[index]
        np.minimum(nearest_taken, _distance(lab, candidates[index]), out=nearest_taken)

    for name, anchor in (anchors or {}).items():
        if name in names:
            distance = _distance(lab, anchor)
            distance[nearest_taken < _ANCHOR_DISTANCE] = np.inf
            take(name, int(np.argmin(distance)))
    for name in names:
        if name not in chosen:
            take(name, int(np.argmax(nearest_taken)))
    return [chosen[name] for name in names]


def lab_of_rgb(rgb: 'npt.ArrayLike') -> 'npt.NDArray[np.float64]':
    """
    Convert sRGB to CIELAB (D65), by IEC 61966-2-1 and CIE 15.

    :param rgb: (N, 3), 0..255
    :return: (N, 3): L 0..100, a, b
    """
    value = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375],
                       [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])
    xyz = linear.dot(to_xyz.T) / to_xyz.sum(axis=1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def _distance(lab: 'npt.NDArray[np.float64]', rgb: Rgb) -> 'npt.NDArray[np.float64]':
    return np.asarray(np.linalg.norm(lab - lab_of_rgb([rgb]), axis=1))
