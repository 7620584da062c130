# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a recording or data set gives to the evaluation: frames, and what was left out."""

import abc
import os
import re
from typing import Iterator, List, NamedTuple, Optional, Union

from segformer_ros.common import arrays
from segformer_ros.common.time import nanoseconds_to_stamp

# Reasons for leaving a frame out, as reports count them.
BAD_IMAGE = 'image cannot be decoded'
NO_LABELS = 'no labels'
BAD_LABELS = 'labels cannot be used'
LABEL_SIZE = 'labels and image differ in size'
LOST = 'lost with a damaged file'
NOT_READ = 'input cannot be read'


class Frame(NamedTuple):
    """
    One image, and its labels where there are any.

    ``position`` counts the images of one camera in one recording from 0, unusable ones included.
    ``stamp_ns`` is that of the header; None in data sets. ``image`` is (H, W, 3) RGB,
    ``labels`` (H, W) label values as they are stored. ``decode_seconds`` is the time from the
    stored bytes to ``image``. ``frame_id`` is that of the header, ``received_ns`` the time at
    which the recorder got it on ``topic``.
    """

    position: int
    name: str
    stamp_ns: Optional[int]
    image: arrays.UInt8
    labels: Optional[arrays.UInt8]
    decode_seconds: float
    frame_id: str = ''
    received_ns: Optional[int] = None
    topic: str = ''


class LeftOut(NamedTuple):
    """
    Frames that could not be evaluated, and why.

    ``frames`` is 0 where it is not known how many were lost.
    """

    name: str
    reason: str
    message: str
    frames: int = 1


class FrameSource(abc.ABC):
    """
    Cameras in one file, or a slice of a data set. Can be pickled; opens nothing before use.

    :param name: for reports; unique among the sources of one evaluation
    :param group: the recording and camera, or data set, that this is a part of; masks and label
        files of all its parts lie in one folder of that name
    :param consecutive: frames follow each other in time
    """

    def __init__(self, name: str, group: str, consecutive: bool) -> None:
        self.name = name
        self.group = group
        self.consecutive = consecutive

    @abc.abstractmethod
    def frames(self) -> Iterator[Union[Frame, LeftOut]]:
        """Read from the beginning; damage ends as :class:`LeftOut`, not as an exception."""

    @abc.abstractmethod
    def expected_frames(self) -> Optional[int]:
        """Return how many images there should be, or None where nothing tells."""


class Inputs(NamedTuple):
    """
    What the paths on a command line came to.

    ``left_out`` are inputs that gave no source at all; ``notes`` are remarks on inputs that did.
    """

    sources: List[FrameSource]
    left_out: List[LeftOut]
    notes: List[str]


def stamp_text(stamp_ns: int) -> str:
    """Return seconds and nanoseconds as one number, ``1700000003.000000000``."""
    return '{}.{:09d}'.format(*nanoseconds_to_stamp(stamp_ns))


def path_below(root: str, name: str) -> str:
    """
    Return where the files of a group lie.

    :param root: folder
    :param name: of a recording, camera or data set; its slashes are folders, and what a file
        system minds becomes an underscore
    """
    parts = [re.sub(r'[^\w.()-]+', '_', part) for part in name.split('/')]
    return os.path.join(root, *(part for part in parts if part.strip('.')))
