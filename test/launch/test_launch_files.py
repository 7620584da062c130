# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the launch files start, with a stand-in for launch that knows the documented API."""

import os
import sys
from types import SimpleNamespace

import pytest
from segformer_ros.cli.replay_evaluation import make_parser
from segformer_ros.cli.support.ros_environment import PROFILE_VARIABLES
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.ros.parameters.node import camera_rows
from segformer_ros.ros.parameters.node import combined_fault
from segformer_ros.ros.parameters.node import node_rows
from support import fake_launch
from support.node_parameters import node_values
import yaml


@pytest.fixture(autouse=True)
def no_profile_in_the_environment(monkeypatch):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def launch_files(project_root):
    folder = os.path.join(project_root, 'launch')
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if name.endswith('.launch.py')]


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('/**: {ros__parameters: {}}', encoding='utf-8')
    return str(path)


def config(name):
    return os.path.join(fake_launch.PROJECT_ROOT, 'config', name)


def segformer(project_root, **arguments):
    return fake_launch.run(os.path.join(project_root, 'launch', 'segformer.launch.py'),
                           **arguments)


def required(path):
    """Return a value for every argument that has no default."""
    return {entity.name: 'given' for entity in fake_launch.load(path).entities
            if isinstance(entity, fake_launch.DeclareLaunchArgument)
            and entity.default_value is None}


def test_every_argument_is_described_and_every_file_runs_with_defaults(project_root):
    files = launch_files(project_root)
    assert len(files) == 5
    for path in files:
        for entity in fake_launch.load(path).entities:
            if isinstance(entity, fake_launch.DeclareLaunchArgument):
                assert entity.description and entity.description.endswith('.'), entity.name
        assert fake_launch.run(path, **required(path))


def test_every_executable_of_ours_is_installed(project_root):
    started = {process['executable'] for path in launch_files(project_root)
               for process in fake_launch.run(path, **required(path))
               if process['package'] == 'segformer_ros'}
    # setup.py installs this folder into lib/segformer_ros, as check_colcon.sh tests.
    assert started and started <= set(os.listdir(os.path.join(project_root, 'executables')))


def test_defaults_leave_model_backend_and_autostart_to_the_parameter_file(project_root):
    (node,) = segformer(project_root)
    path, overrides = node['parameters']
    assert path == config('segformer.yaml')
    assert overrides == {'use_sim_time': False}
    assert node['respawn'] and node['respawn_delay'] > 0
    assert (node['name'], node['namespace']) == ('segformer', '')
    assert node['remappings'] == [('image', 'image'), ('camera_info', 'camera_info'),
                                  ('depth', 'depth'), ('range', 'range')]


def test_arguments_reach_the_node(project_root, mine):
    (node,) = segformer(
        project_root, image='/cam/image_raw', image_transport='compressed',
        camera_info='/cam/camera_info', model='a.onnx', backend='onnxruntime',
        namespace='robot1', use_sim_time='true', autostart='false', log_level='debug',
        respawn='false', params_file=mine)
    assert node['parameters'] == [mine, {
        'use_sim_time': True, 'autostart': False, 'model': 'a.onnx', 'backend': 'onnxruntime',
        'image_transport': 'compressed', 'image_topic': '', 'camera_info_topic': ''}]
    assert node['remappings'] == [('image', '/cam/image_raw'),
                                  ('camera_info', '/cam/camera_info'), ('depth', 'depth'),
                                  ('range', 'range')]
    (namespaced,) = segformer(project_root, namespace='robot1', relative_tf='true')
    assert namespaced['remappings'][-2:] == [('/tf', 'tf'), ('/tf_static', 'tf_static')]
    assert node['arguments'] == ['--ros-args', '--log-level', 'debug']
    assert node['namespace'] == 'robot1'
    assert not node['respawn']


def test_profile_for_images_is_used_unless_the_environment_has_one(project_root, monkeypatch):
    (node,) = segformer(project_root)
    assert set(node['additional_env'].values()) == {config('fastdds.xml')}
    assert len(node['additional_env']) == 2
    for none in ('none', ''):
        (node,) = segformer(project_root, fastdds_profile=none)
        assert node['additional_env'] == {}
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', 'own.xml')
    (node,) = segformer(project_root)
    assert node['additional_env'] == {}


def test_drone_starts_the_same_node_with_the_parameters_of_a_drone(project_root, mine):
    path = os.path.join(project_root, 'launch', 'drone.launch.py')
    (node,) = fake_launch.run(path)
    assert node['executable'] == 'segformer'
    assert node['parameters'][0] == config('drone.yaml')
    (node,) = fake_launch.run(path, image='/down/image', camera_info='/down/info',
                              range='/sonar', params_file=mine)
    assert node['parameters'] == [mine, {'use_sim_time': False, 'image_topic': '',
                                         'camera_info_topic': ''}]
    assert node['remappings'] == [('image', '/down/image'), ('camera_info', '/down/info'),
                                  ('depth', 'depth'), ('range', '/sonar')]


