# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images in, masks and pictures out, over real topics: one node for the whole module."""

from functools import partial
import io
import re

import numpy as np
from PIL import Image as PillowImage
import pytest
from rclpy.qos import DurabilityPolicy
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from segformer_ros.ros.io import topics
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import BLUE
from support.tiny_model import color_image
from support.tiny_model import COLORS
from support.tiny_model import RED
from support.tiny_model import WHITE
from support.tiny_model import write_color_costs
from support.tiny_model import write_color_model
import tables
from vision_msgs.msg import LabelInfo


@pytest.fixture(scope='module')
def peer(tmp_path_factory):
    """Return the other side of a running node whose network sees white in the upper half."""
    folder = tmp_path_factory.mktemp('node')
    model = write_color_model(folder, white_above=True)
    parameters = dict(write_color_costs(folder), model=model)
    with private_domain() as domain, NodeProcess(domain, folder, parameters), \
            SegformerPeer(domain) as found:
        found.wait_for_state('active')
        yield found


@pytest.fixture
def image(peer):
    """Return a red and blue image; parameters are at their defaults again afterwards."""
    yield rgb_message(color_image(['red', 'blue']), 'left_eye')
    assert peer.set_parameters(rotate=0, threshold=0.0, overlay_alpha=0.5) == ''


@pytest.mark.smoke
def test_mask_names_the_classes_at_source_size_under_the_images_own_header(peer):
    odd = rgb_message(color_image(['red', 'blue'], 47, 61), 'left_eye')
    mask = peer.mask_of(odd)
    assert mask.header == odd.header
    assert (mask.encoding, mask.height, mask.width, mask.step) == ('mono8', 47, 61, 61)
    values = pixels(mask)
    assert np.all(values[:21] == WHITE)
    assert np.all(values[26:, :28] == RED)
    assert np.all(values[26:, 33:] == BLUE)


def test_confidence_has_the_masks_size_and_header(peer, image):
    inbox = peer.subscribe(Image, peer.output('confidence'))
    peer.wait_for_publisher(peer.output('confidence'))
    confidence = wait_for_pair(peer, image, inbox)
    assert (confidence.height, confidence.width) == (48, 64)
    values = pixels(confidence)
    assert values[40, 5] == 255
    # At the border of red and blue neither is sure.
    assert values[40, 31:33].max() < 200


def wait_for_pair(peer, image, inbox, before_image=lambda: None):
    """Publish an image until a new subscriber got its share; return the message."""
    def arrived():
        before_image()
        before = len(inbox.messages)
        image.header.stamp.sec = 0
        peer.mask_of(image)
        try:
            return inbox.wait(lambda message: message.header == image.header, 2.0, before)
        except AssertionError:
            return None  # the node had not discovered the new subscriber yet
    return wait_until(arrived, 'a message beside the mask')


@pytest.mark.parametrize('rotate, part', [
    (0, np.s_[:20, :]), (180, np.s_[28:, :]), (90, np.s_[:, :28]), (270, np.s_[:, 36:])])
def test_rotation_changes_what_the_network_sees_and_is_undone_in_the_mask(
        peer, image, rotate, part):
    assert peer.set_parameters(rotate=rotate) == ''
    mask = peer.mask_of(image)
    assert (mask.height, mask.width) == (48, 64)
    values = pixels(mask)
    # 90 degrees clockwise brings the left side of the image to the top.
    assert np.all(values[part] == WHITE)
    assert np.mean(values == WHITE) < 0.6


def test_label_info_waits_for_those_who_come_late_and_follows_the_threshold(peer, image):
    latched = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                         durability=DurabilityPolicy.TRANSIENT_LOCAL)
    inbox = peer.subscribe(LabelInfo, peer.output('label_info'), latched)
    info = inbox.wait()
    assert [(entry.class_id, entry.class_name) for entry in info.class_map] == \
        list(enumerate(COLORS))
    assert info.threshold == 0.0
    assert info.header.stamp.sec > 0
    assert peer.set_parameters(threshold=0.75) == ''
    assert inbox.wait(lambda message: message.threshold == 0.75).class_map == info.class_map


def test_pixels_below_the_threshold_are_unlabeled(peer, image):
    assert peer.set_parameters(threshold=0.9) == ''
    values = pixels(peer.mask_of(image))
    assert np.all(values[40, 31:33] == 255)
    assert values[40, 5] == RED
    assert values[40, 60] == BLUE


