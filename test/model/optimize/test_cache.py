# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Optimized models are made once, kept whole, and made again when something changed."""

import json
import logging
import os

import pytest

from segformer_ros.common import machine
from segformer_ros.common.errors import ModelError
from segformer_ros.model.optimize import cache as module
from segformer_ros.model.optimize import optimize
from segformer_ros.model.optimize.cache import OptimizedModelCache
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.spec import ModelSpec

KEY = '0123456789abcdef'


@pytest.fixture
def cache_root(tmp_path, monkeypatch):
    root = tmp_path / 'cache'
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(root))
    module._tell_of_former.cache_clear()
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


def open_cache(model, key=KEY, target='fast', machine='here', size_wh=(64, 64)):
    return OptimizedModelCache(str(model), target, machine, size_wh, key)


def files(cache_root):
    return sorted(os.listdir(str(cache_root / 'graphs')))


def test_nothing_is_found_at_first(model, cache_root):
    assert open_cache(model).read() is None
    assert not cache_root.exists()


def test_entry_lies_in_the_private_cache_and_the_models_folder_stays_as_it_was(
        model, cache_root, graph):
    written = open_cache(model).write({'changes': 'folded'}, graph)
    facts = open_cache(model).read()
    assert facts == written
    assert facts['changes'] == 'folded'
    assert facts['path'] == str(cache_root / 'graphs' / 'network-fast-0123456789ab.onnx')
    with open(facts['path'], 'rb') as stream:
        assert stream.read() == b'the graph'
    assert os.listdir(str(model.parent)) == ['network.onnx']
    assert os.stat(facts['path']).st_mode & 0o777 == 0o600


def test_folder_of_an_earlier_version_is_told_once_and_not_used(model, cache_root, graph, caplog):
    former = model.parent / 'deployed'
    former.mkdir()
    for suffix in ('.json', '.onnx'):
        (former / ('network-fast-0123456789ab' + suffix)).write_bytes(b'{}')
    with caplog.at_level(logging.INFO):
        assert open_cache(model).read() is None
        assert open_cache(model).read() is None
    told, = [record.getMessage() for record in caplog.records]
    assert told == (f'{former} is not used any more and can be deleted: optimized models lie in '
                    f'{cache_root / "graphs"}')
    written = open_cache(model).write({'changes': 'folded'}, graph)
    assert os.path.dirname(written['path']) == str(cache_root / 'graphs')


def test_cache_that_takes_no_files_is_an_error(model, cache_root, graph):
    cache_root.write_bytes(b'')
    with pytest.raises(ModelError, match='Cached path is not private'):
        open_cache(model).write({'changes': 'folded'}, graph)


def test_entry_without_graph_says_that_the_model_is_used_as_it_is(model, cache_root):
    open_cache(model).write({'changes': 'unchanged'}, None)
    assert open_cache(model).read()['path'] is None


def test_new_key_replaces_the_old_entry_and_nothing_else(model, cache_root, graph):
    namesake = model.parent / 'other' / model.name
    open_cache(namesake, key='1111111111111111').write({'changes': 'folded'}, graph)
    open_cache(model, target='other').write({'changes': 'folded'}, graph)
    open_cache(model, machine='there', key='2222222222222222').write({'changes': 'folded'}, graph)
    open_cache(model, size_wh=(96, 64), key='3333333333333333').write({'changes': 'folded'}, graph)
    open_cache(model).write({'changes': 'folded'}, graph)
    newer = open_cache(model, key='fedcba9876543210')
    assert newer.read() is None
    newer.write({'changes': 'folded'}, graph)
    assert files(cache_root) == [
        f'network-{name}.{suffix}' for name in (
            'fast-111111111111', 'fast-222222222222', 'fast-333333333333', 'fast-fedcba987654',
            'other-0123456789ab')
        for suffix in ('json', 'onnx')]


def test_only_the_most_recently_used_entries_stay(model, cache_root, graph):
    for number in range(module.KEPT_GRAPHS):
        made = open_cache(model.parent / f'{number}.onnx').write({'changes': 'folded'}, graph)
        os.utime(os.path.splitext(made['path'])[0] + '.json', (number, number))
    # Its use makes the oldest the newest.
    assert open_cache(model.parent / '0.onnx').read() is not None
    open_cache(model).write({'changes': 'folded'}, graph)
    assert len(files(cache_root)) == 2 * module.KEPT_GRAPHS
    assert open_cache(model.parent / '0.onnx').read() is not None
    assert open_cache(model.parent / '1.onnx').read() is None
    assert open_cache(model).read() is not None


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


def test_failed_write_leaves_no_temporary_file_and_says_what_to_do(model, cache_root, graph):
    (cache_root / 'graphs' / 'network-fast-0123456789ab.onnx').mkdir(parents=True)
    for folder in (cache_root, cache_root / 'graphs'):
        folder.chmod(0o700)
    with pytest.raises(ModelError, match='set SEGFORMER_ROS_CACHE to another folder'):
        open_cache(model).write({'changes': 'folded'}, graph)
    assert files(cache_root) == ['network-fast-0123456789ab.onnx']


@pytest.mark.parametrize('other', ['aarch64 4096\nCPU part: 0xd0b\n', 'x86_64 4096\nflags: sse\n'])
def test_graph_that_was_made_on_another_machine_is_not_found(tmp_path, cache_root, graph,
                                                             monkeypatch, other, project_root):
    path = os.path.join(project_root, 'test', 'data', 'tiny_segformer.onnx')
    spec = ModelSpec('tiny', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(16, 16))
    optimize.open_cache(path, spec, ONNXRUNTIME).write({'changes': 'folded'}, graph)
    assert optimize.open_cache(path, spec, ONNXRUNTIME).read() is not None
    monkeypatch.setattr(optimize, 'machine_identity', lambda: other)
    assert optimize.open_cache(path, spec, ONNXRUNTIME).read() is None
    monkeypatch.setattr(optimize, 'machine_identity', machine.machine_identity)
    assert optimize.open_cache(path, spec, ONNXRUNTIME).read() is not None


def test_graph_that_was_compared_with_another_runtime_is_not_found(cache_root, graph, monkeypatch,
                                                                   project_root):
    path = os.path.join(project_root, 'test', 'data', 'tiny_segformer.onnx')
    spec = ModelSpec('tiny', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(16, 16))
    optimize.open_cache(path, spec, ONNXRUNTIME).write({'changes': 'folded'}, graph)
    assert optimize.open_cache(path, spec, ONNXRUNTIME).read() is not None
    monkeypatch.setattr(optimize, '_runtime_version', lambda: '0.9.1')
    assert optimize.open_cache(path, spec, ONNXRUNTIME).read() is None
