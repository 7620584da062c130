# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Engines on disk: found by key, trusted only if private and whole.

Loading a plan is running code from it, so an engine is never fetched from elsewhere, its folder
and files belong to the user alone, and its digest is compared before TensorRT sees a byte. Each
engine is two files: ``<name>.plan``, and ``<name>.json`` with the key, the plan's digest, how it
was built and how its self-check went. The JSON is written last: without it there is no engine.

Where the folder cannot be used, because the disk is full or for another reason, every method
raises StorageError.
"""

import json
import logging
import os
import shutil
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from segformer_ros.common import private_files
from segformer_ros.common.errors import ModelError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.file_cache import FileCache
from segformer_ros.common.file_cache import StorageError
from segformer_ros.inference.base.mask_check import self_check_from_json
from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.trt import key as trt_key

FORMAT = 1
# A build may fail for want of memory at a bad moment; after this many it is not an accident.
GIVEN_UP_AFTER = 3

_FIELDS: Dict[str, Any] = {
    'name': str, 'key': dict, 'plan_sha256': (str, type(None)), 'plan_bytes': int,
    'built': dict, 'check': (dict, type(None)), 'failure': str, 'failed_builds': int,
    'unfinished_loads': int}


class EngineRecord(NamedTuple):
    """
    One engine of the cache, as its JSON file says.

    ``plan_sha256`` is None where there is no plan, because building or the check failed: the
    record stays, so that it is not tried again at each start. ``check`` is None until the
    self-check ran. ``failure`` says why building or loading failed, ``failed_builds`` how often.
    ``unfinished_loads`` counts loads that never reported back: a crash of the process.
    """

    name: str
    key: Dict[str, Any]
    plan_sha256: Optional[str]
    plan_bytes: int
    built: Dict[str, Any]
    check: Optional[SelfCheck]
    failure: str
    failed_builds: int
    unfinished_loads: int

    @property
    def usable(self) -> bool:
        """Return whether the engine passed its self-check."""
        return self.plan_sha256 is not None and self.check is not None and self.check.passed

    @property
    def rejected(self) -> bool:
        """Return whether the engine failed and shall not be built again."""
        return self.failed_builds >= GIVEN_UP_AFTER or (
            self.check is not None and not self.check.passed)

    @property
    def verdict(self) -> str:
        """Return why the engine may or may not be used."""
        if self.check is not None:
            return str(self.check) if self.check.passed else f'{self.check.reason} ({self.check})'
        return self.failure or 'not checked yet'


def format_record(record: EngineRecord) -> bytes:
    """Return the content of an engine's JSON file."""
    values = dict(record._asdict(), format=FORMAT)
    values['check'] = None if record.check is None else record.check._asdict()
    return json.dumps(values, indent=1, sort_keys=True).encode('utf-8')


def parse_record(name: str, content: bytes) -> EngineRecord:
    """
    Return the record in an engine's JSON file.

    :param name: that the record must have
    :raises ValueError: not JSON, of another format, or of another engine
    :raises TypeError: a field is of the wrong kind, missing, or unknown
    """
    values = json.loads(content.decode('utf-8'))
    if not isinstance(values, dict):
        raise TypeError(f'the record is a {type(values).__name__}')
    if values.pop('format', None) != FORMAT:
        raise ValueError('unknown format')
    if values.get('name') != name:
        raise ValueError(f"named {values.get('name')!r} inside")
    for field, kinds in _FIELDS.items():
        if field not in values:
            raise TypeError(f'{field} is missing')
        if not isinstance(values.get(field), kinds):
            raise TypeError(f'{field} is a {type(values.get(field)).__name__}')
    if values['check'] is not None:
        values['check'] = self_check_from_json(values['check'])
    return EngineRecord(**values)


FOLDER = 'engines'
KEPT_ENGINES = 8
# Of an unfinished file of a killed process, and of what lies beside engines; no build takes
# that long.
STALE_SECONDS = 24 * 3600.0

_LOGGER = logging.getLogger(__name__)


