# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The rows of parameters, their checks, and the files that repeat them."""

import os

import pytest
from segformer_ros.ros import parameter_docs
from segformer_ros.ros.parameter_checks import combined_fault
from segformer_ros.ros.parameter_checks import fault
from segformer_ros.ros.parameters import CAMERA_ROWS
from segformer_ros.ros.parameters import camera_rows
from segformer_ros.ros.parameters import CameraParameters
from segformer_ros.ros.parameters import NODE_ROWS
from segformer_ros.ros.parameters import NodeParameters
from segformer_ros.ros.parameters import snapshot
import yaml

ROWS = {row.name: row for row in NODE_ROWS + CAMERA_ROWS}


def defaults(**changes):
    return dict({row.name: row.default for row in NODE_ROWS + CAMERA_ROWS}, **changes)


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as stream:
        return stream.read()


@pytest.mark.parametrize('row', NODE_ROWS + CAMERA_ROWS, ids=lambda row: row.name)
def test_every_default_passes_its_own_check(row):
    assert fault(row, row.default) is None
    assert row.description.endswith('.')


def test_snapshots_have_a_field_for_every_row_and_no_other():
    assert NodeParameters._fields == tuple(row.name for row in NODE_ROWS)
    assert CameraParameters._fields == ('name',) + tuple(row.name for row in CAMERA_ROWS)


def test_snapshot_of_one_unnamed_camera():
    found = snapshot(defaults(rotate=180, max_rate=10))
    assert found.cameras == (CameraParameters('', 'raw', 180),)
    assert found.max_rate == 10.0
    assert isinstance(found.max_rate, float)


def test_snapshot_of_named_cameras_takes_each_ones_own_values():
    values = defaults(cameras=['front', 'left'], **{
        'front.rotate': 90, 'front.image_transport': 'compressed', 'left.rotate': 0,
        'left.image_transport': 'raw'})
    assert [row.name for row in camera_rows(['front', 'left'])] == [
        'image_transport', 'rotate', 'front.image_transport', 'front.rotate',
        'left.image_transport', 'left.rotate']
    assert snapshot(values).cameras == (
        CameraParameters('front', 'compressed', 90), CameraParameters('left', 'raw', 0))


@pytest.mark.parametrize('name, value, text', [
    ('threshold', 1.5, 'Wrong value of threshold: got 1.5; expected 0.0 to 1.0.'),
    ('threshold', float('nan'), 'expected a number'),
    ('threshold', '0.5', "got '0.5'; expected a number"),
    ('threshold', True, 'got True; expected a number'),
    ('max_rate', -1.0, 'expected 0.0 to 1000.0'),
    ('max_rate', float('inf'), 'expected a number'),
    ('jpeg_quality', 0, 'expected 1 to 100'),
    ('jpeg_quality', 85.0, 'expected a whole number'),
    ('autostart', 1, 'expected true or false'),
    ('resize', 'nearest', "got 'nearest'; expected one of pillow, opencv."),
    ('rotate', 45, 'got 45; expected one of 0, 90, 180, 270.'),
    ('model', 3, 'expected text'),
    ('cameras', 'front', "got 'front'; expected a list of texts"),
    ('cameras', [], 'at least one name'),
    ('cameras', ['front', 'front'], 'each once'),
    ('cameras', ['front', ''], 'names of letters'),
    ('cameras', ['front-left'], 'names of letters'),
    ('cameras', ['2nd'], 'start with a letter'),
])
def test_wrong_values_are_told_with_got_and_expected(name, value, text):
    assert text in fault(ROWS[name], value)


@pytest.mark.parametrize('name, value', [
    ('threshold', 1), ('max_rate', 10), ('cameras', ('front', 'left_2')), ('rotate', 270)])
def test_good_values_pass(name, value):
    assert fault(ROWS[name], value) is None


def test_error_may_not_come_before_warning():
    assert combined_fault(defaults()) is None
    assert 'expected at least warn_after, 9.0' in combined_fault(defaults(warn_after=9.0))


def test_parameter_file_names_every_parameter_with_its_default(project_root):
    content = yaml.safe_load(read(project_root, 'config', 'segformer.yaml'))
    values = content['/**']['ros__parameters']
    assert values == defaults()
    assert list(values) == [row.name for row in NODE_ROWS + CAMERA_ROWS]
    for row in NODE_ROWS + CAMERA_ROWS:
        assert type(values[row.name]) is row.kind, row.name


def test_documentation_repeats_the_rows(project_root):
    text = read(project_root, 'docs', 'parameters.md')
    assert parameter_docs.render_node_table() in text
    assert parameter_docs.render_camera_table() in text
