# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Files of a cache are private and whole, and what the system refuses is told."""

import errno
import hashlib
import json
import os
import time
from types import SimpleNamespace

import pytest
from segformer_ros.common import file_cache
from segformer_ros.common.errors import ModelError
from segformer_ros.common.file_cache import FileCache
from segformer_ros.common.file_cache import StorageError

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Cache(FileCache):
    """Has payloads."""

    payload = '.bin'
    mode = 0o640


@pytest.fixture
def cache(tmp_path):
    """Return a cache with one payload, ``x``."""
    made = Cache(str(tmp_path))
    made.write('x.bin', CONTENT)
    return made


def test_payload_is_given_where_its_digest_is_the_stored_one(cache):
    assert cache.read_payload('x', DIGEST) == CONTENT
    assert cache.check_payload('x', DIGEST) == cache.path('x', '.bin')
    assert os.stat(cache.path('x.bin')).st_mode & 0o777 == 0o640
    assert cache.names() == ['x.bin']


@pytest.mark.parametrize('read', [Cache.read_payload, Cache.check_payload])
def test_changed_foreign_and_missing_payloads_are_refused(cache, read):
    with pytest.raises(ModelError, match='damaged or was changed'):
        read(cache, 'x', hashlib.sha256(b'').hexdigest())
    os.chmod(cache.path('x.bin'), 0o666)
    with pytest.raises(ModelError, match='not private'):
        read(cache, 'x', DIGEST)
    with pytest.raises(FileNotFoundError):
        read(cache, 'absent', DIGEST)


def test_failed_write_leaves_the_file_before_and_no_other(cache, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', refuse)
    with pytest.raises(StorageError, match='No space left on device while writing x.bin'):
        cache.write('x.bin', b'new')
    assert cache.read_payload('x', DIGEST) == CONTENT
    assert cache.names() == ['x.bin']


def test_a_file_is_as_old_as_its_last_write_and_one_that_is_gone_has_no_age(cache, monkeypatch):
    os.utime(cache.path('x.bin'), (5000.0, 5000.0))
    monkeypatch.setattr(file_cache, 'time', SimpleNamespace(time=lambda: 5012.5))
    assert (cache.modified('x.bin'), cache.age('x.bin')) == (5000.0, 12.5)
    assert (cache.modified('gone.bin'), cache.age('gone.bin')) == (0.0, 0.0)


def test_lock_files_that_are_held_are_not_deleted(cache):
    with cache.lock('x'):
        with pytest.raises(ModelError, match='Another process holds the lock'):
            with cache.lock('x'):
                raise AssertionError('both hold the lock')
        cache.delete_files(lambda name: True)
        assert cache.names() == ['x.lock']
    cache.delete_files(lambda name: True)
    assert cache.names() == []


def test_entries_that_are_not_kept_go_and_what_somebody_is_writing_stays(tmp_path):
    cache = FileCache(str(tmp_path))
    now = time.time()
    for age, name in enumerate(['newest', 'middle', 'oldest']):
        cache.write(name + '.blob', b'content')
        cache.write_sidecar(name, {'b': 1, 'a': 2})
        os.utime(cache.path(name, '.json'), (now - age, now - age))
    assert cache.entries() == ['newest', 'middle', 'oldest']
    for name, age in (('.tmp-begun', 86390.0), ('.tmp-left', 86410.0)):
        (tmp_path / name).write_bytes(b'')
        os.utime(str(tmp_path / name), (now - age, now - age))
    # An entry of which only the payload is there yet.
    (tmp_path / 'coming.blob').write_bytes(b'')
    os.utime(str(tmp_path / 'coming.blob'), (0.0, 0.0))
    cache.keep_entries({'middle', 'coming'})
    assert sorted(cache.names()) == ['.tmp-begun', 'coming.blob', 'middle.blob', 'middle.json']
    assert json.loads(cache.read_sidecar('middle').decode('utf-8')) == {'a': 2, 'b': 1}
