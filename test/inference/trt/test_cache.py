# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Only engines that this user stored here, whole and for this very device, are ever read."""

import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies
import pytest
from segformer_ros.common import file_cache
from segformer_ros.common.errors import ModelError
from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.trt import cache as engine_cache
from segformer_ros.inference.trt.cache import format_record
from segformer_ros.inference.trt.cache import GIVEN_UP_AFTER
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.inference.trt.cache import parse_record
from segformer_ros.inference.trt.key import EngineKey
from segformer_ros.inference.trt.key import entry_name

KEY = EngineKey(
    model_sha256='ab' * 32, tensors=('pixel_values float32[1, 3, 64, 64]',),
    tensorrt_module='tensorrt', tensorrt_version='8.2.1.8', gpu_name='NVIDIA Tegra X1',
    compute_capability=(5, 3), multiprocessors=1, driver_version=10020,
    driver_release='# R32', precision='fp16+fp32', route='pinned-layers-1', tf32=False,
    workspace_mib=0, optimization_level=None)
PASSED = SelfCheck(True, '', True, 0.999, 0.97, 12, 8, 5)
FAILED = SelfCheck(False, 'agreement 0.5000 (minimum 0.99)', True, 0.5, 0.1, 12, 8, 5)
PLAN = bytes(range(256)) * 40


@pytest.fixture
def cache(tmp_path):
    """Return an empty cache."""
    return open_cache(str(tmp_path / 'root'))


def store(cache, key=KEY, plan=PLAN, model='b0'):
    """Store a plan as a builder does."""
    path = cache.temporary('.plan')
    with open(path, 'wb') as stream:
        stream.write(plan)
    return cache.store(model, key, path, hashlib.sha256(plan).hexdigest(), {'precision': 'x'})


def names(cache):
    """Return the files of the cache."""
    return sorted(os.listdir(cache.folder))


@pytest.mark.smoke
def test_stored_engine_is_found_with_its_plan(cache):
    record = store(cache)
    assert cache.find('b0', KEY) == record
    assert cache.read_plan(record) == PLAN
    assert (record.usable, record.rejected, record.verdict) == (False, False, 'not checked yet')
    assert names(cache) == [record.name + '.json', record.name + '.plan']
    for name in names(cache):
        assert os.stat(os.path.join(cache.folder, name)).st_mode & 0o777 == 0o600
    assert os.stat(cache.folder).st_mode & 0o777 == 0o700


def test_the_file_of_an_engine_is_the_same_in_whatever_order_its_details_came(cache):
    record = store(cache)
    details = {'precision': 'x', 'workspace_mib': 64, 'latency_p50_ms': 1.5}
    turned = dict(reversed(list(details.items())))
    assert format_record(record._replace(built=details)) == format_record(
        record._replace(built=turned))
    # People find a field by its name.
    fields = json.loads(format_record(record).decode(), object_pairs_hook=list)
    assert [name for name, _ in fields] == sorted(name for name, _ in fields)


@pytest.mark.parametrize('field', EngineKey._fields)
def test_every_part_of_the_key_tells_engines_apart(cache, field):
    store(cache)
    value = getattr(KEY, field)
    changes = {str: 'other', bool: True, int: 7, tuple: (9, 9), type(None): 5}
    other = KEY._replace(**{field: changes[type(value)]})
    assert other.digest() != KEY.digest()
    assert cache.find('b0', other) is None
    assert cache.find('b0', KEY) is not None


def test_name_is_readable_and_safe(cache):
    assert entry_name('../b0 (ADE)', KEY).startswith('_b0_ADE_-fp16_fp32-')
    assert '/' not in entry_name('a/../../b', KEY)


