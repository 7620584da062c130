# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What RViz and Foxglove are told to show exists among the node's outputs, and can be received."""

import json
import os
import re
import subprocess

import pytest
from segformer_ros.ros.io import topics
import yaml

NODE = 'segformer/'
OUTPUTS = {topic.name: topic
           for topic in topics.OUTPUTS + topics.CLOUD_OUTPUTS + topics.GRID_OUTPUTS}
SHOWN = {'overlay', 'costmap', 'obstacle_points', 'ground_points', 'landing_site/marker'}
"""What both have to show; the camera and TF beside."""
# The message of each display of rviz_default_plugins; CompressedImage by the name of the topic.
MESSAGES = {'Image': 'sensor_msgs/msg/Image', 'Camera': 'sensor_msgs/msg/Image',
            'Map': 'nav_msgs/msg/OccupancyGrid', 'PointCloud2': 'sensor_msgs/msg/PointCloud2',
            'Marker': 'visualization_msgs/msg/Marker'}
FOXGLOVE_3D = {'nav_msgs/msg/OccupancyGrid': {'colorMode': {'custom', 'costmap', 'map', 'raw'}},
               'sensor_msgs/msg/PointCloud2': {'colorMode': {'flat', 'colormap', 'gradient'}},
               'visualization_msgs/msg/Marker': {}, 'sensor_msgs/msg/CameraInfo': {}}
"""Types that Foxglove's 3D panel draws, with the values of settings that have a fixed set."""


@pytest.fixture(scope='module')
def rviz(project_root):
    with open(os.path.join(project_root, 'config', 'segformer.rviz'), encoding='utf-8') as stream:
        return yaml.safe_load(stream)['Visualization Manager']


@pytest.fixture(scope='module')
def foxglove(project_root):
    path = os.path.join(project_root, 'config', 'foxglove_layout.json')
    with open(path, encoding='utf-8') as stream:
        return json.load(stream)


def displays(rviz, enabled_only=False):
    """Return plugin and output topic of each display with a topic."""
    found = []
    for each in rviz['Displays']:
        assert each['Enabled'] == each['Value'], each['Name']
        if 'Topic' in each and (each['Enabled'] or not enabled_only):
            name = each['Topic']['Value']
            # Relative, so that the namespace of RViz's node is that of the topics.
            assert name.startswith(NODE), name
            found.append((each['Class'].split('/')[1], OUTPUTS[name[len(NODE):]], each['Topic']))
    return found


def test_rviz_shows_the_product_in_odom(rviz):
    assert {topic.name for _, topic, _ in displays(rviz, enabled_only=True)} >= SHOWN
    assert {'Camera', 'TF'} <= {each['Class'].split('/')[1] for each in rviz['Displays']
                                if each['Enabled']}
    assert rviz['Global Options']['Fixed Frame'] == 'odom'


def test_rviz_asks_each_topic_for_its_type_and_for_a_qos_that_is_offered(rviz):
    for plugin, topic, asked in displays(rviz):
        assert MESSAGES[plugin] == topic.type_name, topic.name
        assert asked['Reliability Policy'] in ('Best Effort', 'Reliable')
        assert topic.reliable or asked['Reliability Policy'] == 'Best Effort', topic.name
        # What is latched would be missed until its next message, if asked for as volatile.
        assert (asked['Durability Policy'] == 'Transient Local') == topic.latched, topic.name
        assert asked['History Policy'] == 'Keep Last'
        assert 1 <= asked['Depth'] <= topic.depth


def test_rviz_finds_the_camera_info_of_its_camera_beside_the_image(rviz):
    (camera,) = [topic for plugin, topic, _ in displays(rviz) if plugin == 'Camera']
    # As image_transport does: the last word of the topic becomes camera_info.
    beside = '/'.join(camera.name.split('/')[:-1] + ['camera_info'])
    assert OUTPUTS[beside].type_name == 'sensor_msgs/msg/CameraInfo'


