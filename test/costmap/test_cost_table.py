# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cost profiles: what they say, and what is refused."""

import csv
import os

import numpy as np
import pytest

from segformer_ros.common import resources
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.cost_table import LETHAL
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.cost_table import load_groups
from segformer_ros.costmap.cost_table import NOTHING
from segformer_ros.costmap.cost_table import OBSTACLE
from segformer_ros.costmap.cost_table import UNKNOWN
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.classes import load_grouping

FOLDER = resources.find('config/costs')
# Each file there is read; only one that is of other classes needs a row in CLASSES.
PROFILES = sorted(name[:-len('.yaml')] for name in os.listdir(FOLDER) if name.endswith('.yaml'))
# What the profiles are of; those that are not named here are of ADE20K.
CLASSES = {'street': 'cityscapes'}
ADE20K_PROFILES = [name for name in PROFILES if name not in CLASSES]
# Where the profiles of the reference part from its proposal, class by class; the reasons stand
# in the profiles' comments. A profile that the reference does not have needs no row.
JUDGED_ANEW = {
    'indoor': {'towel', 'apparel', 'blanket', 'food', 'awning', 'canopy', 'flag', 'airplane'},
    'outdoor': {'plant', 'flower', 'food', 'awning', 'canopy', 'flag', 'airplane'},
    'landing': {'path', 'rock', 'blanket'}}


@pytest.fixture(scope='module')
def ade20k():
    return load_class_table('ade20k')


def classes_of(profile):
    return load_class_table(CLASSES.get(profile, 'ade20k'))


def small_table():
    return ClassTable('small', ['floor', 'wall', 'person', 'sky'], np.zeros((4, 3)),
                      [False, False, True, False])


def write(tmp_path, text):
    path = tmp_path / 'costs.yaml'
    path.write_text(text)
    return str(path)


@pytest.mark.smoke
@pytest.mark.parametrize('name', PROFILES)
def test_shipped_profiles_hold_only_values_that_nav2_takes_as_meant(name):
    classes = classes_of(name)
    count = len(classes)
    table = load_cost_table(name, classes)
    values = [table.occupancy_of(class_name) for class_name in classes.names]
    assert set(values) <= set(range(99)) | {UNKNOWN, LETHAL}
    assert table.kinds[count:].tolist() == [NOTHING] * (256 - count)
    assert table.dynamic[:count].tolist() == classes.dynamic.tolist()
    assert table.occupancy_of('person') == LETHAL


@pytest.fixture(scope='module')
def reference(shared):
    """Return the proposed costs by class, by name of the profile."""
    with open(shared('reference/ade20k_costs.csv'), encoding='utf-8') as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 150
    return {name: {row['name']: int(row[name]) for row in rows}
            for name in rows[0] if name + '_cat' in rows[0]}


def test_every_profile_of_the_reference_is_shipped_and_compared(reference):
    assert set(reference) == set(JUDGED_ANEW) <= set(ADE20K_PROFILES)


@pytest.mark.parametrize('name', sorted(JUDGED_ANEW))
def test_shipped_profiles_follow_the_reference_but_for_what_was_judged_anew(
        ade20k, reference, name):
    table = load_cost_table(name, ade20k)
    proposal = reference[name]
    differing = {class_name for class_name, cost in proposal.items()
                 if table.occupancy_of(class_name) != cost}
    assert differing == JUDGED_ANEW[name]


@pytest.mark.parametrize('name', PROFILES)
def test_groups_and_costs_of_a_profile_agree_on_every_class(name):
    classes = classes_of(name)
    table = load_cost_table(name, classes)
    grouping = load_grouping(name, classes)
    names = grouping.table.names + ('',) * (256 - len(grouping.table.names))
    for class_id, class_name in enumerate(classes.names):
        expected = {NOTHING: '', GROUND: 'free' if table.costs[class_id] <= 20 else 'caution',
                    OBSTACLE: 'moving' if table.dynamic[class_id] else 'obstacle'}
        assert names[grouping.lookup[class_id]] == expected[table.kinds[class_id]], class_name