class EngineCache(FileCache):
    """
    The engines in one private folder.

    :param folder: exists and is private: :func:`open_cache` sees to that
    :param temporary_because: why this is not a lasting folder, if so: :meth:`close` deletes it
    """

    what = 'The folder of the engines'
    remedy = ('Free space there, or set engine_cache (build_engine: --cache) to another folder; '
              'the next start tries again.')
    payload = '.plan'

    def __init__(self, folder: str, temporary_because: str = '') -> None:
        super().__init__(folder)
        self.temporary_because = temporary_because

    @property
    def is_temporary(self) -> bool:
        """Return whether the engines are gone after :meth:`close`."""
        return bool(self.temporary_because)

    def close(self) -> None:
        """Delete the folder if it is a temporary one."""
        if self.is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def find(self, model_name: str, key: trt_key.EngineKey) -> Optional[EngineRecord]:
        """
        Return the record for a key; damaged or foreign files are deleted with a warning.

        :return: None if the engine was never built
        """
        name = trt_key.entry_name(model_name, key)
        record = self._read_or_delete(name)
        if record is not None and record.key != key.to_json():
            self.delete(name, 'its key is another one')
            return None
        return record

    def read_plan(self, record: EngineRecord) -> bytes:
        """
        Return the plan of a record.

        :raises ModelError: the plan is missing, not private, or not the one that was stored
        """
        try:
            return self.read_payload(record.name, record.plan_sha256)
        except OSError as error:
            raise ModelError('Engine file cannot be read', got='{}: {}'.format(
                self.path(record.name, '.plan'), error.strerror)) from error

    def store(self, model_name: str, key: trt_key.EngineKey, temporary_plan: str, plan_sha256: str,
              built: Dict[str, Any]) -> EngineRecord:
        """
        Move a finished plan into the cache and write its record, unchecked.

        :param temporary_plan: a file in the cache's folder
        :param plan_sha256: of that file, as its builder computed it
        :param built: facts for people
        """
        name = trt_key.entry_name(model_name, key)
        with self.storage_errors(f'measuring the plan of {name}'):
            size = os.path.getsize(temporary_plan)
        record = EngineRecord(name, key.to_json(), plan_sha256, size, built, None, '', 0, 0)
        # A record of an older plan must not lie beside the new one for a moment.
        self.delete_file(name + '.json')
        try:
            self.put(temporary_plan, name + '.plan')
            self._write(record)
        except StorageError:
            # Without a record it would only take space.
            self.discard(self.path(name, '.plan'))
            raise
        return record

    def record_failure(self, model_name: str, key: trt_key.EngineKey, failure: str,
                       final: bool) -> EngineRecord:
        """
        Delete an engine's plan and keep the record of why it could not be built or loaded.

        :param final: do not try again; else only after ``GIVEN_UP_AFTER`` such failures
        """
        name = trt_key.entry_name(model_name, key)
        before = self._read_or_delete(name)
        count = GIVEN_UP_AFTER if final else 1 + (before.failed_builds if before else 0)
        record = EngineRecord(name, key.to_json(), None, 0, {}, None, failure, count, 0)
        self._write(record, f'writing down about an engine: {failure}')
        self.delete_file(name + '.plan')
        return record

    def set_check(self, record: EngineRecord, check: SelfCheck,
                  figures: Dict[str, Any]) -> EngineRecord:
        """
        Store the result of the self-check with the engine; a failed one costs it its plan.

        :param figures: further facts for people, such as latencies
        """
        built = dict(record.built, **figures)
        record = record._replace(check=check, built=built)
        if not check.passed:
            record = record._replace(plan_sha256=None, plan_bytes=0)
        self._write(record)
        if not check.passed:
            self.delete_file(record.name + '.plan')
        return record

    def suspect(self, record: EngineRecord) -> EngineRecord:
        """Withdraw the result of the self-check: the engine must be tried again."""
        return self._rewritten(record._replace(check=None))

    def begin_load(self, record: EngineRecord) -> EngineRecord:
        """Note durably that the engine is about to be loaded; TensorRT may kill the process."""
        return self._rewritten(record._replace(unfinished_loads=record.unfinished_loads + 1))

    def end_load(self, record: EngineRecord) -> EngineRecord:
        """Note that loading reported back, with success or an error."""
        return self._rewritten(record._replace(unfinished_loads=0))

    def delete(self, name: str, reason: str) -> None:
        """Delete an engine and say so."""
        _LOGGER.warning('Engine %s is deleted: %s', name, reason)
        for suffix in ('.json', '.plan'):
            self.delete_file(name + suffix)

    def records(self) -> Tuple[EngineRecord, ...]:
        """Return the records of every engine, the most recently used first."""
        names = [name[:-5] for name in self.names() if name.endswith('.json')]
        found = [(self.modified(name + '.json'), self._read_or_delete(name))
                 for name in names]
        found.sort(key=lambda pair: -pair[0])
        return tuple(record for _, record in found if record is not None)

    def prune(self, keep: int = KEPT_ENGINES, in_use: Tuple[str, ...] = ()) -> List[str]:
        """
        Delete all but the most recently used engines, and what belongs to none.

        That is what killed processes left, lock files that nobody holds, and what a TensorRT
        measured on a GPU that no engine here is for.

        :param keep: how many stay, those in use counted
        :param in_use: names that stay in any case
        :return: the names of the deleted engines
        """
        deleted = []
        others = [record.name for record in self.records() if record.name not in in_use]
        for name in others[max(keep - len(in_use), 0):]:
            self.delete(name, f'not among the {keep} most recently used')
            deleted.append(name)
        self._prune_orphans(in_use)
        return deleted

    def _prune_orphans(self, in_use: Tuple[str, ...]) -> None:
        records = self.records()
        known = {record.name for record in records}
        timings = {trt_key.timing_cache_name(str(record.key.get('tensorrt_version')),
                                             str(record.key.get('gpu_name')))
                   for record in records}

        def is_orphan(file_name: str) -> bool:
            stem, suffix = os.path.splitext(file_name)
            return (file_name.startswith('.tmp-') or {
                '.plan': stem not in known, '.lock': stem not in known.union(in_use),
                '.cache': file_name not in timings}.get(suffix, False)) \
                and self.age(file_name) > STALE_SECONDS

        self.delete_files(is_orphan)

    def _read_or_delete(self, name: str) -> Optional[EngineRecord]:
        try:
            return parse_record(name, self.read_sidecar(name))
        except FileNotFoundError:
            return None
        except (SegformerRosError, OSError, ValueError, TypeError, KeyError,
                RecursionError) as error:
            self.delete(name, str(error))
            return None

    def _rewritten(self, record: EngineRecord) -> EngineRecord:
        self._write(record)
        return record

    def _write(self, record: EngineRecord, doing: str = '') -> None:
        self.write(record.name + '.json', format_record(record), doing)


