# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From frames to records: rate, repetition, faults."""

import contextlib
import hashlib
import os
import time

import numpy as np
import pytest
from segformer_ros.capture import recorder as recorders
from segformer_ros.capture import store as stores
from segformer_ros.capture.frame import CandidateFrame
from segformer_ros.capture.frame import NetworkIdentity
from segformer_ros.capture.judge import Thresholds
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model.classes import ClassTable
from support import captured

CLASSES = ClassTable('three', ['floor', 'wall', 'person'], [[0, 0, 0], [9, 9, 9], [99, 99, 99]],
                     [False, False, True])
POSE = {'frame': 'odom', 'child': 'front_optical', 'translation': [1.0, 2.0, 3.0],
        'rotation': [0.0, 0.0, 0.0, 1.0]}
RANDOM = np.random.RandomState(4)


@pytest.fixture
def network(tmp_path):
    path = tmp_path / 'net.onnx'
    path.write_bytes(b'weights')
    return NetworkIdentity('net', str(path), CLASSES)


@pytest.fixture
def settings(tmp_path):
    return recorders.RecorderSettings(
        str(tmp_path / 'captures'), True, 1000.0, (), stores.Limits(min_free_bytes=0),
        Thresholds(0.5, 0.3, 0.0, 0.0, 0.0))


@pytest.fixture
def make():
    """Return a function that makes recorders, which are closed at the end."""
    with contextlib.ExitStack() as closing:
        def made(settings):
            found = recorders.CaptureRecorder(
                settings, lambda frame: recorders.FrameContext(None, POSE))
            closing.callback(found.close)
            return found
        yield made


def frame(network, stamp_ns, confidence=50, **changes):
    """Return a frame whose picture is like no other."""
    coarse = RANDOM.randint(0, 255, (6, 8, 3)).astype(np.uint8)
    image = np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1))
    mask = RANDOM.randint(0, 3, (48, 64)).astype(np.uint8)
    return CandidateFrame('front', 'front_optical', stamp_ns, image, mask,
                          np.full((48, 64), confidence, np.uint8), 0, network)._replace(**changes)


def test_record_is_what_the_frame_was(make, settings, network):
    recorder = make(settings)
    for rotate, turns in ((0, 0), (90, -1), (180, 2), (270, 1)):
        # 2026-11-29 18:47:00 UTC, and some.
        each = frame(network, 1795978020123456789 + rotate, rotate=rotate)
        identity = recorder.handle(each)
        assert identity == f'20261129T184700_{123456789 + rotate}_front'
        record = captured.manifest(settings.folder)[-1]
        assert record['id'] == identity
        for key, pixels in (('image', each.image), ('mask', each.mask),
                            ('confidence', each.confidence)):
            assert (captured.picture(settings.folder, record[key]) == np.rot90(
                pixels, turns)).all()
        assert record['pose'] == POSE
        assert record['score'] == 1.0
        assert record['model'] == {'name': 'net',
                                   'digest': hashlib.sha256(b'weights').hexdigest()}
    assert recorder.state.kept['unsure'] == recorder.state.frames == 4
    captured.check_whole(settings.folder)


def test_nothing_is_kept_or_made_while_it_is_off_but_what_was_asked_for(make, settings, network):
    recorder = make(settings._replace(enabled=False))
    assert recorder.handle(frame(network, 1)) == ''
    assert not os.path.exists(settings.folder)
    assert recorder.handle(frame(network, 2, asked=True)) != ''
    record, = captured.check_whole(settings.folder)
    assert record['reason'] == 'service'


def test_rate_bounds_what_comes_by_itself_and_not_the_service(make, settings, network):
    recorder = make(settings._replace(max_rate=0.01))
    kept = [recorder.handle(frame(network, number)) for number in range(1, 6)]
    assert [bool(each) for each in kept] == [True, False, False, False, False]
    assert recorder.state.held_back == 4
    assert recorder.handle(frame(network, 9, asked=True))
    recorder.settings = settings._replace(max_rate=20.0)
    deadline = time.monotonic() + 30.0
    while not recorder.handle(frame(network, int(1e9 * time.time()))):
        assert time.monotonic() < deadline


def test_one_image_is_one_record_however_often_it_is_worth_it(make, settings, network):
    recorder = make(settings)
    each = frame(network, 7)
    first = recorder.handle(each)
    assert recorder.handle(each._replace(asked=True)) == first
    assert len(captured.check_whole(settings.folder)) == 1
    # The same stamp in another session, as simulators have it, is another frame.
    recorder.close()
    again = make(settings)
    assert again.handle(frame(network, 7)) == first + '-2'


def test_frames_without_a_stamp_are_all_kept(make, settings, network):
    recorder = make(settings)
    kept = [recorder.handle(frame(network, 0)) for _ in range(3)]
    assert len(set(kept)) == len(captured.check_whole(settings.folder)) == 3


def test_frame_that_is_not_in_the_folder_any_more_is_kept_again(make, settings, network, tmp_path):
    recorder = make(settings._replace(limits=settings.limits._replace(max_frames=1)))
    first = frame(network, 7)
    identity = recorder.handle(first)
    assert recorder.handle(frame(network, 8)) != identity
    assert recorder.handle(frame(network, 7)) == identity
    other = str(tmp_path / 'other')
    recorder.settings = settings._replace(folder=other)
    assert recorder.handle(frame(network, 7, asked=True)) == identity
    assert [each['id'] for each in captured.check_whole(other)] == [identity]


