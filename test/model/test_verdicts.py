# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network is run once on a machine before it serves; what was found is kept, or refuses it."""

import hashlib
import json
import logging
import os
import time

import numpy as np
import pytest
from segformer_ros.common import child_process
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.evaluation.run.network import Network
from segformer_ros.evaluation.run.network import NetworkChoice
from segformer_ros.model import verdicts
from segformer_ros.model.optimize import resize
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.weights import catalogue
from support.output_networks import logits_of
from support.output_networks import picture
from support.output_networks import write_network

pytest.importorskip('onnxruntime')
# Einsum is nothing that the graph's judge follows, so that values alone tell what is behind it.
SOFTMAX = [('Softmax', {'axis': 1}), ('Einsum', {'equation': 'abcd->abcd'})]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / verdicts.FOLDER


@pytest.fixture
def children(monkeypatch):
    """Return the requests that processes were started for."""
    requests = []
    start = child_process.WorkerProcess.__init__

    def counted(self, module, request, timeout_s):
        requests.append(request)
        start(self, module, request, timeout_s)
    monkeypatch.setattr(child_process.WorkerProcess, '__init__', counted)
    return requests


def test_what_was_found_is_applied_and_told_at_every_start_but_run_once(
        tmp_path, cache, children, caplog):
    path = write_network(tmp_path, 5, SOFTMAX)
    for _ in range(3):
        caplog.clear()
        found = verdicts.resolve_judged(path)
        assert found.spec.output_kind == 'probabilities'
        assert 'output_kind: probabilities' in caplog.text and 'Correct its spec' in caplog.text
        assert len(children) == 1
    assert len(os.listdir(str(cache))) == 1
    # Other bytes, or another contract, are another network; another name is none.
    os.rename(path, str(tmp_path / 'other.onnx'))
    os.rename(path[:-5] + '.yaml', str(tmp_path / 'other.yaml'))
    assert verdicts.resolve_judged(str(tmp_path / 'other.onnx')).spec.output_kind \
        == 'probabilities'
    assert len(children) == 1
    with open(str(tmp_path / 'other.yaml'), 'a', encoding='utf-8') as stream:
        stream.write('color_order: bgr\n')
    verdicts.resolve_judged(str(tmp_path / 'other.onnx'))
    assert len(children) == 2
    write_network(tmp_path, 5, SOFTMAX[:1])
    assert verdicts.resolve_judged(path).spec.output_kind == 'probabilities'
    assert len(children) == 3


def test_network_is_looked_at_again_on_another_machine_and_by_other_rules(
        tmp_path, cache, monkeypatch):
    path = write_network(tmp_path, 5)
    looks = []

    def look(*arguments):
        looks.append(arguments)
        return {'refusal': None, 'notes': [], 'changes': {'output_kind': 'probabilities'}}
    monkeypatch.setattr(verdicts, '_judge', look)
    changes = (('REVISION', verdicts.REVISION), ('machine_identity', lambda: 'another'),
               ('REVISION', verdicts.REVISION + 1))
    for expected, (name, value) in enumerate(changes, 1):
        monkeypatch.setattr(verdicts, name, value)
        for _ in range(2):
            assert verdicts.resolve_judged(path).spec.output_kind == 'probabilities'
            assert len(looks) == expected
    # What was found before stays, for machines that share the folder.
    assert len(os.listdir(str(cache))) == 3


def test_what_was_found_of_a_draft_says_nothing_of_what_the_user_states(tmp_path, cache, children):
    # From 1 to 2.7, as depth might be.
    path = write_network(tmp_path, 1, [
        ('Sigmoid', {}), ('Einsum', {'equation': 'abcd->abcd'}), ('Exp', {})],
        spec='output_kind: binary_logits\n', classes=2)
    stated = load_model_spec(path[:-5] + '.yaml')
    for _ in range(2):
        with pytest.raises(ModelError, match='is never below 0'):
            verdicts.judged_spec(path, stated, is_stated=False)
        assert verdicts.judged_spec(path, stated) == stated
    assert [request['is_stated'] for request in children] == [False, True]


def test_refusal_is_the_same_error_from_the_cache(tmp_path, cache, children):
    path = write_network(tmp_path, 1, [('Sigmoid', {}), ('Einsum', {'equation': 'abcd->abcd'})],
                         spec='output_kind: binary_logits\n', classes=2)
    texts = []
    for _ in range(2):
        with pytest.raises(ModelError, match='is never below 0') as caught:
            verdicts.resolve_judged(path)
        texts.append(str(caught.value))
        assert caught.value.got and caught.value.expected
        assert 'binary_probabilities' in caught.value.remedy
    assert texts[0] == texts[1] and len(children) == 1


