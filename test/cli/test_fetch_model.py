# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command fetch_model: what it prints where, and its exit status."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from segformer_ros.cli import fetch_model
from segformer_ros.common import resources
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights.resolve import resolve_model
from support import tiny_catalogue
from support.file_server import serve
from support.hub_server import serve_hub
from support.tiny_catalogue import CONTENT

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve the tiny model; use an empty cache."""
    tiny_catalogue.write(str(tmp_path))
    tiny_catalogue.use(str(tmp_path), monkeypatch.setattr)
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('no_proxy', '*')
    with serve(CONTENT) as (address, behaviour):
        monkeypatch.setenv('HF_ENDPOINT', address)
        behaviour.folder = tmp_path
        yield behaviour


@pytest.mark.smoke
def test_path_alone_goes_to_stdout_and_the_rest_to_stderr(mirror, capfd):
    assert fetch_model.main(['tiny', '--accept-license']) == 0
    out, err = capfd.readouterr()
    with open(out[:-1], 'rb') as stream:
        assert stream.read() == CONTENT
    assert 'License of Tiny Weights\nhttps://example.com/license\n\nFor tests only.' in err
    assert '100 %  102.4 kB of 102.4 kB' in err
    assert 'tiny: checked, 102.4 kB' in err


def test_weights_that_no_graph_can_be_made_of_are_kept_as_they_are(mirror, capfd, caplog):
    # The tiny catalogue's bytes are no ONNX at all.
    assert fetch_model.main(['tiny', '--accept-license']) == 0
    out, err = capfd.readouterr()
    assert f'{out.strip()} is used as it is' in caplog.text
    assert 'graph for onnxruntime optimized' not in err


def test_graph_is_prepared_with_fetched_weights(tmp_path, monkeypatch, capfd):
    pytest.importorskip('onnx')
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    model = shutil.copy(os.path.join(TESTS, 'data', 'tiny_segformer.onnx'),
                        str(tmp_path / 'model.onnx'))
    monkeypatch.setattr(fetch_model.store, 'fetch', lambda *arguments: model)
    monkeypatch.setattr(fetch_model, 'load_model_spec', lambda path: ModelSpec(
        'tiny', 'ade20k', 7, input_size_wh=(64, 64), output_size_wh=(16, 16)))
    assert fetch_model.main(['segformer_b0_ade20k', '--accept-license']) == 0
    out, err = capfd.readouterr()
    assert out == model + '\n'
    prepared = err.strip().rsplit(' ', 1)[-1]
    assert 'graph for onnxruntime optimized, folded: ' + prepared in err
    assert os.path.dirname(prepared) == str(tmp_path / 'cache' / 'graphs')
    with OnnxruntimeBackend(prepared) as network:
        assert network.inputs[0].dtype == 'uint8'


def test_license_is_shown_and_not_assumed(mirror, capfd):
    assert fetch_model.main(['tiny']) == 1
    out, err = capfd.readouterr()
    assert out == ''
    assert err.index('For tests only.') < err.index('not accepted yet')
    assert err.rstrip().endswith('fetch_model tiny --accept-license')
    assert mirror.requests == []


def test_failure_is_one_line_without_a_traceback(mirror, capfd):
    mirror.statuses = [404]
    assert fetch_model.main(['tiny', '--accept-license']) == 1
    err = capfd.readouterr().err
    assert 'fetch_model: Download of http://127.0.0.1' in err
    assert 'HTTP status 404' in err
    assert 'Traceback' not in err


def test_offline_file_is_taken_without_a_request(mirror, capfd):
    assert fetch_model.main(['tiny', '--variant', 'sized', '--accept-license', '--from-file',
                             str(mirror.folder / 'content')]) == 0
    assert capfd.readouterr().out.endswith('sized.onnx\n')
    assert mirror.requests == []


def test_list_tells_what_is_there(mirror, capfd):
    assert fetch_model.main(['tiny', '--accept-license']) == 0
    path = capfd.readouterr().out.strip()
    assert fetch_model.main(['--list']) == 0
    out = capfd.readouterr().out
    assert out.splitlines() == [
        'own: missing', '  150 classes of ade20k, input 512 x 512',
        'tiny: License of Tiny Weights', '  150 classes of ade20k, input 512 x 512',
        '  Nothing but tests.', '  12.5 mIoU on nothing', '  not tried with this package',
        '  fp32: ' + path, '  sized: not fetched, 102.4 kB',
        'Any other one of the hub: hf:ORG/REPO[@REVISION][:path.onnx]; docs/models.md names some.']
    with open(path, 'ab') as stream:
        stream.write(b'x')
    assert fetch_model.main(['--list']) == 0
    assert 'is wrong' in capfd.readouterr().out


@pytest.mark.parametrize('arguments, message', [
    ([], 'No model named'), (['bert'], 'Unknown model'), (['own'], 'Weights of own are missing'),
    (['tiny', '--variant', 'int8', '--accept-license'], 'expected one of fp32, sized')])
def test_wrong_use_is_told(mirror, capfd, arguments, message):
    assert fetch_model.main(arguments) == 1
    assert message in capfd.readouterr().err


STARTER = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
sys.path[:0] = [sys.argv[1], sys.argv[1] + '/test']
from support import tiny_catalogue
tiny_catalogue.use(sys.argv[2])
from segformer_ros.cli import fetch_model
raise SystemExit(fetch_model.main(['tiny', '--accept-license']))
"""


