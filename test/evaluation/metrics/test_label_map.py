# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Mappings between class sets: the shipped ones, and the mistakes one can write."""

import csv

import numpy as np
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.label_map import identity_map
from segformer_ros.evaluation.metrics.label_map import load_label_map
from segformer_ros.model.classes import load_class_table

# CamVid class -> ADE20K ids: the published facts of the test material.
CAMVID = {0: [2], 1: [0, 1, 8, 14, 25, 48, 84], 2: [87, 93], 3: [6], 4: [11, 52],
          5: [4, 5, 9, 17, 66, 72], 6: [43, 136], 7: [32, 38], 8: [20, 80, 83, 102], 9: [12],
          10: [116, 127]}

VALID = """
name: mine
prediction: ade20k
truth: camvid
first_label: 0
ignore: [11]
members: {sky: [sky], building: [building], pole: [], road: [road], pavement: [], tree: [tree],
          sign: [], fence: [], car: [car], pedestrian: [], bicyclist: []}
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / 'mapping.yaml'
        path.write_text(text)
        return str(path)
    return write


def test_camvid_mapping_has_the_published_ids():
    label_map = load_label_map('ade20k_to_camvid')
    found = label_map.predicted(np.arange(256, dtype=np.uint8))
    for ade_id in range(256):
        owners = [camvid_id for camvid_id, ids in CAMVID.items() if ade_id in ids]
        assert found[ade_id] == (owners[0] if owners else 255), ade_id


def test_camvid_void_is_ignored_and_the_other_labels_stay():
    label_map = load_label_map('ade20k_to_camvid')
    labels = np.array([[0, 10, 11]], np.uint8)
    assert label_map.labelled(labels).tolist() == [[0, 10, 255]]


def test_ade20k_labels_start_at_one_with_zero_ignored(shared):
    label_map = load_label_map('ade20k')
    assert label_map.labelled(np.array([0, 1, 150], np.uint8)).tolist() == [255, 0, 149]
    with open(shared('reference/ade20k_classes.csv')) as stream:
        names = [row['name'].strip() for row in csv.DictReader(stream)]
    assert list(label_map.truth.names) == names


def test_cityscapes_labels_follow_the_train_ids():
    label_map = load_label_map('ade20k_to_cityscapes')
    labels = np.array([7, 8, 26, 33, 0, 30], np.uint8)
    assert label_map.labelled(labels).tolist() == [0, 1, 13, 18, 255, 255]
    ade = load_class_table('ade20k')
    said = np.array([ade.id_of('car'), ade.id_of('bed')], np.uint8)
    assert label_map.predicted(said).tolist() == [13, 255]


def test_identity_map_keeps_ids_and_ignores_255():
    label_map = identity_map(load_class_table('camvid'))
    labels = np.array([0, 10, 255], np.uint8)
    assert label_map.labelled(labels).tolist() == [0, 10, 255]
    assert label_map.predicted(np.array([0, 10, 40], np.uint8)).tolist() == [0, 10, 255]


def test_labels_of_another_set_are_refused_by_value(written):
    label_map = load_label_map(written(VALID))
    with pytest.raises(InvalidInputError, match=r'values 12, 40.*another mapping'):
        label_map.labelled(np.array([0, 12, 40], np.uint8))


@pytest.mark.parametrize('change, message', [
    (('sky: [sky]', 'sky: [skye]'), "Unknown class name.*'sky'"),
    (('road: [road]', 'road: [sky]'), "mapped twice.*'sky'"),
    (('pole: [], ', ''), 'Missing key.*pole'),
    (('pole: []', 'pole: [], moon: []'), "Unknown key.*'moon'"),
    (('first_label: 0', 'first_label: 250'), r'got 250; expected 0\.\.244'),
    (('first_label: 0', ''), 'either first_label or label_values'),
    (('ignore: [11]', 'ignore: [256]'), r'whole numbers 0\.\.255'),
    (('truth: camvid', 'truth: camvit'), "Did you mean 'camvid'"),
    (('name: mine', 'names: mine'), "Did you mean 'name'"),
])
def test_mistakes_are_named(written, change, message):
    assert change[0] in VALID
    with pytest.raises(ConfigurationError, match=message):
        load_label_map(written(VALID.replace(*change)))


def test_same_members_need_the_same_classes(written):
    text = VALID[:VALID.index('members')] + 'members: same\n'
    with pytest.raises(ConfigurationError, match=r"not the same.*'ade20k' and 'camvid'"):
        load_label_map(written(text))


def test_unknown_mapping_name_lists_the_shipped_ones():
    with pytest.raises(ConfigurationError, match='ade20k, ade20k_to_camvid, ade20k_to_city'):
        load_label_map('ade20k_to_mars')
