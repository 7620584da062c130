# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The live node and evaluate make the same grid of one recording, cell by cell."""

import functools
import os
import time

from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from segformer_ros.cli import evaluate
from segformer_ros.common.time import nanoseconds_to_stamp
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.evaluation.run import annotated_bag
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
from segformer_ros.ros.parameters.costmap import COSTMAP_ROWS
from segformer_ros.ros.parameters.file import read_node_file
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.peers.simulated_camera import DYNAMIC_QOS
from segformer_ros.ros.peers.simulated_camera import STATIC_QOS
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from sensor_msgs.msg import PointCloud2
from sensor_msgs.msg import Range
from support import drive_bag
from support.costmap_robot import LATCHED
from support.costmap_robot import RELIABLE_50
from support.ros_graph import NodeProcess
from support.ros_graph import wait_until
from support.segformer_peer import SegformerPeer
from tf2_msgs.msg import TFMessage
import yaml

IMAGES = 9
TYPES = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CameraInfo': CameraInfo,
         'sensor_msgs/msg/Range': Range, 'tf2_msgs/msg/TFMessage': TFMessage}
IMAGE_TOPICS = (drive_bag.IMAGE, drive_bag.SIDE_IMAGE)
INPUTS = IMAGE_TOPICS + (drive_bag.INFO, drive_bag.SIDE_INFO, drive_bag.DEPTH, drive_bag.RANGE)
# Seconds after an image within which its depth may come, half of the time to the next one.
LATE_NS = drive_bag.STEP_NS // 2
# Recordings of the test material: file, image, depth, frame on the ground, cost profile, metres.
REAL = '/camera/image_raw'
SHARED = [
    ('bags/camvid_mcap', '', 'base_link', 'outdoor', 15.0),
    ('bags/camvid_sqlite3', '', 'base_link', 'outdoor', 15.0),
    ('real/street_lidar', '', 'base_footprint', 'outdoor', 15.0),
    ('real/room_depth_1', '/camera/depth/image_rect_raw', 'base_footprint', 'indoor', 4.0),
    ('real/room_depth_2', '/camera/depth/image_rect_raw', 'base_footprint', 'indoor', 4.0)]
CHANGED = {
    'grid': {'size': 8.0, 'resolution': 0.08, 'block': 0.56},
    'projection': {'max_range': 4.2, 'horizon': 0.02, 'min_confidence': 90,
                   'confidence_power': 2.0, 'min_run': 4, 'max_gap': 3,
                   'obstacle_z': 0.3, 'robot_radius': 0.25, 'overhang': 1.5,
                   'min_height': 0.1},
    'depth': {'ground_tolerance': 0.06, 'tolerance_slope': 0.03, 'max_height': 1.2,
              'min_points': 2, 'max_points': 20000},
    # No sum of gains is the threshold: microseconds of the clock would decide such a tie.
    'fusion': {'occupied_gain': 0.6, 'dynamic_gain': 1.9, 'free_gain': 0.3, 'occupied_limit': 2.8,
               'free_limit': -0.6, 'mark_threshold': 0.86, 'static_decay_time': 0.9,
               'dynamic_decay_time': 0.4, 'cost_gain': 0.3, 'forget_time': 1.25, 'min_blob': 2},
    'moving': {'prediction_time': 1.3},
    'time': {'jump_back': 0.4, 'future': 0.8},
    'landing': {'min_radius': 0.4, 'clearance': 0.1, 'max_cost': 10, 'max_age': 2.0,
                'moving_clearance': 0.3},
    'category_width': 160, 'costmap_rate': 20.0, 'odom_frame': 'world', 'ground_frame': 'floor',
    'transform_tolerance': 2.0, 'keepout_cost': 60, 'slowest_speed': 0.4, 'rectified': 'yes',
    'self_mask': '0.4 1.0 0.45 0.8 0.55 0.8 0.6 1.0', 'threshold': 0.3, 'resize': 'opencv',
    'postprocess': 'fast', 'use_sim_time': True}
UPSIDE_DOWN = {'height': 0.75, 'pitch': 0.45, 'roll': 3.1, 'yaw': 0.1, 'x': 0.15, 'y': 0.05}
CASES = {
    'flat ground, mount from parameters': (
        {'rotate': 180, 'mount': UPSIDE_DOWN}, {'mount': UPSIDE_DOWN, 'tf_mount': False}),
    'depth within 20 ms': (
        {'depth_transport': 'raw'},
        {'depth': lambda metres: ((1000 * metres).astype('<u2'), '16UC1')}),
    'inverse depth of a network': (
        {'depth_transport': 'raw', 'depth': {'kind': 'inverse'}},
        {'depth': lambda metres: ((3.0 / metres + 0.2).astype('<f4'), '32FC1')}),
    'no odometry': (
        {'odom_frame': 'floor'}, {'odom_frame': 'floor'}),
    'from above, by a range finder': (
        {'projection': {'mode': 'overhead', 'max_range': 12.0}, 'height_source': 'range'},
        {'height': 3.0, 'mount': {'height': 0.0, 'pitch': 1.5, 'x': 0.0}})}
