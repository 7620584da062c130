# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The model store: license first, digests always, and two processes at once."""

import os
import shutil
import subprocess
import sys
import threading

import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.model.weights import store
from segformer_ros.model.weights.catalogue import load_download
from segformer_ros.model.weights.catalogue import RemoteFile
from segformer_ros.model.weights.resolve import resolve_model
from support import tiny_catalogue
from support.file_server import serve
from support.tiny_catalogue import CONTENT


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """Use the tiny catalogue and an empty cache; return the folder of both."""
    tiny_catalogue.write(str(tmp_path))
    tiny_catalogue.use(str(tmp_path), monkeypatch.setattr)
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('no_proxy', '*')
    return tmp_path


@pytest.fixture
def server(catalogue, monkeypatch):
    """Serve the tiny model on a mirror."""
    with serve(CONTENT) as (address, behaviour):
        monkeypatch.setenv('HF_ENDPOINT', address + '/')
        yield behaviour


def cache_files(catalogue):
    found = []
    for folder, _, names in os.walk(str(catalogue / 'cache')):
        found += [os.path.relpath(os.path.join(folder, name), str(catalogue / 'cache'))
                  for name in names]
    return sorted(found)


FOLDER = 'models/tiny/0123456789ab/'


@pytest.mark.smoke
def test_fetched_file_lies_in_the_cache_with_its_license(catalogue, server):
    path = store.fetch('tiny', accept_license=True)
    with open(path, 'rb') as stream:
        assert stream.read() == CONTENT
    assert cache_files(catalogue) == [
        FOLDER + 'LICENSE.txt', FOLDER + 'fp32.onnx', FOLDER + 'fp32.onnx.lock']
    terms = (catalogue / 'cache' / FOLDER / 'LICENSE.txt').read_text()
    assert 'License of Tiny Weights\nhttps://example.com/license\n' in terms
    assert [request for request, _ in server.requests] == [
        '/org/tiny/resolve/0123456789abcdef0123456789abcdef01234567/onnx/model.onnx']


def test_nothing_is_asked_for_before_the_license_is_accepted(catalogue, server):
    with pytest.raises(ModelError, match='License of the weights not accepted yet') as caught:
        store.fetch('tiny')
    assert 'https://example.com/license' in caught.value.remedy
    assert 'fetch_model tiny --accept-license' in caught.value.remedy
    assert server.requests == []
    assert cache_files(catalogue) == []


def test_second_fetch_uses_the_cache_and_needs_neither_network_nor_license(server):
    path = store.fetch('tiny', accept_license=True)
    assert store.fetch('tiny') == path
    assert len(server.requests) == 1


def test_variant_has_its_own_file_and_digest(server):
    plain = store.fetch('tiny', accept_license=True)
    sized = store.fetch('tiny', 'sized', accept_license=True)
    assert os.path.basename(sized) == 'sized.onnx'
    assert os.path.dirname(sized) == os.path.dirname(plain)
    assert server.requests[1][0].endswith('/onnx/model_sized.onnx')


def test_unknown_variant_lists_the_known_ones(server):
    with pytest.raises(ModelError, match='got int8; expected one of fp32, sized'):
        store.fetch('tiny', 'int8', accept_license=True)


@pytest.mark.parametrize('variant', [None, 'sized'])
def test_other_content_is_refused_and_removed(catalogue, server, variant):
    server.content = CONTENT[:-1] + b'?'
    with pytest.raises(ModelError, match=r'(SHA-256|git blob SHA-1) of .* is wrong: got'):
        store.fetch('tiny', variant, accept_license=True)
    assert [name for name in cache_files(catalogue) if not name.endswith('.lock')] == []
    server.content = CONTENT
    store.fetch('tiny', variant, accept_license=True)


def test_interrupted_download_goes_on_at_the_next_call(server):
    def interrupt(done, total):
        if done > len(CONTENT) // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch('tiny', accept_license=True, on_progress=interrupt)
    path = store.fetch('tiny', accept_license=True)
    with open(path, 'rb') as stream:
        assert stream.read() == CONTENT
    assert server.requests[1][1]['Range'].startswith('bytes=')


def test_leftover_of_another_file_costs_one_fresh_download(catalogue, server):
    path = store.cached_path(*tiny())
    os.makedirs(os.path.dirname(path), mode=0o700)
    with open(path + '.part', 'wb') as stream:
        stream.write(b'something else')
    store.fetch('tiny', accept_license=True)
    assert [headers.get('Range') for _, headers in server.requests] == ['bytes=14-', None]


