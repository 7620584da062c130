# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Class tables and groupings: the shipped ones are right, wrong ones are told."""

import csv

import cv2
import numpy as np
import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.classes import load_grouping
from segformer_ros.model.classes import UNLABELED

GROUPINGS = ('indoor', 'outdoor', 'landing')


@pytest.fixture(scope='module')
def ade20k():
    """Return the shipped table."""
    return load_class_table('ade20k')


def small_table(names=('road', 'car', 'dog')):
    return ClassTable('small', names, [(index, 0, 0) for index in range(len(names))],
                      [name in ('car', 'dog') for name in names])


def rows_of(path):
    with open(path, newline='', encoding='utf-8') as stream:
        return [{key: value.strip() for key, value in row.items()}
                for row in csv.DictReader(stream)]


def write(folder, text):
    path = folder / 'table.yaml'
    path.write_text(text, encoding='utf-8')
    return str(path)


@pytest.mark.smoke
def test_ade20k_has_150_classes_in_segformers_order(ade20k):
    assert len(ade20k) == 150
    assert ade20k.names[0] == 'wall'
    assert ade20k.names[7] == 'bed'
    assert ade20k.names[149] == 'flag'
    assert [ade20k.id_of(name) for name in ade20k.names] == list(range(150))


def test_ade20k_names_are_those_of_the_reference(ade20k, shared):
    rows = rows_of(shared('reference/ade20k_classes.csv'))
    assert list(ade20k.names) == [row['name'] for row in rows]
    assert [int(row['index']) for row in rows] == list(range(150))


def test_ade20k_moving_classes_are_those_of_the_reference(ade20k, shared):
    rows = rows_of(shared('reference/ade20k_costs.csv'))
    assert ade20k.dynamic.tolist() == [row['dynamic'] == '1' for row in rows]
    assert ade20k.dynamic[ade20k.id_of('person')]
    assert not ade20k.dynamic[ade20k.id_of('wall')]