def with_digest(content):
    """Return a verdict that says what it wants, whole, as it is kept."""
    facts = {key: value for key, value in content.items() if key != 'sha256'}
    return json.dumps(dict(facts, sha256=hashlib.sha256(
        json.dumps(facts, sort_keys=True).encode()).hexdigest()))


@pytest.mark.parametrize('is_whole', [False, True], ids=['changed', 'with its digest'])
@pytest.mark.parametrize('damage', [
    {'changes': {'output_kind': 'nonsense'}}, {'changes': {'output_size_wh': 'x'}},
    {'changes': {'output_size_wh': [10 ** 12, 1]}}, {'changes': {'num_classes': '5'}},
    {'changes': {'mean': [1]}}, {'changes': []}, {'refusal': [1, 2, 3, 4]},
    {'refusal': [None] * 4}, {'refusal': 'four'}, {'notes': [1, None]}, {'notes': 'text'}])
def test_verdict_of_wrong_values_is_made_again(
        tmp_path, cache, monkeypatch, damage, is_whole):
    path = write_network(tmp_path, 5, SOFTMAX)
    looks = []

    def look(*arguments):
        looks.append(arguments)
        return {'refusal': None, 'notes': [], 'changes': {'output_kind': 'probabilities'}}
    monkeypatch.setattr(verdicts, '_judge', look)
    verdicts.resolve_judged(path)
    kept = cache / os.listdir(str(cache))[0]
    changed = dict(json.loads(kept.read_text()), **damage)
    kept.write_text(with_digest(changed) if is_whole else json.dumps(changed))
    assert verdicts.resolve_judged(path).spec.output_kind == 'probabilities'
    assert len(looks) == 2


def test_verdict_that_is_damaged_and_makes_sense_is_made_again(tmp_path, cache, children):
    path = write_network(tmp_path, 5, SOFTMAX)
    verdicts.resolve_judged(path)
    kept = cache / os.listdir(str(cache))[0]
    kept.write_text(kept.read_text().replace('"probabilities"', '"logits"'))
    assert verdicts.resolve_judged(path).spec.output_kind == 'probabilities'
    assert len(children) == 2


def test_verdict_of_a_file_that_changes_meanwhile_is_not_kept(
        tmp_path, cache, monkeypatch, caplog):
    path = write_network(tmp_path, 5, SOFTMAX)
    looks = []

    def look(onnx_path, *arguments):
        looks.append(onnx_path)
        if len(looks) == 1:
            write_network(tmp_path, 5, SOFTMAX[:1])
        return {'refusal': None, 'notes': [], 'changes': {'output_kind': 'probabilities'}}
    monkeypatch.setattr(verdicts, '_judge', look)
    verdicts.resolve_judged(path)
    assert not cache.exists() and 'changed meanwhile' in caplog.text
    for _ in range(2):
        verdicts.resolve_judged(path)
    assert len(looks) == 2


@pytest.mark.parametrize('damage', [
    b'', b'{}', b'{"key": 1', b'[]', b'[' * 100000, {'changes': {'nonesuch': 1}},
    {'key': '0' * 64, 'changes': {}}, {'refusal': ['half']}, {'notes': None}])
def test_damaged_verdict_is_made_again(tmp_path, cache, children, damage):
    path = write_network(tmp_path, 5, SOFTMAX)
    verdicts.resolve_judged(path)
    kept = cache / os.listdir(str(cache))[0]
    if isinstance(damage, dict):
        damage = json.dumps(dict(json.loads(kept.read_text()), **damage)).encode()
    kept.write_bytes(damage)
    assert verdicts.resolve_judged(path).spec.output_kind == 'probabilities'
    assert len(children) == 2
    assert json.loads(kept.read_text())['changes'] == {'output_kind': 'probabilities'}


def test_verdict_that_others_may_have_written_is_not_believed(tmp_path, cache, children):
    path = write_network(tmp_path, 5, SOFTMAX)
    verdicts.resolve_judged(path)
    kept = cache / os.listdir(str(cache))[0]
    kept.write_text(with_digest(dict(json.loads(kept.read_text()), changes={})))
    assert verdicts.resolve_judged(path).spec.output_kind == 'logits'  # it is ours
    os.chmod(str(kept), 0o666)
    assert verdicts.resolve_judged(path).spec.output_kind == 'probabilities'
    assert len(children) == 2


