# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The simulated camera over real DDS: frames, truth and transforms fit; scipy is the oracle."""

from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from rcl_interfaces.srv import ListParameters
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.parameter import parameter_value_to_python
from scipy.spatial.transform import Rotation
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.ros.peers import simulated_camera
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from support.ros_graph import NodeProcess
from support.ros_graph import Peer
from support.ros_graph import wait_until
from tf2_msgs.msg import TFMessage
import yaml

# Publishers keep two frames: a reader that is held up loses none before the node ends.
SMALL = {'width': 96, 'height': 72, 'frames': 2, 'rate': 20.0, 'seed': 5,
         'wait_for_subscribers': 1}
MODULE = 'segformer_ros.cli.simulated_camera'
ANGLE = st.floats(-np.pi, np.pi)


def stamp_of(message):
    return message.header.stamp.sec, message.header.stamp.nanosec


def pose_of(transform):
    t, q = transform.transform.translation, transform.transform.rotation
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    pose[:3, 3] = t.x, t.y, t.z
    return pose


def record(domain, folder, parameters):
    """Return every message of a run by topic, in order."""
    topics = {'camera_info': CameraInfo, 'depth/image_raw': Image, 'labels': Image,
              'image_raw': Image}
    with Peer(domain) as peer:
        inboxes = {'tf': peer.subscribe(TFMessage, '/tf', 20),
                   'tf_static': peer.subscribe(TFMessage, '/tf_static',
                                               simulated_camera.STATIC_QOS)}
        # DDS tells of endpoints in the order of their making: who knows of the last
        # subscription, image_raw, knows of all.
        inboxes.update((name, peer.subscribe(kind, name, 20)) for name, kind in topics.items())
        with NodeProcess(domain, folder, parameters, module=MODULE) as node:
            assert node.wait() == 0, node.log()
        wanted = parameters['frames']
        least = dict.fromkeys(list(topics) + ['tf'], wanted)
        least['tf_static'] = 1
        wait_until(lambda: all(len(inboxes[name].messages) >= n for name, n in least.items()),
                   lambda: {name: len(box.messages) for name, box in inboxes.items()})
        return {name: list(inbox.messages) for name, inbox in inboxes.items()}


def test_truth_and_transform_of_each_image_carry_its_stamp(domain, tmp_path):
    # More frames than publishers keep: each waits two seconds for a reader that is held up.
    seen = record(domain, tmp_path, dict(SMALL, lens='plumb_bob', frames=4, rate=1.0))
    stamps = [stamp_of(message) for message in seen['image_raw']]
    assert len(set(stamps)) == 4
    for name in ('camera_info', 'depth/image_raw', 'labels'):
        assert [stamp_of(message) for message in seen[name]] == stamps, name
        assert {message.header.frame_id for message in seen[name]} == {'camera_optical_frame'}
    poses = {stamp_of(each): each for message in seen['tf'] for each in message.transforms}
    assert set(stamps) <= set(poses)
    assert {(each.header.frame_id, each.child_frame_id) for each in poses.values()} == {
        ('odom', 'base_link')}
    (static,) = seen['tf_static'][0].transforms
    assert (static.header.frame_id, static.child_frame_id) == ('base_link',
                                                               'camera_optical_frame')


def test_floor_depth_lies_at_height_zero_in_odom(domain, tmp_path):
    seen = record(domain, tmp_path, dict(SMALL, lens='equidistant'))
    info = seen['camera_info'][0]
    rays = CameraModel(Calibration(info.width, info.height, info.distortion_model,
                                   tuple(info.d), tuple(info.k))).rays()
    base_from_optical = pose_of(seen['tf_static'][0].transforms[0])
    poses = {stamp_of(each): pose_of(each) for message in seen['tf']
             for each in message.transforms}
    for depth_image, labels in zip(seen['depth/image_raw'], seen['labels']):
        depth = np.frombuffer(depth_image.data, np.float32).reshape(info.height, info.width)
        mask = np.frombuffer(labels.data, np.uint8).reshape(info.height, info.width)
        floor = mask == 3
        assert floor.mean() > 0.02
        points = rays[floor] * (depth[floor] / rays[floor][:, 2])[:, None]
        pose = poses[stamp_of(depth_image)].dot(base_from_optical)
        heights = points.dot(pose[2, :3]) + pose[2, 3]
        assert np.abs(heights).max() < 2e-3


def test_same_seed_gives_the_same_images(domain, tmp_path):
    first = record(domain, tmp_path, SMALL)
    second = record(domain, tmp_path, SMALL)
    other = record(domain, tmp_path, dict(SMALL, seed=6))
    for one, two, three in zip(first['image_raw'], second['image_raw'], other['image_raw']):
        assert one.data == two.data
        assert one.data != three.data


@pytest.mark.parametrize('parameters, text', [
    ({'world': 'moon'}, 'aerial, indoor, outdoor'),
    ({'rate': 0.0}, '0.1 to 200'),
    ({'width': 'wide'}, 'width'),
])
def test_wrong_parameter_ends_with_a_clear_message(domain, tmp_path, parameters, text):
    with NodeProcess(domain, tmp_path, dict(SMALL, **parameters), module=MODULE) as node:
        assert node.wait() == 2
        assert text in node.log()
        assert 'Traceback' not in node.log()
        assert '[simulated_camera]: Cannot start' in node.log()
        assert 'segformer' not in node.log()


