# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Models by their name on the Hugging Face hub: fetched once into the cache, found there later.

Nobody here vouches for these files, so the first fetch trusts what the hub gives: its commit and
its digests. What was taken is recorded beside the file and compared whenever it is used.
"""

import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from segformer_ros.common import private_files
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError
from segformer_ros.common.telemetry import disable_telemetry
from segformer_ros.common.text import plain
from segformer_ros.model import huggingface
from segformer_ros.model.onnx_file import inspection
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.spec import BINARY
from segformer_ros.model.weights import catalogue
from segformer_ros.model.weights import download
from segformer_ros.model.weights import hub_cache
from segformer_ros.model.weights import hub_client
from segformer_ros.model.weights import lock_file
from segformer_ros.model.weights import store
from segformer_ros.model.weights.hub_name import HubName

USUAL_PATHS = ('onnx/model.onnx', 'model.onnx')
"""Where an export for transformers.js or by optimum lies; taken where no path is named."""
LARGEST_CONFIG = 4 << 20
"""Bytes of a config.json; one with 1,000 classes has 100 kB."""
_CONFIGS = ('config.json', 'preprocessor_config.json')
# What is written beside the files, so that none of them may be called so.
_OWN_SUFFIXES = ('.yaml', '.json', '.txt', '.part', '.etag', '.lock')
_RECORD_KEYS = ('name', 'endpoint', 'commit', 'path', 'license', 'license_link', 'files',
                'fetched')
_SHOWN_PATHS = 12
_log = logging.getLogger(__name__)

OnLicense = Callable[[catalogue.License], None]


class HubModel(NamedTuple):
    """
    A fetched model.

    ``files`` holds the SHA-256 by path in the repository; ``is_new`` tells that it was fetched
    just now and trusted, since nothing pinned it.
    """

    onnx_path: str
    spec_path: str
    commit: str
    license: str
    files: Dict[str, str]
    is_new: bool


def has_library() -> bool:
    """Return whether huggingface_hub is installed, which resumes, shares and parallelizes."""
    return importlib.util.find_spec('huggingface_hub') is not None


def find(name: HubName) -> Optional[HubModel]:
    """
    Return a model that was fetched before, None otherwise; nothing is downloaded.

    :raises ModelError: one of its files is damaged, missing or not private
    """
    index = _index_path(name)
    try:
        private_files.check_private_file(index)
        record: Any = json.loads(private_files.read_no_follow(index).decode('utf-8'))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError('Record of a fetched model cannot be read', got=f'{index}: {error}',
                         remedy='Delete it, and fetch the model again.') from error
    if not isinstance(record, dict) or any(key not in record for key in _RECORD_KEYS) \
            or not isinstance(record['files'], dict) or not isinstance(record['path'], str) \
            or record['path'] not in record['files']:
        raise ModelError('Record of a fetched model is not whole', got=index,
                         remedy='Delete it, and fetch the model again.')
    files: Dict[str, str] = record['files']
    folder = _folder(name, str(record['commit']))
    for path, sha256 in files.items():
        _check(os.path.join(folder, path), sha256)
    onnx_path = os.path.join(folder, str(record['path']))
    return HubModel(onnx_path, _spec_path(onnx_path), str(record['commit']),
                    str(record['license']), files, False)


def fetch(name: HubName, accept_license: bool = False, lock_path: Optional[str] = None,
          on_license: Optional[OnLicense] = None,
          on_progress: Optional[download.Progress] = None,
          sleep: Callable[[float], None] = time.sleep) -> HubModel:
    """
    Bring a model from the hub into the cache, with its specification and class table.

    :param name: of it
    :param accept_license: the user has read and accepted the license of the weights
    :param lock_path: of a file that pins commits and digests; a name that it does not have yet
        is added
    :param on_license: is given the license before anything large is fetched
    :param on_progress: called with the bytes so far and in all (``None``: unknown)
    :param sleep: waits between attempts, seconds
    :raises ModelError: not there, no access, license not accepted, another file than the pinned
        one, or a network that cannot be used
    :raises ConfigurationError: the lock file or the checkpoint's configuration is wrong
    """
    pins = {} if lock_path is None else lock_file.read_lock(lock_path)
    pin = pins.get(name)
    revision = name.revision if pin is None else pin.commit
    found = _found_pinned(name, pin)
    if found is not None and (pin is not None or hub_client.is_offline()):
        return found
    remote = _Remote(name, revision, pin, lock_path or lock_file.LOCK_FILE, sleep)
    if on_license is not None:
        on_license(remote.repository.license)
    path = pin.path if pin is not None else name.path or _usual_path(remote.repository)
    is_accepted = found is not None and found.commit == remote.repository.commit
    if not (accept_license or is_accepted):
        raise ModelError(
            'License of the weights not accepted yet', got=remote.repository.license.name,
            remedy=f'Read {remote.repository.license.link} and, if it fits your use, give '
                   '--accept-license.')
    folder = private_files.private_folder(
        private_files.cache_root(), *_folder_parts(name, remote.repository.commit))
    with private_files.exclusive_lock(os.path.join(folder, 'fetch.lock'), lambda: _log.warning(
            'Another process fetches the same model; waiting for it.')):
        files = remote.bring(path, folder, on_progress)
        onnx_path = os.path.join(folder, path)
        spec_path = _write_spec(name, onnx_path, folder, files)
        _record(name, remote.repository, path, files, folder)
    if lock_path is not None and pin is None:
        pins[name] = lock_file.Pin(remote.repository.commit, path, files)
        lock_file.write_lock(lock_path, pins)
    return HubModel(onnx_path, spec_path, remote.repository.commit,
                    remote.repository.license.name, files, pin is None)


def _found_pinned(name: HubName, pin: Optional[lock_file.Pin]) -> Optional[HubModel]:
    """Return what was fetched before, if it is whole and what the pin says."""
    try:
        found = find(name)
    except ModelError as error:
        _log.warning('%s', error)
        return None
    if found is None or (pin is not None and (found.commit, found.files) != (
            pin.commit, pin.files)):
        return None
    return found


class _Remote:
    """
    Where the files of one repository come from: the hub, or what others fetched from it.

    :param revision: to ask for
    :param pin: what must come of it, if anything
    :param lock_path: of the file that has the pin
    """

    def __init__(self, name: HubName, revision: str, pin: Optional[lock_file.Pin],
                 lock_path: str, sleep: Callable[[float], None]) -> None:
        self._name = name
        self._pin = pin
        self._lock_path = lock_path
        self._sleep = sleep
        self._offline = hub_client.is_offline()
        self.repository = _cached_repository(name, revision) if self._offline \
            else hub_client.describe(name, revision, sleep)

    def bring(self, path: str, folder: str,
              on_progress: Optional[download.Progress]) -> Dict[str, str]:
        """
        Bring a network and what belongs to it; return the SHA-256 by path.

        :param path: of the ONNX file in the repository
        :param folder: of the commit
        """
        taken: Dict[str, str] = {}
        for config in _CONFIGS:
            found = self._nearest(path, config)
            if found is not None:
                taken[found] = self._file(found, folder, None, LARGEST_CONFIG)
        taken[path] = self._file(path, folder, on_progress)
        for weights in read_onnx_header(os.path.join(folder, path)).external_files:
            beside = os.path.join(os.path.dirname(path), weights)
            if weights.endswith(_OWN_SUFFIXES + ('.onnx',)) \
                    or not catalogue.PATH.fullmatch(weights):
                raise ModelError('Weights lie where no file of them may', got=weights,
                                 expected='a file beside the network',
                                 remedy='Choose another model.')
            taken[beside] = self._file(beside, folder, on_progress)
        return taken

    def _nearest(self, path: str, config: str) -> Optional[str]:
        beside = os.path.join(os.path.dirname(path), config)
        return next((each for each in (beside, config) if each in self.repository.files), None)

    def _file(self, path: str, folder: str, on_progress: Optional[download.Progress],
              limit: int = download.LARGEST_BYTES) -> str:
        """Bring one file and return its SHA-256."""
        remote = self.repository.files.get(path)
        if remote is None:
            raise ModelError(f'No such file in {self._name.repo_id}', got=path,
                             expected=_shown([each for each in self.repository.files
                                              if each.endswith('.onnx')]),
                             remedy='Name another one behind a colon.')
        if remote.size is not None and remote.size > limit:
            raise ModelError(f'File of {self._name.repo_id} is too large',
                             got=f'{path}, {remote.size} bytes', expected=f'at most {limit}')
        target = os.path.join(folder, path)
        private_files.private_folder(folder, *path.split('/')[:-1])
        with contextlib.suppress(FileNotFoundError):
            private_files.check_private_file(target)
            found = sha256_of(target)
            if remote.sha256 in (None, found) and (
                    self._pin is None or self._pin.files.get(path) == found):
                return found
        part = target + '.part'
        cached = self._cached(remote)
        if cached is None:
            self._download(remote, part, on_progress, limit)
            found = self._checked(remote, part)
        else:
            found = self._copied(remote, cached, part, on_progress, limit)
        private_files.replace_durably(part, target)
        download.discard(part)
        return found

    def _checked(self, remote: catalogue.RemoteFile, part: str) -> str:
        try:
            store.check_file(part, remote)
            found = sha256_of(part)
            lock_file.check_pinned(self._pin, remote.path, found, self._lock_path)
        except ModelError:
            download.discard(part)
            raise
        return found

    def _copied(self, remote: catalogue.RemoteFile, cached: str, part: str,
                on_progress: Optional[download.Progress], limit: int) -> str:
        """Take what others fetched, or the hub's own where that is another file."""
        _log.info('%s is taken from the cache of the hub: %s', remote.path, cached)
        download.discard(part)
        try:
            shutil.copyfile(cached, part)
            os.chmod(part, 0o600)
        except OSError as error:
            raise download.disk_full(part, error) from error
        try:
            return self._checked(remote, part)
        except ModelError as error:
            if self._offline:
                raise ModelError(error.problem, error.got, error.expected,
                                 f'It was taken from {cached}: delete that, and fetch the model '
                                 'again where there is a network.') from error
            _log.warning('%s is not used: %s', cached, error)
        self._download(remote, part, on_progress, limit)
        return self._checked(remote, part)

    def _cached(self, remote: catalogue.RemoteFile) -> Optional[str]:
        name, commit = self._name, self.repository.commit
        cached = hub_cache.find(name, commit, remote.path)
        # In clear text the library would show the token to a proxy; download.get does not.
        is_exposed = download.is_shown_to_proxy(hub_client.endpoint())
        if cached is None and not self._offline and not is_exposed and has_library():
            cached = _by_library(name, commit, remote.path)
        return cached

    def _download(self, remote: catalogue.RemoteFile, part: str,
                  on_progress: Optional[download.Progress], limit: int) -> None:
        url = hub_client.url_of(self._name, self.repository.commit, remote.path)
        download.transfer(url, part, remote.size, on_progress, self._sleep,
                          hub_client.request_headers(), limit)