def open_cache(root: str = '') -> EngineCache:
    """
    Return the cache below a folder, made if need be.

    A folder that cannot be written to gives way to a temporary one, with a warning: engines
    are then built again after a restart. A folder that is not private is an error.

    :param root: relative to the working directory, ``~`` is the home folder; by default
        :func:`segformer_ros.common.private_files.cache_root`
    :raises ModelError: others may write to the folder, it belongs to another user, or is a link
    :raises StorageError: nor can a temporary folder be made
    """
    try:
        with EngineCache(root).storage_errors('looking for the working directory'):
            # The builder process has another working directory. A slash at the end would hide
            # that the folder is a link.
            path = os.path.abspath(os.path.expanduser(root or private_files.cache_root()))
        cache = EngineCache(private_files.private_folder(path, FOLDER))
        with cache.borrowed('.probe'):
            return cache
    except (ModelError, StorageError) as error:
        if not isinstance(error.__cause__, OSError):
            raise
        with EngineCache('temporary folder').storage_errors(f'making it, since: {error}'):
            folder = tempfile.mkdtemp(prefix='segformer_ros-engines-')
        reason = (f'{error} Engines are kept in {folder} until the next start and must then be '
                  'built again.')
        _LOGGER.warning('%s', reason)
        return EngineCache(folder, temporary_because=reason)