def test_digest_is_that_of_the_network_that_serves_now(make, settings, network):
    recorder = make(settings)
    recorder.handle(frame(network, 1))
    with open(network.path, 'wb') as stream:
        stream.write(b'trained further')
    # Exchanged: the same file by another identity.
    recorder.handle(frame(network._replace(name='net'), 2))
    assert [each['model']['digest'] for each in captured.check_whole(settings.folder)] == [
        hashlib.sha256(content).hexdigest() for content in (b'weights', b'trained further')]


def test_fault_is_told_costs_no_record_and_ends_by_itself(make, settings, network):
    recorder = make(settings)
    recorder.handle(frame(network, 1))
    recorder.settings = settings._replace(limits=stores.Limits(min_free_bytes=1 << 60))
    with pytest.raises(stores.StoreError, match='Disk is nearly full'):
        recorder.handle(frame(network, 2))
    state = recorder.state
    assert (state.failed, state.trouble[:20]) == (1, 'Disk is nearly full:')
    assert len(captured.check_whole(settings.folder)) == 1
    recorder.settings = settings
    time.sleep(0.002)
    assert recorder.handle(frame(network, 3))
    assert (recorder.state.trouble, recorder.state.frames) == ('', 2)


def test_what_cannot_be_blurred_is_not_written(make, settings, network):
    recorder = make(settings._replace(blur=('person', 'car')))
    with pytest.raises(ConfigurationError, match="got 'car'"):
        recorder.handle(frame(network, 1))
    assert captured.manifest(settings.folder) == []
    recorder.settings = settings._replace(blur=('person',))
    time.sleep(0.002)
    each = frame(network, 2)
    recorder.handle(each)
    record, = captured.check_whole(settings.folder)
    assert record['blurred'] == ['person']
    shown = captured.picture(settings.folder, record['image'])
    assert (shown != each.image).any()
    assert (captured.picture(settings.folder, record['mask']) == each.mask).all()


def test_frames_of_a_network_with_other_classes_do_not_come_into_the_same_folder(
        make, settings, network, tmp_path):
    recorder = make(settings)
    recorder.handle(frame(network, 1))
    colors = [[0, 0, 0], [9, 9, 9], [99, 99, 99]]
    other = network._replace(classes=ClassTable(
        'turned', CLASSES.names[::-1], colors, [True, False, False]))
    # An id of its masks means something else.
    with pytest.raises(ConfigurationError, match='Folder holds frames of another network'):
        recorder.handle(frame(other, 2, asked=True))
    assert len(captured.check_whole(settings.folder)) == 1
    # One that only has another name for the same classes may go on.
    same = network._replace(name='further', classes=ClassTable(
        'same', CLASSES.names, colors, [False] * 3))
    assert recorder.handle(frame(same, 3, asked=True))
    assert [each['stamp_ns'] for each in captured.check_whole(settings.folder)] == [1, 3]
    recorder.settings = settings._replace(folder=str(tmp_path / 'other'))
    assert recorder.handle(frame(other, 4, asked=True))


def test_rate_bounds_what_is_tried_where_nothing_can_be_written(make, settings, network):
    full = settings._replace(max_rate=0.01, limits=stores.Limits(min_free_bytes=1 << 60))
    recorder = make(full)
    with pytest.raises(stores.StoreError, match='Disk is nearly full'):
        recorder.handle(frame(network, 1))
    assert [recorder.handle(frame(network, number)) for number in range(2, 6)] == [''] * 4
    assert (recorder.state.failed, recorder.state.held_back) == (1, 4)
    # The service tries at once, and costs nobody else a turn.
    with pytest.raises(stores.StoreError):
        recorder.handle(frame(network, 6, asked=True))
    recorder = make(full)
    for number, asked in ((7, True), (8, False)):
        with pytest.raises(stores.StoreError):
            recorder.handle(frame(network, number, asked=asked))


@pytest.mark.parametrize('rotate', [0, 90, 180, 270])
def test_people_are_blurred_where_they_are_however_the_camera_is_mounted(
        make, settings, network, rotate):
    recorder = make(settings._replace(blur=('person',)))
    image = np.random.RandomState(5).randint(0, 255, (96, 128, 3)).astype(np.uint8)
    mask = np.zeros((96, 128), np.uint8)
    mask[8:40, 10:30] = 2
    recorder.handle(frame(network, 1, image=image, mask=mask, rotate=rotate,
                          asked=True)._replace(confidence=None))
    record, = captured.check_whole(settings.folder)
    shown = np.rot90(captured.picture(settings.folder, record['image']), rotate // 90)
    person = mask == 2
    assert len(np.unique(image[person], axis=0)) > 600
    assert len(np.unique(shown[person], axis=0)) <= 40
    # Beyond a margin of a few pixels nothing is touched.
    assert (shown[50:] == image[50:]).all() and (shown[:, 40:] == image[:, 40:]).all()