def _by_library(name: HubName, commit: str, path: str) -> str:
    """Return where huggingface_hub has put a file."""
    disable_telemetry()
    import huggingface_hub
    try:
        return str(huggingface_hub.hf_hub_download(
            name.repo_id, path, revision=commit, endpoint=hub_client.endpoint(),
            token=hub_client.token(), cache_dir=hub_cache.cache_folder()))
    except Exception as error:  # its own types, requests', httpx' and OSError
        raise ModelError(f'huggingface_hub cannot fetch {path} of {name.repo_id}',
                         got=plain(error, 300),
                         remedy='Check network, HF_ENDPOINT and HF_TOKEN.') from error


def _cached_repository(name: HubName, revision: str) -> hub_client.Repository:
    commit = hub_cache.commit_of(name, revision)
    if commit is None:
        raise ModelError(
            f'{name.repo_id} was not fetched before', got=f'{hub_client.OFFLINE_VARIABLE} is set',
            expected=f'a snapshot of {revision} in {hub_cache.cache_folder()}',
            remedy=f'Unset {hub_client.OFFLINE_VARIABLE}, or bring the cache from a machine that '
                   'has it.')
    files = {path: catalogue.RemoteFile(path, path, hub_cache.size_of(place), None, None)
             for path, place in hub_cache.files(name, commit).items()}
    return hub_client.Repository(name, commit, files, catalogue.License(
        'not known offline', f'{hub_client.ENDPOINT}/{name.repo_id}',
        'The model card was not asked. Read it before you use the weights.'))


