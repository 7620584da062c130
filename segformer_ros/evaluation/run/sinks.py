# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where each frame's mask may go besides the counts."""

import os
from typing import Dict, Optional

from PIL import Image

from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.metrics.totals import Totals
from segformer_ros.evaluation.sources import frames as source_frames
from segformer_ros.segmentation.segmenter import Segmentation


class FrameSink:
    """Takes the result of each evaluated frame of one source."""

    def add(self, frame: source_frames.Frame, segmentation: Segmentation) -> None:
        """Take one frame; the arrays may be kept."""
        raise NotImplementedError

    def count(self, totals: Totals) -> None:
        """Add what was counted beside the masks, once, before :meth:`close`; here nothing."""

    def close(self) -> None:
        """Finish, here nothing; closing twice is allowed."""


class MaskFolder(FrameSink):
    """
    Writes masks as PNG files that a later evaluation can take as its reference.

    Files of a recording are named by stamp, those of a data set by the photo.

    :param root: a folder is made in it for the group
    :param group: of the source
    :param groups: of the topics in it that have others
    """

    def __init__(self, root: str, group: str, groups: Optional[Dict[str, str]] = None) -> None:
        self._folder = source_frames.path_below(root, group)
        self._folders = {topic: source_frames.path_below(root, each)
                         for topic, each in (groups or {}).items()}
        try:
            for folder in set(self._folders.values()) or {self._folder}:
                os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise ConfigurationError('Folder for masks cannot be made', got=error) from error

    def add(self, frame: source_frames.Frame, segmentation: Segmentation) -> None:
        """Write one mask."""
        stem = os.path.splitext(frame.name)[0] if frame.stamp_ns is None else \
            source_frames.stamp_text(frame.stamp_ns)
        self.write(stem, segmentation.mask, frame.topic)

    def write(self, stem: str, mask: arrays.UInt8, topic: str = '') -> None:
        """
        Write one mask.

        :param stem: of its file; :func:`source_frames.stamp_text` of an image of a recording
        :param mask: (H, W) uint8 class ids
        :param topic: of its image
        """
        path = os.path.join(self._folders.get(topic, self._folder), *(stem + '.png').split('/'))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(mask).save(path)
