# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Models from the Hugging Face hub: what is taken, what is refused, what goes over the wire."""

import functools
import hashlib
import importlib.util
import json
import os
import shutil

import pytest
from segformer_ros.common import resources
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.weights import hub_cache
from segformer_ros.model.weights import hub_client
from segformer_ros.model.weights import hub_store
from segformer_ros.model.weights import lock_file
from segformer_ros.model.weights.hub_name import HubName
from segformer_ros.model.weights.hub_name import parse_hub_name
from segformer_ros.model.weights.resolve import resolve_model
from support.hub_server import COMMIT
from support.hub_server import serve_hub

REPO = 'some-lab/street.net'
NAME = parse_hub_name('hf:' + REPO)
PATH = 'onnx/model.onnx'


@functools.lru_cache(maxsize=None)
def network():
    with open(resources.find('models/segformer_sim.onnx'), 'rb') as stream:
        return stream.read()


@functools.lru_cache(maxsize=None)
def ade20k_names():
    return load_class_table('ade20k').names


def configuration(names=None):
    names = names or ade20k_names()
    return json.dumps({'id2label': dict(enumerate(names))}).encode()


PREPROCESSOR = json.dumps({
    'do_normalize': True, 'image_mean': [0.5, 0.25, 0.125], 'image_std': [0.5, 0.5, 0.25],
    'size': {'height': 288, 'width': 384}}).encode()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Serve one repository and begin with empty caches."""
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'hf'))
    monkeypatch.setenv('no_proxy', '*')
    for name in ('HF_TOKEN', 'HF_HUB_OFFLINE', 'HF_HUB_CACHE'):
        monkeypatch.delenv(name, raising=False)
    # The client of this package; the library's has a test of its own.
    monkeypatch.setattr(hub_store, 'has_library', lambda: False)
    with serve_hub(REPO, {PATH: network(), 'config.json': configuration(),
                          'preprocessor_config.json': PREPROCESSOR,
                          'README.md': b'a card'}) as (address, server):
        monkeypatch.setenv('HF_ENDPOINT', address + '/')
        yield server


def fetch(name=NAME, **options):
    options.setdefault('accept_license', True)
    return hub_store.fetch(name, sleep=lambda seconds: None, **options)


def cached_files(tmp_path):
    return sorted(os.path.relpath(os.path.join(folder, name), str(tmp_path / 'cache'))
                  for folder, _, names in os.walk(str(tmp_path / 'cache')) for name in names)


def hf_cache(tmp_path, files, revision='main', commit=COMMIT):
    """Write a cache as huggingface_hub does: blobs, links to them, and a reference."""
    repository = tmp_path / 'hf' / 'hub' / 'models--some-lab--street.net'
    (repository / 'refs').mkdir(parents=True)
    (repository / 'refs' / revision).write_text(commit)
    (repository / 'blobs').mkdir()
    for path, content in files.items():
        blob = repository / 'blobs' / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link = repository / 'snapshots' / commit / path
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(os.path.relpath(str(blob), str(link.parent)), str(link))


@pytest.mark.smoke
def test_fetched_model_has_specification_classes_and_origin(hub, tmp_path):
    licenses = []
    found = fetch(on_license=licenses.append)
    assert [each.name for each in licenses] == ['apache-2.0']
    with open(found.onnx_path, 'rb') as stream:
        assert stream.read() == network()
    spec = load_model_spec(found.spec_path)
    assert spec.mean == (0.5, 0.25, 0.125) and spec.std == (0.5, 0.5, 0.25)
    assert (spec.classes, spec.num_classes, spec.name) == ('ade20k', 150, 'some_lab_street_net')
    assert found.commit == COMMIT and found.is_new
    sha256 = hashlib.sha256(network()).hexdigest()
    assert found.files == {
        PATH: sha256, 'config.json': hashlib.sha256(configuration()).hexdigest(),
        'preprocessor_config.json': hashlib.sha256(PREPROCESSOR).hexdigest()}
    with open(found.onnx_path.replace('.onnx', '.origin.json'), encoding='utf-8') as stream:
        origin = json.load(stream)
    assert origin['commit'] == COMMIT and origin['files'][PATH] == sha256
    assert origin['name'] == 'hf:' + REPO and origin['endpoint'].startswith('http://127.0.0.1:')
    assert not [name for name in cached_files(tmp_path) if name.endswith(('.part', '.etag'))]


def test_fetched_model_is_resolved_by_its_name_without_a_connection(hub):
    found = fetch()
    asked = len(hub.requests)
    resolved = resolve_model('hf:' + REPO)
    assert resolved.onnx_path == found.onnx_path and resolved.spec.mean == (0.5, 0.25, 0.125)
    assert len(hub.requests) == asked
    with pytest.raises(ModelError, match='has not been fetched yet.*fetch_model hf:'):
        resolve_model(f'hf:{REPO}@other')


def test_model_that_changed_in_the_cache_is_refused_and_fetched_again(hub):
    found = fetch()
    with open(found.onnx_path, 'ab') as stream:
        stream.write(b'x')
    with pytest.raises(ModelError, match='SHA-256 of .* is wrong'):
        resolve_model('hf:' + REPO)
    assert fetch().files == found.files
    assert resolve_model('hf:' + REPO).onnx_path == found.onnx_path


def test_classes_of_its_own_are_written_beside_it(hub):
    names = [f'thing {number}' for number in range(150)]
    hub.files['config.json'] = configuration(names)
    found = fetch()
    spec = load_model_spec(found.spec_path)
    assert list(load_class_table(spec.classes).names) == names
    assert os.path.dirname(spec.classes) == os.path.dirname(found.onnx_path)


def test_nothing_large_is_fetched_before_the_license_is_accepted(hub, tmp_path):
    hub.card = {'license': 'other', 'license_name': 'nvidia', 'license_link': 'https://a.b/c'}
    with pytest.raises(ModelError, match=r'not accepted yet: got other \(nvidia\).*https://a.b/c'):
        fetch(accept_license=False)
    assert len(hub.requests) == 1 and not hub.cdn_requests
    assert not cached_files(tmp_path)
    fetch()
    assert fetch(accept_license=False).license == 'other (nvidia)'  # accepted before


def test_license_accepted_for_one_commit_is_asked_for_again_with_the_next(hub):
    first = fetch()
    fetched = len(hub.cdn_requests)
    hub.commit = hub.revisions['main'] = 'f' * 40
    hub.card = {'license': 'cc-by-nc-4.0'}
    with pytest.raises(ModelError, match='not accepted yet: got cc-by-nc-4.0'):
        fetch(accept_license=False)
    assert len(hub.cdn_requests) == fetched
    assert resolve_model('hf:' + REPO).onnx_path == first.onnx_path
    assert fetch().commit == 'f' * 40
    assert fetch(accept_license=False).license == 'cc-by-nc-4.0'


def test_configuration_beside_the_network_counts_and_the_one_above_where_there_is_none(hub):
    names = [f'thing {number}' for number in range(150)]
    hub.files['onnx/config.json'] = configuration(names)
    found = fetch()
    assert sorted(found.files) == ['onnx/config.json', PATH, 'preprocessor_config.json']
    spec = load_model_spec(found.spec_path)
    assert list(load_class_table(spec.classes).names) == names
    assert spec.mean == (0.5, 0.25, 0.125)


@pytest.mark.parametrize('card, text', [
    ({}, 'other'), ({'license': ['mit', 'apache-2.0']}, 'mit, apache-2.0'),
    ({'license': 'cc-by-nc-4.0', 'license_link': 'javascript:x'}, 'cc-by-nc-4.0'),
    ({'license': 'm\x1b[2Jit\nsecond line'}, 'm\\x1b[2Jit second line')])
def test_license_tag_is_shown_as_plain_text_on_one_line(hub, card, text):
    hub.card = card
    licenses = []
    with pytest.raises(ModelError):
        fetch(accept_license=False, on_license=licenses.append)
    assert licenses[0].name == text
    assert licenses[0].link == f'{hub_client.endpoint()}/{REPO}'


def test_branch_is_resolved_to_a_commit_and_files_are_asked_for_by_it(hub):
    hub.commit = 'f' * 40
    hub.revisions['pr/7'] = hub.commit
    found = fetch(parse_hub_name(f'hf:{REPO}@pr/7'))
    assert found.commit == 'f' * 40
    paths = [path for _, path, _ in hub.requests]
    assert paths[0] == f'/api/models/{REPO}/revision/pr%2F7?blobs=true'
    assert all(f'/resolve/{"f" * 40}/' in path for path in paths[1:])


def test_token_goes_to_the_hub_and_never_to_the_host_that_it_redirects_to(hub, monkeypatch):
    hub.token = 'hf_very_secret'
    monkeypatch.setenv('HF_TOKEN', hub.token)
    fetch()
    assert hub.cdn_requests
    for _, _, headers in hub.requests:
        assert headers['Authorization'] == 'Bearer hf_very_secret'
    for _, _, headers in hub.cdn_requests:
        assert 'hf_very_secret' not in str(headers)


@pytest.mark.parametrize('token', [None, 'hf_wrong'])
def test_repository_that_is_not_open_names_the_remedy_and_not_the_token(hub, monkeypatch, token):
    hub.token = 'hf_right'
    if token:
        monkeypatch.setenv('HF_TOKEN', token)
    with pytest.raises(ModelError, match='40[13].*HF_TOKEN') as error:
        fetch()
    assert 'hf_wrong' not in str(error.value) and 'hf_right' not in str(error.value)


def test_token_with_a_line_break_is_refused_unseen(hub, monkeypatch):
    monkeypatch.setenv('HF_TOKEN', 'hf_a\r\nX-Evil: 1')
    with pytest.raises(ModelError, match='HF_TOKEN is not a token') as error:
        fetch()
    assert 'Evil' not in str(error.value) and not hub.requests


@pytest.mark.parametrize('name, text', [
    (f'hf:{REPO}@nowhere', '404.*branch, tag or commit'),
    ('hf:some-lab/other', '401.*Private ones need a token'),
    (f'hf:{REPO}:other.onnx', 'No such file.*other.onnx.*onnx/model.onnx')])
def test_what_is_not_there_is_named(hub, name, text):
    with pytest.raises(ModelError, match=text):
        fetch(parse_hub_name(name))


@pytest.mark.parametrize('paths, text', [
    (['a.onnx', 'b.onnx'], 'Which file.*a.onnx, b.onnx.*behind a colon'),
    ([], 'No ONNX file.*export_segformer'),
    ([f'{number}.onnx' for number in range(100)], '88 more')])
def test_file_that_cannot_be_chosen_is_asked_for(hub, paths, text):
    del hub.files[PATH]
    hub.files.update((path, b'x') for path in paths)
    with pytest.raises(ModelError, match=text):
        fetch()


@pytest.mark.parametrize('name', [
    'hf:', 'hf:org', 'hf:org/', 'hf:../etc', 'hf:a/..', 'hf:a/b/c', 'hf:a/b@', 'hf:a/b@../x',
    'hf:a/b@.git', 'hf:a/b:', 'hf:a/b:../x.onnx', 'hf:a/b:/x.onnx', 'hf:a/b:x/../y.onnx',
    'hf:a/b:.x.onnx', 'hf:a/b:x.bin', 'hf:a/b:x.onnx\n', 'hf:a--b/c', 'hf:a/' + 'b' * 500,
    'hf:a/b@x y', 'hf:a\x1b/b'])
def test_name_of_another_form_is_refused(name):
    with pytest.raises(ModelError, match='(?s)another form.*expected hf:ORG/REPO') as error:
        parse_hub_name(name)
    assert '\x1b' not in str(error.value)


@pytest.mark.parametrize('name, parts', [
    ('hf:a/b', ('a', 'b', 'main', None)), ('hf:a/b@v1.0', ('a', 'b', 'v1.0', None)),
    ('hf:a-b/c.d_e@refs/pr/1:x/y.onnx', ('a-b', 'c.d_e', 'refs/pr/1', 'x/y.onnx')),
    ('hf:a/b:model.onnx', ('a', 'b', 'main', 'model.onnx'))])
def test_name_is_read_and_written(name, parts):
    assert parse_hub_name(name) == HubName(*parts)
    assert str(parse_hub_name(name)) == name


@pytest.mark.parametrize('answer', [
    b'', b'<html>', b'[]', b'null', b'{', b'"\\u0000"', b'\xff\xfe', b'[' * 100000, b'{}',
    {'sha': 'main', 'siblings': []}, {'sha': ['x'], 'siblings': []}, {'sha': COMMIT},
    {'sha': COMMIT, 'siblings': {'a': 1}}, {'sha': '\x1b[2J', 'siblings': []},
    {'sha': COMMIT, 'siblings': [{'rfilename': 'x'}] * 60000}])
def test_answer_without_sense_is_an_error_that_a_terminal_can_show(hub, tmp_path, answer):
    hub.answer = answer
    with pytest.raises(ModelError, match='makes no sense') as error:
        fetch()
    assert '\x1b' not in str(error.value)
    assert not cached_files(tmp_path)


def test_answer_without_end_is_not_read_to_its_end(hub, monkeypatch):
    monkeypatch.setattr(hub_client, 'LARGEST_ANSWER', 5000)
    hub.answer = b' ' * 5001
    with pytest.raises(ModelError, match='more than 5000 bytes'):
        fetch()
    hub.answer = None
    assert len(json.dumps(hub.description('main'))) < 5000
    fetch()


@pytest.mark.parametrize('path', [
    '../../evil.onnx', '/etc/evil.onnx', 'a/../../evil.onnx', '.hidden.onnx', 'a//evil.onnx',
    'a\\..\\evil.onnx', 'evil\x1b.onnx', '', 7, None, {'x': 1}, 'x' * 300 + '.onnx'])
def test_names_that_could_leave_the_folder_are_not_there(hub, path):
    del hub.files[PATH]
    hub.extra_siblings = [{'rfilename': path, 'size': 3}, 'no mapping', None]
    with pytest.raises(ModelError, match='No ONNX file'):
        fetch()


@pytest.mark.once
@pytest.mark.parametrize('entry', [
    {'size': -1}, {'size': 'x'}, {'size': True}, {'lfs': {'sha256': 5, 'size': 'y'}},
    {'lfs': 'z'}, {'blobId': 'short'}, {'blobId': None, 'lfs': None}])
def test_description_without_digests_is_enough(hub, entry):
    hub.has_digests = False
    content = hub.description('main')
    content['siblings'] = [dict(each, **entry) for each in content['siblings']]
    hub.answer = content
    assert fetch().files[PATH] == hashlib.sha256(network()).hexdigest()


def test_other_content_than_the_hub_describes_is_refused_and_removed(hub, tmp_path):
    hub.changed[PATH] = network()[:-1] + b'x'
    with pytest.raises(ModelError, match='SHA-256 of .* is wrong'):
        fetch()
    assert not [name for name in cached_files(tmp_path) if 'model.onnx' in name]
    hub.changed.clear()
    shutil.rmtree(str(tmp_path / 'cache'))
    hub.changed['config.json'] = configuration().replace(b'wall', b'evil')
    with pytest.raises(ModelError, match='git blob SHA-1 of .* is wrong'):
        fetch()


def test_configuration_without_end_is_refused_by_its_size(hub, monkeypatch):
    monkeypatch.setattr(hub_store, 'LARGEST_CONFIG', 100)
    with pytest.raises(ModelError, match='too large.*config.json.*expected at most 100'):
        fetch()
    hub.has_digests = False  # nor is its size known beforehand
    with pytest.raises(ModelError, match='expected at most 100 bytes'):
        fetch()


def test_network_that_is_none_is_named_and_not_recorded(hub):
    hub.files[PATH] = b'not a network'
    with pytest.raises(ModelError):
        fetch()
    assert hub_store.find(NAME) is None


def test_missing_configuration_is_named(hub):
    del hub.files['config.json']
    with pytest.raises(ModelError, match='does not name its classes.*inspect_model'):
        fetch()


def test_first_fetch_is_trusted_and_pinned_for_the_next_machine(hub, tmp_path):
    lock = str(tmp_path / lock_file.LOCK_FILE)
    found = fetch(lock_path=lock)
    assert found.is_new
    assert lock_file.read_lock(lock) == {NAME: lock_file.Pin(COMMIT, PATH, found.files)}
    shutil.rmtree(str(tmp_path / 'cache'))
    # The branch has moved on since: the pinned commit counts.
    hub.revisions['main'] = 'f' * 40
    again = fetch(lock_path=lock)
    assert again.commit == COMMIT and again.files == found.files and not again.is_new
    assert f'/api/models/{REPO}/revision/{COMMIT}?blobs=true' in [
        path for _, path, _ in hub.requests]


def test_other_content_for_a_pinned_commit_is_refused(hub, tmp_path):
    lock = str(tmp_path / 'team.yaml')
    fetch(lock_path=lock)
    before = (tmp_path / 'team.yaml').read_text()
    shutil.rmtree(str(tmp_path / 'cache'))
    hub.files[PATH] = network()[:-1] + b'x'  # consistent with its own description
    with pytest.raises(ModelError, match='Not the file that .*/team.yaml pins'):
        fetch(lock_path=lock)
    assert not [name for name in cached_files(tmp_path) if name.endswith('.onnx')]
    assert (tmp_path / 'team.yaml').read_text() == before
    assert hub_store.find(NAME) is None


def test_other_commit_than_the_pinned_one_is_refused(hub, tmp_path):
    lock = str(tmp_path / lock_file.LOCK_FILE)
    fetch(lock_path=lock)
    shutil.rmtree(str(tmp_path / 'cache'))
    hub.answer = dict(hub.description('main'), sha='e' * 40)
    with pytest.raises(ModelError, match='got commit eeee.*expected commit 0123'):
        fetch(lock_path=lock)


def test_what_was_fetched_before_the_pin_is_compared_with_it(hub, tmp_path):
    lock = str(tmp_path / lock_file.LOCK_FILE)
    found = fetch()
    pinned = dict(found.files, **{PATH: 'a' * 64})
    lock_file.write_lock(lock, {NAME: lock_file.Pin(COMMIT, PATH, pinned)})
    with pytest.raises(ModelError, match='Not the file that .*/models.lock.yaml pins'):
        fetch(lock_path=lock)


def test_second_name_is_added_and_the_first_one_kept(hub, tmp_path):
    lock = str(tmp_path / lock_file.LOCK_FILE)
    fetch(lock_path=lock)
    other = parse_hub_name(f'hf:{REPO}@{COMMIT}:{PATH}')
    fetch(other, lock_path=lock)
    assert set(lock_file.read_lock(lock)) == {NAME, other}


@pytest.mark.parametrize('text, problem', [
    ('models: [1]', 'models'), ('models: {nothing: {}}', 'Wrong name'),
    ('other: {}', 'Unknown key'),
    ('models: {"hf:a/b": {commit: short, path: x.onnx, files: {}}}', 'commit'),
    ('models: {"hf:a/b": {commit: "' + COMMIT + '", path: ../x, files: {}}}', 'path'),
    ('models: {"hf:a/b": {commit: "' + COMMIT + '", path: x.onnx, files: {x.onnx: 1}}}', 'x.onnx'),
    ('models: {"hf:a/b": {commit: "' + COMMIT + '", path: x.onnx, files: {../x.onnx: "'
     + 'a' * 64 + '"}}}', "Wrong path.*'../x.onnx'"),
    ('models: {"hf:a/b": 5}', 'Wrong content')])
def test_lock_file_of_another_form_is_an_error(tmp_path, text, problem):
    path = tmp_path / 'lock.yaml'
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=problem):
        lock_file.read_lock(str(path))


def test_offline_what_was_fetched_is_found_and_nothing_is_asked(hub, monkeypatch):
    found = fetch()
    asked = len(hub.requests)
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    assert fetch(accept_license=False).onnx_path == found.onnx_path
    with pytest.raises(ModelError, match='HF_HUB_OFFLINE is set.*a snapshot of other'):
        fetch(parse_hub_name(f'hf:{REPO}@other'))
    assert len(hub.requests) == asked


def test_offline_the_cache_of_other_programs_is_enough(hub, tmp_path, monkeypatch):
    hf_cache(tmp_path, hub.files)
    monkeypatch.setenv('HF_HUB_OFFLINE', 'yes')
    with pytest.raises(ModelError, match='not accepted yet: got not known offline'):
        fetch(accept_license=False)
    found = fetch()
    assert not hub.requests and found.commit == COMMIT
    assert resolve_model('hf:' + REPO).spec.mean == (0.5, 0.25, 0.125)
    assert not os.path.islink(found.onnx_path)


def test_what_other_programs_fetched_is_not_fetched_again(hub, tmp_path):
    hf_cache(tmp_path, {PATH: network()})
    fetch()
    assert not hub.cdn_requests
    assert [path for _, path, _ in hub.requests if 'config' in path]


@pytest.mark.parametrize('environ, folder', [
    ({'HF_HUB_CACHE': '/a', 'HF_HOME': '/b', 'XDG_CACHE_HOME': '/c'}, '/a'),
    ({'HF_HUB_CACHE': '', 'HF_HOME': '/b', 'XDG_CACHE_HOME': '/c'}, '/b/hub'),
    ({'HF_HUB_CACHE': '~/a'}, '/home/me/a'), ({'HF_HOME': '~/b'}, '/home/me/b/hub'),
    ({'XDG_CACHE_HOME': '/c'}, '/c/huggingface/hub'),
    ({}, '/home/me/.cache/huggingface/hub')])
def test_cache_of_the_hub_is_where_its_own_variables_say(monkeypatch, environ, folder):
    monkeypatch.setenv('HOME', '/home/me')
    assert hub_cache.cache_folder(environ) == folder


def test_what_other_programs_changed_is_downloaded_instead(hub, tmp_path, caplog):
    hf_cache(tmp_path, {PATH: network()[:-1] + b'x'})
    found = fetch()
    assert found.files[PATH] == hashlib.sha256(network()).hexdigest()
    assert len(hub.cdn_requests) == 1
    assert 'is not used: The SHA-256 of' in caplog.text


def test_what_other_programs_changed_is_named_offline_where_it_lies(hub, tmp_path, monkeypatch):
    lock = str(tmp_path / 'models.lock.yaml')
    fetch(lock_path=lock)
    shutil.rmtree(str(tmp_path / 'cache'))
    hf_cache(tmp_path, dict(hub.files, **{PATH: network()[:-1] + b'x'}))
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(ModelError, match='Not the file that .*models.lock.yaml pins: '
                                         'onnx/model.onnx.*taken from .*snapshots.*delete that'):
        fetch(lock_path=lock)


@pytest.mark.parametrize('spoil', [
    {'files': []}, {'files': {}}, {'path': 'other.onnx'}, {'path': None}, {'path': []},
    {'files': 'x'}])
def test_record_without_sense_is_an_error_and_fetched_anew(hub, spoil):
    fetch()
    index = hub_store._index_path(NAME)
    with open(index, encoding='utf-8') as stream:
        record = json.load(stream)
    with open(index, 'w', encoding='utf-8') as stream:
        json.dump(dict(record, **spoil), stream)
    with pytest.raises(ModelError, match='is not whole.*Delete it'):
        resolve_model('hf:' + REPO)
    assert fetch().commit == COMMIT
    assert resolve_model('hf:' + REPO).spec.num_classes == 150


def test_broken_connection_goes_on_where_it_stopped(hub, monkeypatch):
    hub.files['config.json'] = configuration()
    calls = []
    plain = hub_store.download.get

    def get(url, headers):
        calls.append(url)
        if len(calls) in (1, 3):
            raise hub_store.download.TransientError('reset')
        return plain(url, headers)

    monkeypatch.setattr(hub_store.download, 'get', get)
    assert fetch().commit == COMMIT


@pytest.mark.skipif(importlib.util.find_spec('huggingface_hub') is None,
                    reason='huggingface_hub is not installed')
def test_library_of_the_hub_fetches_the_same(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(hub_store, 'has_library', lambda: True)
    hub.token = 'hf_very_secret'
    monkeypatch.setenv('HF_TOKEN', hub.token)
    found = fetch()
    assert found.files[PATH] == hashlib.sha256(network()).hexdigest()
    assert any('huggingface' in str(headers.get('User-Agent', headers.get('user-agent', '')))
               or 'hf_hub' in str(headers) for _, _, headers in hub.requests)
    for _, _, headers in hub.cdn_requests:
        assert 'hf_very_secret' not in str(headers)
    assert os.path.exists(str(tmp_path / 'hf' / 'hub' / 'models--some-lab--street.net'))


def with_weights_apart(tmp_path, location, as_nodes=False):
    """Return the network's file whose weights lie in another one, and that one."""
    onnx = pytest.importorskip('onnx')
    path = str(tmp_path / 'apart.onnx')
    model = onnx.load_from_string(network())
    if as_nodes:
        nodes = [onnx.helper.make_node('Constant', [], [weight.name], value=weight)
                 for weight in model.graph.initializer] + list(model.graph.node)
        for field, content in (('initializer', []), ('node', nodes)):
            model.graph.ClearField(field)
            getattr(model.graph, field).extend(content)
    onnx.save(model, path, save_as_external_data=True, location='weights.bin', size_threshold=64,
              convert_attribute=as_nodes)
    model = onnx.load(path, load_external_data=False)
    for weight in list(model.graph.initializer) + [
            attribute.t for node in model.graph.node for attribute in node.attribute]:
        for entry in weight.external_data:
            if entry.key == 'location':
                entry.value = location
    with open(str(tmp_path / 'weights.bin'), 'rb') as stream:
        return model.SerializeToString(), stream.read()


