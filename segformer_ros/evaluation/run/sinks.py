# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where each frame's mask may go besides the counts."""

import abc
import os

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.metrics.totals import Totals
from segformer_ros.evaluation.sources.frames import file_name
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.segmentation.segmenter import Segmentation


class FrameSink(abc.ABC):
    """Takes the result of each evaluated frame of one source."""

    @abc.abstractmethod
    def add(self, frame: Frame, segmentation: Segmentation) -> None:
        """Take one frame; the arrays may be kept."""

    @abc.abstractmethod
    def count(self, tally: Totals) -> None:
        """Add what was counted beside the masks, once, before :meth:`close`."""

    @abc.abstractmethod
    def close(self) -> None:
        """Finish; closing twice is allowed."""


class MaskFolder(FrameSink):
    """
    Writes masks as PNG files that a later evaluation can take as its reference.

    Files of a recording are named by stamp, those of a data set by the photo.

    :param root: a folder is made in it for the group
    :param group: of the source
    """

    def __init__(self, root: str, group: str) -> None:
        self._folder = os.path.join(root, *file_name(group).split('/'))
        try:
            os.makedirs(self._folder, exist_ok=True)
        except OSError as error:
            raise ConfigurationError('Folder for masks cannot be made', got=error) from error

    def add(self, frame: Frame, segmentation: Segmentation) -> None:
        """Write one mask."""
        from PIL import Image
        stem = frame.name if frame.stamp_ns is not None else os.path.splitext(frame.name)[0]
        path = os.path.join(self._folder, *(stem + '.png').split('/'))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(segmentation.mask).save(path)

    def count(self, tally: Totals) -> None:
        """Do nothing: files are not counted."""

    def close(self) -> None:
        """Do nothing: every file is whole already."""