def test_the_drones_parameters_are_the_nodes_and_fit_together(project_root):
    values = node_values(project_root, 'drone.yaml')
    assert values['projection.mode'] == 'overhead' and values['cost_profile'] == 'landing'
    assert combined_fault(values) is None


def replay(project_root, **arguments):
    return fake_launch.run(
        os.path.join(project_root, 'launch', 'replay_evaluation.launch.py'), **arguments)


def test_replay_starts_the_node_on_the_topics_of_the_recording_and_ends_with_the_measurement(
        project_root):
    node, measuring = replay(project_root, bag='runs/monday', model='a.onnx', rate='0.5')
    assert node['executable'] == 'segformer'
    assert node['parameters'][1] == {'use_sim_time': True, 'autostart': True, 'model': 'a.onnx',
                                     'image_transport': 'raw', 'image_topic': '',
                                     'camera_info_topic': ''}
    assert node['remappings'] == [('image', '/camera/image_raw'),
                                  ('camera_info', '/camera/camera_info'), ('depth', 'depth'),
                                  ('range', 'range')]
    # A node that died would start again and lose its counts.
    assert not node['respawn']
    assert measuring['executable'] == 'replay_evaluation'
    (last,) = measuring['on_exit'](SimpleNamespace(returncode=0), None)
    assert isinstance(last, fake_launch.Shutdown)
    # ros2 launch takes no notice of exit statuses, but of errors.
    with pytest.raises(RuntimeError, match='exit status 3'):
        measuring['on_exit'](SimpleNamespace(returncode=3), None)
    options = make_parser().parse_args(measuring['arguments'])
    assert (options.bag, options.topic, options.rate) == ('runs/monday', '/camera/image_raw', 0.5)
    assert options.running
    assert options.node == '/segformer'
    assert options.player == 'rosbag2'


def test_replay_of_compressed_images_names_the_topic_of_the_recording(project_root):
    node, measuring = replay(
        project_root, bag='b', image='/front/image', camera_info='/front/info', output='out',
        image_transport='compressed', player='package', fail_over='drops=0 latency_p95_ms=80')
    assert node['remappings'] == [('image', '/front/image'), ('camera_info', '/front/info'),
                                  ('depth', 'depth'), ('range', 'range')]
    options = make_parser().parse_args(measuring['arguments'])
    assert options.topic == '/front/image/compressed'
    assert (options.output, options.player) == ('out', 'package')
    assert options.fail_over == ['drops=0', 'latency_p95_ms=80']


@pytest.mark.parametrize('namespace, node', [
    ('', '/segformer'), ('robot1', '/robot1/segformer'), ('/a/b/', '/a/b/segformer')])
def test_replay_measures_the_node_in_its_namespace(project_root, namespace, node):
    started, measuring = replay(project_root, bag='b', namespace=namespace)
    assert started['namespace'] == namespace
    assert make_parser().parse_args(measuring['arguments']).node == node


def test_wrong_choice_is_refused(project_root):
    with pytest.raises(RuntimeError, match='autostart:=maybe'):
        segformer(project_root, autostart='maybe')


def test_rviz_starts_only_when_asked_for_and_in_the_namespace_of_the_node(project_root):
    node, rviz = segformer(project_root, rviz='true', namespace='robot1')
    assert (node['package'], rviz['package']) == ('segformer_ros', 'rviz2')
    assert rviz['namespace'] == 'robot1'
    assert rviz['remappings'] == [('/segformer/camera_info', 'segformer/camera_info')]
    node, rviz = segformer(project_root, rviz='true', namespace='robot1', relative_tf='true')
    relative = [('/tf', 'tf'), ('/tf_static', 'tf_static')]
    assert node['remappings'][-2:] == rviz['remappings'][-2:] == relative
    assert len(segformer(project_root)) == 1


@pytest.mark.parametrize('release', fake_launch.RELEASES)
def test_every_file_keeps_to_the_constructors_of_each_release(project_root, release):
    for path in launch_files(project_root):
        assert fake_launch.run(path, release, **required(path))


@pytest.mark.parametrize('release, is_known', [
    ('humble', False), ('jazzy', True), ('rolling', True)])
