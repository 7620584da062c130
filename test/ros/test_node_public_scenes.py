# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recorded streets and photos through the running node, compared with a plain computation."""

import io

import numpy as np
from PIL import Image as PillowImage
import pytest
from rclpy.serialization import deserialize_message
from segformer_ros.cli.evaluate import main as evaluate
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from support.public_scenes import bag_messages
from support.public_scenes import camvid_labels
from support.public_scenes import camvid_lookup
from support.public_scenes import CAMVID_VOID
from support.public_scenes import pooled_accuracy
from support.public_scenes import Reference
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.segformer_peer import pixels
from support.segformer_peer import SegformerPeer

# Ninety frames of 512 x 512 pixels: more than a minute of processor time.
pytestmark = pytest.mark.slow

MODEL = 'models/ade20k_mobilenetv2_segformer_io.onnx'
RAW, COMPRESSED = '/camera/image_raw', '/camera/image_raw/compressed'


@pytest.fixture(scope='module')
def evaluated(shared, tmp_path_factory):
    """Return the masks by stamp that the command evaluate makes of the raw images, without ROS."""
    folder = tmp_path_factory.mktemp('evaluated')
    spec = folder / 'stand_in.yaml'
    spec.write_text('name: stand_in\nclasses: ade20k\nnum_classes: 150\n', encoding='utf-8')
    assert evaluate([shared('bags/camvid_mcap'), '--topic', RAW, '--model', shared(MODEL),
                     '--spec', str(spec), '--save-masks', str(folder / 'masks'),
                     '--output', str(folder / 'report')]) == 0
    files = (folder / 'masks' / 'camvid_mcap').iterdir()
    return {path.stem: np.asarray(PillowImage.open(path)) for path in files}


@pytest.fixture(scope='module')
def peers(tmp_path_factory, shared, evaluated):
    """
    Return by topic the other sides of one node with a raw and a compressed camera.

    After the evaluation: it has prepared the graph that the node shall run from its first frame.
    """
    pytest.importorskip('rosbags')
    folder = tmp_path_factory.mktemp('node')
    spec = folder / 'stand_in.yaml'
    spec.write_text('name: stand_in\nclasses: ade20k\nnum_classes: 150\n', encoding='utf-8')
    parameters = {'model': shared(MODEL), 'model_spec': spec, 'cameras': '[raw, jpeg]',
                  'jpeg.image_transport': 'compressed'}
    with private_domain() as domain, NodeProcess(domain, folder, parameters), \
            SegformerPeer(domain, 'raw') as raw, \
            SegformerPeer(domain, 'jpeg', compressed=True) as jpeg:
        raw.wait_for_state('active')
        yield {RAW: raw, COMPRESSED: jpeg}


@pytest.fixture(scope='module')
def played(peers, shared):
    """Return a function from bag and topic to the masks that the node made of it, sent once."""
    types = {RAW: Image, COMPRESSED: CompressedImage}
    masks = {}

    def play(bag, topic):
        if (bag, topic) not in masks:
            masks[bag, topic] = [
                mask_of(peers[topic], deserialize_message(raw, types[topic]))
                for raw, _ in bag_messages(shared('bags/' + bag), topic)]
        return masks[bag, topic]
    return play


def mask_of(peer, message):
    """Send one image; return its mask message, whose header must be that of the image."""
    mask = peer.mask_of(message)
    assert mask.header == message.header
    return mask


@pytest.fixture(scope='module')
def reference(shared):
    return Reference(shared(MODEL))


@pytest.fixture(scope='module')
def expected(reference, shared):
    """Return by topic the masks of the plain computation for the twelve recorded frames."""
    bag = shared('bags/camvid_mcap')
    return {topic: [reference.mask(picture(message)) for _, message in bag_messages(bag, topic)]
            for topic in (RAW, COMPRESSED)}


def picture(message):
    """Return the RGB array of what rosbags has read, with Pillow or by its plain layout."""
    if hasattr(message, 'format'):
        return np.asarray(PillowImage.open(io.BytesIO(bytes(message.data))).convert('RGB'))
    assert (message.encoding, message.step) == ('rgb8', 3 * message.width)
    return np.asarray(message.data).reshape(message.height, message.width, 3)


@pytest.mark.parametrize('topic', [RAW, COMPRESSED])
@pytest.mark.parametrize('bag', ['camvid_mcap', 'camvid_sqlite3'])
def test_bag_played_into_the_node_gives_the_right_masks(played, expected, shared, bag, topic):
    masks = [pixels(mask) for mask in played(bag, topic)]
    assert len(masks) == 12
    same = [np.mean(mask == other) for mask, other in zip(masks, expected[topic])]
    assert np.mean(same) >= 0.9999, same
    labels = camvid_labels(shared('bags'))
    accuracy = pooled_accuracy([(camvid_lookup()[mask], label)
                                for mask, label in zip(masks, labels)], CAMVID_VOID)
    print(f'{bag} {topic}: pixel accuracy {accuracy:.4f}, equal to the oracle {np.mean(same):.6f}')
    assert 0.70 < accuracy < 0.77


@pytest.mark.parametrize('bag', ['camvid_mcap', 'camvid_sqlite3'])
def test_masks_of_the_node_are_those_of_the_evaluation_byte_for_byte(played, evaluated, bag):
    masks = played(bag, RAW)
    assert len(masks) == len(evaluated) == 12
    for mask in masks:
        stamp = f'{mask.header.stamp.sec}.{mask.header.stamp.nanosec:09d}'
        assert np.array_equal(pixels(mask), evaluated[stamp])


def test_photos_through_the_node_are_labelled_right(peers, reference, shared):
    pairs, same = [], []
    for number in (1, 2, 3):
        stem = shared(f'images/ade_val/ADE_val_0000000{number}.jpg')[:-4]
        with open(stem + '.jpg', 'rb') as stream:
            message = CompressedImage(format='jpeg', data=stream.read())
        message.header.frame_id = 'photo'
        mask = peers[COMPRESSED].mask_of(message)
        assert mask.header == message.header
        same.append(np.mean(pixels(mask) == reference.mask(picture(message))))
        # In the files 0 is "other" and class ids are one higher.
        truth = np.asarray(PillowImage.open(stem + '.png')).astype(int) - 1
        pairs.append((pixels(mask).astype(int), truth))
    accuracy = pooled_accuracy(pairs, ignored=-1)
    print(f'photos: pixel accuracy {accuracy:.4f}, equal to the oracle {same}')
    assert accuracy > 0.74
    assert np.mean(same) >= 0.9999