def _usual_path(repository: hub_client.Repository) -> str:
    networks = sorted(path for path in repository.files if path.endswith('.onnx'))
    for path in USUAL_PATHS:
        if path in networks:
            return path
    if len(networks) == 1:
        return networks[0]
    raise ModelError(
        f'Which file of {repository.name.repo_id}?' if networks
        else f'No ONNX file in {repository.name.repo_id}',
        got=_shown(networks), expected='one .onnx file',
        remedy='Name it behind a colon.' if networks else
        'Export the checkpoint: tools/export/export_segformer.py, see docs/models.md.')


def _write_spec(name: HubName, onnx_path: str, folder: str, files: Dict[str, str]) -> str:
    """Write specification and class table beside the network, as inspect_model does."""
    configs = {each: next((os.path.join(folder, path) for path in files
                           if os.path.basename(path) == each), None) for each in _CONFIGS}
    if configs['config.json'] is None:
        raise ModelError(
            f'{name.repo_id} does not name its classes', got='no config.json',
            expected='one with id2label',
            remedy=f'Write the specification yourself: inspect_model {onnx_path} --classes ... '
                   '--write-spec ..., as docs/models.md says.')
    table = huggingface.class_table_from_huggingface(configs['config.json'])
    known = inspection.Knowledge(num_classes=len(table))
    if configs['preprocessor_config.json'] is not None:
        known = known._replace(
            **huggingface.read_preprocessor(configs['preprocessor_config.json'])._asdict())
    header = read_onnx_header(onnx_path)
    draft = inspection.draft_spec(
        header, inspection.name_from(f'{name.organisation}_{name.repository}.onnx'), known)
    if draft.spec.output_kind in BINARY and len(table) == 1:
        table = huggingface.table_with_rest(table)
    spec_path = _spec_path(onnx_path)
    inspection.write_spec(spec_path, draft, table, overwrite=True)
    return spec_path