def test_an_argument_that_a_release_lacks_is_noticed(release, is_known):
    node = fake_launch.as_in(release, fake_launch.Node)
    with pytest.raises(TypeError, match='unexpected' if is_known else f'of {release} takes no'):
        node(executable='segformer', respawn_max_retries=3)
    with pytest.raises(TypeError, match="takes no .'output_file'"):
        node(executable='segformer', output_file='x')


CAMERAS = [
    'front.image:=/front/image_raw', 'front.camera_info:=/front/info', 'front.depth:=/front/depth',
    'front.depth_transport:=raw', 'left.image:=/left/image_raw'
]


@pytest.mark.parametrize('names', ['[front,left]', 'front, left', "['front', 'left']"])
def test_named_cameras_get_their_topics(project_root, names):
    (node,) = fake_launch.run(os.path.join(project_root, 'launch', 'segformer.launch.py'),
                              argv=CAMERAS, cameras=names)
    assert node['parameters'][1] == {
        'use_sim_time': False, 'cameras': ['front', 'left'],
        'front.image_topic': '/front/image_raw', 'front.camera_info_topic': '/front/info',
        'front.depth_topic': '/front/depth', 'front.depth_transport': 'raw',
        'left.image_topic': '/left/image_raw'}
    known = {row.name for row in camera_rows(['front', 'left']) + list(node_rows())}
    assert set(node['parameters'][1]) - {'use_sim_time'} <= known


@pytest.mark.parametrize('name, argv, arguments, text', [
    ('segformer', [], {'params_file': '/nowhere.yaml'},
     "params_file: got '/nowhere.yaml'; expected a file"),
    ('drone', [], {'params_file': '/nowhere.yaml'}, "params_file: got '/nowhere.yaml'"),
    ('segformer', [], {'fastdds_profile': '/nowhere.xml'}, "fastdds_profile: got '/nowhere.xml'"),
    ('segformer', ['front.image:=/x'], {}, 'Argument front.image does nothing'),
    ('segformer', ['rear.image:=/x'], {'cameras': '[front]'}, 'expected rear among cameras:='),
    ('segformer', [], {'cameras': '[front]', 'image': '/x'}, 'expected front.image:='),
    ('segformer', [], {'cameras': '[front]', 'camera_info': '/x'},
     'expected front.camera_info:='),
    ('segformer', ['imgae:=/x'], {}, r'Argument imgae does nothing.*Meant: image\?'),
    ('segformer', ['front.imge:=/x'], {'cameras': '[front]'},
     r'front.imge does nothing: expected one of front.image, front.*Meant: front.image\?'),
    ('segformer', ['left.camera_inf:=/x'], {'cameras': 'front,left'},
     r'Meant: left.camera_info\?'),
    ('drone', ['cameras:=[front]', 'front.depth_transprt:=raw'], {},
     r'Meant: front.depth_transport\?'),
    ('segformer', ['front.imge:=/x'], {}, 'front.imge does nothing: expected one of autostart'),
    ('segformer', ['fornt.image:=/x'], {'cameras': '[front]'},
     r'expected fornt among cameras:=.*Meant: front.image\?'),
    ('demo', ['front.image:=/x'], {}, 'front.image does nothing: expected one of frames'),
    ('nav2_demo', ['front.image:=/x'], {}, 'front.image does nothing'),
    ('replay_evaluation', ['front.image:=/x'], {'bag': 'b'}, 'front.image does nothing'),
    ('drone', ['heigth:=3'], {}, 'Argument heigth does nothing'),
    ('demo', ['frame:=3'], {}, r'Argument frame does nothing.*Meant: frames\?'),
    ('nav2_demo', ['sead:=3'], {}, r'Argument sead does nothing.*Meant: seed\?'),
    ('replay_evaluation', ['backends:=auto'], {'bag': 'b'}, r'Meant: backend\?'),
])
def test_arguments_that_do_nothing_and_files_that_are_missing_are_refused(
        project_root, monkeypatch, name, argv, arguments, text):
    started = ['ros2', 'launch', 'segformer_ros', f'{name}.launch.py', *argv]
    monkeypatch.setattr(sys, 'argv', started)
    with pytest.raises(ConfigurationError, match=text):
        fake_launch.run(os.path.join(project_root, 'launch', f'{name}.launch.py'), argv=argv,
                        **arguments)


@pytest.mark.parametrize('words', [
    ['my_robot', 'drone.launch.py'], ['/ws/my_robot/launch/segformer.launch.py']])
def test_arguments_of_a_launch_file_that_includes_ours_are_not_judged(project_root, monkeypatch,
                                                                      words):
    monkeypatch.setattr(sys, 'argv', ['ros2', 'launch', *words, 'speed:=2'])
    path = os.path.join(project_root, 'launch', 'segformer.launch.py')
    assert fake_launch.run(path, argv=['speed:=2'])
    monkeypatch.setattr(sys, 'argv', ['ros2', 'launch', path, 'speed:=2'])
    with pytest.raises(ConfigurationError, match='speed does nothing'):
        fake_launch.run(path, argv=['speed:=2'])