def test_ade20k_colors_tell_all_classes_apart(ade20k):
    # OpenCV's conversion, not the one that chose the colours; 2.3 is just noticeable.
    colors = np.concatenate([ade20k.colors, np.zeros((1, 3), np.uint8)])
    lab = cv2.cvtColor(colors[np.newaxis].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[0]
    distance = np.linalg.norm(lab[:, np.newaxis] - lab, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > 16.0


@pytest.mark.parametrize(('name', 'strongest'), [('sky', 2), ('tree', 1), ('grass', 1),
                                                 ('person', 0), ('sea', 2)])
def test_familiar_classes_have_familiar_colors(ade20k, name, strongest):
    assert np.argmax(ade20k.colors[ade20k.id_of(name)]) == strongest


def test_palette_covers_every_mask_value_and_unlabeled_is_black(ade20k):
    palette = ade20k.palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert (palette[:150] == ade20k.colors).all()
    assert (palette[150:] == 0).all()


def test_tables_cannot_be_changed(ade20k):
    with pytest.raises(ValueError, match='read-only'):
        ade20k.colors[0, 0] = 1
    with pytest.raises(ValueError, match='read-only'):
        load_grouping('indoor', ade20k).lookup[0] = 1


def test_changing_a_palette_leaves_the_table_alone(ade20k):
    ade20k.palette()[0] = 7
    assert (ade20k.palette()[0] == ade20k.colors[0]).all()


def test_unknown_class_name_lists_the_nearest(ade20k):
    with pytest.raises(ConfigurationError, match="got 'side walk'.*Did you mean 'sidewalk'"):
        ade20k.id_of('side walk')


@pytest.mark.parametrize(('names', 'message'), [
    ((), "Wrong number of classes in 'small': got 0; expected 1 to 255"),
    (tuple(str(index) for index in range(256)), 'got 256; expected 1 to 255'),
    (('road', ' '), "Blank class name in 'small': got id 1"),
    (('road', 'car', 'road'), "got 'road' for ids 0 and 2"),
])
def test_tables_that_cannot_be(names, message):
    with pytest.raises(ConfigurationError, match=message):
        small_table(names)


def test_arrays_of_other_length_are_refused():
    with pytest.raises(ConfigurationError, match=r'got colors \(1, 3\), dynamic \(2,\)'):
        ClassTable('short', ['a', 'b'], [(1, 2, 3)], [False, True])


def test_own_table_is_read(tmp_path):
    table = load_class_table(write(
        tmp_path, 'name: own\nclasses:\n'
        '  - {name: lane, color: [1, 2, 3]}\n'
        '  - {name: tram, color: [255, 0, 9], dynamic: true}\n'))
    assert table.name == 'own'
    assert table.names == ('lane', 'tram')
    assert table.colors.tolist() == [[1, 2, 3], [255, 0, 9]]
    assert table.dynamic.tolist() == [False, True]


@pytest.mark.parametrize(('text', 'message'), [
    ('[1, 2', 'Not valid YAML: .*table.yaml'),
    ('- name', 'does not hold a mapping: got list'),
    ('', 'does not hold a mapping: got NoneType'),
    ('name: x\nname: y\nclasses: []', "the key 'name' stands twice"),
    ('name: x\nclases: []', "Unknown key in .*table.yaml: got 'clases'.*Did you mean 'classes'"),
    ('name: x', 'Missing key in .*: got only name; expected classes'),
    ('name: x\nclasses: 5', "Wrong value of 'classes'.*got 5; expected a list"),
    ('name: x\nclasses: [road]', "Wrong entry of 'classes'.*got 'road'"),
    ('name: x\nclasses: [{name: no, color: [0, 0, 0]}]', "'name' in class 0.*got False.*quote"),
    ('name: x\nclasses: [{name: a, color: [0, 0]}]', r'Wrong color in class 0 .*got \[0, 0\]'),
    ('name: x\nclasses: [{name: a, color: [0, 0, 256]}]', 'three whole numbers 0..255'),
    ('name: x\nclasses: [{name: a, color: [0, 0, 1.5]}]', 'three whole numbers 0..255'),
    ('name: x\nclasses: [{name: a, color: red}]', "got 'red'; expected .red, green, blue."),
    ('name: x\nclasses: [{name: a, color: [0, 0, 1], dynamic: often}]', 'true or false'),
    ('1: x', 'the key 1 is not text'),
])
def test_wrong_tables_are_told(tmp_path, text, message):
    with pytest.raises(ConfigurationError, match=message):
        load_class_table(write(tmp_path, text))


def test_yaml_never_makes_python_objects(tmp_path):
    with pytest.raises(ConfigurationError, match='Not valid YAML'):
        load_class_table(write(tmp_path, 'name: !!python/object/apply:os.getcwd []\nclasses: []'))


def test_missing_file_and_unknown_name_are_told(tmp_path):
    with pytest.raises(ConfigurationError, match='cannot be read: got .*absent.yaml'):
        load_class_table(str(tmp_path / 'absent.yaml'))
    with pytest.raises(ConfigurationError, match="got 'ade2k'.*Did you mean 'ade20k'"):
        load_class_table('ade2k')


@pytest.mark.parametrize('name', GROUPINGS)
def test_shipped_groupings_keep_people_apart_and_unlabeled_unlabeled(ade20k, name):
    grouping = load_grouping(name, ade20k)
    assert grouping.lookup.shape == (256,)
    assert (grouping.lookup[150:] == UNLABELED).all()
    person = grouping.lookup[ade20k.id_of('person')]
    assert grouping.table.names[person] == 'moving'
    assert grouping.table.dynamic.tolist() == [False, False, False, True]
    mask = np.array([[ade20k.id_of('wall'), UNLABELED]], np.uint8)
    assert grouping.lookup[mask].tolist() == [[grouping.table.id_of('obstacle'), UNLABELED]]


def test_own_grouping_is_dynamic_where_all_members_are(tmp_path):
    grouping = load_grouping(write(
        tmp_path, 'name: own\nunlabeled: [road]\ngroups:\n'
        '  - {name: movers, color: [1, 1, 1], members: [car, dog]}\n'), small_table())
    assert grouping.name == 'own'
    assert grouping.table.dynamic.tolist() == [True]
    assert grouping.lookup[:3].tolist() == [UNLABELED, 0, 0]


@pytest.mark.parametrize(('text', 'message'), [
    ('groups: [{name: a, color: [0, 0, 0], members: [road, car]}]',
     "Classes without a group.*got dog; expected every class of 'small'"),
    ('groups: [{name: a, color: [0, 0, 0], members: [road, car, dog, road]}]',
     "grouped twice.*'road' in 'a' and 'a'"),
    ('groups: [{name: a, color: [0, 0, 0], members: [road, car, dog]}]\nunlabeled: [car]',
     "'car' in 'a' and 'unlabeled'"),
    ('groups: [{name: a, color: [0, 0, 0], members: [raod]}]',
     "Unknown class name: got 'raod'.*Did you mean 'road'"),
    ('groups: [{name: a, color: [0, 0, 0]}]', 'Missing key in group 0'),
    ('groups: [{name: a, color: [0, 0, 0], members: road}]', 'a list of class names'),
])
def test_wrong_groupings_are_told(tmp_path, text, message):
    with pytest.raises(ConfigurationError, match=message):
        load_grouping(write(tmp_path, 'name: own\n' + text), small_table())
