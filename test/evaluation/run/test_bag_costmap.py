# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of a recording: a wall whose place is known, seen by mask and by depth."""

import math
import os

import cv2
import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap.geometry.camera_poses import Frames
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.costmap.settings import INVERSE
from segformer_ros.costmap.settings import METRIC
from segformer_ros.costmap.settings import of_single_images
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.evaluation.evaluator import evaluate
from segformer_ros.evaluation.evaluator import Request
from segformer_ros.evaluation.report.document import NOTHING
from segformer_ros.evaluation.report.html_page import render_html
from segformer_ros.evaluation.report.markdown import render_markdown
from segformer_ros.evaluation.run import annotated_bag
from segformer_ros.evaluation.run import grid_frames
from segformer_ros.evaluation.run.bag_costmap import CameraOptions
from segformer_ros.evaluation.run.bag_costmap import CostmapOptions
from segformer_ros.evaluation.run.job import Job
from segformer_ros.evaluation.run.parallel import Parallel
from segformer_ros.evaluation.sources.bag_files import find_bags
from segformer_ros.evaluation.sources.bag_reader import BagPartReader
from segformer_ros.evaluation.sources.bag_reader import is_latched
from segformer_ros.evaluation.sources.inputs import InputOptions
from support import bags
from support import tiny_model

WIDTH, HEIGHT, FOCAL = 64, 48, 40.0
CAMERA_HEIGHT, PITCH = 1.0, math.radians(30.0)
# The mask's border, on the edge between two rows of pixels and of the network's cells.
BORDER = 17.5
WALL = CAMERA_HEIGHT / math.tan(PITCH + math.atan((BORDER - (HEIGHT - 1) / 2.0) / FOCAL))
DEPTH = '/camera/depth'
LIDAR = '/lidar/points'
MAP = '/map'
ALONE = {'frames': Frames('base_footprint', 'base_footprint'),
         'settings': of_single_images(CostmapSettings())}

PROFILE = """
name: colors
costs: {red: 0, green: 40, blue: lethal, white: ignore}
"""


def view():
    """Return image and depth of red ground before a blue wall across the way."""
    v = np.arange(HEIGHT)[:, np.newaxis] * np.ones((1, WIDTH))
    y = (v - (HEIGHT - 1) / 2.0) / FOCAL
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[v > BORDER] = tiny_model.COLORS['red']
    image[v < BORDER] = tiny_model.COLORS['blue']
    ground = CAMERA_HEIGHT / (y * math.cos(PITCH) + math.sin(PITCH))
    wall = WALL / (math.cos(PITCH) - y * math.sin(PITCH))
    depth = np.where(v > BORDER, ground, wall)
    return image, (1000 * depth).astype(np.uint16)


