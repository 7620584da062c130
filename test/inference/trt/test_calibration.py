# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Calibrations of this user, for one very graph; GPUs that cannot use them; what is told."""

import json
import logging
import os
import shlex
import shutil

import pytest
from segformer_ros.cli import calibrate_int8
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.trt import calibration
from segformer_ros.inference.trt.calibration import find_calibration
from segformer_ros.inference.trt.calibration import open_calibrations

PASSED = SelfCheck(True, '', True, 0.9951, 0.97, 12, 8, 5)
QUANTIZED = b'quantized' * 100


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """Put the cache of the user into an empty folder; return that of the calibrations."""
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'calibrations'


@pytest.fixture
def graph(tiny_model, tmp_path):
    """Return the path of a graph."""
    return shutil.copy(tiny_model, str(tmp_path / 'graph.onnx'))


@pytest.fixture
def orin(nano):
    """Return a GPU with 8-bit arithmetic."""
    return nano._replace(name='NVIDIA Orin', compute_capability=(8, 7))


@pytest.fixture
def stored(graph):
    """Store a calibration and return it."""
    return open_calibrations().store('tiny', graph, QUANTIZED, PASSED, {'layers': 40})


def test_calibration_comes_back_as_it_was_stored_and_is_private(stored, graph, cache_folder):
    assert open_calibrations().find('tiny', graph) == stored
    assert stored.check == PASSED and stored.report == {'layers': 40}
    with open(stored.path, 'rb') as stream:
        assert stream.read() == QUANTIZED
    assert sorted(os.listdir(str(cache_folder))) == sorted(
        os.path.basename(stored.path)[:-len('onnx')] + suffix for suffix in ('onnx', 'json'))
    for name in os.listdir(str(cache_folder)):
        assert os.stat(str(cache_folder / name)).st_mode & 0o077 == 0


def test_another_graph_or_name_has_none(stored, graph, tiny_spec, orin):
    assert open_calibrations().find('other', graph) is None
    with open(graph, 'ab') as stream:
        # An unknown field: the same network, other bytes.
        stream.write(b'\xa2\x06\x01x')
    assert open_calibrations().find('tiny', graph) is None
    with pytest.raises(ModelError, match='no INT8 calibration'):
        find_calibration(tiny_spec, graph, orin, 'x.onnx', True)


@pytest.mark.parametrize('damage', ['payload', 'json', 'key', 'rules', 'check', 'mode', 'format'])
def test_damaged_or_foreign_calibration_is_passed_over_and_told(
        stored, graph, damage, caplog):
    sidecar = stored.path[:-len('onnx')] + 'json'
    with open(sidecar, encoding='utf-8') as stream:
        values = json.load(stream)
    if damage == 'payload':
        with open(stored.path, 'ab') as stream:
            stream.write(b'x')
    elif damage == 'mode':
        os.chmod(stored.path, 0o666)
    else:
        if damage == 'key':
            values['key']['graph_sha256'] = '0' * 64
        elif damage == 'rules':
            values['key']['rules'] = 'qdq-0'
        elif damage == 'check':
            values['check']['agreement'] = 'high'
        elif damage == 'format':
            values['format'] = 99
        with open(sidecar, 'w', encoding='utf-8') as stream:
            stream.write('{' if damage == 'json' else json.dumps(values))
    with caplog.at_level(logging.WARNING):
        assert open_calibrations().find('tiny', graph) is None
    assert 'is not used' in caplog.text


def test_new_calibration_replaces_the_one_before(stored, graph):
    other = open_calibrations().store('tiny', graph, b'other', PASSED, {})
    assert other.path == stored.path and other.sha256 != stored.sha256
    assert open_calibrations().find('tiny', graph).report == {}


def test_interrupted_storing_leaves_no_sidecar_of_the_network_before(
        stored, graph, cache_folder, monkeypatch):
    cache = open_calibrations()
    write = cache.write
    seen = []

    def write_and_look(name, content):
        seen.append((os.path.splitext(name)[1], sorted(
            os.path.splitext(each)[1] for each in os.listdir(str(cache_folder)))))
        write(name, content)

    monkeypatch.setattr(cache, 'write', write_and_look)
    cache.store('tiny', graph, b'other', PASSED, {})
    # The network comes first, beside nothing that describes another.
    assert seen == [('.onnx', ['.onnx']), ('.json', ['.onnx'])]


def test_only_the_newest_are_kept(graph, cache_folder):
    paths = []
    for number in range(calibration.KEPT + 2):
        paths.append(open_calibrations().store(f'n{number}', graph, QUANTIZED, PASSED, {}).path)
        # Times of files may be coarse.
        os.utime(paths[-1][:-len('onnx')] + 'json', (number, number))
    assert len(os.listdir(str(cache_folder))) == 2 * calibration.KEPT
    assert not os.path.exists(paths[0]) and not os.path.exists(paths[1])
    assert os.path.exists(paths[-1])


def test_maxwell_is_refused_with_the_reason_even_where_a_calibration_is(
        stored, graph, tiny_spec, nano):
    with pytest.raises(BackendError, match=r'no INT8: got NVIDIA Tegra X1, compute capability '
                                           r'5\.3: Maxwell .*fp16'):
        find_calibration(tiny_spec, graph, nano, 'x.onnx', True)


@pytest.mark.parametrize('capability', [(5, 2), (6, 2), (7, 2), (8, 7)])
def test_other_gpus_are_not_judged_by_their_number(stored, graph, tiny_spec, nano, capability):
    gpu = nano._replace(compute_capability=capability)
    assert find_calibration(tiny_spec, graph, gpu, 'x.onnx', True) == stored


@pytest.mark.parametrize('name, original, optimized', [
    ('segformer_sim', '/a b/sim.onnx', True), ('mine', '/models/my net.onnx', False)])
def test_command_that_is_told_can_be_typed(tiny_spec, graph, orin, name, original, optimized):
    with pytest.raises(ModelError) as caught:
        find_calibration(tiny_spec._replace(name=name), graph, orin, original, optimized)
    words = shlex.split(caught.value.remedy.split(': ', 1)[1])
    assert words[:4] == ['ros2', 'run', 'segformer_ros', 'calibrate_int8']
    options = calibrate_int8._parser().parse_args(words[4:])
    assert options.model == ('segformer_sim' if name == 'segformer_sim' else original)
    assert options.input_size == (64, 64)
    assert options.graph == ('deployment' if optimized else 'original')
