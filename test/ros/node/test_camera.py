# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A GPU that fails while two frames are in work costs neither of them its mask."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.context import Context
from rclpy.node import Node
from segformer_ros.common.errors import BackendError
from segformer_ros.ros.io.images import rgb8_image
from segformer_ros.ros.node import live_segmenter
from segformer_ros.ros.node.camera import Camera
from segformer_ros.ros.node.camera import FrameJob
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.live_segmenter import LiveSegmenter
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import snapshot
from std_msgs.msg import Header
from support.grey_gpu import Gpu
from support.ros_graph import wait_until
from support.slow_backend import ListSelector

FRAMES = 6
PARAMETERS = snapshot({row.name: row.default for row in node_rows() + CAMERA_ROWS})


class FailingGpu(Gpu):
    """
    Refuses the run of a level, at its beginning or end, or returns what is not finite.

    Once it is closed its results say something else: page-locked memory is somebody else's then.
    """

    def __init__(self, log, on_begin, level, fault):
        super().__init__(log, on_begin, name='tensorrt')
        self._bad_level, self._fault = level, fault

    def _begin(self, inputs):
        super()._begin(inputs)
        if (self._level, self._fault) == (self._bad_level, 'begin'):
            raise BackendError('The run was not taken')

    def _end(self):
        outputs = super()._end()
        if (self._level, self._fault) == (self._bad_level, 'end'):
            raise BackendError('The GPU failed')
        if (self._level, self._fault) == (self._bad_level, 'finish'):
            outputs['logits'][0, 0, 0, 0] = np.nan
        return outputs

    def _close(self):
        super()._close()
        for array in self._results:
            array.fill(0.0)
            array[:, 149] = 1.0


class Cpu(Gpu):
    """Does the same while the caller waits."""

    overlaps = False

    def _infer(self, inputs):
        self._begin(inputs)
        return self._end()


class RecoveringSelector(ListSelector):
    """Closes the backend that failed and goes on with another one, once."""

    def __init__(self, first, second):
        super().__init__(first)
        self._second = second

    def fall_back(self, reason):
        """Close the first and serve with the second from now on."""
        self.backends[-1].close()
        self.backends.append(self._second)
        return self.open()


class Outputs:
    """Keeps what would be published."""

    has_confidence = True

    def __init__(self):
        self.masks = {}

    def is_wanted(self, topic):
        """Ask for nothing but masks."""
        return False

    def publish(self, header, image, segmentation, info, parameters):
        """Keep the classes of a mask by its image's stamp."""
        self.masks[header.stamp.sec] = set(segmentation.mask.ravel().tolist())


@pytest.fixture
def ros_node(domain):
    context = Context()
    context.init(domain_id=domain)
    node = Node('cameras', context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


@pytest.mark.parametrize('fault', ['begin', 'end', 'finish'])
@pytest.mark.parametrize('level', [1, 2])
def test_frames_before_and_behind_the_one_that_fails_get_their_own_masks(
        ros_node, monkeypatch, fault, level):
    # On a machine that is held up no frame shall be drained to look for a better backend.
    monkeypatch.setattr(live_segmenter, 'POLL_PERIOD', 1000.0)
    outputs, threads, log = Outputs(), [], []
    camera = Camera(ros_node, '', SimpleNamespace(current=PARAMETERS), outputs,
                    lambda name, job: False)
    camera._open = True  # as start() does, without a subscription

    def offer_the_next(number):
        if number + 1 < FRAMES:
            threads[0].offer('', job(camera, number + 1))

    selector = RecoveringSelector(FailingGpu(log, offer_the_next, level, fault),
                                  Cpu(log, offer_the_next))
    thread = InferenceThread([''], LiveSegmenter(selector), 0.0)
    threads.append(thread)
    thread.start()
    try:
        assert thread.wait_until_open(10.0)
        thread.offer('', job(camera, 0))
        wait_until(lambda: FRAMES - 1 in outputs.masks,
                   lambda: f'the last mask: {outputs.masks} {log}')
        assert outputs.masks == {number: {number} for number in range(FRAMES)}
        assert thread.live.serving.backend is selector.backends[1]
        assert selector.backends[0].threads == selector.backends[1].threads
        assert threading.get_ident() not in selector.backends[0].threads
    finally:
        assert thread.stop(10.0)


def job(camera, level):
    header = Header()
    header.stamp.sec = level
    return FrameJob(camera, rgb8_image(header, np.full((8, 8, 3), level, np.uint8)), 0.0)
