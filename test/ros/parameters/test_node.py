# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The rows of parameters, their checks, and the files that repeat them."""

import os

import pytest
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.ros.parameters.capture import CAPTURE_ROWS
from segformer_ros.ros.parameters.costmap import costmap_parameters
from segformer_ros.ros.parameters.costmap import COSTMAP_ROWS
from segformer_ros.ros.parameters.costmap import CostmapParameters
from segformer_ros.ros.parameters.costmap import OWN_ROWS
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import camera_rows
from segformer_ros.ros.parameters.node import CameraParameters
from segformer_ros.ros.parameters.node import combined_fault
from segformer_ros.ros.parameters.node import NODE_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.ros.parameters.node import snapshot
from segformer_ros.ros.parameters.row import fault
import tables
import yaml

ALL_ROWS = node_rows() + CAMERA_ROWS
ROWS = {row.name: row for row in ALL_ROWS}


def defaults(**changes):
    return dict({row.name: row.default for row in ALL_ROWS}, **changes)


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as stream:
        return stream.read()


def test_every_name_of_a_topic_is_checked():
    rows = [row for row in ALL_ROWS if row.name.endswith('topic')]
    assert 'imu.topic' in ROWS and len(rows) > 3
    for row in rows:
        assert 'imu data' in fault(row, 'imu data')
        assert fault(row, '/imu/data') is None


@pytest.mark.parametrize('row', ALL_ROWS, ids=lambda row: row.name)
def test_every_default_passes_its_own_check(row):
    assert fault(row, row.default) is None
    assert row.description.endswith('.')


def test_snapshots_have_a_field_for_every_row_and_no_other():
    assert NodeParameters._fields == ('costmap', 'capture') + tuple(row.name for row in NODE_ROWS)
    assert CostmapParameters._fields == tuple(
        row.name.replace('.', '_') for row in OWN_ROWS) + ('settings',)
    assert CameraParameters._fields == ('name',) + tuple(
        row.name.replace('.', '_') for row in CAMERA_ROWS)


def test_every_number_of_the_costmap_room_is_a_parameter_and_comes_back():
    settings = CostmapSettings()
    names = {f'{group}.{field}' for group in settings._fields
             if group != 'category_width' for field in getattr(settings, group)._fields}
    assert {row.name for row in COSTMAP_ROWS} == names | {row.name for row in OWN_ROWS}
    assert costmap_parameters(defaults()).settings == settings
    changed = costmap_parameters(defaults(**{
        'grid.size': 20, 'projection.mode': 'overhead', 'fusion.min_blob': 7,
        'category_width': 64})).settings
    assert changed.grid == settings.grid._replace(size=20.0)
    assert isinstance(changed.grid.size, float)
    assert changed.projection.mode == 'overhead'
    assert (changed.fusion.min_blob, changed.category_width) == (7, 64)


def test_without_odometry_one_sighting_of_an_obstacle_is_enough():
    alone = costmap_parameters(defaults(odom_frame='base_link', ground_frame='base_link'))
    fusion = alone.settings.fusion
    # Log-odds of one sighting with a confidence of a tenth.
    assert 0.1 * fusion.occupied_gain > fusion.mark_threshold
    assert not alone.has_odometry
    assert fusion == CostmapSettings().fusion._replace(mark_threshold=fusion.mark_threshold)


def test_snapshot_of_one_unnamed_camera():
    found = snapshot(defaults(rotate=180, max_rate=10))
    assert [camera[:3] for camera in found.cameras] == [('', 'raw', 180)]
    assert found.max_rate == 10.0
    assert isinstance(found.max_rate, float)


def test_snapshot_of_named_cameras_takes_each_ones_own_values():
    names = ['front', 'left']
    values = defaults(cameras=names, **{
        f'{camera}.{row.name}': row.default for camera in names
        for row in CAMERA_ROWS})
    values.update({'front.rotate': 90, 'front.image_transport': 'compressed',
                   'left.mount.height': 0.8})
    own = [row.name for row in CAMERA_ROWS]
    assert [row.name for row in camera_rows(names)] == \
        own + ['front.' + name for name in own] + ['left.' + name for name in own]
    front, left = snapshot(values).cameras
    assert (front.name, front.image_transport, front.rotate, front.mount_height) == (
        'front', 'compressed', 90, 0.0)
    assert (left.name, left.image_transport, left.rotate, left.mount_height) == (
        'left', 'raw', 0, 0.8)


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
    ('input_size', [512, 0], 'got [512, 0]; expected [width, height] from'),
    ('input_size', [512], 'expected [width, height] from'),
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
    ('resize', 'x\x1b' * 10 ** 6), ('cameras', ['a-b'] * 10 ** 5), ('input_size', [1] * 10 ** 5)])
def test_wrong_values_of_megabytes_are_told_in_a_short_text(name, value):
    told = fault(ROWS[name], value)
    assert f'Wrong value of {name}: got ' in told and '; expected ' in told
    assert len(told) < 2000 and '\x1b' not in told


@pytest.mark.parametrize('name, value', [
    ('threshold', 1), ('max_rate', 10), ('cameras', ('front', 'left_2')), ('rotate', 270),
    ('input_size', [0, 0]), ('input_size', (512, 256))])
def test_good_values_pass(name, value):
    assert fault(ROWS[name], value) is None


def test_error_may_not_come_before_warning():
    assert combined_fault(defaults()) is None
    assert 'error_after: got 5.0; expected at least warn_after, 9.0' in combined_fault(
        defaults(warn_after=9.0))


def test_costmap_settings_that_do_not_fit_together_are_refused():
    assert 'No cell could ever be lethal' in combined_fault(defaults(**{
        'fusion.mark_threshold': 4.0}))
    assert 'smaller than two blocks' in combined_fault(defaults(**{'grid.size': 1.5}))
    alone = {'odom_frame': 'base_link', 'ground_frame': 'base_link'}
    assert combined_fault(defaults(**alone)) is None
    shared = combined_fault(defaults(cameras=['front', 'left'], **alone))
    assert 'several cameras share one grid' in shared
    for named in ("odom_frame: got 'base_link'", 'ground_frame', "cameras ['front', 'left']"):
        assert named in shared


def test_parameter_file_names_every_parameter_with_its_default(project_root):
    content = yaml.safe_load(read(project_root, 'config', 'segformer.yaml'))
    values = {}
    for name, value in content['/**']['ros__parameters'].items():
        values.update({f'{name}.{inner}': each for inner, each in value.items()}
                      if isinstance(value, dict) else {name: value})
    assert values == defaults()
    assert list(values) == [row.name for row in ALL_ROWS]
    for row in ALL_ROWS:
        assert type(values[row.name]) is row.kind, row.name


def test_documentation_repeats_the_rows(project_root):
    text = read(project_root, 'docs', 'parameters.md')
    for rows in (NODE_ROWS, COSTMAP_ROWS, CAPTURE_ROWS, CAMERA_ROWS):
        assert tables.parameter_table(rows) in text