def cloud_of(bag, number, depth):
    """Return a lidar's cloud in the frame of the robot: with an intensity."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    x, y = (u - (WIDTH - 1) / 2.0) / FOCAL, (v - (HEIGHT - 1) / 2.0) / FOCAL
    z = depth / 1000.0
    c, s = math.cos(PITCH), math.sin(PITCH)
    points = np.zeros(HEIGHT * WIDTH, np.dtype({
        'names': ['x', 'y', 'z', 'intensity'], 'formats': ['<f4'] * 4,
        'offsets': [0, 4, 8, 16], 'itemsize': 24}))
    points['x'] = (z * (c - y * s)).reshape(-1)
    points['y'] = (-z * x).reshape(-1)
    points['z'] = (CAMERA_HEIGHT - z * (s + y * c)).reshape(-1)
    # One that nothing was measured for, one behind the camera.
    points['x'][0], points['x'][1] = np.nan, -3.0
    return bag.make(
        'sensor_msgs/PointCloud2', header=bag.header(number, 'base_footprint'), height=1,
        width=len(points), is_bigendian=False, point_step=24, row_step=24 * len(points),
        is_dense=False, data=points.view(np.uint8).reshape(-1), fields=[
            bag.make('sensor_msgs/PointField', name=name, offset=offset, datatype=7, count=1)
            for name, offset in (('x', 0), ('y', 4), ('z', 8), ('intensity', 16))])


def product(a, b):
    """Multiply two quaternions x, y, z, w."""
    x, y, z, w = a
    p, q, r, s = b
    return (w * p + x * s + y * r - z * q, w * q - x * r + y * s + z * p,
            w * r + x * q - y * p + z * s, w * s - x * p - y * q - z * r)


def map_of(bag, value):
    """Return a map of 10 m x 10 m around the robot, all of one value."""
    corner = bag.make('geometry_msgs/Point', x=-5.0, y=-5.0, z=0.0)
    spot = bag.make('geometry_msgs/Pose', position=corner,
                    orientation=bag.make('geometry_msgs/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0))
    header = bag.header(0, 'odom')
    return bag.make('nav_msgs/OccupancyGrid', header=header, data=np.full(10000, value, np.int8),
                    info=bag.make('nav_msgs/MapMetaData', map_load_time=header.stamp, width=100,
                                  height=100, resolution=0.1, origin=spot))


def write_scene(path, frames=3, with_odom=True, is_damaged=False, depth_late_ms=0,
                depth_frame='camera_optical_frame', ground_color='red', is_poisoned=False,
                measured=lambda depth, number: depth, map_value=None):
    """Write a recording of a robot that stands before the wall."""
    image, true_depth = view()
    image[np.arange(HEIGHT) > BORDER] = tiny_model.COLORS[ground_color]
    pitch = (0.0, math.sin(PITCH / 2), 0.0, math.cos(PITCH / 2))
    optical = product(pitch, (-0.5, 0.5, -0.5, 0.5))
    with bags.BagWriter(path) as bag:
        def transform(number, parent, child, z, turn):
            return bag.make(
                'geometry_msgs/TransformStamped', header=bag.header(number, parent),
                child_frame_id=child, transform=bag.make(
                    'geometry_msgs/Transform',
                    translation=bag.make('geometry_msgs/Vector3', x=0.0, y=0.0, z=z),
                    rotation=bag.make('geometry_msgs/Quaternion', x=turn[0], y=turn[1],
                                      z=turn[2], w=turn[3])))

        mount = transform(0, 'base_footprint', 'camera_optical_frame', CAMERA_HEIGHT, optical)
        bag.write('/tf_static', bag.make('tf2_msgs/TFMessage', transforms=[mount]), 0, -10)
        if is_damaged:
            bag.write_bytes('/tf_static', b'\x00\x01\x00\x00\x07', 0, -9)
        if map_value is not None:
            bag.write(MAP, map_of(bag, map_value), 0)
        region = bag.make('sensor_msgs/RegionOfInterest', x_offset=0, y_offset=0, height=0,
                          width=0, do_rectify=False)
        for number in range(frames):
            depth = measured(true_depth, number)
            if with_odom:
                # The transform of an image is received after it.
                moved = transform(number, 'odom', 'base_footprint', 0.0, (0.0, 0.0, 0.0, 1.0))
                broken = transform(number, 'odom', 'arm', math.nan, (0.0, 0.0, 0.0, 1.0))
                bag.write('/tf', bag.make(
                    'tf2_msgs/TFMessage', transforms=[broken] * is_poisoned + [moved]), number,
                    2 * 10 ** 7)
            k = np.array([FOCAL, 0, (WIDTH - 1) / 2.0, 0, FOCAL, (HEIGHT - 1) / 2.0, 0, 0, 1])
            bag.write('/camera/camera_info', bag.make(
                'sensor_msgs/CameraInfo', header=bag.header(number), height=HEIGHT, width=WIDTH,
                distortion_model='plumb_bob', d=np.zeros(5), k=k, r=np.eye(3).reshape(-1),
                p=np.insert(k, [3, 6, 9], 0.0), binning_x=0, binning_y=0, roi=region), number)
            bag.image(number, image)
            bag.write(LIDAR, cloud_of(bag, number, depth), number, 3 * 10 ** 7)
            # In steps of a millisecond, so that depth may be late.
            bag.write(DEPTH, bag.make(
                'sensor_msgs/Image', header=bag.header(
                    100 * number + depth_late_ms, depth_frame, 10 ** 6), height=HEIGHT,
                width=WIDTH, encoding='16UC1', is_bigendian=0, step=2 * WIDTH,
                data=np.ascontiguousarray(depth).view(np.uint8).reshape(-1)), number, 10 ** 7)
    return str(path)


@pytest.fixture
def run(color_case, tmp_path):
    profile = tmp_path / 'costs.yaml'
    profile.write_text(PROFILE)

    def run(path, write_bag=None, **options):
        folder = tmp_path / 'work'
        if not folder.is_dir():
            folder.mkdir()
        job = Job(color_case.choice, write_bag=write_bag,
                  costmap=CostmapOptions(str(profile), **options))
        return evaluate(Request((path,), InputOptions(topics=(bags.CAMERA,)), job, Parallel(),
                                NOTHING), str(folder))
    return run


def grids_of(path):
    bag, = find_bags(path)
    with BagPartReader(bag.parts[0]) as reader:
        assert {connection.topic for connection in reader.connections()
                if is_latched(connection)} == {annotated_bag.COSTMAP}
        return [reader.deserialize(data, connection.msgtype)
                for connection, _, data in reader.messages([annotated_bag.COSTMAP])]


def lethal_x(message):
    """Return x of the centres of the lethal cells of an OccupancyGrid."""
    info = message.info
    _, columns = np.nonzero(message.data.reshape(info.height, info.width) == 100)
    return info.origin.position.x + (columns + 0.5) * info.resolution


def test_camera_that_looks_down_sees_everything_on_the_ground(run, tmp_path):
    settings = CostmapSettings(projection=ProjectionSettings(mode='overhead'))
    run(write_scene(tmp_path / 'scene'), write_bag=str(tmp_path / 'annotated'), settings=settings,
        frames=Frames(is_nadir=True))
    x = lethal_x(grids_of(os.path.join(str(tmp_path / 'annotated'), 'scene'))[-1])
    # What stands as a wall in the other mode lies on the ground behind its foot.
    assert x.max() > WALL + 0.5


def test_wall_stands_in_the_written_grid_where_it_stands_in_the_world(run, tmp_path):
    report = run(write_scene(tmp_path / 'scene'), write_bag=str(tmp_path / 'annotated'))
    assert report.document['costmap']['grids'] == 3
    messages = grids_of(os.path.join(str(tmp_path / 'annotated'), 'scene'))
    assert [message.header.stamp.nanosec for message in messages] == [0, 10 ** 8, 2 * 10 ** 8]
    assert {message.header.frame_id for message in messages} == {'odom'}
    info = messages[-1].info
    values = messages[-1].data.reshape(info.height, info.width)
    x = lethal_x(messages[-1])
    assert len(x) >= 10
    # One cell for the grid, one for a row of pixels (0.1 m at this distance).
    assert np.abs(x - WALL).max() < 0.15
    _, free_columns = np.nonzero(values == 0)
    free_x = info.origin.position.x + (free_columns + 0.5) * info.resolution
    assert len(free_x) > 100
    assert free_x.max() < WALL


def test_reader_of_the_makers_of_foxglove_decodes_every_topic_by_the_file_alone(run, tmp_path):
    reader = pytest.importorskip('mcap.reader')
    decoder = pytest.importorskip('mcap_ros2.decoder')
    run(write_scene(tmp_path / 'scene'), write_bag=str(tmp_path / 'annotated'))
    path = bags.storage_file(tmp_path / 'annotated' / 'scene')
    seen = {}
    with open(path, 'rb') as stream:
        for schema, channel, message, decoded in reader.make_reader(
                stream, decoder_factories=[decoder.DecoderFactory()]).iter_decoded_messages():
            seen.setdefault(channel.topic, []).append((schema.name, message.log_time, decoded))
    assert {topic: entries[0][0] for topic, entries in seen.items()} == {
        bags.CAMERA: 'sensor_msgs/msg/Image', DEPTH: 'sensor_msgs/msg/Image',
        '/camera/camera_info': 'sensor_msgs/msg/CameraInfo', '/tf': 'tf2_msgs/msg/TFMessage',
        '/tf_static': 'tf2_msgs/msg/TFMessage', LIDAR: 'sensor_msgs/msg/PointCloud2',
        annotated_bag.MASK: 'sensor_msgs/msg/Image',
        annotated_bag.CONFIDENCE: 'sensor_msgs/msg/Image',
        annotated_bag.OVERLAY: 'sensor_msgs/msg/CompressedImage',
        annotated_bag.COSTMAP: 'nav_msgs/msg/OccupancyGrid'}
    _, time_ns, grid = seen[annotated_bag.COSTMAP][-1]
    assert (grid.header.frame_id, grid.header.stamp.sec) == ('odom', bags.START_S)
    assert len(grid.data) == grid.info.width * grid.info.height
    assert time_ns == seen[annotated_bag.MASK][-1][1]
    assert bytes(seen[annotated_bag.OVERLAY][0][2].data[:2]) == b'\xff\xd8'


def test_grid_agrees_with_the_one_from_depth(run, tmp_path):
    report = run(write_scene(tmp_path / 'scene', 12), depth=DEPTH)
    document = report.document
    assert document['costmap']['compared'] == 12
    assert document['figures']['grid_agreement'] > 0.95
    assert document['figures']['grid_precision'] > 0.95
    # Depth marks the wall at once, the mask after some sightings.
    assert 0.5 < document['figures']['grid_recall'] < 1.0
    assert 'Costmap: 12 grids, 12 of them compared.' in render_markdown(report)
    assert 'lethal cells found' in render_html(report)


def test_grid_of_an_earlier_run_is_found_again_cell_by_cell(run, tmp_path):
    run(write_scene(tmp_path / 'scene'), write_bag=str(tmp_path / 'annotated'))
    document = run(os.path.join(str(tmp_path / 'annotated'), 'scene'),
                   reference=annotated_bag.COSTMAP).document
    assert document['costmap']['compared'] == 3
    # The first grids have less evidence than the last one, which the look-ahead finds.
    assert document['figures']['grid_agreement'] > 0.99


def test_frames_without_a_pose_are_counted_with_the_reason(run, tmp_path):
    path = write_scene(tmp_path / 'scene', with_odom=False)
    report = run(path)
    facts = report.document['costmap']
    assert (facts['grids'], facts['without']) == (0, 3)
    assert 'odom' in facts['first_problem']
    assert '3 frames without a grid; the first: 1700000000.000000000' in render_markdown(report)
    assert report.document['frames'] == 3


def test_messages_that_cannot_be_read_are_told_and_the_others_taken(run, tmp_path):
    path = write_scene(tmp_path / 'scene', with_odom=False, is_damaged=True)
    facts = run(path).document['costmap']
    assert (facts['grids'], facts['without']) == (0, 3)
    assert 'Message cannot be read: got 5 bytes' in facts['first_problem']
    facts = run(path, **ALONE).document['costmap']
    assert (facts['grids'], facts['without']) == (3, 0)


def test_a_transform_that_is_not_finite_costs_no_grid(run, tmp_path):
    facts = run(write_scene(tmp_path / 'scene', is_poisoned=True)).document['costmap']
    assert (facts['grids'], facts['without']) == (3, 0)


def test_without_odometry_every_image_may_stand_for_itself(run, tmp_path):
    path = write_scene(tmp_path / 'scene', with_odom=False)
    document = run(path, **ALONE, depth=DEPTH).document
    assert document['costmap']['compared'] == 3
    assert document['figures']['grid_agreement'] > 0.95


def test_static_transforms_of_the_first_file_hold_in_the_later_ones(run, tmp_path):
    import yaml
    path = write_scene(tmp_path / 'scene')
    second = tmp_path / 'second'
    with bags.BagWriter(second) as bag:
        bag.image(5, view()[0])
    os.rename(bags.storage_file(second), os.path.join(path, 'scene_1.mcap'))
    with open(os.path.join(path, 'metadata.yaml')) as stream:
        content = yaml.safe_load(stream)
    content['rosbag2_bagfile_information']['relative_file_paths'].append('scene_1.mcap')
    with open(os.path.join(path, 'metadata.yaml'), 'w') as stream:
        yaml.safe_dump(content, stream)
    report = run(path, **ALONE)
    facts = report.document['costmap']
    # The mount is known in the second file; its calibration was recorded in the first alone.
    assert (facts['grids'], facts['without']) == (3, 1)
    assert 'No CameraInfo' in facts['first_problem']


@pytest.mark.parametrize('late_ms', [0, 20])
def test_depth_is_of_an_image_within_20_ms_as_in_the_node(run, tmp_path, late_ms):
    report = run(write_scene(tmp_path / 'scene', depth_late_ms=late_ms), depth=DEPTH)
    assert report.document['costmap']['compared'] == 3


def test_depth_later_than_20_ms_is_no_reference_and_that_is_an_error(run, tmp_path):
    with pytest.raises(InvalidInputError, match='No grid of scene could be compared.*got 3 grids.*'
                                                'No depth image for the image: expected one on .* '
                                                '20 ms'):
        run(write_scene(tmp_path / 'scene', depth_late_ms=21), depth=DEPTH)


def test_depth_of_another_frame_is_refused_though_its_size_fits(run, tmp_path):
    with pytest.raises(InvalidInputError, match='No grid of scene could be compared.*Depth is not '
                                                "registered.*depth in 'depth_optical_frame'"):
        run(write_scene(tmp_path / 'scene', depth_frame='depth_optical_frame'), depth=DEPTH)


@pytest.mark.parametrize('options', [{'depth': DEPTH}, {'cloud': LIDAR}])
@pytest.mark.parametrize('measured', [
    # Nothing at all, which the cloud has at the camera's own place, and all too far.
    lambda depth, number: np.full_like(depth, 0),
    lambda depth, number: np.full_like(depth, 65535)])
def test_a_reference_that_judges_nothing_is_an_error_with_the_reason(
        run, tmp_path, options, measured):
    with pytest.raises(InvalidInputError, match='No grid of scene could be compared.*got 3 grids.*'
                                                'Reference judges nothing.*max_range'):
        run(write_scene(tmp_path / 'scene', measured=measured), **options)


def test_a_cloud_that_holds_no_point_judges_nothing(run, tmp_path):
    with pytest.raises(InvalidInputError, match='Reference judges nothing.*got 0 points in view'):
        run(write_scene(tmp_path / 'scene', measured=lambda depth, number: np.full(
            depth.shape, np.nan)), cloud=LIDAR)


def test_a_range_that_nothing_is_within_compares_nothing(run, tmp_path):
    settings = CostmapSettings(projection=ProjectionSettings(max_range=1.0))
    # Measured from 1.2 m on.
    path = write_scene(tmp_path / 'scene', measured=lambda depth, number: np.where(
        depth > 1600, depth, np.uint16(0)))
    with pytest.raises(InvalidInputError, match='Reference judges nothing.*max_range of 1 m'):
        run(path, settings=settings, depth=DEPTH)
    assert run(path, depth=DEPTH).document['costmap']['compared'] == 3


def test_only_images_whose_reference_judges_something_are_compared(run, tmp_path):
    report = run(write_scene(tmp_path / 'scene', 6, measured=lambda depth, number: (
        depth if number % 2 else np.zeros_like(depth))), depth=DEPTH)
    facts = report.document['costmap']
    assert (facts['grids'], facts['compared']) == (6, 3)
    assert 'Reference judges nothing' in facts['first_gap']
    assert facts['heights'][0]['contacts'] > 30


def test_a_reference_grid_that_knows_no_cell_of_the_costmap_compares_nothing(run, tmp_path):
    with pytest.raises(InvalidInputError, match='No grid of unknown could be compared.*Reference '
                                                'grid knows no cell of the costmap'):
        run(write_scene(tmp_path / 'unknown', map_value=-1), reference=MAP)
    known = run(write_scene(tmp_path / 'known', map_value=0), reference=MAP)
    assert known.document['costmap']['compared'] == 3


@pytest.mark.parametrize('options, words', [
    ({'cloud': bags.CAMERA}, f'Image on {bags.CAMERA}; expected sensor_msgs/msg/PointCloud2'),
    ({'cloud': '/tf'}, 'TFMessage on /tf; expected sensor_msgs/msg/PointCloud2'),
    ({'depth': LIDAR}, f'PointCloud2 on {LIDAR}; expected sensor_msgs/msg/Image or'),
    ({'depth': '/tf'}, 'TFMessage on /tf; expected sensor_msgs/msg/Image or'),
    ({'reference': DEPTH}, f'Image on {DEPTH}; expected nav_msgs/msg/OccupancyGrid'),
    ({'reference': '/tf'}, 'TFMessage on /tf; expected nav_msgs/msg/OccupancyGrid'),
    ({'reference': '/camera/camera_info'}, 'CameraInfo on /camera/camera_info; expected nav_msgs'),
    ({'cloud': LIDAR, 'cameras': (CameraOptions(depth_in='/tf'),)},
     'TFMessage on /tf; expected sensor_msgs/msg/Image or'),
    ({'cloud': LIDAR, 'cameras': (CameraOptions(depth_in=LIDAR),)},
     f'PointCloud2 on {LIDAR}; expected sensor_msgs/msg/Image or'),
    ({'cloud': LIDAR, 'cameras': (CameraOptions(camera_info=bags.CAMERA),)},
     f'Image on {bags.CAMERA}; expected sensor_msgs/msg/CameraInfo')])
def test_a_topic_of_another_type_is_told_by_both_types(run, tmp_path, options, words):
    with pytest.raises(InvalidInputError, match='No grid of scene could be compared.*Topic is of '
                                                f'another type: got .*{words}'):
        run(write_scene(tmp_path / 'scene'), **options)


def test_a_topic_may_be_of_the_wrong_type_for_one_use_and_serve_another(run, tmp_path):
    cameras = (CameraOptions(depth_in=DEPTH),)
    with pytest.raises(InvalidInputError, match='got 3 grids.*Topic is of another type'):
        run(write_scene(tmp_path / 'scene'), cloud=DEPTH, cameras=cameras)


def test_a_range_topic_of_another_type_gives_no_readings_and_ends_nothing(run, tmp_path):
    facts = run(write_scene(tmp_path / 'scene'), range=DEPTH).document['costmap']
    assert (facts['grids'], facts['without']) == (3, 0)


def test_a_reference_grid_that_never_comes_is_an_error(run, tmp_path):
    with pytest.raises(InvalidInputError, match='No grid of scene could be compared.*No reference '
                                                'grid'):
        run(write_scene(tmp_path / 'scene'), reference='/map')


def test_depth_that_was_refused_is_counted_with_the_first_reason(run, tmp_path, caplog):
    path = write_scene(tmp_path / 'scene')
    cameras = (CameraOptions(depth_in=DEPTH),)
    for kind, refused in ((INVERSE, 3), (METRIC, 0)):
        caplog.clear()
        report = run(path, cameras=cameras, settings=CostmapSettings(
            depth=DepthSettings(kind=kind)))
        facts = report.document['costmap']
        assert facts['depth_refused'] == refused
        pages = render_markdown(report), render_html(report)
        if refused:
            assert facts['first_refusal'].startswith('1700000000.000000000: Scale of the depth')
            assert 'Set depth.kind: scaled or metric' in facts['first_refusal']
            assert 'scene: Depth was left out in 3 of 3 grids; the first: 17' in caplog.text
            assert all('Depth was left out in 3 of 3 grids; the first: 1700000000.000000000: '
                       in page for page in pages)
        else:
            assert facts['first_refusal'] == '' and 'left out in' not in caplog.text
            assert not any('Depth was left out' in page for page in pages)
    blind = write_scene(tmp_path / 'blind', 4, measured=lambda depth, number: (
        np.zeros_like(depth) if number == 2 else depth))
    facts = run(blind, cameras=cameras).document['costmap']
    assert (facts['grids'], facts['depth_refused']) == (4, 1)
    assert 'Depth image measures nothing in reach' in facts['first_refusal']


def test_heights_tell_obstacles_found_by_range(run, tmp_path):
    report = run(write_scene(tmp_path / 'scene', 12), depth=DEPTH)
    rows = report.document['costmap']['heights']
    assert [row['range'] for row in rows] == [4.0, 8.0, 15.0]
    near = rows[0]['shares']
    assert rows[0]['contacts'] > 100 and rows[0]['ground'] > 1000
    # The far wall needs some sightings: it is in two grids of three.
    assert 0.6 < near['marked_1'] < 1.0
    assert near['marked_1'] <= near['marked_2'] <= near['marked_3']
    assert near['justified_2'] > 0.95 and near['ground_free'] > 0.9
    assert near['ground_blocked'] < 0.02
    assert report.document['figures']['grid_obstacles_found'] == rows[2]['shares']['marked_2']
    page = render_markdown(report)
    assert '| within | obstacles found in 1 cell |' in page and '| 4 m |' in page
    assert page.index('true contacts marked') < page.index('costmap cells that agree')


def test_a_mask_of_nothing_but_wall_scores_badly(run, tmp_path):
    report = run(write_scene(tmp_path / 'scene', 12, ground_color='blue'), depth=DEPTH)
    rows = report.document['costmap']['heights']
    assert rows[0]['shares']['ground_free'] == 0.0
    assert report.document['figures']['grid_marks_justified'] < 0.6


def test_a_lidar_tells_the_same_as_depth(run, tmp_path):
    shares = {}
    for name, options in (('depth', {'depth': DEPTH}), ('cloud', {'cloud': LIDAR})):
        report = run(write_scene(tmp_path / name, 12), **options)
        assert report.document['costmap']['compared'] == 12
        shares[name] = report.document['costmap']['heights'][0]['shares']
    for key in ('marked_2', 'justified_2', 'ground_free', 'ground_blocked'):
        assert shares['cloud'][key] == pytest.approx(shares['depth'][key], abs=0.05), key
    with pytest.raises(InvalidInputError, match='No cloud for the image: expected one on /none'):
        run(write_scene(tmp_path / 'other'), cloud='/none')


def test_several_recordings_are_each_named_with_their_figures_and_pictures(color_case, tmp_path):
    profile = tmp_path / 'costs.yaml'
    profile.write_text(PROFILE)
    paths = (write_scene(tmp_path / 'office', 3),
             write_scene(tmp_path / 'blue_floor', 3, ground_color='blue'))

    def report_of(*paths):
        folder = tmp_path / 'work'
        folder.mkdir(exist_ok=True)
        return evaluate(Request(paths, InputOptions(topics=(bags.CAMERA,)), Job(
            color_case.choice, costmap=CostmapOptions(str(profile), depth=DEPTH)), Parallel(),
            NOTHING), str(folder))
    report = report_of(*paths)
    inputs = {entry['name']: entry['costmap'] for entry in report.document['inputs']}
    assert set(inputs) == {'office', 'blue_floor'}
    for name, path in zip(inputs, paths):
        alone = report_of(path).document
        assert inputs[name] == alone['costmap'], name
    free = {name: entry['heights'][0]['shares']['ground_free'] for name, entry in inputs.items()}
    assert free['office'] > 0.9 and free['blue_floor'] == 0.0
    page, html = render_markdown(report), render_html(report)
    lines = [line for line in page.splitlines() if line.startswith(('| office', '| blue_floor'))]
    assert len(lines) == 4 and '| costmap of | grids |' in page
    # The first words below the title.
    assert page.splitlines()[2].startswith('**Obstacles found: ')
    assert html.index('obstacles found in the costmap') < html.index('cells that agree')
    assert [picture.source for picture in report.grids] == ['office'] * 3 + ['blue_floor'] * 3
    assert html.count('alt="costmap in its frame') == 6 and 'true contact, missed' in html
    with pytest.raises(InvalidInputError, match='No grid of late could be compared.*3 grids'):
        report_of(paths[0], write_scene(tmp_path / 'late', depth_late_ms=30))


def test_pictures_show_the_wall_where_it_stands(run, tmp_path):
    report = run(write_scene(tmp_path / 'scene', 12), depth=DEPTH)
    assert len(report.grids) == grid_frames.ROOM
    # Those that miss most: the first grids have the least evidence of the far wall.
    missed = [picture.contacts - picture.found for picture in report.grids]
    assert missed[0] == max(missed) > 0
    picture = cv2.imdecode(np.frombuffer(report.grids[0].grid, np.uint8), cv2.IMREAD_COLOR)
    pixels = grid_frames.WIDTH // 200
    assert picture.shape == (200 * pixels, 200 * pixels, 3)
    for color, flag in ((grid_frames.FOUND_COLOR, report.grids[0].found),
                        (grid_frames.MISSED_COLOR, report.grids[0].contacts
                         - report.grids[0].found)):
        rows, columns = np.nonzero((picture[..., ::-1] == color).all(axis=-1))
        assert len(rows) in (pixels ** 2 * flag, len(rows) if flag else 0)
        if len(rows):
            # The grid begins at -5 m; x is to the right, and y = 0 in the middle.
            assert np.abs(columns / pixels * 0.05 - 5.0 - WALL).max() < 0.2
            assert abs(rows.mean() - 100 * pixels) < 0.1 * 200 * pixels


def test_without_a_reference_pictures_are_spread_over_the_drive(run, tmp_path):
    names = [picture.name for picture in run(write_scene(tmp_path / 'scene', 20)).grids]
    steps = np.diff([float(name) for name in names])
    assert 4 <= len(names) <= grid_frames.ROOM and np.allclose(steps, steps[0], atol=1e-3)
    assert float(names[-1]) - float(names[0]) > 1.0
