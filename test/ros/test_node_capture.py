# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames are kept over real DDS: what they hold, their bounds, and that masks never mind."""

import hashlib
import itertools
import json
import os
import time

import numpy as np
import pytest
from segformer_ros.costmap.geometry.transforms import pose_matrix
from sensor_msgs.msg import Image
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger
from support import captured
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import look_with_depth
from support.costmap_robot import PINHOLE
from support.costmap_robot import RELIABLE_50
from support.ros_graph import NodeProcess
from support.ros_graph import wait_until
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.status_watcher import OK
from support.status_watcher import StatusWatcher
from support.status_watcher import WARN
from support.tiny_model import color_image
from support.tiny_model import COLORS

COLOR_NAMES = list(COLORS)
# Nothing is kept by itself but what a test is about.
QUIET = {'capture.enabled': 'true', 'capture.unsure_share': 0.0, 'capture.flicker_share': 0.0,
         'capture.depth_share': 0.0, 'capture.trickle_period': 0.0, 'capture.max_rate': 10.0,
         'capture.min_free_mib': 0}


def parameters_of(folder, color_model, **changes):
    return dict({'model': color_model, 'costmap': 'false', 'capture.folder': str(folder),
                 'capture.min_free_mib': 0}, **changes)


def picture(number):
    """Return a picture whose coarse view differs from that of its neighbours."""
    return color_image([COLOR_NAMES[(number >> shift) & 3] for shift in (0, 2, 4, 6)])


def ask(peer):
    return peer.call(Trigger, '/segformer/capture', Trigger.Request())


def ask_while_images_come(peer, image):
    """Return the answer of ~/capture; images of one kind are sent until it is there."""
    client = peer.node.create_client(Trigger, '/segformer/capture')
    assert client.wait_for_service(60.0)
    for _ in range(3):
        # The node's side finds the client meanwhile; an answer that comes before is lost.
        peer.mask_of(rgb_message(image, 'front_optical'))
    future = client.call_async(Trigger.Request())
    wait_until(lambda: peer.mask_of(rgb_message(image, 'front_optical')) and future.done(),
               'an answer of ~/capture')
    peer.node.destroy_client(client)
    return future.result()