@pytest.mark.parametrize('as_nodes', [False, True], ids=['weights', 'nodes'])
def test_weights_in_a_file_of_their_own_come_with_the_network(hub, tmp_path, as_nodes):
    hub.files[PATH], weights = with_weights_apart(tmp_path, 'model.onnx_data', as_nodes)
    with pytest.raises(ModelError, match='No such file.*model.onnx_data'):
        fetch()
    hub.files['onnx/model.onnx_data'] = weights
    found = fetch()
    assert found.files['onnx/model.onnx_data'] == hashlib.sha256(weights).hexdigest()
    assert resolve_model(str(NAME)).onnx_path == found.onnx_path
    with open(os.path.join(os.path.dirname(found.onnx_path), 'model.onnx_data'), 'ab') as stream:
        stream.write(b'!')
    with pytest.raises(ModelError, match='SHA-256'):
        resolve_model(str(NAME))


@pytest.mark.parametrize('location', ['../config.json', '/etc/hostname', 'model.yaml', 'a/../b'])
def test_weights_that_lie_elsewhere_are_not_fetched(hub, tmp_path, location):
    hub.files[PATH], weights = with_weights_apart(tmp_path, location)
    hub.files['onnx/model.onnx_data'] = hub.files['onnx/model.yaml'] = weights
    with pytest.raises(ModelError, match='Weights lie where no file of them may'):
        fetch()
