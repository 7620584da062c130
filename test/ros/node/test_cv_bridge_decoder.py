# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""cv_bridge is used where it works, and told and survived where it does not."""

import logging
import sys

import numpy as np
import pytest
from segformer_ros.ros.node.cv_bridge_decoder import CvBridgeDecoder
from segformer_ros.segmentation.images.decoding import ENCODINGS
from segformer_ros.segmentation.images.decoding import image_to_rgb
from sensor_msgs.msg import Image

# Stands for cv_bridge in a wheel environment: it decodes by rows, and as the real one
# misreads padded steps.
WORKING = '''
import cv2
import numpy
class CvBridge:
    def imgmsg_to_cv2(self, message, encoding):
        assert encoding == 'rgb8'
        if message.encoding == 'bayer_gbrg8':
            raise ValueError('[bayer_gbrg8] is not a color format')
        assert message.step == message.width, 'garbled'
        rows = numpy.frombuffer(message.data, numpy.uint8).reshape(message.height, message.width)
        return cv2.cvtColor(rows, cv2.COLOR_BayerBG2RGB)
'''
BROKEN = {
    'AttributeError: _ARRAY_API not found': "raise AttributeError('_ARRAY_API not found')",
    'SystemError: initialization failed': "raise SystemError('initialization failed')",
    'ImportError: libopencv': "raise ImportError('libopencv_core.so.4.5 not found')",
    'RuntimeError: no numpy': WORKING.replace("assert encoding == 'rgb8'",
                                              "raise RuntimeError('no numpy')"),
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a module ``cv_bridge`` of the given text on the path."""
    def write(text):
        (tmp_path / 'cv_bridge.py').write_text(text, encoding='utf-8')
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, 'cv_bridge', raising=False)
    yield write
    sys.modules.pop('cv_bridge', None)


def bayer(padding=0, encoding='bayer_rggb8'):
    rows = np.random.RandomState(5).randint(0, 256, (6, 8 + padding), dtype=np.uint8)
    return Image(height=6, width=8, step=8 + padding, encoding=encoding, data=rows.tobytes())


def convert(bridge, message):
    return bridge.to_rgb(message, ENCODINGS[message.encoding])


def test_working_cv_bridge_is_used_with_compacted_rows(install):
    install(WORKING)
    bridge = CvBridgeDecoder()
    assert bridge.status == 'not needed yet'
    for padding in (0, 5):
        message = bayer(padding)
        assert np.array_equal(convert(bridge, message), image_to_rgb(message))
    assert bridge.status == 'cv_bridge'


def test_absent_cv_bridge_leaves_the_work_to_opencv():
    bridge = CvBridgeDecoder()
    assert convert(bridge, bayer()) is None
    assert 'OpenCV' in bridge.status
    assert "No module named 'cv_bridge'" in bridge.status


@pytest.mark.parametrize('reason', sorted(BROKEN))
def test_broken_cv_bridge_leaves_the_work_to_opencv_and_is_told_once(install, caplog, reason):
    install(BROKEN[reason])
    bridge = CvBridgeDecoder()
    message = bayer()
    assert np.array_equal(image_to_rgb(message, bridge.to_rgb), image_to_rgb(message))
    assert reason in bridge.status
    assert convert(bridge, message) is None
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert reason in told[0].getMessage()


def test_an_encoding_that_cv_bridge_refuses_goes_to_opencv_and_others_still_to_it(install):
    install(WORKING)
    bridge = CvBridgeDecoder()
    refused = bayer(encoding='bayer_gbrg8')
    assert np.array_equal(image_to_rgb(refused, bridge.to_rgb), image_to_rgb(refused))
    assert 'refused bayer_gbrg8' in bridge.status
    assert convert(bridge, bayer()) is not None


def test_refusals_between_images_that_are_taken_are_told_once_for_each_encoding(install, caplog):
    # The text of cv_bridge may name what strangers chose, such as a size.
    install(WORKING.replace("is not a color format'", "is not a color format: %d' % id(message)"))
    bridge = CvBridgeDecoder()
    for _ in range(20):
        assert convert(bridge, bayer(encoding='bayer_gbrg8')) is None
        assert convert(bridge, bayer()) is not None
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1


def test_plain_images_never_ask_cv_bridge():
    bridge = CvBridgeDecoder()
    image_to_rgb(Image(height=1, width=1, step=3, encoding='rgb8', data=b'123'), bridge.to_rgb)
    assert bridge.status == 'not needed yet'
