# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Take people and cars out of a picture, as far as the mask knows them."""

from typing import List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from segformer_ros.capture.frame import NetworkIdentity
from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.strict_yaml import nearest_text

KINDS = {
    'person': ('person', 'pedestrian', 'rider', 'bicyclist'),
    'car': ('car', 'truck', 'bus', 'van', 'motorcycle', 'minibike', 'caravan', 'trailer')}
"""What a word stands for: what has a face, and what has a licence plate, in all class tables."""
BLOCKS = 24
"""Across the longer side of a picture, at most: a distant person has one or two."""
BLOCKS_OF_EACH = 5
"""Across the longer side of what is blurred, at most: a face in close-up shows colours alone."""
MARGIN = 0.02
"""Of the longer side, by which a region is widened: hair and bumpers are often cut off."""


class BlurredClasses(NamedTuple):
    """Classes that are taken out of pictures: ids and names, in the order of their ids."""

    ids: Tuple[int, ...] = ()
    names: Tuple[str, ...] = ()


def blurred_classes(wanted: Sequence[str], network: NetworkIdentity) -> BlurredClasses:
    """
    Find the classes that are meant.

    :param wanted: ``person``, ``car``, names of classes, or of groups of the costmap
    :raises ConfigurationError: the network has nothing of one of these names: what it cannot see
        it cannot blur
    """
    found: List[int] = []
    for name in wanted:
        ids = _ids_of(name, network)
        if not ids:
            known = sorted(set(network.classes.names) | set(KINDS))
            raise ConfigurationError(
                'Nothing to blur by this name', got=repr(name),
                expected=f'person, car, or a class or group of {network.classes.name!r}',
                remedy=f'{nearest_text(name, known)} Leave it out of capture.blur_classes where '
                'such things never come into view; else take another network, or no pictures.')
        found += ids
    ids = sorted(set(found))
    return BlurredClasses(tuple(ids), tuple(network.classes.names[each] for each in ids))


def blur(image: arrays.UInt8, mask: arrays.UInt8, classes: BlurredClasses) -> arrays.UInt8:
    """
    Return an image in which some classes are a few blocks without detail.

    :param image: (H, W, 3)
    :param mask: (H, W) class ids
    """
    region = np.isin(mask, classes.ids)
    if not region.any():
        return image
    height, width = mask.shape
    longest = max(height, width)
    size = 2 * max(1, round(MARGIN * longest)) + 1
    wide = cv2.dilate(region.astype(np.uint8), np.ones((size, size), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(wide)
    result = image.copy()
    for number in range(1, count):
        left, top, across, down = (int(each) for each in boxes[number][:4])
        part = np.s_[top:top + down, left:left + across]
        block = max(longest / BLOCKS, max(across, down) / BLOCKS_OF_EACH)
        small = (max(1, int(across / block)), max(1, int(down / block)))
        coarse = cv2.resize(cv2.resize(image[part], small, interpolation=cv2.INTER_AREA),
                            (across, down), interpolation=cv2.INTER_NEAREST)
        inside = labels[part] == number
        result[part][inside] = coarse[inside]
    return result


def _ids_of(name: str, network: NetworkIdentity) -> List[int]:
    names = network.classes.names
    found = [names.index(each) for each in KINDS.get(name, (name,)) if each in names]
    if not found and network.groups is not None and name in network.groups.table.names:
        group = network.groups.table.id_of(name)
        found = [each for each in range(len(names)) if network.groups.lookup[each] == group]
    return found
