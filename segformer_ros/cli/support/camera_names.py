# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Names of cameras for the node's parameters, from the topics of their images."""

import re
from typing import List, Sequence

from segformer_ros.evaluation.sources import topic_choice

# What the node takes is letters, digits and underscores behind a letter.
_OTHER = re.compile('[^A-Za-z0-9_]+')


def camera_names(image_topics: Sequence[str]) -> List[str]:
    """
    Return a name for each camera that the node takes: front for /front/image_raw.

    All are empty for one camera alone. No two are the same.

    :param image_topics: with image_transport's ending or without
    """
    if len(image_topics) < 2:
        return [''] * len(image_topics)
    whole = [topic_choice.without_transport(topic).strip('/').split('/')
             for topic in image_topics]
    parts = [each[:-1] for each in whole]
    if not all(parts) or len(set(map(tuple, parts))) < len(parts):
        # Cameras that differ by the last part alone: /camera/left, /camera/right.
        parts = whole
    parts = _unshared(parts)
    names: List[str] = []
    for each in parts:
        name = _OTHER.sub('_', '_'.join(each)).strip('_')
        name = name if name[:1].isalpha() else ('camera_' + name).rstrip('_')
        number, free = 2, name
        while free in names:
            free, number = f'{name}_{number}', number + 1
        names.append(free)
    return names


def _unshared(parts: List[List[str]]) -> List[List[str]]:
    """Return parts of topics without what all begin and end with, none of them empty."""
    least = min(map(len, parts)) - 1
    ahead = _shared(parts, least)
    behind = _shared([each[::-1] for each in parts], least - ahead)
    return [each[ahead:len(each) - behind] for each in parts]


def _shared(parts: List[List[str]], most: int) -> int:
    count = 0
    while count < most and len({each[count] for each in parts}) == 1:
        count += 1
    return count
