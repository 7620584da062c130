# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network whose answers are known, and recordings for it."""

import os

import numpy as np
import pytest

from segformer_ros.evaluation.run.network import NetworkChoice
from support import bags
from support import tiny_model

COLORS = list(tiny_model.COLORS)


class ColorCase:
    """
    Recordings of coloured stripes, their truth, and the network that tells colours.

    :param folder: for files
    """

    def __init__(self, folder):
        self.folder = folder
        self.model = tiny_model.write_color_model(folder)
        self.choice = NetworkChoice(self.model, threads=1)

    def truth(self, number):
        """Return (48, 64) class ids: four stripes, whose order turns from frame to frame."""
        stripes = np.roll(np.arange(4), number)
        return np.tile(np.repeat(stripes, 16), (48, 1)).astype(np.uint8)

    def image(self, number):
        """Return the picture of :meth:`truth`."""
        palette = np.array([tiny_model.COLORS[name] for name in COLORS], np.uint8)
        return palette[self.truth(number)]

    def labels(self, number):
        """Return the truth with a wrong corner and a stripe that is not labelled."""
        labels = self.truth(number)
        labels[:12, :8] = (labels[0, 0] + 1) % 4
        labels[40:, :] = 255
        return labels

    def bag(self, name, frames=4, storage='mcap', first=0, labels=True):
        """Write a recording with labels on a topic; return its path."""
        path = os.path.join(str(self.folder), *name.split('/'))
        with bags.BagWriter(path, storage) as bag:
            for number in range(first, first + frames):
                bag.image(number, self.image(number))
                if labels:
                    bag.image(number, self.labels(number), bags.LABELS, 'mono8', delay_ns=10 ** 6)
        return path


@pytest.fixture(scope='session')
def color_case(tmp_path_factory):
    """Return the network and a maker of recordings; skips without onnx or rosbags."""
    pytest.importorskip('onnxruntime')
    pytest.importorskip('rosbags')
    return ColorCase(tmp_path_factory.mktemp('colors'))


def comparable(document):
    """Return a report without what differs from run to run."""
    return {key: value for key, value in document.items()
            if key not in ('performance', 'timings_seconds')}
