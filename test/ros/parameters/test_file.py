# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A parameter file gives what rclpy gives the node: sections, types, order; faults are told."""

import math

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.ros.parameters.file import read_node_file
from segformer_ros.ros.parameters.file import read_overrides

SECTIONS = ('/**', '/*', '**', '*', 'segformer', '/segformer', '/**/segformer', '/*/segformer',
            '/ns/segformer', 'ns/segformer', '/ns/*', '/ns/**', '/**/ns/segformer', '/other',
            '/segformer/deep')
SCALARS = ('1', '-1', '+1', '0x10', '010', '0', '1.0', '.5', '1.', '1e3', '1e-3', '1.e3', '1_000',
           'yes', 'No', 'on', 'OFF', 'True', 'y', 'n', '"1"', "'yes'", 'null', '~', '2024-01-01',
           '!!str 5', '!!str 1e3', '.inf', '-.inf', 'nan', 'text', "''", '[1, 2]', '[1.5, 2.0]',
           "['', 'a']", '[true, no]')


@pytest.fixture(scope='module')
def by_rclpy(tmp_path_factory):
    """Return a function from text, name and namespace to what rclpy gives the node."""
    path = str(tmp_path_factory.mktemp('rclpy') / 'given.yaml')

    def read(text, name='segformer', namespace=''):
        with open(path, 'w') as stream:
            stream.write(text)
        context = Context()
        rclpy.init(args=['node', '--ros-args', '--params-file', path], context=context)
        try:
            node = Node(name, namespace=namespace, context=context,
                        start_parameter_services=False)
            try:
                given = node._parameter_overrides
                return {key: each.value.tolist() if hasattr(each.value, 'tolist') else each.value
                        for key, each in given.items()}
            finally:
                node.destroy_node()
        finally:
            context.shutdown()
    return read


def by_us(tmp_path, text, node='/segformer'):
    path = tmp_path / 'ours.yaml'
    path.write_text(text)
    try:
        return read_overrides(str(path), node)
    except ConfigurationError as error:
        assert 'No parameters of' in str(error)
        return {}


def test_sections_are_of_the_nodes_that_rclpy_takes_them_for(by_rclpy, tmp_path):
    # Of each section its own name, so that one file tells all.
    text = ''.join(f"'{name}': {{ros__parameters: {{'p{number}': 1}}}}\n"
                   for number, name in enumerate(SECTIONS))
    text += 'ns: {segformer: {ros__parameters: {nested: 1}}}\n'
    for namespace, node in (('', '/segformer'), ('/ns', '/ns/segformer'),
                            ('/a/ns', '/a/ns/segformer')):
        expected = by_rclpy(text, namespace=namespace)
        assert len(expected) >= 3
        assert by_us(tmp_path, text, node) == expected


def test_the_later_section_counts_as_with_rclpy(by_rclpy, tmp_path):
    for order in (('/**', '/segformer', '/*'), ('/segformer', '/*', '/**')):
        text = ''.join(f"'{name}': {{ros__parameters: {{a: {number}, b.c: {number}, "
                       f"b: {{d: {number}}}, 'only{number}': 1}}}}\n"
                       for number, name in enumerate(order))
        assert by_us(tmp_path, text) == by_rclpy(text)
        assert by_us(tmp_path, text)['b.c'] == 2


def test_values_have_the_types_that_rclpy_gives_them(by_rclpy, tmp_path):
    text = '/**:\n  ros__parameters:\n' + ''.join(
        f'    p{number}: {text}\n' for number, text in enumerate(SCALARS))
    text += '    mount: {y: 0.5, x: 1}\n'
    expected, found = by_rclpy(text), by_us(tmp_path, text)
    assert list(found) and set(found) == set(expected)
    for key, value in expected.items():
        told = key, value, found[key]
        assert type(found[key]) is type(value), told
        assert found[key] == value or (math.isnan(value) and math.isnan(found[key])), told


def test_the_shipped_file_gives_the_defaults_and_every_parameter(project_root):
    found = read_node_file(f'{project_root}/config/segformer.yaml')
    assert len(found.given) == len(found.values) and not found.unknown


def test_named_cameras_take_what_stands_without_a_name_and_then_their_own(tmp_path):
    path = tmp_path / 'cameras.yaml'
    path.write_text('segformer:\n  ros__parameters:\n    cameras: [front, left]\n'
                    '    rotate: 180\n    mount: {height: 1}\n'
                    '    left: {rotate: 90, mount: {height: 0.5}}\n')
    front, left = read_node_file(str(path)).parameters.cameras
    assert (front.name, front.rotate, front.mount.height) == ('front', 180, 1.0)
    assert (left.name, left.rotate, left.mount.height) == ('left', 90, 0.5)


@pytest.mark.parametrize('text, told', [
    ('/**: {ros__parameters: {projection: {max_range: far}}}',
     "Wrong value of projection.max_range: got 'far'; expected a number. Correct"),
    ('/**: {ros__parameters: {grid: {size: 1.5}}}', 'Grid is smaller than two blocks'),
    ('/other: {ros__parameters: {threshold: 0.1}}',
     'No parameters of /segformer: got sections /other'),
    ('/**: {threshold: 0.1}', 'Not a parameter file: got threshold'),
    ('- 1', 'Not a parameter file'), ('', 'Not a parameter file'),
    ('a: &a {ros__parameters: {threshold: 0.1}}\nb: *a', 'alias'),
    ('/**: {ros__parameters: {? [a, b] : 1}}', 'got a key that is not a text'),
    ('? [a, b]\n: {ros__parameters: {}}', 'got a key that is not a text'),
    # Python refuses to make a number of more than 4300 digits.
    ('/**: {ros__parameters: {jpeg_quality: ' + '1' * 5000 + '}}',
     'Wrong value of jpeg_quality: got inf; expected a whole number'),
    ('/**: {ros__parameters: {jpeg_quality: 0x' + 'f' * 5000 + '}}',
     'expected a whole number')])
def test_what_cannot_be_used_is_an_error_that_names_it(tmp_path, text, told):
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_node_file(str(path))
    assert told in str(caught.value)


def test_names_that_the_node_does_not_have_are_told_with_the_nearest(tmp_path):
    path = tmp_path / 'unknown.yaml'
    path.write_text('/**: {ros__parameters: {projection: {max_rnage: 8.0}, use_sim_time: true}}')
    found = read_node_file(str(path))
    sentence, = found.unknown
    assert sentence.startswith("Unknown parameter 'projection.max_rnage' is ignored. Meant: "
                               'projection.max_range')
    assert found.parameters.costmap.settings.projection.max_range == 5.0