def test_nav2_demo_leads_commands_from_the_controller_to_the_robot(project_root):
    started = {process['executable']: process for process in fake_launch.run(
        os.path.join(project_root, 'launch', 'nav2_demo.launch.py'), seed='3', stamped='true')}
    servers = {name for name, process in started.items() if process['package'].startswith('nav2_')}
    manager = started['lifecycle_manager']['parameters'][0]
    assert set(manager['node_names']) == servers - {'lifecycle_manager'} and len(servers) == 8
    for name in servers - {'lifecycle_manager'}:
        base, ours, own = started[name]['parameters']
        # Ours comes later, so it wins.
        assert base == '/share/nav2_bringup/params/nav2_params.yaml'
        assert ours == config('nav2_demo.yaml')
        assert own == {'use_sim_time': True, 'enable_stamped_cmd_vel': 'true'}
    for name in ('controller_server', 'behavior_server', 'velocity_smoother'):
        assert started[name]['remappings'] == [('cmd_vel', 'cmd_vel_nav')]
    robot = started['simulated_camera']
    assert ('cmd_vel', '/cmd_vel') in robot['remappings']
    assert robot['parameters'][0]['pose_source'] == 'cmd_vel'
    assert robot['parameters'][0]['enable_stamped_cmd_vel'] == 'true'
    # The robot's parameters are ones that it has.
    from segformer_ros.ros.peers.simulated_camera import ROWS
    assert set(robot['parameters'][0]) <= {row.name for row in ROWS}


def test_nav2_demos_costmaps_fit_into_the_grid_and_are_those_of_the_snippet(project_root):
    def parameters(name):
        with open(config(name), encoding='utf-8') as stream:
            return yaml.safe_load(stream)
    demo = parameters('nav2_demo.yaml')
    snippet = parameters('nav2_local_costmap.yaml')['local_costmap']['local_costmap']
    own = {'width', 'height', 'update_frequency', 'publish_frequency'}
    processes = fake_launch.run(os.path.join(project_root, 'launch', 'nav2_demo.launch.py'))
    (node,) = [each for each in processes if each['executable'] == 'segformer']
    for name, side in (('local_costmap', 8), ('global_costmap', 14)):
        costmap = demo[name][name]['ros__parameters']
        assert costmap['width'] == costmap['height'] == side
        # 3/4 of a block to spare on each side.
        assert side + 1.5 <= node['parameters'][0]['grid.size']
        assert {key: value for key, value in costmap.items() if key not in own} == {
            key: value for key, value in snippet['ros__parameters'].items() if key not in own}
    monitor = demo['collision_monitor']['ros__parameters']
    expected = parameters('nav2_collision_monitor.yaml')['collision_monitor']['ros__parameters']
    # From the smoother to the robot, as the servers' remappings lead there.
    assert (monitor.pop('cmd_vel_in_topic'), monitor.pop('cmd_vel_out_topic')) == (
        'cmd_vel_smoothed', 'cmd_vel')
    assert dict(monitor, base_frame_id='base_footprint') == expected


@pytest.mark.parametrize('distro, stamped, files', [
    ('humble', 'false', ['nav2_demo.yaml', 'nav2_humble.yaml']),
    ('jazzy', 'false', ['nav2_demo.yaml']), ('kilted', 'true', ['nav2_demo.yaml']),
    ('lyrical', 'true', ['nav2_demo.yaml']), (None, 'false', ['nav2_demo.yaml'])])
def test_nav2_demo_gives_each_release_what_it_takes(project_root, monkeypatch, distro, stamped,
                                                    files):
    monkeypatch.delenv('ROS_DISTRO', raising=False)
    if distro is not None:
        monkeypatch.setenv('ROS_DISTRO', distro)
    started = {process['executable']: process for process in fake_launch.run(
        os.path.join(project_root, 'launch', 'nav2_demo.launch.py'), rviz='true')}
    assert started['collision_monitor']['parameters'][1:-1] == [config(name) for name in files]
    assert started['velocity_smoother']['parameters'][-1]['enable_stamped_cmd_vel'] == stamped
    assert started['simulated_camera']['parameters'][0]['enable_stamped_cmd_vel'] == stamped
    # Where RViz looks for it.
    assert ('robot_description', '/robot_description') in started['simulated_camera']['remappings']
    assert started['rviz2']['arguments'] == ['-d', config('nav2_demo.rviz')]