def test_result_of_the_check_is_stored_and_failure_costs_the_plan(cache):
    record = cache.set_check(store(cache), PASSED, {'latency_p50_ms': 3.0})
    assert cache.find('b0', KEY) == record
    assert record.usable and record.built == {'precision': 'x', 'latency_p50_ms': 3.0}
    record = cache.set_check(record, FAILED, {})
    assert cache.find('b0', KEY) == record
    assert record.rejected and not record.usable
    assert 'agreement 0.5000 (minimum' in record.verdict
    assert names(cache) == [record.name + '.json']


def test_failed_builds_are_counted_until_given_up(cache):
    for count in range(1, GIVEN_UP_AFTER + 1):
        record = cache.record_failure('b0', KEY, 'no plan', final=False)
        assert record.failed_builds == count
        assert record.rejected == (count == GIVEN_UP_AFTER)
    assert cache.find('b0', KEY).verdict == 'no plan'
    assert cache.record_failure('b1', KEY, 'never loads', final=True).rejected


def test_loads_that_never_report_back_are_counted(cache):
    record = cache.set_check(store(cache), PASSED, {})
    record = cache.begin_load(cache.begin_load(record))
    assert cache.find('b0', KEY).unfinished_loads == 2
    # Validation in another process does not prove that loading works in this one.
    assert cache.set_check(cache.suspect(record), PASSED, {}).unfinished_loads == 2
    cache.end_load(record)
    assert cache.find('b0', KEY).unfinished_loads == 0


@pytest.mark.parametrize('damage', ['flip', 'cut', 'empty', 'gone', 'link', 'writable'])
def test_changed_plan_is_not_read(cache, damage, tmp_path):
    record = store(cache)
    path = cache.path(record.name, '.plan')
    if damage == 'flip':
        with open(path, 'r+b') as stream:
            stream.seek(100)
            stream.write(b'\xff\x00')
    elif damage in ('cut', 'empty'):
        os.truncate(path, 100 if damage == 'cut' else 0)
    elif damage == 'gone':
        os.unlink(path)
    elif damage == 'link':
        os.rename(path, str(tmp_path / 'elsewhere'))
        os.symlink(str(tmp_path / 'elsewhere'), path)
    else:
        os.chmod(path, 0o660)
    with pytest.raises(ModelError):
        cache.read_plan(record)


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')
@pytest.mark.parametrize('suffix', ['.plan', '.json'])
def test_files_of_another_user_are_refused(cache, suffix, caplog):
    record = store(cache)
    os.chown(cache.path(record.name, suffix), 12345, 12345)
    if suffix == '.plan':
        with pytest.raises(ModelError, match='belongs to user id 12345'):
            cache.read_plan(record)
    else:
        assert cache.find('b0', KEY) is None
        assert 'belongs to user id 12345' in caplog.text
        assert names(cache) == []


@pytest.mark.parametrize('damage', ['link', 'writable', 'garbage', 'empty', 'other key'])
def test_damaged_record_is_deleted_with_its_plan_and_said(cache, damage, tmp_path, caplog):
    record = store(cache)
    path = cache.path(record.name, '.json')
    if damage == 'link':
        os.rename(path, str(tmp_path / 'elsewhere'))
        os.symlink(str(tmp_path / 'elsewhere'), path)
    elif damage == 'writable':
        os.chmod(path, 0o622)
    elif damage == 'other key':
        with open(path) as stream:
            values = json.load(stream)
        values['key']['gpu_name'] = 'another'
        with open(path, 'w') as stream:
            json.dump(values, stream)
    else:
        with open(path, 'wb') as stream:
            stream.write(b'' if damage == 'empty' else b'\x80{')
    with caplog.at_level(logging.WARNING):
        assert cache.find('b0', KEY) is None
    assert 'is deleted' in caplog.text
    assert names(cache) == []


@pytest.mark.once
@settings(deadline=None, max_examples=200,
          suppress_health_check=[HealthCheck.too_slow])