def test_shipped_network_is_not_run_unless_its_contract_is_changed(
        tmp_path, cache, children):
    assert verdicts.resolve_judged('segformer_sim').spec.name == 'segformer_sim'
    assert not children
    spec = tmp_path / 'mine.yaml'
    with open(catalogue.spec_path('segformer_sim'), encoding='utf-8') as stream:
        spec.write_text(stream.read() + 'color_order: bgr\n')
    verdicts.resolve_judged('segformer_sim', str(spec))
    assert len(children) == 1


def test_network_that_cannot_be_run_here_is_left_to_who_opens_it(tmp_path, cache, caplog):
    path = write_network(tmp_path, 5, [('Softmax', {'axis': 1})], spec='input_name: nonesuch\n')
    assert verdicts.resolve_judged(path).spec.input_name == 'nonesuch'
    (tmp_path / 'net.onnx').write_bytes(b'no network')
    assert verdicts.resolve_judged(path).spec.num_classes == 5
    assert not cache.exists()


def test_folder_that_cannot_be_used_costs_a_run_each_time(tmp_path, cache, children, caplog):
    path = write_network(tmp_path, 5, SOFTMAX)
    cache.parent.write_bytes(b'')
    for _ in range(2):
        assert verdicts.resolve_judged(path).spec.output_kind == 'probabilities'
    assert len(children) == 2 and 'is not kept' in caplog.text


@pytest.mark.parametrize('error', [
    OSError(12, 'Cannot allocate memory'), PermissionError('no such right'),
    FileNotFoundError('no python')])
def test_process_that_does_not_start_leaves_the_network_as_it_is_written(
        tmp_path, cache, monkeypatch, caplog, error):
    path = write_network(tmp_path, 5, SOFTMAX)

    def refuse(*arguments):
        raise error
    with monkeypatch.context() as patched:
        patched.setattr(child_process.WorkerProcess, '__init__', refuse)
        assert verdicts.resolve_judged(path).spec.output_kind == 'logits'
    assert f'its process does not start: {error}' in caplog.text
    # Nothing was found, so nothing is kept.
    assert not cache.exists()


def test_looking_ends_where_the_node_stops_and_where_the_time_is_up(tmp_path, cache, caplog):
    path = write_network(tmp_path, 5, SOFTMAX)
    began = time.monotonic()
    with pytest.raises(BackendError, match='stopping'):
        verdicts.resolve_judged(path, limits=verdicts.Limits(60.0, lambda: True))
    with caplog.at_level(logging.WARNING):
        found = verdicts.resolve_judged(path, limits=verdicts.Limits(0.0))
    # It serves by what its graph tells, as where onnxruntime is missing.
    assert found.spec.output_kind == 'logits'
    assert caplog.messages[-1].endswith('took longer than 0 s')
    assert time.monotonic() - began < 30.0
    assert not cache.exists()
    assert verdicts.resolve_judged(path).spec.output_kind == 'probabilities'


def test_verdicts_do_not_pile_up(tmp_path, cache, children, monkeypatch):
    monkeypatch.setattr(verdicts, 'KEPT', 2)
    path = write_network(tmp_path, 5, SOFTMAX)
    for mean in (0.1, 0.2, 0.3):
        with open(path[:-5] + '.yaml', encoding='utf-8') as stream:
            text = stream.read()
        lines = [f'mean: [{mean}, 0, 0]' if line.startswith('mean') else line
                 for line in text.splitlines()]
        with open(path[:-5] + '.yaml', 'w', encoding='utf-8') as stream:
            stream.write('\n'.join(lines) + '\n')
        verdicts.resolve_judged(path)
    assert len(os.listdir(str(cache))) == 2
    verdicts.resolve_judged(path)
    assert len(children) == 3


def test_deployed_network_has_the_confidence_of_its_probabilities(tmp_path, cache):
    path = write_network(tmp_path, 5, SOFTMAX)
    image = picture(3)
    logits = logits_of(image, 5)
    power = np.exp(logits - logits.max(axis=0))
    expected = 255.0 * (power / power.sum(axis=0)).max(axis=0)
    with Network(NetworkChoice(path), lambda spec: []) as network:
        result = network.segmenter.segment(image)
    # In the middle of the patches, where nothing is interpolated between two of them.
    middle = result.confidence[8::16, 8::16].astype(float)
    assert np.abs(middle - expected[2::4, 2::4]).max() <= 1.0
    assert middle.min() > 60.0


def test_network_of_another_size_is_judged_at_its_own(tmp_path, cache, children):
    found = verdicts.resolve_judged(write_network(tmp_path, 5, SOFTMAX))
    with pytest.raises(ModelError, match='cannot be had at this input size'):
        resize.at_size(found.onnx_path, found.spec, (128, 128))
    assert children[0]['spec']['input_size_wh'] == (64, 64)
