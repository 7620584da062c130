# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bad input gets a clear message, and the next good frame its mask."""

import os
import re
import shutil
import time

import numpy as np
import pytest
from segformer_ros.segmentation.images.compressed import encode_jpeg
from segformer_ros.segmentation.images.compressed import encode_png
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import BLUE
from support.tiny_model import color_image
from support.tiny_model import RED
from support.tiny_model import write_color_model
from support.tiny_model import write_color_spec

PICTURE = color_image(['red', 'blue'])


class Running:
    """A node process and its other side."""

    def __init__(self, process, peer):
        self.process = process
        self.peer = peer

    def assert_serves(self):
        """Send a good frame and look at its mask."""
        assert_is_of_picture(self.peer.mask_of(self.good()))

    def good(self):
        """Return a message of :data:`PICTURE`."""
        return compressed(encode_jpeg(PICTURE, 95)) if self.peer.compressed else \
            rgb_message(PICTURE)

    def assert_refused(self, bad, text):
        """
        Send a bad message, wait for the text in the log, then see that good ones work.

        It is sent again until then: a kind that was logged just now is held back for a while.
        """
        self.peer.connect()
        before = len(self.process.log())
        masks = len(self.peer.masks.messages)
        stamps = []
        deadline = time.monotonic() + 30.0
        while not re.search(text, self.process.log()[before:]):
            assert time.monotonic() < deadline, f'{text!r} is not in the log'
            stamps.append(self.peer.send(bad))
            time.sleep(0.2)
        self.assert_serves()
        assert not any(mask.header.stamp in stamps for mask in self.peer.masks.messages[masks:])


def assert_is_of_picture(mask):
    values = pixels(mask)
    assert values.shape == PICTURE.shape[:2]
    assert np.all(values[:, :28] == RED)
    assert np.all(values[:, 36:] == BLUE)


def compressed(data, text='jpeg'):
    return CompressedImage(format=text, data=bytes(data))


def changed(**fields):
    """Return a good rgb8 message with other fields."""
    message = rgb_message(PICTURE)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def start(folder, **parameters):
    """Yield a running node, active, in a domain of its own."""
    model = write_color_model(folder)
    with private_domain() as domain, \
            NodeProcess(domain, folder, dict(parameters, model=model)) as process, \
            SegformerPeer(domain,
                          compressed=parameters.get('image_transport') == 'compressed') as peer:
        peer.wait_for_state('active')
        yield Running(process, peer)


@pytest.fixture(scope='module')
def raw(tmp_path_factory):
    yield from start(tmp_path_factory.mktemp('raw'))


@pytest.fixture(scope='module')
def jpeg(tmp_path_factory):
    yield from start(tmp_path_factory.mktemp('jpeg'), image_transport='compressed')


NOT_A_NUMBER = np.full((48, 64), np.nan, np.float32)


@pytest.mark.parametrize('bad, text', [
    (changed(width=0), 'Image rejected: Image of zero size: got 0 x 48'),
    (changed(step=64), 'Wrong row step: got 64 bytes; expected at least 192 for 64 pixels of '
                       'rgb8'),
    (changed(step=200), 'Image data too short: got 9216 bytes; expected 9600'),
    (changed(encoding='bgr8', data=b'abc'), 'Image data too short: got 3 bytes'),
    (changed(encoding='mono8', step=64), 'Image data too long: got 9216 bytes; expected 3072'),
    (changed(encoding='h264'), "Unsupported image encoding: got 'h264'; expected one of rgb8"),
    (changed(encoding=''), "Unsupported image encoding: got ''"),
    (Image(height=48, width=64, step=256, encoding='32FC1', data=NOT_A_NUMBER.tobytes()),
     "Unsupported image encoding: got '32FC1'.*holds measurements"),
    (Image(height=48, width=64, step=128, encoding='16UC1', data=bytes(6144)),
     "Unsupported image encoding: got '16UC1'.*remap `image`"),
    (Image(height=4, width=3, step=6, encoding='yuv422', data=bytes(24)),
     'impossible for its encoding: got 3 x 4 yuv422'),
    (Image(height=2, width=2, step=2, encoding='bayer_rggb8', data=bytes(4)),
     'Image too small: got 2 x 2; expected at least 3'),
    (changed(encoding='rgba8', width=2 ** 31, step=2 ** 32 - 1),
     'of a size that cannot be used: got 2147483648 x 48 pixels'),
    (changed(encoding='mono16', height=2 ** 32 - 1, step=2 ** 32 - 1, is_bigendian=1),
     'of a size that cannot be used: got 64 x 4294967295 pixels'),
], ids=lambda value: value[:30] if isinstance(value, str) else '')
def test_raw_image(raw, bad, text):
    raw.assert_refused(bad, text)