# What no grid can show, and what these drives cannot have otherwise.
ALIKE = {'costmap', 'image_transport', 'image_topic', 'camera_info_topic', 'depth_topic',
         'mount_watch.enabled'}
# What evaluate tells that it leaves out.
LEFT_OUT = {'imu.topic', 'imu.slope_time', 'mount_watch.apply'}


def merged(base, changes):
    """Return nested parameters with some of them changed."""
    found = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = merged(found[name], value) if both else value
    return found


def write_parameters(folder, changes):
    """Write the file that both get, in two sections; return its path."""
    path = os.path.join(str(folder), 'robot.yaml')
    found = merged(merged(CHANGED, drive_bag.write_network(folder)), changes)
    with open(path, 'w') as stream:
        # The later section counts: neither may forget what the other one does with the first.
        yaml.safe_dump({'/**': {'ros__parameters': {'grid': {'size': 3.0}, 'threshold': 0.9}}},
                       stream)
        yaml.safe_dump({'segformer': {'ros__parameters': found}}, stream)
    return path


def cells(message):
    """Return what an OccupancyGrid says: frame, place, size and values."""
    info = message.info
    return (message.header.frame_id, round(info.origin.position.x, 6),
            round(info.origin.position.y, 6), round(info.resolution, 6), info.width, info.height,
            np.array(message.data, np.int8).tobytes())


def grids_of_evaluate(bag, parameters, folder, remaps=drive_bag.REMAPS, more=()):
    """Return the grids that the command writes, by stamp in nanoseconds."""
    status = evaluate.main([
        bag, '--params-file', parameters, '--write-bag', str(folder / 'annotated'),
        '-o', str(folder / 'report')] + list(more)
        + [word for name, topic in remaps.items()
           for word in ('--remap', f'{name}:={topic}')])
    assert status == 0
    found, = find_bags(str(folder / 'annotated' / os.path.basename(bag)))
    with BagPartReader(found.parts[0]) as reader:
        messages = [reader.deserialize(data, connection.msgtype)
                    for connection, _, data in reader.messages([annotated_bag.COSTMAP])]
    return {stamp_to_nanoseconds(message.header.stamp): cells(message) for message in messages}


