# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where each frame's mask may go besides the counts."""

import os

from PIL import Image

from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.metrics.totals import Totals
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.frames import path_below
from segformer_ros.segmentation.segmenter import Segmentation


class FrameSink:
    """Takes the result of each evaluated frame of one source."""

    def add(self, frame: Frame, segmentation: Segmentation) -> None:
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
    """

    def __init__(self, root: str, group: str) -> None:
        self._folder = path_below(root, group)
        try:
            os.makedirs(self._folder, exist_ok=True)
        except OSError as error:
            raise ConfigurationError('Folder for masks cannot be made', got=error) from error

    def add(self, frame: Frame, segmentation: Segmentation) -> None:
        """Write one mask."""
        stem = frame.name if frame.stamp_ns is not None else os.path.splitext(frame.name)[0]
        self.write(stem, segmentation.mask)

    def write(self, stem: str, mask: arrays.UInt8) -> None:
        """
        Write one mask.

        :param stem: of its file; :func:`stamp_text` of an image of a recording
        :param mask: (H, W) uint8 class ids
        """
        path = os.path.join(self._folder, *(stem + '.png').split('/'))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(mask).save(path)
