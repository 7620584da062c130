# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The example that listens, beside a real node over DDS."""

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
from support import ros_fixtures  # noqa: E402

ros_fixtures.use_own_transport()
domain, color_model = ros_fixtures.domain, ros_fixtures.color_model


def test_listener_names_the_classes_and_ends_when_asked(project_root, domain, color_model,
                                                        tmp_path):
    from support import ros_graph
    from support import segformer_peer
    from support.tiny_model import color_image
    environment = dict(os.environ, ROS_DOMAIN_ID=str(domain), ROS_LOG_DIR=str(tmp_path),
                       RCUTILS_LOGGING_BUFFERED_STREAM='0')
    image = segformer_peer.rgb_message(color_image(['red', 'blue']))

    def listen_and_stop(peer, number):
        log = tmp_path / f'{number.name}.log'

        def heard():
            # Sent anew: the listener may have come after an earlier mask.
            image.header.stamp.sec += 1
            peer.mask_of(image)
            return 'red 50%, blue 50%' in log.read_text()

        with log.open('wb') as stream:
            listener = subprocess.Popen(
                [sys.executable, os.path.join(project_root, 'examples', 'mask_listener.py')],
                env=environment, stdout=stream, stderr=subprocess.STDOUT)
        try:
            ros_graph.wait_until(lambda: '4 classes' in log.read_text(), log.read_text)
            ros_graph.wait_until(heard, log.read_text)
            listener.send_signal(number)
            assert listener.wait(ros_graph.TIMEOUT) == 0, log.read_text()
        finally:
            listener.kill()
            listener.wait()
        assert 'Traceback' not in log.read_text()

    with ros_graph.NodeProcess(domain, tmp_path, {'model': color_model}), \
            segformer_peer.SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        for number in (signal.SIGINT, signal.SIGTERM):
            listen_and_stop(peer, number)