@pytest.mark.parametrize('bad, text', [
    (compressed(b''), 'Compressed image is empty: got 0 bytes'),
    (compressed(b'no picture at all'), 'neither JPEG nor PNG: got 17 bytes.*first bytes 6e6f2070'),
    (compressed(encode_jpeg(PICTURE, 95)[:-2]), 'Compressed image is truncated'),
    (compressed(encode_png(PICTURE)[:-20], 'png'), 'Compressed image is truncated'),
    (compressed(b'\xff\xd8' + bytes(80) + b'\xff\xda\xff\xd9', 'corrupt'),
     r'Picture is damaged: got JPEG has no marker at byte 2 \(86 bytes\)'),
], ids=['empty', 'text', 'truncated JPEG', 'truncated PNG', 'corrupt JPEG'])
def test_compressed_image(jpeg, bad, text):
    jpeg.assert_refused(bad, text)


def test_encoding_and_size_may_change_between_frames(raw):
    for picture, channels, encoding in (
            (PICTURE, np.s_[:, :, ::-1], 'bgr8'), (PICTURE, np.s_[:, :, [0, 1, 2, 2]], 'rgba8'),
            (PICTURE[:, :, :1], np.s_[:, :, 0], 'mono8')):
        samples = np.ascontiguousarray(picture[channels])
        message = Image(height=48, width=64, encoding=encoding, step=samples[0].size,
                        data=samples.tobytes())
        values = pixels(raw.peer.mask_of(message))
        assert values[24, 5] == (RED if encoding != 'mono8' else 3)
    for height, width in ((31, 99), (480, 640), (3, 2), (1, 1)):
        mask = raw.peer.mask_of(rgb_message(color_image(['red'], height, width)))
        assert (mask.height, mask.width) == (height, width)
        assert np.all(pixels(mask) == RED)
    raw.assert_serves()


def test_a_stamp_that_goes_back_is_served_and_told(raw):
    raw.assert_serves()
    old = raw.good()
    old.header.stamp.sec = 7
    before = len(raw.process.log())
    assert_is_of_picture(raw.peer.mask_of(old))
    raw.process.wait_for_log('Stamps of /image went back', after=before)
    raw.assert_serves()


@pytest.mark.parametrize('change, reason', [
    ({'threshold': 1.5}, 'threshold'),
    ({'threshold': float('nan')}, 'threshold.*nan'),
    ({'threshold': 'high'}, "Wrong value of threshold: got 'high'; expected a number"),
    ({'max_rate': -3}, 'expected 0.0 to 1000.0'),
    ({'jpeg_quality': 101}, 'jpeg_quality'),
    ({'jpeg_quality': 85.0}, 'jpeg_quality|type'),
    ({'rotate': 45}, 'Wrong value of rotate: got 45; expected one of 0, 90, 180, 270'),
    ({'resize': 'nearest'}, "got 'nearest'; expected one of pillow, opencv"),
    ({'model': 'other.onnx'}, 'model is read by configure: clean the node up'),
    ({'cameras': ['front']}, 'read-only|read only'),
    ({'warn_after': 10.0}, 'error_after: got 5.0; expected at least warn_after, 10.0'),
    ({'overlay_alpha': 0.1, 'threshold': 7.0}, 'threshold'),
])
def test_parameter(raw, change, reason):
    answer = raw.peer.set_parameters(**change)
    assert re.search(reason, answer), answer
    # Nothing of a refused set is applied: all of it can still be set to the default.
    assert raw.peer.parameter('overlay_alpha') == 0.5
    assert raw.peer.parameter('threshold') == 0.0
    raw.assert_serves()


def test_good_changes_are_taken_in_one_go_and_whole_numbers_as_doubles(raw):
    assert raw.peer.set_parameters(max_rate=100, warn_after=6, error_after=7.5) == ''
    assert raw.peer.parameter('max_rate') == 100
    raw.assert_serves()
    assert raw.peer.set_parameters(max_rate=0, warn_after=1, error_after=5) == ''