@given(strategies.data())
def test_any_content_of_a_record_is_taken_or_refused_by_type(data):
    content = format_record(parse_record('n', format_record(
        engine_cache.EngineRecord('n', KEY.to_json(), 'aa', 3, {}, PASSED, '', 0, 0))))
    if data.draw(strategies.booleans()):
        index = data.draw(strategies.integers(0, len(content) - 1))
        content = (content[:index] + data.draw(strategies.binary(max_size=3))
                   + content[index + data.draw(strategies.integers(0, 9)):])
    else:
        content = json.dumps(data.draw(strategies.recursive(
            strategies.none() | strategies.booleans() | strategies.integers()
            | strategies.text(max_size=4),
            lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(
                strategies.sampled_from(['format', 'name', 'key', 'check']), inner,
                max_size=3), max_leaves=6))).encode('utf-8')
    try:
        record = parse_record('n', content)
    except (ValueError, TypeError):
        return
    assert record.name == 'n' and isinstance(record.key, dict)


def test_folder_that_is_not_private_is_an_error(tmp_path):
    root = tmp_path / 'root'
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(ModelError, match='others may write'):
        open_cache(str(root))
    root.chmod(0o700)
    (tmp_path / 'link').symlink_to(root)
    for end in ('', '/', '//', '/.'):
        with pytest.raises(ModelError, match='symbolic link'):
            open_cache(str(tmp_path / 'link') + end)


def test_relative_folder_is_the_same_for_processes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_cache('relative').folder == str(tmp_path / 'relative' / 'engines')
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    assert open_cache('~/cache').folder == str(tmp_path / 'home' / 'cache' / 'engines')


def test_relative_folder_without_a_working_directory_gives_way(tmp_path, monkeypatch, caplog):
    gone = tmp_path / 'gone'
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    cache = open_cache('relative')
    assert cache.is_temporary
    assert 'relative: No such file or directory while looking for' in caplog.text
    cache.close()


def test_unwritable_folder_gives_way_to_a_temporary_one_with_a_warning(tmp_path, caplog):
    (tmp_path / 'file').write_text('in the way')
    with caplog.at_level(logging.WARNING):
        cache = open_cache(str(tmp_path / 'file' / 'root'))
    assert 'must then be built again' in caplog.text
    assert cache.is_temporary
    assert os.stat(cache.folder).st_mode & 0o777 == 0o700
    record = store(cache)
    assert cache.read_plan(record) == PLAN
    cache.close()
    assert not os.path.exists(cache.folder)


def test_folder_where_nothing_can_be_created_gives_way_too(tmp_path, monkeypatch, caplog):
    def full(**options):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(tempfile, 'mkstemp', full)
    cache = open_cache(str(tmp_path / 'root'))
    assert cache.is_temporary
    assert 'No space left' in caplog.text
    cache.close()


def test_ordinary_cache_survives_being_closed(cache):
    record = store(cache)
    cache.close()
    assert cache.find('b0', KEY) == record


def test_most_recently_used_engines_stay(cache):
    stored = [store(cache, KEY._replace(driver_version=number)) for number in range(5)]
    for age, record in enumerate(stored):
        moment = time.time() - 1000.0 * age
        os.utime(cache.path(record.name, '.json'), (moment, moment))
    assert [record.name for record in cache.records()] == [record.name for record in stored]
    deleted = cache.prune(keep=3, in_use=(stored[4].name,))
    assert sorted(deleted) == sorted([stored[2].name, stored[3].name])
    assert {record.name for record in cache.records()} == {
        stored[index].name for index in (0, 1, 4)}
    assert len(names(cache)) == 6


def test_pruning_removes_what_killed_processes_left(cache):
    kept = store(cache)
    old = time.time() - 2 * engine_cache.STALE_SECONDS
    for name in ('.tmp-old.plan', '.tmp-new.plan', 'orphan.plan'):
        with open(os.path.join(cache.folder, name), 'wb'):
            pass
    for name in ('.tmp-old.plan', 'orphan.plan', kept.name + '.plan'):
        os.utime(os.path.join(cache.folder, name), (old, old))
    assert cache.prune() == []
    assert names(cache) == ['.tmp-new.plan', kept.name + '.json', kept.name + '.plan']