@pytest.mark.parametrize('pose_source', ['route', 'cmd_vel'])
def test_what_param_dump_wrote_starts_it_again_and_is_loaded(domain, tmp_path, pose_source):
    parameters = dict(SMALL, frames=0, pose_source=pose_source, imu='raw', lens='none')
    parameters.update({'wait_for_subscribers': 0,
                       'qos_overrides./image_raw.publisher.reliability': 'best_effort'})
    path = tmp_path / 'dumped.yaml'
    with NodeProcess(domain, tmp_path, parameters, module=MODULE) as node, Peer(domain) as peer:
        node.wait_for_log('indoor world, seed 5')
        values = dumped(peer, '/simulated_camera')
        assert values['seed'] == 5 and len(values) > 20
        # As ros2 param dump writes, and as ros2 param load reads and sets.
        path.write_text(yaml.safe_dump({'/simulated_camera': {'ros__parameters': values}}))
        loaded = yaml.safe_load(path.read_text())['/simulated_camera']['ros__parameters']
        results = peer.call(SetParameters, '/simulated_camera/set_parameters',
                            SetParameters.Request(parameters=[
                                Parameter(name, value=value).to_parameter_msg()
                                for name, value in loaded.items()])).results
        assert [result.reason for result in results if not result.successful] == []
        wrong = Parameter('seed', value=6).to_parameter_msg()
        (result,) = peer.call(SetParameters, '/simulated_camera/set_parameters',
                              SetParameters.Request(parameters=[wrong])).results
        assert 'read-only' in result.reason
    arguments = ['--params-file', str(path)]
    with NodeProcess(domain, tmp_path, {}, arguments, module=MODULE) as node, \
            Peer(domain) as peer:
        node.wait_for_log('indoor world, seed 5')
        assert dumped(peer, '/simulated_camera') == values
        assert 'WARN' not in node.log()


def dumped(peer, name):
    names = peer.call(ListParameters, name + '/list_parameters',
                      ListParameters.Request()).result.names
    values = peer.call(GetParameters, name + '/get_parameters',
                       GetParameters.Request(names=names)).values
    return {name: parameter_value_to_python(value) for name, value in zip(names, values)}


def test_what_does_nothing_is_told(domain, tmp_path):
    parameters = dict(SMALL, **{
        'frames': 1, 'wait_for_subscribers': 0, 'worlds': 'outdoor', 'use_sim_tim': 'true',
        'qos_overrides./image_rw.publisher.depth': 3})
    rules = ['-r', 'image_rw:=/camera/image', '-r', 'depth/image_raw:=/depth']
    with NodeProcess(domain, tmp_path, parameters, rules, module=MODULE) as node:
        assert node.wait() == 0, node.log()
        lines = [line for line in node.log().splitlines() if 'WARN' in line]
        assert len(lines) == 4, node.log()
        for text in ("Unknown parameter 'worlds' is ignored. Meant: world?",
                     "Unknown parameter 'use_sim_tim' is ignored. Meant: use_sim_time?",
                     'Meant: qos_overrides./image_raw.publisher?',
                     'Remapping image_rw to /camera/image does nothing'):
            assert [line for line in lines if text in line and '[simulated_camera]' in line], text


def test_qos_overrides_hold(domain, tmp_path):
    parameters = dict(SMALL, frames=0, wait_for_subscribers=0, **{
        'qos_overrides./image_raw.publisher.reliability': 'best_effort',
        'qos_overrides./tf_static.publisher.depth': 3})
    with NodeProcess(domain, tmp_path, parameters, module=MODULE) as node, Peer(domain) as peer:
        def found():
            return [each.qos_profile.reliability.name for topic in ('/image_raw', '/labels')
                    for each in peer.node.get_publishers_info_by_topic(topic)]
        wait_until(lambda: found() == ['BEST_EFFORT', 'RELIABLE'], found)
        assert 'Without effect' not in node.log()


@settings(deadline=None, max_examples=200)
@given(st.tuples(ANGLE, ANGLE, ANGLE))
def test_quaternion_gives_the_rotation_back(rotation_vector):
    matrix = Rotation.from_rotvec(rotation_vector).as_matrix()
    quaternion = simulated_camera.quaternion_of(matrix)
    assert np.linalg.norm(quaternion) == pytest.approx(1.0, abs=1e-12)
    assert quaternion[3] >= 0.0
    assert np.allclose(Rotation.from_quat(quaternion).as_matrix(), matrix, atol=1e-12)


@pytest.mark.parametrize('half_turn', [(np.pi, 0, 0), (0, np.pi, 0), (0, 0, np.pi)])
def test_half_turns_are_exact(half_turn):
    matrix = Rotation.from_rotvec(half_turn).as_matrix()
    found = Rotation.from_quat(simulated_camera.quaternion_of(matrix)).as_matrix()
    assert np.allclose(found, matrix, atol=1e-15)


def test_message_names_parent_child_and_translation():
    pose = np.eye(4)
    pose[:3, 3] = 1.0, -2.0, 3.5
    message = simulated_camera.transform_message(Time(sec=4, nanosec=5), 'odom', 'base_link', pose)
    assert (message.header.frame_id, message.child_frame_id) == ('odom', 'base_link')
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (4, 5)
    t, q = message.transform.translation, message.transform.rotation
    assert (t.x, t.y, t.z) == (1.0, -2.0, 3.5)
    assert (q.x, q.y, q.z, q.w) == (0.0, 0.0, 0.0, 1.0)