def _record(name: HubName, repository: hub_client.Repository, path: str, files: Dict[str, str],
            folder: str) -> None:
    record = {
        'name': str(name), 'endpoint': download.shown(hub_client.endpoint()),
        'commit': repository.commit, 'path': path, 'license': repository.license.name,
        'license_link': repository.license.link, 'files': files,
        'fetched': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}
    text = json.dumps(record, indent=2, sort_keys=True) + '\n'
    private_files.private_folder(private_files.cache_root(), 'models', 'hub', 'names')
    _write(os.path.join(folder, 'LICENSE.txt'), '{}\n{}\n\n{}\n'.format(*repository.license))
    _write(os.path.splitext(os.path.join(folder, path))[0] + '.origin.json', text)
    # Last: with it the model is whole.
    _write(_index_path(name), text)


def _write(path: str, text: str) -> None:
    try:
        with open(path + '.part', 'w', encoding='utf-8') as stream:
            stream.write(text)
        os.chmod(path + '.part', 0o600)
        private_files.replace_durably(path + '.part', path)
    except OSError as error:
        raise download.disk_full(path, error) from error


def _check(path: str, sha256: str) -> None:
    try:
        private_files.check_private_file(path)
        found = sha256_of(path)
    except OSError as error:
        raise ModelError('Fetched model cannot be read', got=f'{path}: {error.strerror}',
                         remedy='Fetch it again.') from error
    if found != sha256:
        raise ModelError(f'The SHA-256 of {path} is wrong', got=found, expected=sha256,
                         remedy='The file is damaged or another one: fetch it again.')


def _shown(paths: List[str]) -> str:
    more = f' and {len(paths) - _SHOWN_PATHS} more' if len(paths) > _SHOWN_PATHS else ''
    return (', '.join(paths[:_SHOWN_PATHS]) or 'none') + more


def _spec_path(onnx_path: str) -> str:
    return os.path.splitext(onnx_path)[0] + '.yaml'


def _folder_parts(name: HubName, commit: str) -> List[str]:
    return ['models', 'hub', name.folder, commit[:12]]


def _folder(name: HubName, commit: str) -> str:
    return os.path.join(private_files.cache_root(), *_folder_parts(name, commit))


def _index_path(name: HubName) -> str:
    digest = hashlib.sha256(str(name).encode('ascii')).hexdigest()[:24]
    return os.path.join(private_files.cache_root(), 'models', 'hub', 'names', digest + '.json')