def tiny(variant=None):
    source = load_download('tiny')
    return source, source.file(variant)


def test_damaged_cached_file_is_replaced(server):
    path = store.fetch('tiny', accept_license=True)
    with open(path, 'r+b') as stream:
        stream.truncate(1000)
    assert store.fetch('tiny', accept_license=True) == path
    assert os.path.getsize(path) == len(CONTENT)


@pytest.mark.parametrize('variant', [None, 'sized'])
def test_file_brought_by_other_means_is_checked_and_taken(catalogue, variant):
    path = store.fetch('tiny', variant, accept_license=True,
                       from_file=str(catalogue / 'content'))
    with open(path, 'rb') as stream:
        assert stream.read() == CONTENT
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_wrong_file_brought_by_other_means_is_refused(catalogue):
    (catalogue / 'other').write_bytes(b'x' * len(CONTENT))
    with pytest.raises(ModelError, match='is wrong'):
        store.fetch('tiny', accept_license=True, from_file=str(catalogue / 'other'))
    with pytest.raises(ModelError, match=r'File cannot be read: got .*absent'):
        store.fetch('tiny', accept_license=True, from_file=str(catalogue / 'absent'))
    assert [name for name in cache_files(catalogue) if not name.endswith('.lock')] == []


def test_file_brought_by_other_means_needs_the_license_too(catalogue):
    with pytest.raises(ModelError, match='License of the weights not accepted yet'):
        store.fetch('tiny', from_file=str(catalogue / 'content'))


@pytest.mark.parametrize('where', ['cache', 'cache/models', 'cache/' + FOLDER])
def test_cache_that_others_may_write_to_is_refused(catalogue, server, where):
    store.fetch('tiny', accept_license=True)
    (catalogue / where).chmod(0o777)
    os.remove(store.cached_path(*tiny()))
    with pytest.raises(ModelError, match='others may write'):
        store.fetch('tiny', accept_license=True)


def test_link_in_place_of_the_cached_file_is_neither_used_nor_replaced(catalogue, server):
    path = store.fetch('tiny', accept_license=True)
    os.remove(path)
    os.symlink(str(catalogue / 'content'), path)
    with pytest.raises(ModelError, match='symbolic link'):
        store.fetch('tiny', accept_license=True)
    with pytest.raises(ModelError, match='symbolic link'):
        resolve_model('tiny')
    assert os.path.islink(path)


FETCHER = """
import logging, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + '/test']
from support import tiny_catalogue
tiny_catalogue.use(sys.argv[2])
logging.basicConfig()
from segformer_ros.model.weights import store
print(store.fetch('tiny', accept_license=True))
"""


def start_fetcher(project_root, catalogue):
    return subprocess.Popen([sys.executable, '-c', FETCHER, project_root, str(catalogue)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            universal_newlines=True)


def test_two_processes_at_once_download_once(catalogue, server, project_root):
    server.gate = threading.Event()
    processes = [start_fetcher(project_root, catalogue) for _ in range(2)]
    try:
        # The one without the lock says so while the server holds the other one up.
        said = [None, None]
        readers = [threading.Thread(target=read_line, args=(process, said, at))
                   for at, process in enumerate(processes)]
        for reader in readers:
            reader.start()
        while not any(line and 'waiting for it' in line for line in said):
            assert any(reader.is_alive() for reader in readers), said
            for reader in readers:
                reader.join(0.05)
        server.gate.set()
        results = [process.communicate(timeout=60) for process in processes]
    finally:
        server.gate.set()
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0], (said, results)
    assert {out.strip() for out, _ in results} == {store.cached_path(*tiny())}
    assert len(server.requests) == 1


def read_line(process, said, at):
    said[at] = process.stderr.readline()


def test_killed_process_leaves_a_store_that_works(catalogue, server, project_root):
    server.cuts = [50000]
    server.statuses = [None, 503, 503, 503, 503]
    process = start_fetcher(project_root, catalogue)
    try:
        assert '50000 of 102400 bytes' in process.stderr.readline()
    finally:
        process.kill()
        process.communicate()
    server.statuses = []
    del server.requests[:]
    store.fetch('tiny', accept_license=True)
    assert [headers['Range'] for _, headers in server.requests] == ['bytes=50000-']


