# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Class tables from Hugging Face configs, written and read back."""

import json

import numpy as np
import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.huggingface import class_table_from_huggingface
from segformer_ros.model.huggingface import class_table_to_yaml


def config(folder, content):
    path = folder / 'config.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content),
                    encoding='utf-8')
    return str(path)


def labels(*names):
    return {'id2label': {str(index): name for index, name in enumerate(names)}}


def test_config_of_the_real_checkpoint_gives_the_shipped_table(shared):
    table = class_table_from_huggingface(shared('segformer_b0_ade/config.json'))
    shipped = load_class_table('ade20k')
    assert table.names == shipped.names
    assert table.dynamic.tolist() == shipped.dynamic.tolist()


def test_wordnet_names_lose_their_synonyms(tmp_path):
    table = class_table_from_huggingface(config(
        tmp_path, labels('stove, kitchen stove, range', ' bed ', 'person, individual')))
    assert table.names == ('stove', 'bed', 'person')
    assert table.dynamic.tolist() == [False, False, True]


def test_names_of_other_data_sets_that_move_are_dynamic(tmp_path):
    table = class_table_from_huggingface(config(tmp_path, labels('road', 'rider', 'Train')))
    assert table.dynamic.tolist() == [False, True, True]


def test_order_follows_the_ids_not_the_file(tmp_path):
    table = class_table_from_huggingface(config(tmp_path, {'id2label': {
        '10': 'k', '2': 'c', '0': 'a', '1': 'b', '3': 'd', '4': 'e', '5': 'f', '6': 'g',
        '7': 'h', '8': 'i', '9': 'j'}}))
    assert ''.join(table.names) == 'abcdefghijk'


@pytest.mark.parametrize(('content', 'message'), [
    ('{', 'cannot be read'),
    ([], 'No id2label'),
    ({'label2id': {}}, 'No id2label'),
    ({'id2label': {}}, 'No id2label'),
    ({'id2label': {'0': 'a', '2': 'b'}}, 'have gaps.*first missing one is 1'),
    ({'id2label': {'a': 'a'}}, "got 'a': 'a'"),
    ({'id2label': {'0': None}}, "got '0': None"),
    (labels('door, gate', 'door, double door'), "'door, gate' .id 0. and 'door, double door'"),
])
def test_wrong_configs_are_told(tmp_path, content, message):
    with pytest.raises(ConfigurationError, match=message):
        class_table_from_huggingface(config(tmp_path, content))


def test_missing_config_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match='cannot be read: got .*config.json'):
        class_table_from_huggingface(str(tmp_path / 'config.json'))


def test_a_written_table_reads_back_the_same(tmp_path):
    names = ['no', 'a: b', '"quoted"', 'Stra\u00dfe', 'person', '#1', "it's"]
    table = class_table_from_huggingface(config(tmp_path, labels(*names)))
    path = tmp_path / 'table.yaml'
    path.write_text(class_table_to_yaml('my: table', table), encoding='utf-8')
    again = load_class_table(str(path))
    assert again.name == 'my: table'
    assert list(again.names) == names
    assert np.array_equal(again.colors, table.colors)
    assert np.array_equal(again.dynamic, table.dynamic)
