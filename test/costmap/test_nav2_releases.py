# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Every name in config/nav2_*.yaml is declared by Nav2 in every release, or its line says where.

test/data/nav2_parameters.json holds what the sources of each release declare;
tools/interfaces/nav2_parameters.py recorded it.
"""

import copy
import json
import os

import pytest
import yaml

FILES = ['nav2_collision_monitor', 'nav2_demo', 'nav2_filters', 'nav2_humble',
         'nav2_local_costmap', 'nav2_merged', 'nav2_obstacle_layer',
         'nav2_semantic_segmentation_layer', 'nav2_voxel_layer']
RELEASES = ('Humble', 'Jazzy', 'Kilted', 'Lyrical')
NODES = {'local_costmap': 'Costmap2DROS', 'global_costmap': 'Costmap2DROS',
         'collision_monitor': 'CollisionMonitor', 'bt_navigator': 'BtNavigator',
         'behavior_server': 'BehaviorServer',
         'keepout_filter_info_server': 'CostmapFilterInfoServer',
         'speed_filter_info_server': 'CostmapFilterInfoServer'}
# Its parameters are not Nav2's; test_nav2_snippets.py reads them by its own rules.
EXTERNAL = 'semantic_segmentation_layer::SemanticSegmentationLayer'


@pytest.fixture(scope='module')
def declared(project_root):
    path = os.path.join(project_root, 'test', 'data', 'nav2_parameters.json')
    with open(path, encoding='utf-8') as stream:
        return json.load(stream)['releases']


def text_of(project_root, name):
    with open(os.path.join(project_root, 'config', name + '.yaml'), encoding='utf-8') as stream:
        return stream.read()


def type_name(value):
    if isinstance(value, list):
        kinds = {type_name(each) for each in value}
        return f'{kinds.pop()} array' if len(kinds) == 1 else 'mixed array'
    return {bool: 'bool', int: 'integer', float: 'double', str: 'string'}[type(value)]


def used(content):
    """Yield path, class and name in the record, and value of every parameter of a file."""
    for node, part in content.items():
        inner = part.get('ros__parameters') or part[node]['ros__parameters']
        path = [node] if 'ros__parameters' in part else [node, node]
        yield from used_by_node(path + ['ros__parameters'], NODES[node], inner)


def used_by_node(path, kind, parameters):
    for name, value in parameters.items():
        here = path + [name]
        if not isinstance(value, dict):
            yield here, kind, name, value
        elif kind == 'CollisionMonitor':
            of_polygon = 'points' in value
            for each, inner in value.items():
                # The monitor asks for the type itself, before it makes polygon or source.
                owner = kind if each == 'type' else 'Polygon' if of_polygon else 'PointCloud'
                yield here + [each], owner, each, inner
        elif value.get('plugin') != EXTERNAL:
            yield from used_by_plugin(here, value)


def used_by_plugin(path, parameters):
    kind = parameters['plugin'].partition('::')[2]
    for name, value in parameters.items():
        if name == 'plugin':
            yield path + [name], 'Costmap2DROS', name, value
        elif isinstance(value, dict):
            for each, inner in value.items():
                yield path + [name, each], kind, '/' + each, inner
        else:
            yield path + [name], kind, name, value


def is_taken(declared, release, kind, name, value):
    known = declared[release][kind]
    return name in known and known[name] in (None, type_name(value))


def comments_by_path(text):
    """Return the lines of comment right above each value, by its path."""
    found, stack, comment = {}, [], []
    for line in text.splitlines():
        if line.lstrip().startswith('#'):
            comment.append(line.strip())
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        stack = stack[:depth] + [line.strip().partition(':')[0]]
        found[tuple(stack)] = ' '.join(comment)
        comment = []
    return found


def unsaid(declared, text):
    """Return what a release does not take though no comment above it names another one."""
    comments = comments_by_path(text)
    wrong = []
    for path, kind, name, value in used(yaml.safe_load(text)):
        taken = [release for release in RELEASES
                 if is_taken(declared, release, kind, name, value)]
        said = comments[tuple(path)]
        if len(taken) == len(RELEASES):
            continue
        # Those that have it are listed, and Humble is named: as one of them or as the exception.
        if not taken or not all(release in said for release in taken) or 'Humble' not in said:
            wrong.append(('.'.join(path), taken))
    return wrong


@pytest.mark.parametrize('name', FILES)
def test_every_name_and_type_is_taken_by_every_release_or_its_line_says_which(
        project_root, declared, name):
    text = text_of(project_root, name)
    assert len(list(used(yaml.safe_load(text)))) >= (2 if name == 'nav2_humble' else 10)
    assert unsaid(declared, text) == []


def test_every_file_for_nav2_is_read(project_root):
    names = [os.path.splitext(name)[0] for name in os.listdir(os.path.join(project_root, 'config'))
             if name.startswith('nav2_') and name.endswith('.yaml')]
    assert sorted(names) == FILES


def test_slips_are_noticed(project_root, declared):
    text = text_of(project_root, 'nav2_collision_monitor')
    for right, wrong in (('min_points: 4', 'min_point: 4'), ('transform_tolerance: 0.3',
                                                             'transform_tolerance: 1'),
                         ('Jazzy, Kilted, Lyrical; Humble has the one above alone.', 'Yes.')):
        assert right in text
        assert len(unsaid(declared, text.replace(right, wrong))) == 1, wrong
    voxels = text_of(project_root, 'nav2_voxel_layer')
    assert unsaid(declared, voxels.replace('data_type: PointCloud2', 'data_typ: PointCloud2'))


def merged(first, second):
    found = copy.deepcopy(first)
    for name, value in second.items():
        found[name] = merged(found[name], value) if isinstance(value, dict) else value
    return found


@pytest.mark.parametrize('name', ['nav2_collision_monitor', 'nav2_merged', 'nav2_demo'])
def test_humble_takes_all_that_it_reads_once_its_own_file_comes_after(project_root, declared,
                                                                      name):
    whole = merged(yaml.safe_load(text_of(project_root, name)),
                   yaml.safe_load(text_of(project_root, 'nav2_humble')))
    refused = [(path[-1], value) for path, kind, key, value in used(whole)
               if key in declared['Humble'][kind]
               and not is_taken(declared, 'Humble', kind, key, value)]
    assert refused == []
    # The same polygon, and as many points.
    stop = whole['collision_monitor']['ros__parameters']['semantic_stop']
    text = yaml.safe_load(text_of(project_root, name))['collision_monitor']['ros__parameters'][
        'semantic_stop']['points']
    assert [number for corner in yaml.safe_load(text) for number in corner] == stop['points']
    assert stop['max_points'] == stop['min_points'] - 1


def test_the_record_tells_the_releases_apart(declared):
    assert set(declared) == set(RELEASES)
    assert declared['Humble']['Polygon']['points'] == 'double array'
    assert {declared[release]['Polygon']['points'] for release in RELEASES[1:]} == {'string'}
    assert 'source_timeout' not in declared['Humble']['PointCloud']
    assert 'inscribed_obstacle_cost_value' in declared['Lyrical']['Costmap2DROS']
    assert all(declared[release][kind] for release in RELEASES for kind in declared['Jazzy'])