@pytest.mark.parametrize('name', PROFILES)
def test_groups_made_of_costs_are_those_that_are_shipped(name):
    table = load_cost_table(name, classes_of(name))
    made, shipped = table.grouping(), load_grouping(name, classes_of(name))
    assert made.table.names == shipped.table.names
    assert made.table.colors.tolist() == shipped.table.colors.tolist()
    assert made.table.dynamic.tolist() == shipped.table.dynamic.tolist()
    assert made.lookup.tolist() == shipped.lookup.tolist()


def test_groups_of_a_profile_are_named_or_shipped_with_it_or_made_of_its_costs(tmp_path, ade20k):
    path = str(tmp_path / 'yard.yaml')
    with open(path, 'w') as stream:
        stream.write('name: yard\ndefault: lethal\ncosts: {floor: 0, water: 90, sky: ignore, '
                     'road: 29, path: 30}\n')
    costs = load_cost_table(path, ade20k)
    found = load_groups('', path, costs)
    assert found.name == costs.name == 'yard'
    assert [found.lookup[ade20k.id_of(name)] for name in (
        'floor', 'road', 'path', 'water', 'wall', 'person', 'sky')] == [0, 0, 1, 1, 2, 3, 255]
    assert load_groups('indoor', path, costs).name == 'indoor'
    outdoor = load_cost_table('outdoor', ade20k)
    assert load_groups('', 'outdoor', outdoor).name == outdoor.name == 'outdoor'
    with pytest.raises(ConfigurationError, match='groups.yaml'):
        load_groups(str(tmp_path / 'groups.yaml'), path, costs)


def test_street_judges_as_outdoor_does(ade20k):
    street, outdoor = load_cost_table('street', classes_of('street')), load_cost_table(
        'outdoor', ade20k)
    same = {'sidewalk': 'sidewalk', 'road': 'road', 'terrain': 'grass', 'sky': 'sky',
            'person': 'person', 'car': 'car', 'building': 'building', 'fence': 'fence',
            'bicycle': 'bicycle', 'vegetation': 'tree', 'pole': 'pole', 'truck': 'truck'}
    for name, ade in same.items():
        assert street.occupancy_of(name) == outdoor.occupancy_of(ade), name
    marks = street.lethal_when_level
    assert [name for name in street.classes.names if marks[street.classes.id_of(name)]] == [
        'person', 'rider']


def test_every_shipped_cost_stands_under_a_comment(project_root):
    for name in PROFILES:
        with open(f'{project_root}/config/costs/{name}.yaml',
                  encoding='utf-8') as stream:
            body = stream.read().split('costs:\n', 1)[1]
        for block in body.strip('\n').split('\n\n'):
            assert block.lstrip().startswith('#'), block


def test_own_profile_fills_the_rest_with_its_default(tmp_path):
    table = load_cost_table(write(tmp_path, 'name: own\ndefault: lethal\ncosts:\n'
                                            '  floor: 7\n  sky: ignore\n'), small_table())
    assert [table.occupancy_of(name) for name in ('floor', 'wall', 'person', 'sky')] == [
        7, LETHAL, LETHAL, UNKNOWN]
    assert table.kinds[:4].tolist() == [GROUND, OBSTACLE, OBSTACLE, NOTHING]
    assert table.costs[:4].tolist() == [7, 100, 100, 0]


