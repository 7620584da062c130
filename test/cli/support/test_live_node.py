# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The options of evaluate that follow from a live node's parameter file."""

import pytest
from segformer_ros.cli import evaluate
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap.settings import bounds_of
from segformer_ros.costmap.settings import CostmapSettings

TWO_CAMERAS = '''
/robot/segformer:
  ros__parameters:
    cameras: [front, left]
    max_rate: 5.0
    typo: 1
    input_size: [128, 96]
    deployment_graph: false
    threshold: 0.2
    cost_profile: outdoor
    projection: {max_range: 9.0}
    front: {rotate: 180, mount: {height: 0.6}, image_topic: /front/rgb}
    left: {depth_transport: compressed, image_transport: compressed}
'''


@pytest.fixture
def parse(tmp_path):
    path = tmp_path / 'robot.yaml'

    def parse(text, *arguments):
        path.write_text(text)
        options = evaluate.parse(['bag', '--params-file', str(path)] + list(arguments))
        return options, evaluate.make_request(options)
    return parse


def test_a_camera_of_a_robot_gives_network_grid_and_topics(parse):
    options, request = parse(TWO_CAMERAS, '--node', '/robot/segformer', '--camera', 'front')
    network, costmap = request.job.network, request.job.costmap
    assert (network.settings.threshold, network.graph, network.input_size_wh) == (
        0.2, 'original', (128, 96))
    assert request.job.run.rotate == 180 and request.inputs.topics == ('/front/rgb',)
    camera, = costmap.cameras
    assert (costmap.profile, camera.mount.height, camera.depth_in, costmap.by_clock) == (
        'outdoor', 0.6, '', True)
    assert costmap.settings == CostmapSettings()._replace(
        projection=CostmapSettings().projection._replace(max_range=9.0))
    notes = ' '.join(request.notes)
    assert "Unknown parameter 'typo' is ignored." in notes
    assert 'max_rate of the parameter file is not used: every image is evaluated.' in notes
    assert 'camera front alone; the live node also fuses left' in notes


def test_inputs_without_a_slash_lie_in_the_namespace_and_are_remapped(parse):
    _, request = parse(TWO_CAMERAS, '--node', 'robot/segformer', '--camera', 'left',
                       '--remap', 'left/image:=/l/rgb', '--remap', 'left/camera_info:=/l/info')
    assert request.inputs.topics == ('/l/rgb/compressed',)
    camera, = request.job.costmap.cameras
    assert camera.camera_info == '/l/info'
    assert camera.depth_in == '/robot/left/depth/compressedDepth'


def test_all_cameras_of_a_robot_are_taken_together(parse):
    _, request = parse(TWO_CAMERAS, '--node', '/robot/segformer')
    assert request.inputs.topics == ()
    assert request.inputs.cameras == (
        ('front', '/front/rgb'), ('left', '/robot/left/image/compressed'))
    assert request.job.run.rotate == 0
    assert request.job.run.rotations == (('/front/rgb', 180), ('/robot/left/image/compressed', 0))
    front, left = request.job.costmap.cameras
    assert (front.name, front.topic, front.mount.height, front.camera_info, front.depth_in) == (
        'front', '/front/rgb', 0.6, '/robot/front/camera_info', '')
    assert (left.name, left.topic, left.mount.height, left.camera_info, left.depth_in) == (
        'left', '/robot/left/image/compressed', 0.0, '/robot/left/camera_info',
        '/robot/left/depth/compressedDepth')
    notes = ' '.join(request.notes)
    assert 'front 180°, left 0°' in notes and 'alone' not in notes
    _, request = parse(TWO_CAMERAS, '--node', '/robot/segformer', '--rotate', '90')
    assert request.job.run.rotate == 90 and request.job.run.rotations == ()


def test_the_command_line_counts_more_than_the_file(parse):
    _, request = parse(TWO_CAMERAS, '--node', '/robot/segformer', '--camera', 'front',
                       '--threshold', '0.5', '--odom-frame', 'base_footprint', '--topic', '/x',
                       '--clock', 'stamps', '--costmap', 'indoor')
    costmap = request.job.costmap
    assert request.job.network.settings.threshold == 0.5 and request.inputs.topics == ('/x',)
    assert (costmap.profile, costmap.by_clock) == ('indoor', False)
    # Without odometry one sighting is enough, whoever says that there is none.
    assert costmap.settings.fusion.mark_threshold == bounds_of('fusion.mark_threshold')[0]


def test_what_changes_the_grid_and_is_not_done_is_told(parse):
    text = ('/**: {ros__parameters: {imu: {topic: /imu}, mount_watch: {apply: true}, '
            'costmap: false}}')
    options, request = parse(text)
    assert request.job.costmap is None
    assert [note.split(' ')[0] for note in request.notes] == ['imu.topic', 'mount_watch.apply']
    assert all('may differ' in note for note in request.notes)


@pytest.mark.parametrize('arguments, told', [
    (['--node', '/other'], 'No parameters of /other'),
    (['--node', '/robot/segformer', '--topic', '/x'], 'Which camera?.*--topic.*front, left'),
    (['--node', '/robot/segformer', '--camera', 'rear'], "No such camera: got rear"),
    (['--node', '/robot/segformer', '--camera', 'left', '--remap', 'image'], 'Not a remapping')])
def test_what_does_not_fit_the_file_is_an_error(parse, arguments, told):
    with pytest.raises(ConfigurationError, match=told):
        parse(TWO_CAMERAS, *arguments)


def test_options_of_a_node_do_nothing_without_its_file():
    for arguments in (['--camera', 'front'], ['--remap', 'a:=b']):
        with pytest.raises(ConfigurationError, match='does nothing alone'):
            evaluate.parse(['bag'] + arguments)


ONE_DEPTH = '''
/**:
  ros__parameters: {{cost_profile: indoor, depth_transport: {transport}, depth_topic: /depth,
                     depth: {{kind: {kind}}}}}
'''


@pytest.mark.parametrize('kind', ['inverse', 'scaled'])
@pytest.mark.parametrize('transport, given', [
    ('raw', '/depth'), ('compressed', '/depth/compressedDepth'), ('compressed', '/depth'),
    ('raw', '/depth/compressedDepth')])
def test_depth_without_a_scale_is_refused_as_a_reference_in_metres(parse, kind, transport, given):
    with pytest.raises(ConfigurationError, match=f'not a reference in metres: got {given}, which '
                                                 f'depth.kind calls {kind}'):
        parse(ONE_DEPTH.format(transport=transport, kind=kind), '--depth-topic', given)


@pytest.mark.parametrize('kind, reference', [
    ('metric', ['--depth-topic', '/depth']), ('inverse', ['--depth-topic', '/lidar_depth']),
    ('inverse', ['--cloud-topic', '/depth']), ('inverse', [])])
def test_other_references_beside_depth_without_a_scale_are_taken(parse, kind, reference):
    _, request = parse(ONE_DEPTH.format(transport='raw', kind=kind), *reference)
    assert request.job.costmap.settings.depth.kind == kind
