# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the node's recorder writes is what the training tools read."""

import os
import sys
import time

import numpy as np
from segformer_ros.capture import recorder as recorders
from segformer_ros.capture import store as stores
from segformer_ros.capture.frame import CandidateFrame
from segformer_ros.capture.frame import NetworkIdentity
from segformer_ros.model.classes import load_class_table

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, os.pardir,
                     'tools', 'train')
if TOOLS not in sys.path:
    sys.path.append(TOOLS)

import capture_folder  # noqa: E402, I100


def test_folder_of_the_recorder_is_read_by_the_training_tools(tmp_path):
    (tmp_path / 'net.onnx').write_bytes(b'weights')
    network = NetworkIdentity('net', str(tmp_path / 'net.onnx'), load_class_table('cityscapes'))
    recorder = recorders.CaptureRecorder(
        recorders.RecorderSettings(str(tmp_path / 'captures'), limits=stores.Limits(
            min_free_bytes=0)), lambda frame: recorders.FrameContext())
    random = np.random.RandomState(1)
    masks, kept = [], []
    try:
        for number in range(3):
            image = random.randint(0, 255, (48, 64, 3)).astype(np.uint8)
            masks.append(random.randint(0, 19, (48, 64)).astype(np.uint8))
            masks[-1][:4] = 255
            kept.append(recorder.handle(CandidateFrame(
                ('', 'front')[number % 2], 'optical', int(1e9 * time.time()) + number, image,
                masks[-1], None, 0, network, asked=True)))
    finally:
        recorder.close()
    found = capture_folder.read_capture(str(tmp_path / 'captures'))
    assert [each.id for each in found.frames] == kept
    assert found.classes == network.classes.names
    assert {each.reason for each in found.frames} == {'service'}
    for each, mask in zip(found.frames, masks):
        assert (found.mask(each) == mask).all()