@pytest.mark.parametrize('text, words', [
    ('costs: {flor: 0}\ndefault: lethal\nname: x', "got 'flor'.*Did you mean 'floor'"),
    ('costs: {floor: 0}\nname: x', 'without a cost.*wall, person, sky.*default'),
    ('costs: {floor: 99}\ndefault: lethal\nname: x', "'floor'.*got 99; expected 0..98"),
    ('costs: {floor: 100}\ndefault: lethal\nname: x', "'floor'.*got 100"),
    ('costs: {floor: -1}\ndefault: lethal\nname: x', "'floor'.*got -1"),
    ('costs: {floor: 1.5}\ndefault: lethal\nname: x', "'floor'.*got 1.5"),
    ('costs: {floor: true}\ndefault: lethal\nname: x', "'floor'.*got True"),
    ('costs: {floor: deadly}\ndefault: lethal\nname: x', "got 'deadly'.*\"lethal\""),
    ('costs: {floor: 0}\ndefault: 101\nname: x', "'default'.*got 101"),
    ('costs: [floor]\nname: x', "'costs'.*mapping"),
    ('cost: {floor: 0}\nname: x', "Unknown key.*Did you mean 'costs'")])
def test_slips_of_the_pen_are_told(tmp_path, text, words):
    with pytest.raises(ConfigurationError, match=words):
        load_cost_table(write(tmp_path, text), small_table())


def test_unknown_profile_lists_the_shipped_ones(ade20k):
    with pytest.raises(ConfigurationError,
                       match="'indor'.*{}.*'indoor'".format(', '.join(PROFILES))):
        load_cost_table('indor', ade20k)


@pytest.mark.parametrize('values', [[0, 1], [0, 99, 0, 0], [0, 101, 0, 0], [0, -2, 0, 0]])
def test_tables_from_code_are_checked_too(values):
    with pytest.raises(ConfigurationError):
        CostTable('x', small_table(), values)


@pytest.mark.parametrize('cost', [0, 1, 97, 98])
def test_ground_costs_from_nothing_to_98_are_taken(cost):
    table = CostTable('x', small_table(), [cost, LETHAL, LETHAL, UNKNOWN])
    assert table.occupancy_of('floor') == cost and table.kinds[0] == GROUND


def test_without_a_list_every_lethal_class_stays_lethal_when_level(tmp_path):
    table = load_cost_table(write(tmp_path, 'name: own\ndefault: lethal\ncosts:\n'
                                            '  floor: 7\n  sky: ignore\n'), small_table())
    assert np.flatnonzero(table.lethal_when_level).tolist() == [1, 2]


def test_a_list_names_the_classes_that_stay_lethal_when_level(tmp_path):
    table = load_cost_table(write(
        tmp_path, 'name: own\ndefault: lethal\nlethal_when_level: [person]\ncosts:\n'
                  '  floor: 7\n  sky: ignore\n'), small_table())
    assert np.flatnonzero(table.lethal_when_level).tolist() == [2]


@pytest.mark.parametrize('names, words', [
    ('[persn]', "'persn'.*Did you mean 'person'"),
    ('[floor]', "'floor' cannot be lethal when level.*got 7"),
    ('[sky]', "'sky' cannot be lethal when level"),
    ('[1]', 'not a name: got 1'), ('wall', "lethal_when_level.*got 'wall'")])
def test_a_class_that_cannot_be_lethal_when_level_is_refused(tmp_path, names, words):
    with pytest.raises(ConfigurationError, match=words):
        load_cost_table(write(
            tmp_path, f'name: own\ndefault: lethal\nlethal_when_level: {names}\ncosts:\n'
                      '  floor: 7\n  sky: ignore\n'), small_table())


def test_shipped_profiles_keep_what_is_dangerous_although_flat(ade20k):
    flat = ['water', 'river', 'swimming pool', 'stairs', 'step', 'glass', 'mirror', 'person']
    upright = ['wall', 'door', 'table', 'bed', 'cabinet', 'sofa', 'chair', 'building', 'fence']
    for name in ('indoor', 'outdoor'):
        marks = load_cost_table(name, ade20k).lethal_when_level
        assert all(marks[ade20k.id_of(each)] for each in flat)
        assert not any(marks[ade20k.id_of(each)] for each in upright)
    landing = load_cost_table('landing', ade20k)
    assert (landing.lethal_when_level == (landing.kinds == OBSTACLE)).all()