@pytest.fixture(scope='module')
def waiting(tmp_path_factory):
    """Yield a node that was not configured yet, and the folder of its models."""
    folder = tmp_path_factory.mktemp('models')
    write_color_model(folder)
    with private_domain() as domain, \
            NodeProcess(domain, folder, {'autostart': 'false'}) as process, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('unconfigured')
        yield Running(process, peer), str(folder)


def missing(path):
    write_color_spec(os.path.dirname(path), 'bad')


def folder_instead(path):
    missing(path)
    os.mkdir(path)


def text_file(path):
    missing(path)
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write('version https://git-lfs.github.com/spec/v1\n')


def empty_file(path):
    missing(path)
    open(path, 'wb').close()


def truncated(path):
    text_file(path)
    good = os.path.join(os.path.dirname(path), 'colors.onnx')
    with open(good, 'rb') as source, open(path, 'wb') as target:
        target.write(source.read()[:-100])


def five_classes(path):
    write_color_model(os.path.dirname(path), 'bad', classes=5)


def no_specification(path):
    shutil.copy(os.path.join(os.path.dirname(path), 'colors.onnx'), path)


def wrong_specification(path):
    no_specification(path)
    with open(path[:-5] + '.yaml', 'w', encoding='utf-8') as stream:
        stream.write('name: bad\nclasses: ade20k\nnum_clases: 150\n')


def other_input_name(path):
    no_specification(path)
    missing(path)
    with open(path[:-5] + '.yaml', 'a', encoding='utf-8') as stream:
        stream.write('input_name: image\n')


@pytest.mark.parametrize('make, text', [
    (missing, 'Model file not found: got .*bad.onnx'),
    (folder_instead, 'Model file not found: got .*bad.onnx'),
    (text_file, 'Model file is a pointer of Git LFS.*bad.onnx'),
    (empty_file, 'No readable ONNX file: .*bad.onnx'),
    (truncated, 'No readable ONNX file: .*bad.onnx'),
    (five_classes, r'does not fit specification .*got logits.*5.*The model has 5 classes'),
    (no_specification, 'Model has no specification'),
    (wrong_specification, 'num_clases'),
    (other_input_name, 'Inputs of the model do not fit specification .*pixel_values'),
    (None, 'No model is set.*model:='),
], ids=lambda value: getattr(value, '__name__', ''))
def test_model(waiting, make, text):
    node, folder = waiting
    path = os.path.join(folder, 'bad.onnx')
    if make is not None:
        make(path)
    before = len(node.process.log())
    assert node.peer.set_parameters(model=path if make is not None else '') == ''
    assert node.peer.change_state('configure') is False
    node.process.wait_for_log('Cannot configure: .*' + text, after=before)
    assert node.peer.state() == 'unconfigured'
    # The same node serves as soon as it is given a good model.
    assert node.peer.set_parameters(model=os.path.join(folder, 'colors.onnx')) == ''
    assert node.peer.change_state('configure') and node.peer.change_state('activate')
    node.assert_serves()
    assert node.peer.change_state('deactivate') and node.peer.change_state('cleanup')
    for leftover in (path, path[:-5] + '.yaml'):
        if os.path.isdir(leftover):
            os.rmdir(leftover)
        elif os.path.exists(leftover):
            os.remove(leftover)


@pytest.mark.parametrize('parameters, text', [
    ({'threshold': '2.0'}, 'Wrong value of threshold: got 2.0; expected 0.0 to 1.0'),
    pytest.param({'rotate': '45'}, 'Wrong value of rotate: got 45', marks=pytest.mark.slow),
    ({'jpeg_quality': 'high'}, "Wrong value of jpeg_quality: got 'high'; expected a whole"),
    ({'cameras': '[front, front]'}, 'each once'),
    ({'cameras': '[front]', 'front.rotate': '45'}, 'Wrong value of front.rotate: got 45'),
])
def test_wrong_parameter_at_start_ends_the_process_with_a_clear_line(domain, tmp_path,
                                                                     parameters, text):
    with NodeProcess(domain, tmp_path, parameters) as process:
        assert process.wait() == 2
        assert text in process.log()
        assert 'Traceback' not in process.log()


def test_unknown_parameter_names_are_told_with_the_nearest(domain, tmp_path):
    with NodeProcess(domain, tmp_path, {'autostart': 'false', 'treshold': '0.5'}) as process:
        process.wait_for_log("Unknown parameter 'treshold' is ignored. Meant: threshold")