class Player:
    """
    Plays a recording to a node, one image at a time, and keeps the grid after each.

    The clock creeps on by a microsecond, so that it does not count as standing still.

    :param cameras: their names
    :param log: function to what the node has logged
    """

    def __init__(self, peer, cameras=('',), log=str):
        self.peer = peer
        self._log = log
        self.grids = peer.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        self.clouds = [peer.subscribe(
            PointCloud2, '/'.join(filter(None, ('/segformer', camera, 'obstacle_points'))),
            RELIABLE_50) for camera in cameras]
        self._clock = peer.publisher(Clock, '/clock', 10)
        self._publishers = {}
        self._now = self._began = 0

    def play(self, bag, inputs=INPUTS):
        found, = find_bags(bag)
        with BagPartReader(found.parts[0]) as reader:
            messages = [(connection.topic, time_ns, deserialize_message(
                data, TYPES[connection.msgtype])) for connection, time_ns, data
                in reader.messages(sorted({*inputs, '/tf', '/tf_static'}))]
        for topic, _, message in messages:
            if topic not in self._publishers:
                self._publishers[topic] = self.peer.publisher(
                    type(message), topic, {'/tf': DYNAMIC_QOS, '/tf_static': STATIC_QOS}.get(
                        topic, 10))
        infos = {topic for topic, _, message in messages if isinstance(message, CameraInfo)}
        grids, image, known = {}, None, set()
        for topic, time_ns, message in messages:
            late_depth = image is not None and 'depth' in topic and \
                stamp_to_nanoseconds(message.header.stamp) < image + LATE_NS
            if late_depth:
                # The node has the mask by now, and waits for what may be nearer.
                self._creep(0.4)
            elif image is not None and not (topic in infos and stamp_to_nanoseconds(
                    message.header.stamp) == image):
                # CameraInfo that was recorded after its image: the node waits for it.
                grids[image] = self._grid_of(image)
                image = None
            if topic in IMAGE_TOPICS + (REAL,):
                image, self._now = stamp_to_nanoseconds(message.header.stamp), time_ns
                self._began = time_ns
                self._tick()
            self._publishers[topic].publish(message)
            if topic == drive_bag.RANGE:
                # On a topic of its own, best effort: the image must not overtake it.
                self._creep(0.2)
            elif topic in infos:
                # The first image is not in the costmap where it overtakes it; later ones wait.
                self._creep(0.0 if topic in known else 1.0)
                known.add(topic)
        grids[image] = self._grid_of(image)
        return grids

    def _tick(self):
        sec, nanosec = nanoseconds_to_stamp(self._now)
        message = Clock()
        message.clock.sec, message.clock.nanosec = sec, nanosec
        self._clock.publish(message)
        self._now += 1000

    def _creep(self, seconds):
        ended = time.monotonic() + seconds
        while time.monotonic() < ended:
            self._tick()
            time.sleep(0.02)

    def _grid_of(self, image):
        """Return the grid after an image, when its cloud has come."""
        def seen():
            self._tick()
            time.sleep(0.02)
            return [cloud for clouds in self.clouds for cloud in clouds.messages[-3:]
                    if stamp_to_nanoseconds(cloud.header.stamp) == image]
        wait_until(seen, lambda: f'the cloud of image {image}; last stamps of clouds: ' + str([
            [stamp_to_nanoseconds(cloud.header.stamp) for cloud in clouds.messages[-3:]]
            for clouds in self.clouds]) + '\n' + self._log())
        # Grids and clouds come from one thread, over two topics: one more may be on its way.
        count = len(self.grids.messages)

        def later():
            self._tick()
            time.sleep(0.02)
            return len(self.grids.messages) >= count + 2
        wait_until(later, 'two grids after it')
        newest = self.grids.messages[-1]
        assert 0 <= stamp_to_nanoseconds(newest.header.stamp) - self._began < 10 ** 6
        return cells(newest)


def values_of(grid):
    return np.frombuffer(grid[-1], np.int8)


def live_grids(domain, folder, bag, parameters, remaps=drive_bag.REMAPS, cameras=('',),
               inputs=INPUTS):
    """Return the grids of a node to which a recording is played, by stamp."""
    arguments = ['--params-file', parameters]
    for name, topic in remaps.items():
        # Each message counts, and a best effort reader may not know its writer yet.
        arguments += ['-r', f'{name}:={topic}', '-p',
                      f'qos_overrides.{topic}.subscription.reliability:=reliable']
    with NodeProcess(domain, folder, {}, arguments) as node, SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        for name, topic in remaps.items():
            if name.endswith('image'):
                reader, = wait_until(
                    functools.partial(peer.node.get_subscriptions_info_by_topic, topic),
                    'the subscription of ' + topic)
                assert reader.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        live = Player(peer, cameras, node.log).play(bag, inputs)
        assert 'Not in the costmap' not in node.log(), node.log()
    return live


def assert_equal_grids(live, offline, images):
    assert sorted(live) == sorted(offline) and len(live) == images
    for stamp in sorted(live):
        assert live[stamp][:-1] == offline[stamp][:-1]
        differ = np.count_nonzero(values_of(live[stamp]) != values_of(offline[stamp]))
        assert differ == 0, f'{differ} cells at {stamp}'
    # There is something in them, and it changes.
    last = values_of(live[max(live)])
    assert np.count_nonzero(last == 100) >= 5 and np.count_nonzero(last == -1) > 100
    assert np.count_nonzero((last >= 0) & (last < 100)) > 100
    assert len({grid[-1] for grid in live.values()}) == images


@pytest.mark.parametrize('case', [
    case if number < 1 else pytest.param(case, marks=pytest.mark.slow)
    for number, case in enumerate(CASES)])
def test_each_grid_of_the_node_is_that_of_evaluate(domain, tmp_path, case):
    changes, drive = CASES[case]
    bag = drive_bag.write_drive(tmp_path / 'drive', IMAGES, **drive)
    parameters = write_parameters(tmp_path, changes)
    offline = grids_of_evaluate(bag, parameters, tmp_path)
    assert_equal_grids(live_grids(domain, tmp_path, bag, parameters), offline, IMAGES)