def test_service_keeps_one_frame_as_the_network_saw_it_and_nothing_comes_by_itself(
        domain, tmp_path, color_model):
    folder = tmp_path / 'captures'
    parameters = parameters_of(folder, color_model, rotate=90)
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        image = picture(0b11011000)
        mask = pixels(peer.mask_of(rgb_message(image, 'front_optical')))
        assert not os.path.exists(str(folder))
        answer = ask_while_images_come(peer, image)
        assert answer.success, answer.message
        record, = captured.check_whole(folder)
        assert answer.message == f'{record["id"]} in {folder}'
        assert (record['reason'], record['score'], record['camera']) == ('service', 0.0, '')
        assert record['frame_id'] == 'front_optical'
        assert record['stamp_ns'] % 10 ** 9 == 0
        assert record['id'] == time.strftime(
            '%Y%m%dT%H%M%S', time.gmtime(record['stamp_ns'] // 10 ** 9)) + '_000000000'
        # A quarter turn clockwise: the left column becomes the upper row.
        assert (captured.picture(folder, record['image']) == np.rot90(image, -1)).all()
        assert (captured.picture(folder, record['mask']) == np.rot90(mask, -1)).all()
        assert captured.picture(folder, record['confidence']).shape == mask.shape[::-1]
        assert (record['camera_info'], record['pose'], record['blurred']) == (None, None, [])
        with open(color_model, 'rb') as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        assert record['model'] == {'name': 'colors', 'digest': digest}
        assert json.loads((folder / record['classes']).read_text()) == COLOR_NAMES
        status, _ = StatusWatcher(peer).wait('capture', lambda found: True)
        assert (status.level, status.message) == (OK, 'off; ~/capture keeps single frames')


def test_service_says_why_there_is_no_frame(domain, tmp_path, color_model):
    parameters = parameters_of(tmp_path / 'captures', color_model)
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        answer = ask(peer)
        assert (answer.success, answer.message) == (False, 'no frame within 10 s')
        peer.call(SetBool, '/segformer/enable', SetBool.Request(data=False))
        answer = ask(peer)
        assert not answer.success
        assert 'the node makes no masks' in answer.message
        assert not (tmp_path / 'captures').exists()


def test_unsure_frames_are_kept_and_sure_ones_are_not(domain, tmp_path, color_model):
    folder = tmp_path / 'captures'
    parameters = parameters_of(folder, color_model, **dict(
        QUIET, **{'capture.unsure_share': 0.3, 'capture.low_confidence': 0.9}))
    sure, grey = picture(0b00011011), np.full((48, 64, 3), 128, np.uint8)
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        peer.connect()
        for _ in range(3):
            peer.mask_of(rgb_message(sure))
        # The grey images by which it connected are smaller, and unsure too.
        wait_until(lambda: peer.mask_of(rgb_message(grey)) and any(
            captured.picture(folder, each['mask']).shape == (48, 64)
            for each in captured.manifest(folder)), 'an unsure frame')
        status, _ = StatusWatcher(peer).wait(
            'capture', lambda found: 'frames kept' in found.message)
        assert status.level == OK
    for record in captured.check_whole(folder):
        assert record['reason'] == 'unsure'
        assert 0.3 <= record['score'] <= 1.0
        shown = captured.picture(folder, record['confidence'])
        assert np.mean(shown < 0.9 * 255) == pytest.approx(record['score'], abs=0.05)
        assert np.ptp(captured.picture(folder, record['image'])) == 0


def test_label_that_changes_under_a_still_view_is_flicker(domain, tmp_path, color_model):
    folder = tmp_path / 'captures'
    parameters = parameters_of(folder, color_model, **dict(
        QUIET, **{'capture.flicker_share': 0.2}))
    # Grey is nobody's colour, so the threshold takes its labels away.
    image = np.full((48, 64, 3), 128, np.uint8)
    image[:, :20] = COLORS['red']
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        peer.connect()

        def look():
            # Stamps of one moment after the other: the peer's own are seconds apart.
            message = rgb_message(image)
            message.header.stamp = peer.node.get_clock().now().to_msg()
            return pixels(peer.mask_of(message))
        for _ in range(5):
            look()
        assert captured.manifest(folder) == []
        found = []
        for threshold in (0.9, 0.0) * 30:
            assert peer.set_parameters(threshold=threshold) == ''
            for _ in range(2):
                look()
            found = captured.manifest(folder)
            if found:
                break
        assert found[0]['reason'] == 'flicker'
        assert 0.4 < found[0]['score'] <= 1.0


def test_pose_and_intrinsics_are_those_of_the_robot(domain, tmp_path):
    folder = tmp_path / 'captures'
    parameters = color_parameters(tmp_path, **dict(QUIET, **{
        'capture.folder': str(folder), 'capture.trickle_period': 1.0}))
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        robot.wait_for_state('active')

        def with_pose():
            return [each for each in captured.manifest(folder) if each['pose']]
        found = robot.look_until(with_pose, 'a frame with its pose')[0]
        assert found['reason'] == 'trickle'
        assert (found['pose']['frame'], found['pose']['child']) == ('odom', 'front_optical')
        assert pose_matrix(found['pose']['translation'], found['pose']['rotation']) == \
            pytest.approx(robot.camera_pose(), abs=1e-6)
        assert (found['camera_info']['width'], found['camera_info']['height']) == (320, 240)
        assert found['camera_info']['k'] == pytest.approx(list(robot.info.k))
        assert (len(found['camera_info']['d']), len(found['camera_info']['p'])) == (5, 12)
        assert found['camera_info']['distortion_model'] == 'plumb_bob'


def test_depth_that_contradicts_the_labels_keeps_the_frame(domain, tmp_path):
    folder = tmp_path / 'captures'
    parameters = color_parameters(tmp_path, depth_transport='raw', **dict(QUIET, **{
        'capture.folder': str(folder), 'capture.depth_share': 0.2}))
    with NodeProcess(domain, tmp_path, parameters), CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        robot.depth = robot.publisher(Image, '/depth', RELIABLE_50)
        clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
        deadline = time.monotonic() + 60.0
        while len(clouds.messages) < 5:
            look_with_depth(robot, robot.frame_id)
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert captured.manifest(folder) == []
        # White is ground to the network: a white wall half a metre ahead.
        deadline = time.monotonic() + 60.0
        while not captured.manifest(folder):
            header = robot.look()
            values = np.full((PINHOLE.height, PINHOLE.width), 500, '<u2')
            robot.depth.publish(Image(
                header=header, encoding='16UC1', height=PINHOLE.height, width=PINHOLE.width,
                step=2 * PINHOLE.width, data=values.tobytes()))
            assert time.monotonic() < deadline
            time.sleep(0.1)
        record = captured.check_whole(folder)[0]
        assert record['reason'] == 'depth'
        assert 0.2 <= record['score'] <= 1.0
        assert pose_matrix(record['pose']['translation'], record['pose']['rotation']) == \
            pytest.approx(robot.camera_pose(), abs=1e-6)


def test_folder_and_rate_stay_bounded_and_every_image_has_its_mask(domain, tmp_path, color_model):
    """A soak in small: 150 different frames or more, for three seconds, for a folder of eight."""
    folder = tmp_path / 'captures'
    parameters = parameters_of(folder, color_model, **dict(
        QUIET, **{'capture.unsure_share': 0.001, 'capture.low_confidence': 1.0,
                  'capture.max_frames': 8, 'capture.max_rate': 10.0}))
    with NodeProcess(domain, tmp_path, parameters) as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        peer.connect()
        started = time.monotonic()
        memory = []
        # At ten a second it is full three times over, however fast masks come.
        for number in itertools.takewhile(
                lambda count: count < 150 or time.monotonic() < started + 3.0, itertools.count()):
            image = picture(number)
            mask = pixels(peer.mask_of(rgb_message(image)))
            assert mask.shape == (48, 64)
            assert len(captured.manifest(folder)) <= 8
            if number % 30 == 29:
                memory.append(node.resident_mb())
        taken = time.monotonic() - started
        wait_until(lambda: len(captured.manifest(folder)) == 8, 'a full folder')
        _, values = StatusWatcher(peer).wait('capture', lambda found: True)
        kept = int(values['kept, unsure'])
        assert 8 < kept <= 10.0 * (taken + 5.0)
        assert int(values['made way for newer ones']) == kept - int(values['frames in it'])
        assert int(values['failed']) == 0
        assert memory[-1] < memory[0] + 20.0
    captured.check_whole(folder)
    assert captured.size(folder) < 8 * 20000


def test_full_disk_is_told_masks_go_on_and_capture_resumes_by_itself(
        domain, tmp_path, color_model):
    folder = tmp_path / 'captures'
    parameters = parameters_of(folder, color_model, **dict(
        QUIET, **{'capture.trickle_period': 0.2, 'capture.min_free_mib': 1048576}))
    with NodeProcess(domain, tmp_path, parameters) as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = StatusWatcher(peer)
        for number in range(10):
            peer.mask_of(rgb_message(picture(number)))
        status, values = watcher.wait('capture', lambda found: found.level == WARN)
        assert status.message.startswith('nothing is kept: Disk is nearly full: got ')
        assert int(values['failed']) >= 1
        assert captured.manifest(folder) == []
        answer = ask_while_images_come(peer, picture(3))
        assert not answer.success
        assert 'Disk is nearly full' in answer.message
        assert 'Not captured: Disk is nearly full' in node.log()
        assert peer.set_parameters(capture__min_free_mib=0) == ''
        wait_until(lambda: peer.mask_of(rgb_message(picture(7))) and captured.manifest(folder),
                   'a frame')
        watcher.wait('capture', lambda found: found.level == OK)
        node.wait_for_log('Frames are captured again')
    assert 'Traceback' not in node.log()


def test_classes_are_blurred_before_anything_is_written_or_nothing_is(
        domain, tmp_path, color_model):
    folder = tmp_path / 'captures'
    with NodeProcess(domain, tmp_path, parameters_of(folder, color_model)), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        refusal = peer.set_parameters(capture__blur=True)
        assert "Nothing to blur by this name: got 'person'" in refusal
        assert peer.set_parameters(capture__blur=True, capture__blur_classes=['red']) == ''
        image = picture(0b11011000)
        image[:, :16, 1] = np.random.RandomState(1).randint(0, 60, (48, 16))
        mask = pixels(peer.mask_of(rgb_message(image)))
        answer = ask_while_images_come(peer, image)
        assert answer.success, answer.message
        record, = captured.check_whole(folder)
        assert record['blurred'] == ['red']
        shown = captured.picture(folder, record['image'])
        red = mask == COLOR_NAMES.index('red')
        assert red.mean() == pytest.approx(0.25, abs=0.05)
        assert len(np.unique(image[red].reshape(-1, 3), axis=0)) > 40
        assert len(np.unique(shown[red].reshape(-1, 3), axis=0)) < 40
        assert (shown[:, 24:] == image[:, 24:]).all()


def test_network_without_such_classes_writes_no_picture_at_all(domain, tmp_path, color_model):
    folder = tmp_path / 'captures'
    parameters = parameters_of(folder, color_model, **{'capture.blur': 'true'})
    with NodeProcess(domain, tmp_path, parameters) as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        node.wait_for_log('No frames are captured: Nothing to blur')
        answer = ask_while_images_come(peer, picture(1))
        assert not answer.success
        assert 'Nothing to blur by this name' in answer.message
        assert captured.manifest(folder) == []
        assert not [name for name in captured.files(folder) if name.endswith('.png')]