def test_missing_model_tells_the_command_that_fetches_it(catalogue, monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda program: '/opt/ros/bin/' + program)
    with pytest.raises(ModelError, match='has not been fetched yet') as caught:
        resolve_model('tiny')
    assert caught.value.remedy.endswith(
        'run: ros2 run segformer_ros fetch_model tiny --accept-license')
    assert 'License of Tiny Weights (https://example.com/license)' in caught.value.remedy
    monkeypatch.setattr(shutil, 'which', lambda program: None)
    with pytest.raises(ModelError) as caught:
        resolve_model('tiny:sized')
    assert caught.value.remedy.endswith(
        'run: python3 -m segformer_ros.cli.fetch_model tiny --variant sized --accept-license')


def test_fetched_model_is_resolved_by_its_name(server):
    path = store.fetch('tiny', accept_license=True)
    resolved = resolve_model('tiny')
    assert resolved.onnx_path == path
    assert resolved.spec.name == 'tiny'
    assert resolve_model('tiny:fp32') == resolved


def test_damaged_model_is_not_resolved_and_the_command_is_told(server):
    path = store.fetch('tiny', accept_license=True)
    with open(path, 'ab') as stream:
        stream.write(b'x')
    with pytest.raises(ModelError, match=r'git blob SHA-1 .* is wrong.*fetch_model tiny'):
        resolve_model('tiny')


def test_shipped_file_goes_before_the_cache(catalogue, server):
    (catalogue / 'models').mkdir()
    (catalogue / 'models' / 'own.onnx').write_bytes(b'own')
    assert resolve_model('own').onnx_path == str(catalogue / 'models' / 'own.onnx')
    assert store.fetch('own') == str(catalogue / 'models' / 'own.onnx')
    assert server.requests == []


def test_shipped_model_without_its_file_is_told(catalogue):
    with pytest.raises(ModelError, match=r'Weights of own are missing.*Install'):
        resolve_model('own')
    (catalogue / 'models').mkdir()
    (catalogue / 'models' / 'own.onnx').write_bytes(b'own')
    with pytest.raises(ModelError, match='has no variants'):
        resolve_model('own:fp16')


@pytest.mark.parametrize('name', ['', 'tinny', '..', 'tiny.yaml', 'TINY'])
def test_unknown_name_lists_the_known_ones(catalogue, name):
    with pytest.raises(ModelError, match='expected one of own, tiny'):
        resolve_model(name)


def test_path_takes_the_specification_beside_it(catalogue):
    model = catalogue / 'my.onnx'
    model.write_bytes(b'x')
    with pytest.raises(ModelError, match='no specification') as caught:
        resolve_model(str(model))
    assert 'inspect_model {} --write-spec {}'.format(
        model, catalogue / 'my.yaml') in caught.value.remedy
    (catalogue / 'my.yaml').write_text(tiny_catalogue.SPEC.replace('tiny', 'mine'))
    assert resolve_model(str(model)).spec.name == 'mine'


def test_path_with_an_explicit_specification(catalogue):
    (catalogue / 'my.onnx').write_bytes(b'x')
    (catalogue / 'other.yaml').write_text(tiny_catalogue.SPEC)
    resolved = resolve_model(str(catalogue / 'my.onnx'), str(catalogue / 'other.yaml'))
    assert resolved == (str(catalogue / 'my.onnx'), resolved.spec)
    assert resolved.spec.name == 'tiny'


def test_missing_path_is_told(catalogue):
    with pytest.raises(ModelError, match=r'Model file not found: got /nowhere/x.onnx'):
        resolve_model('/nowhere/x.onnx')


def test_relative_path_and_home_are_understood(catalogue, monkeypatch):
    (catalogue / 'my.onnx').write_bytes(b'x')
    (catalogue / 'my.yaml').write_text(tiny_catalogue.SPEC)
    monkeypatch.chdir(catalogue)
    monkeypatch.setenv('HOME', str(catalogue))
    for path in ('my.onnx', './my.onnx', '~/my.onnx'):
        assert resolve_model(path).onnx_path == str(catalogue / 'my.onnx')


@pytest.mark.parametrize('changes, message', [
    ({'size': 4}, 'got 3 bytes; expected 4 bytes'),
    ({'sha256': '0' * 64}, 'SHA-256'),
    ({'git_blob_sha1': '0' * 40}, 'git blob SHA-1'),
])
def test_all_that_is_published_is_compared(tmp_path, changes, message):
    path = tmp_path / 'file'
    path.write_bytes(b'abc')
    right = RemoteFile(
        'v', 'p', 3, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
        'f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f')
    store.check_file(str(path), right)
    with pytest.raises(ModelError, match=message):
        store.check_file(str(path), right._replace(**changes))
