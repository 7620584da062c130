# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How many modules an image passes on its way to a mask."""

import json
import os
import signal

from support import ros_graph
from support import segformer_peer
from support.tiny_model import color_image

# One of them binds threads where cores differ (common/machine.py).
MOST = 20


def test_an_image_passes_few_modules_on_its_way_to_a_mask(domain, color_model, tmp_path):
    found = tmp_path / 'modules.json'
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    environment = {'FRAME_PATH_FILE': str(found), 'PYTHONPATH': os.pathsep.join(
        [here] + list(filter(None, [os.environ.get('PYTHONPATH')])))}
    image = segformer_peer.rgb_message(color_image(['red', 'blue'], height=120, width=160))
    with ros_graph.NodeProcess(
            domain, tmp_path, {'model': color_model, 'costmap': 'false', 'backend': 'onnxruntime'},
            module='support.traced_node', environment=environment) as node, \
            segformer_peer.SegformerPeer(domain) as peer:
        peer.wait_for_state('active')

        def send(count):
            for _ in range(count):
                image.header.stamp.sec += 1
                peer.mask_of(image)

        # The first frames fill tables and settle what serves.
        send(5)
        os.kill(node.pid, signal.SIGUSR1)
        send(5)
        os.kill(node.pid, signal.SIGUSR2)
        ros_graph.wait_until(found.exists, node.log)
    modules = json.loads(found.read_text())
    assert {'ros/node/camera.py', 'segmentation/segmenter.py', 'inference/onnxrt/backend.py',
            'ros/node/outputs.py'} < set(modules)
    assert 12 < len(modules) <= MOST, modules