def test_the_grid_of_two_cameras_is_that_of_evaluate_and_of_neither_alone(domain, tmp_path):
    side = dict(UPSIDE_DOWN, yaw=1.0)
    bag = drive_bag.write_drive(
        tmp_path / 'drive', IMAGES, side=side,
        depth=lambda metres: ((1000 * metres).astype('<u2'), '16UC1'))
    parameters = write_parameters(tmp_path, {
        # Groups are made of the costs, as with every profile of one's own.
        'cameras': ['front', 'side'], 'category_groups': '', 'front': {'depth_transport': 'raw'},
        'side': {'rotate': 180, 'mount': side, 'self_mask': '0.0 0.0 0.1 0.0 0.1 0.1 0.0 0.1'}})
    remaps = drive_bag.REMAPS_OF_TWO
    offline = grids_of_evaluate(bag, parameters, tmp_path, remaps)
    live = live_grids(domain, tmp_path, bag, parameters, remaps, ('front', 'side'))
    assert_equal_grids(live, offline, 2 * IMAGES)
    last = values_of(offline[max(offline)])
    for name in ('front', 'side'):
        folder = tmp_path / name
        folder.mkdir()
        alone = grids_of_evaluate(bag, parameters, folder, remaps, ['--camera', name])
        assert len(alone) == IMAGES
        # It knows less than both together.
        known = np.count_nonzero(values_of(alone[max(alone)]) >= 0)
        assert 100 < known < np.count_nonzero(last >= 0) - 100


@pytest.mark.slow
@pytest.mark.parametrize('name, depth, ground, profile, reach', SHARED)
def test_grids_of_real_recordings_are_those_of_evaluate(domain, tmp_path, shared, name, depth,
                                                        ground, profile, reach):
    (tmp_path / 'real.yaml').write_text('name: real\nclasses: ade20k\nnum_classes: 150\n')
    parameters = tmp_path / 'robot.yaml'
    parameters.write_text(yaml.safe_dump({'segformer': {'ros__parameters': {
        'model': shared('models/ade20k_mobilenetv2_segformer_io.onnx'),
        'model_spec': str(tmp_path / 'real.yaml'), 'backend': 'onnxruntime', 'threads': 1,
        'use_sim_time': True, 'cost_profile': profile, 'odom_frame': ground,
        'ground_frame': ground, 'projection': {'max_range': reach}, 'grid': {'size': 34.0},
        'depth_transport': 'raw' if depth else 'none', 'transform_tolerance': 2.0}}}))
    remaps = {'image': REAL, 'camera_info': '/camera/camera_info'}
    if depth:
        remaps['depth'] = depth
    offline = grids_of_evaluate(shared(name), str(parameters), tmp_path, remaps)
    live = live_grids(domain, tmp_path, shared(name), str(parameters), remaps,
                      inputs=tuple(remaps.values()))
    assert sorted(live) == sorted(offline) and len(live) in (1, 12)
    for stamp in sorted(live):
        assert live[stamp][:-1] == offline[stamp][:-1]
        values = values_of(live[stamp])
        differ = np.count_nonzero(values != values_of(offline[stamp]))
        assert differ == 0, f'{differ} cells at {stamp}'
        assert np.count_nonzero(values == 100) > 3
        assert np.count_nonzero((values >= 0) & (values < 100)) > 50


def test_the_cases_change_every_parameter_of_the_costmap_from_its_default(tmp_path):
    changed = set()
    for number, (changes, _) in enumerate(CASES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        file = read_node_file(write_parameters(folder, changes))
        assert not file.unknown
        changed |= {row.name for row in COSTMAP_ROWS + CAMERA_ROWS
                    if file.values[row.name] != row.default}
    assert {row.name for row in COSTMAP_ROWS + CAMERA_ROWS} - changed == \
        ALIKE | LEFT_OUT


def test_the_changes_are_seen_in_the_grid(tmp_path):
    bag = drive_bag.write_drive(tmp_path / 'drive', 4)
    network = drive_bag.write_network(tmp_path)
    frames = ['--odom-frame', 'world', '--ground-frame', 'floor']
    common = [bag, '--model', network['model'], '--costmap', network['cost_profile']] + frames
    status = evaluate.main(common + ['--write-bag', str(tmp_path / 'plain'), '-o',
                                     str(tmp_path / 'report')])
    assert status == 0
    changed = grids_of_evaluate(bag, write_parameters(tmp_path, {}), tmp_path)
    found, = find_bags(str(tmp_path / 'plain' / 'drive'))
    with BagPartReader(found.parts[0]) as reader:
        plain = [cells(reader.deserialize(data, connection.msgtype))
                 for connection, _, data in reader.messages([annotated_bag.COSTMAP])]
    assert len(plain) == len(changed) == 4
    assert plain[-1][3:6] == (0.05, 200, 200) and changed[max(changed)][3:6] == (0.08, 100, 100)