def test_what_nobody_needs_is_kept_for_a_day_and_not_longer(cache, monkeypatch):
    moment = 1700000000.0
    monkeypatch.setattr(file_cache, 'time', SimpleNamespace(time=lambda: moment))
    for name, age in (('young.plan', 86399.0), ('old.plan', 86401.0)):
        path = os.path.join(cache.folder, name)
        with open(path, 'wb'):
            pass
        os.utime(path, (moment - age, moment - age))
    cache.prune()
    assert names(cache) == ['young.plan']


def test_pruning_keeps_the_records_of_engines_and_files_that_are_none_of_its_own(cache):
    kept = store(cache)
    for name in (kept.name + '.json', 'notes.txt', 'README'):
        make_old(cache, name)
    assert cache.prune() == []
    assert names(cache) == sorted([kept.name + '.json', kept.name + '.plan', 'notes.txt',
                                   'README'])


def make_old(cache, name):
    """Make a file, if it is not there, that nothing has touched for two days."""
    with open(os.path.join(cache.folder, name), 'ab'):
        pass
    old = time.time() - 2 * engine_cache.STALE_SECONDS
    os.utime(os.path.join(cache.folder, name), (old, old))


def test_pruning_removes_locks_and_timings_that_belong_to_no_engine(cache):
    kept = store(cache)
    for name in (kept.name + '.lock', 'planned.lock', 'gone.lock', 'held.lock',
                 'timing-8.2.1.8_NVIDIA_Tegra_X1.cache', 'timing-8.0.1_NVIDIA_Tegra_X1.cache'):
        make_old(cache, name)
    for name in ('new.lock', 'timing-10.3.0_Orin.cache'):
        with open(os.path.join(cache.folder, name), 'wb'):
            pass
    with cache.lock('held'):
        cache.prune(in_use=('planned',))
    assert names(cache) == sorted([
        kept.name + '.json', kept.name + '.lock', kept.name + '.plan', 'planned.lock', 'held.lock',
        'new.lock', 'timing-8.2.1.8_NVIDIA_Tegra_X1.cache', 'timing-10.3.0_Orin.cache'])
    cache.prune(in_use=('planned',))
    assert 'held.lock' not in names(cache)


KILLED_WRITER = """
import hashlib, os, signal, sys
from segformer_ros.common import private_files as cache_dir
from segformer_ros.inference.trt.cache import EngineCache
sys.path.insert(0, {test!r})
from test_engine_cache_values import KEY
cache = EngineCache({folder!r})
path = cache.temporary('.plan')
with open(path, 'wb') as stream:
    stream.write(b'new' * 1000)
steps = []
real = os.replace
def replace(source, target):
    steps.append(target)
    if len(steps) == {die_at}:
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)
os.replace = replace
cache.store('b0', KEY, path, hashlib.sha256(b'new' * 1000).hexdigest(), {{'precision': 'x'}})
"""


@pytest.mark.parametrize('die_at', [1, 2])
def test_process_killed_while_it_stores_leaves_no_engine_that_lies(cache, die_at, tmp_path):
    store(cache, plan=PLAN)
    (tmp_path / 'test_engine_cache_values.py').write_text(
        f'from segformer_ros.inference.trt.key import EngineKey\nKEY = {KEY!r}\n')
    code = KILLED_WRITER.format(test=str(tmp_path), folder=cache.folder, die_at=die_at)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    done = subprocess.run([sys.executable, '-c', code], env=environment)
    assert done.returncode == -9
    record = cache.find('b0', KEY)
    # Either there is no engine, or what is there is what was stored.
    assert record is None or cache.read_plan(record) in (PLAN, b'new' * 1000)


def test_lock_excludes_other_processes(cache):
    with cache.lock('x'):
        with pytest.raises(ModelError, match='Another process holds the lock'):
            with cache.lock('x'):
                raise AssertionError('held twice')
    with cache.lock('x'):
        pass