def test_rviz_of_the_nav2_demo_shows_the_same_and_the_robot_the_plan_and_nav2s_costmap(
        rviz, project_root):
    path = os.path.join(project_root, 'config', 'nav2_demo.rviz')
    with open(path, encoding='utf-8') as stream:
        demo = yaml.safe_load(stream)['Visualization Manager']
    assert demo['Displays'][:len(rviz['Displays'])] == rviz['Displays']
    more = {each['Class'].split('/')[1]: each for each in demo['Displays'][len(rviz['Displays']):]}
    robot = more['RobotModel']['Description Topic']
    # Latched, and at the root, where nav2_demo.launch.py puts it.
    assert (robot['Value'], robot['Durability Policy']) == ('robot_description', 'Transient Local')
    assert {kind: each['Topic']['Value'] for kind, each in more.items() if kind != 'RobotModel'} \
        == {'Map': 'global_costmap/costmap', 'Path': 'plan', 'Polygon': 'polygon_semantic_stop'}
    assert {key: value for key, value in demo.items() if key != 'Displays'} == {
        key: value for key, value in rviz.items() if key != 'Displays'}


def test_foxglove_layout_names_existing_panels(foxglove):
    def leaves(node):
        if isinstance(node, str):
            return [node]
        assert node['direction'] in ('row', 'column')
        assert 0 < node['splitPercentage'] < 100
        return leaves(node['first']) + leaves(node['second'])

    panels = leaves(foxglove['layout'])
    assert sorted(panels) == sorted(foxglove['configById'])
    assert all(re.fullmatch(r'(3D|Image|DiagnosticSummary)!\w+', panel) for panel in panels)


def output_of(name):
    assert name.startswith('/' + NODE), name
    return OUTPUTS[name[len(NODE) + 1:]]


def test_foxglove_shows_the_product_in_odom_with_the_types_of_each_topic(foxglove):
    world = foxglove['configById']['3D!world']
    # Nothing is followed: the display frame stands still, as the fixed frame of RViz.
    assert (world['followTf'], world['followMode']) == ('odom', 'follow-none')
    shown = set()
    for name, panel in foxglove['configById'].items():
        for topic_name, settings in panel.get('topics', {}).items():
            topic = output_of(topic_name)
            for key, values in FOXGLOVE_3D[topic.type_name].items():
                assert settings[key] in values, (name, topic_name)
            if settings['visible']:
                shown.add(topic.name)
        mode = panel.get('imageMode')
        if mode:
            topic = output_of(mode['imageTopic'])
            assert topic.type_name in ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
            shown.add(topic.name.replace('/compressed', ''))
            assert output_of(mode['calibrationTopic']).type_name == 'sensor_msgs/msg/CameraInfo'
    assert SHOWN | {'camera_info'} <= shown
    status = foxglove['configById']['DiagnosticSummary!status']
    assert status['topicToRender'] == topics.DIAGNOSTICS.name


def test_the_documented_command_moves_the_foxglove_layout_into_a_namespace(project_root, tmp_path):
    with open(os.path.join(project_root, 'docs', 'topics.md'), encoding='utf-8') as stream:
        command = re.search(r'^sed .*foxglove_layout\.json.*$', stream.read(), re.MULTILINE)
    done = subprocess.run(
        command.group(0).replace('config/', os.path.join(project_root, 'config', '')),
        shell=True, cwd=str(tmp_path), check=True, stdout=subprocess.PIPE)
    assert not done.stdout
    (path,) = tmp_path.iterdir()
    moved = path.read_text(encoding='utf-8')
    assert '"/robot1/segformer/costmap"' in moved and '"/segformer/' not in moved
    assert json.loads(moved)['configById']['3D!world']['followTf'] == 'odom'


@pytest.mark.parametrize('page', ['README.md', 'docs/topics.md'])
def test_both_files_are_named_where_users_look(project_root, page):
    with open(os.path.join(project_root, page), encoding='utf-8') as stream:
        text = stream.read()
    assert 'config/segformer.rviz' in text and 'config/foxglove_layout.json' in text
