# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Deployment graphs are made once, kept whole, and made again when something changed."""

import json
import logging
import os

import pytest

from segformer_ros.common.errors import ModelError
from segformer_ros.model.optimize.cache import OptimizedModelCache

KEY = '0123456789abcdef'


@pytest.fixture
def cache_root(tmp_path, monkeypatch):
    root = tmp_path / 'cache'
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(root))
    return root


@pytest.fixture
def model(tmp_path):
    path = tmp_path / 'models' / 'network.onnx'
    path.parent.mkdir()
    path.write_bytes(b'the original')
    return path


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / 'new.onnx'
    path.write_bytes(b'the graph')
    return str(path)


def open_cache(model, key=KEY, target='fast'):
    return OptimizedModelCache(str(model), target, key)


def test_nothing_is_found_at_first(model, cache_root):
    assert open_cache(model).read() is None
    assert not cache_root.exists()


def test_entry_lies_beside_the_model(model, cache_root, graph):
    open_cache(model).write({'changes': 'folded'}, graph)
    facts = open_cache(model).read()
    assert facts['changes'] == 'folded'
    assert facts['path'] == str(model.parent / 'deployed' / 'network-fast-0123456789ab.onnx')
    with open(facts['path'], 'rb') as stream:
        assert stream.read() == b'the graph'
    assert not cache_root.exists()


def test_entry_lies_in_the_users_cache_where_the_model_folder_takes_none(
        model, cache_root, graph):
    # A file in the folder's place: root may write anywhere, so modes would not do.
    (model.parent / 'deployed').write_bytes(b'')
    written = open_cache(model).write({'changes': 'folded'}, graph)
    assert os.path.dirname(written['path']) == str(cache_root / 'graphs')
    assert open_cache(model).read() == written


def test_folder_that_nobody_may_write_to_is_left_alone_even_by_root(model, cache_root, graph):
    model.parent.chmod(0o555)
    try:
        written = open_cache(model).write({'changes': 'folded'}, graph)
        assert os.path.dirname(written['path']) == str(cache_root / 'graphs')
        assert not (model.parent / 'deployed').exists()
    finally:
        model.parent.chmod(0o755)


def test_no_folder_that_takes_files_is_an_error(model, cache_root, graph):
    (model.parent / 'deployed').write_bytes(b'')
    cache_root.write_bytes(b'')
    with pytest.raises(ModelError, match='Cached path is not private'):
        open_cache(model).write({'changes': 'folded'}, graph)


def test_entry_without_graph_says_that_the_model_is_used_as_it_is(model, cache_root):
    open_cache(model).write({'changes': 'unchanged'}, None)
    assert open_cache(model).read()['path'] is None


def test_new_key_replaces_the_old_entry_and_nothing_else(model, cache_root, graph):
    open_cache(model, target='other').write({'changes': 'folded'}, graph)
    open_cache(model).write({'changes': 'folded'}, graph)
    newer = open_cache(model, key='fedcba9876543210')
    assert newer.read() is None
    newer.write({'changes': 'folded'}, graph)
    assert sorted(os.listdir(str(model.parent / 'deployed'))) == [
        'network-fast-fedcba987654.json', 'network-fast-fedcba987654.onnx',
        'network-other-0123456789ab.json', 'network-other-0123456789ab.onnx']


@pytest.mark.parametrize('damage', [
    lambda graph, sidecar: graph.write_bytes(b'half'),
    lambda graph, sidecar: graph.chmod(0o666),
    lambda graph, sidecar: sidecar.write_text('{'),
    lambda graph, sidecar: sidecar.write_text(json.dumps({'key': 'another', 'sha256': None})),
], ids=['truncated graph', 'graph that others may write', 'truncated sidecar', 'foreign key'])
def test_damaged_entry_is_not_used_and_told(model, cache_root, graph, damage, caplog):
    facts = open_cache(model).write({'changes': 'folded'}, graph)
    path = type(model)(facts['path'])
    damage(path, path.with_suffix('.json'))
    with caplog.at_level(logging.WARNING):
        assert open_cache(model).read() is None
    assert 'it is made again' in caplog.text


def test_graph_without_its_sidecar_is_not_used(model, cache_root, graph):
    facts = open_cache(model).write({'changes': 'folded'}, graph)
    os.unlink(os.path.splitext(facts['path'])[0] + '.json')
    assert open_cache(model).read() is None


def test_failed_write_leaves_no_temporary_file(model, cache_root, graph, monkeypatch):
    cache = open_cache(model)
    (model.parent / 'deployed').mkdir()
    (model.parent / 'deployed' / 'network-fast-0123456789ab.onnx').mkdir()
    written = cache.write({'changes': 'folded'}, graph)
    assert os.path.dirname(written['path']) == str(cache_root / 'graphs')
    assert os.listdir(str(model.parent / 'deployed')) == ['network-fast-0123456789ab.onnx']