def test_control_c_ends_with_130_and_a_plain_sentence(mirror, project_root):
    mirror.gate = threading.Event()
    process = subprocess.Popen(
        [sys.executable, '-c', STARTER, project_root, str(mirror.folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    try:
        deadline = time.monotonic() + 60.0
        while not mirror.requests:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, 'no request came'
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        mirror.gate.set()
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert 'Interrupted. What has arrived is kept' in err
    assert 'Traceback' not in err


def test_module_runs_as_a_script(project_root):
    done = subprocess.run([sys.executable, '-m', 'segformer_ros.cli.fetch_model', '--help'],
                          cwd=project_root, stdout=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0
    for word in ('--accept-license', '--from-file', 'HF_ENDPOINT', 'XDG_CACHE_HOME'):
        assert word in done.stdout


def sim_hub():
    with open(resources.find('models/segformer_sim.onnx'), 'rb') as stream:
        network = stream.read()
    labels = dict(enumerate(load_class_table('ade20k').names))
    return serve_hub('lab/sim', {'model.onnx': network,
                                 'config.json': json.dumps({'id2label': labels}).encode()})


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'hf'))
    monkeypatch.setenv('no_proxy', '*')
    monkeypatch.setattr(fetch_model.hub_store, 'has_library', lambda: False)
    monkeypatch.setattr(fetch_model, '_optimize', lambda *arguments: None)
    monkeypatch.chdir(str(tmp_path))
    with sim_hub() as (address, server):
        monkeypatch.setenv('HF_ENDPOINT', address)
        yield server


def test_hub_name_shows_license_digests_and_that_they_are_trusted(hub, capfd):
    assert fetch_model.main(['hf:lab/sim']) == 1
    out, err = capfd.readouterr()
    assert not out and 'apache-2.0\n' in err and 'not accepted yet' in err
    assert fetch_model.main(['hf:lab/sim', '--accept-license']) == 0
    out, err = capfd.readouterr()
    assert os.path.isfile(out.strip())
    assert f'commit {hub.commit}, license: apache-2.0' in err
    assert 'trusted on first use' in err and '--lock models.lock.yaml pins them' in err
    with open(out.strip(), 'rb') as stream:
        assert hashlib.sha256(stream.read()).hexdigest() + '  model.onnx' in err


def test_lock_file_where_the_command_runs_is_used_by_itself(hub, capfd, tmp_path):
    assert fetch_model.main(['hf:lab/sim', '--accept-license', '--lock', 'models.lock.yaml']) == 0
    assert 'models.lock.yaml pins them from now on' in capfd.readouterr().err
    hub.files['model.onnx'] = hub.files['model.onnx'][:-1] + b'x'
    shutil.rmtree(str(tmp_path / 'cache'))
    assert fetch_model.main(['hf:lab/sim', '--accept-license']) == 1
    assert 'Not the file that models.lock.yaml pins' in capfd.readouterr().err


@pytest.mark.parametrize('arguments, text', [
    (['hf:lab/sim', '--variant', 'fp16'], '--variant'),
    (['hf:lab/sim', '--from-file', 'x'], '--from-file'),
    (['segformer_sim', '--lock', 'x.yaml'], '--lock is for names that begin with hf:'),
    (['hf:lab'], 'another form')])
def test_options_that_do_not_fit_the_name_are_refused(hub, capfd, arguments, text):
    assert fetch_model.main(arguments) == 1
    assert text in capfd.readouterr().err


def test_node_and_tools_take_a_fetched_hub_name(hub, capfd):
    assert fetch_model.main(['hf:lab/sim', '--accept-license']) == 0
    path = capfd.readouterr().out.strip()
    assert resolve_model('hf:lab/sim').onnx_path == path