def test_camera_info_is_passed_on_under_the_masks_header(peer, image):
    inbox = peer.subscribe(CameraInfo, peer.output('camera_info'))
    peer.wait_for_publisher(peer.output('camera_info'))
    peer.mask_of(image)
    assert inbox.messages == []
    publisher = peer.publisher(CameraInfo, '/camera_info', qos_profile_sensor_data)
    info = CameraInfo(width=64, height=48, distortion_model='plumb_bob', d=[0.1] * 5)
    info.header.frame_id = 'something else'
    # Each time anew: the node may find the publisher later than the publisher finds the node.
    passed = wait_for_pair(peer, image, inbox, lambda: publisher.publish(info))
    assert passed.header == image.header
    passed.header = info.header
    assert passed == info


def test_color_mask_and_overlay_raw_and_compressed_show_the_same(peer, image):
    assert peer.set_parameters(overlay_alpha=0.25) == ''
    pad_rows(image, 7)
    wanted = {name: peer.subscribe(kind, peer.output(name)) for name, kind in (
        ('color_mask', Image), ('overlay', Image), ('color_mask/compressed', CompressedImage),
        ('overlay/compressed', CompressedImage))}
    found = {name: wait_for_pair(peer, image, inbox) for name, inbox in wanted.items()}
    mask = pixels(peer.masks.messages[-1])
    colors = np.array(list(COLORS.values()))[mask]
    assert np.array_equal(pixels(found['color_mask']), colors)
    blended = 0.25 * colors + 0.75 * color_image(['red', 'blue'])
    assert np.abs(pixels(found['overlay']) - blended).max() <= 1
    png, jpeg = found['color_mask/compressed'], found['overlay/compressed']
    assert ('png' in png.format, 'jpeg' in jpeg.format) == (True, True)
    assert np.array_equal(decoded(png, 'PNG'), colors)
    assert np.abs(decoded(jpeg, 'JPEG') - blended).mean() < 8


def pad_rows(image, padding):
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    image.data = np.pad(rows, ((0, 0), (0, padding))).tobytes()
    image.step += padding


def decoded(message, kind):
    file = PillowImage.open(io.BytesIO(bytes(message.data)))
    assert file.format == kind
    return np.asarray(file.convert('RGB')).astype(int)


def test_enable_stops_masks_and_the_reception_of_images_until_it_is_given_again(peer, image):
    publisher = peer.connect()
    assert peer.call(SetBool, '/segformer/enable', SetBool.Request(data=False)).success
    wait_until(lambda: not publisher.get_subscription_count(), 'the subscription to end')
    assert peer.state() == 'active'
    assert peer.call(SetBool, '/segformer/enable', SetBool.Request(data=True)).success
    assert peer.mask_of(image).header == image.header


def test_endpoints_have_the_quality_of_service_that_the_documentation_says(peer, image,
                                                                           project_root):
    with open(f'{project_root}/docs/topics.md', encoding='utf-8') as stream:
        text = stream.read()
    outputs = (topics.OUTPUTS, topics.CLOUD_OUTPUTS, topics.GRID_OUTPUTS)
    for table in (topics.INPUTS, topics.COSTMAP_INPUTS):
        assert tables.topic_table(table) in text
    for table in outputs:
        assert tables.topic_table(table, '~/') in text
    rows = re.findall(r'^\| `([~/\w]+)` \| `([\w/]+)` \| ([\w ]+) \| ([\w ]+) \| \d+ \|', text,
                      re.MULTILINE)
    inputs = len(topics.INPUTS + topics.COSTMAP_INPUTS)
    assert len(rows) == inputs + sum(len(table) for table in outputs) + 1
    # Not with the default parameters.
    absent = {'image/compressed', 'image/ffmpeg', *(topic.name for topic in topics.COSTMAP_INPUTS)}
    seen = set()
    for name, type_name, reliability, durability in rows:
        # The second one of camera_info is there while a publisher latches it.
        if name in absent or (name, durability) == ('camera_info', 'transient local'):
            continue
        if name.startswith(('~', '/')):
            full, find = name.replace('~', '/segformer'), peer.node.get_publishers_info_by_topic
        else:
            full, find = '/' + name, peer.node.get_subscriptions_info_by_topic
        endpoints = wait_until(partial(own, find, full), 'an endpoint of ' + full)
        assert {endpoint.topic_type for endpoint in endpoints} == {type_name}
        assert len(endpoints) == 1
        assert (reliability.upper().replace(' ', '_'), durability.upper().replace(' ', '_')) in [
            (endpoint.qos_profile.reliability.name, endpoint.qos_profile.durability.name)
            for endpoint in endpoints]
        seen.add(full)
    published = set(peer.topics_of('segformer', published=True))
    common = {'/rosout', '/parameter_events', '/segformer/transition_event'}
    assert published - common == {name for name in seen if name[1:] not in (
        'image', 'camera_info')}


def own(find, topic):
    return [endpoint for endpoint in find(topic) if endpoint.node_name == 'segformer']
