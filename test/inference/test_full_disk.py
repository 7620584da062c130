# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the folder of the engines takes no file, onnxruntime serves on and the reason is told."""

import contextlib
import errno
import hashlib
import os
import resource
import shutil
import tempfile
import time

import pytest
from segformer_ros.common import errors
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.file_cache import StorageError
from segformer_ros.inference.base.frames import Frames
from segformer_ros.inference.trt import build_job
from segformer_ros.inference.trt import builder as network_builder
from segformer_ros.inference.trt import key as trt_key
from segformer_ros.inference.trt import memory
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.inference.trt.build_job import EngineJob
from segformer_ros.inference.trt.cache import EngineCache
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.inference.trt.candidates import engine_tasks
from segformer_ros.inference.trt.candidates import EngineCandidates
from segformer_ros.inference.trt.candidates import EngineModel

PATIENCE_S = 120.0
KEY = trt_key.EngineKey(
    'ab' * 32, ('x float32[1]',), 'tensorrt', '8.2.1.8', 'NVIDIA Tegra X1', (5, 3), 1, 10020,
    '# R32', 'fp16+fp32', 'pinned-layers-1', False, 0, None)
PLAN = bytes(range(256)) * 40
NOTHING, ROOM_FOR_A_PLAN = 40, 200000
"""Bytes that a file may have: none of an engine, or its plan but not the frames of its check."""


@contextlib.contextmanager
def no_room(limit=NOTHING):
    """Let no file grow beyond a size, in this process and those that it starts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def full_disk(monkeypatch):
    """Return a function after which data no longer reaches the disk, or does again."""
    syncing = os.fsync

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda full=True: monkeypatch.setattr(os, 'fsync', refuse if full else syncing)


@pytest.fixture
def cache(tmp_path):
    """Return an empty cache."""
    return open_cache(str(tmp_path / 'cache'))


@pytest.fixture
def make_job(fake_tensorrt, tiny_model, tiny_spec, nano, cache, frames):
    """Return a function that makes the job of one engine."""

    def make(faults=''):
        runtime = RuntimeSettings(tensorrt_module=fake_tensorrt('8.6.1', faults), probe=False)
        task = engine_tasks(
            EngineModel(tiny_model, tiny_spec), 'fp32', load_tensorrt(runtime.tensorrt_module),
            runtime, trt_key.DEFAULT_BUILDER, nano)[0]
        return EngineJob(cache, task, lambda: Frames((), tuple(frames)), wait_for_memory=False)

    return make


def stored(cache):
    """Store an engine and return its record."""
    path = cache.temporary('.plan')
    with open(path, 'wb') as stream:
        stream.write(PLAN)
    return cache.store('b0', KEY, path, hashlib.sha256(PLAN).hexdigest(), {})


def finish(job):
    """Return the record of a job at its end."""
    give_up_at = time.monotonic() + PATIENCE_S
    while job.poll() is None:
        assert time.monotonic() < give_up_at, job.progress
        time.sleep(0.01)
    return job.poll()


def files(cache):
    """Return the files that are of engines, or were to become such."""
    return sorted(name for name in os.listdir(cache.folder)
                  if not name.endswith(('.lock', '.cache')))


def is_idle(selector):
    """Return whether nothing is being built."""
    return selector.status.job is None


def assert_told(text, folder):
    """Check that a text names what was met, where, and what to do."""
    assert str(folder) in text
    assert 'File too large' in text or 'No space left on device' in text
    assert 'Free space there, or set engine_cache' in text


@pytest.mark.parametrize('use', [
    lambda cache, record: cache.begin_load(record),
    lambda cache, record: cache.end_load(record),
    lambda cache, record: cache.suspect(record),
    lambda cache, record: cache.record_failure('b0', KEY, 'no plan', final=True)])
def test_record_that_cannot_be_written_is_an_error_and_the_one_before_stays(cache, use):
    record = stored(cache)
    before = files(cache)
    with no_room(), pytest.raises(StorageError) as caught:
        use(cache, record)
    assert_told(str(caught.value), cache.folder)
    assert files(cache) == before
    assert cache.find('b0', KEY) == record
    assert cache.read_plan(record) == PLAN


def test_failure_that_cannot_be_recorded_is_told_with_the_disk(cache):
    with no_room(), pytest.raises(StorageError, match='TensorRT found no kernel'):
        cache.record_failure('b0', KEY, 'TensorRT found no kernel', final=False)


def test_engine_without_a_record_takes_no_space(cache, monkeypatch):
    replacing = os.replace

    def only_plans(source, target):
        if target.endswith('.json'):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        replacing(source, target)

    monkeypatch.setattr(os, 'replace', only_plans)
    with pytest.raises(StorageError, match='quota'):
        stored(cache)
    assert files(cache) == []


@pytest.mark.parametrize('use', [
    lambda cache: cache.temporary('.plan'), EngineCache.records, EngineCache.prune,
    lambda cache: stored(cache)])
def test_folder_that_has_gone_is_an_error_of_the_package(cache, use):
    shutil.rmtree(cache.folder)
    with pytest.raises(StorageError, match='No such file or directory'):
        use(cache)


def test_lock_that_cannot_be_made_is_not_waited_for(cache, make_job):
    os.mkdir(cache.path('x', '.lock'))
    with pytest.raises(StorageError, match='Is a directory while locking x'):
        with cache.lock('x'):
            raise AssertionError('held')
    job = make_job()
    os.mkdir(cache.path(trt_key.entry_name('tiny', job._task.key), '.lock'))
    with pytest.raises(StorageError, match='Is a directory'):
        job.poll()


def test_no_folder_at_all_is_an_error_of_the_package(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('in the way')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'gone'))
    with pytest.raises(StorageError, match='temporary folder.*since: Cache folder'):
        open_cache(str(tmp_path / 'file' / 'root'))


@pytest.mark.once
@pytest.mark.real_process
def test_plan_without_room_ends_the_build_with_the_reason_and_is_not_counted(
        make_job, cache, monkeypatch):
    borrowing = EngineCache.borrowed

    @contextlib.contextmanager
    def borrowed(lender, suffix):
        with borrowing(lender, suffix) as path:
            if suffix == '.plan':
                os.unlink(path)
                os.symlink('/dev/full', path)
            yield path

    monkeypatch.setattr(memory, 'available_memory', lambda: 4096 << 20)
    with monkeypatch.context() as patch:
        patch.setattr(EngineCache, 'borrowed', borrowed)
        with pytest.raises(StorageError, match='cannot be stored') as caught:
            finish(make_job())
    assert_told(str(caught.value), cache.folder)
    # No second attempt with less memory.
    assert str(caught.value).count('writing a plan') == 1
    assert files(cache) == []
    assert finish(make_job()).usable


def test_failed_build_on_a_full_disk_is_told_with_both_reasons(make_job, cache, full_disk):
    full_disk()
    with pytest.raises(StorageError, match='could not build the engine') as caught:
        finish(make_job('build_none'))
    assert_told(str(caught.value), cache.folder)
    assert files(cache) == []


@pytest.mark.parametrize('has_timing_cache', [True, False])
def test_full_disk_that_shows_at_the_end_of_a_write_ends_the_build_too(
        make_job, cache, full_disk, monkeypatch, has_timing_cache):
    if not has_timing_cache:
        monkeypatch.setattr(network_builder, '_save_timing_cache', lambda config, path: None)
    full_disk()
    with pytest.raises(StorageError, match='writing timing-' if has_timing_cache
                       else 'storing tiny-fp32-'):
        finish(make_job())
    full_disk(False)
    assert files(cache) == []
    assert finish(make_job()).usable


@pytest.mark.parametrize('place', ['writing frames for the self-check', 'writing tiny-fp32-'])
def test_check_on_a_full_disk_leaves_the_engine_to_be_checked(make_job, cache, full_disk, place):
    job = make_job()
    if 'frames' in place:
        with no_room(ROOM_FOR_A_PLAN), pytest.raises(StorageError, match=place):
            finish(job)
    else:
        while job.progress.stage != 'checking':
            assert job.poll() is None
        full_disk()
        with pytest.raises(StorageError, match=place):
            finish(job)
        full_disk(False)
    record, = cache.records()
    assert (record.verdict, record.failed_builds) == ('not checked yet', 0)
    assert files(cache) == [record.name + '.json', record.name + '.plan']
    checked = finish(make_job())
    assert checked.usable and checked.plan_sha256 == record.plan_sha256


def test_process_that_does_not_start_is_an_error_of_the_package(make_job, cache, monkeypatch):
    def refuse(operation, request):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(build_job, 'EngineProcess', refuse)
    with pytest.raises(BackendError, match='does not start: got Resource temporarily'):
        finish(make_job())
    assert files(cache) == []


def test_build_on_a_full_disk_leaves_onnxruntime_and_the_reason_and_no_second_build(
        robot, full_disk):
    selector = robot.selector()
    backend = selector.open()
    full_disk()
    backend = robot.drive(selector, backend, is_idle)
    robot.drive(selector, backend, lambda _: len(robot.masks) > 5)
    assert backend.info.name == 'onnxruntime'
    assert selector.status.level == errors.WARN
    assert 'no fp16+fp32 engine: ' in selector.status.why
    assert 'no fp32 engine' not in selector.status.why
    assert_told(selector.status.why, robot.cache_root)
    full_disk(False)
    again = robot.selector()
    assert robot.drive(again, again.open(), is_idle).info.name == 'tensorrt'
    assert again.status.level == errors.OK


@pytest.fixture
def engine(robot):
    """Return the name of an engine that was built on the robot."""
    selector = robot.selector()
    robot.drive(selector, selector.open(), is_idle)
    selector.close()
    return selector.status.engine


def engines(robot):
    """Return the robot's cache."""
    return EngineCache(os.path.join(robot.cache_root, 'engines'))


@pytest.mark.parametrize('backend, level', [('auto', errors.WARN), ('tensorrt', errors.ERROR)])
def test_good_engine_on_a_full_disk_is_not_loaded_without_a_mark_and_onnxruntime_serves(
        robot, engine, backend, level):
    record, = engines(robot).records()
    selector = robot.selector(backend=backend)
    with no_room():
        serving = selector.open()
        robot.drive(selector, serving, lambda _: len(robot.masks) > 5)
    assert serving.info.name == 'onnxruntime'
    assert (selector.status.level, selector.status.engine) == (level, None)
    assert is_idle(selector)
    assert_told(selector.status.why, robot.cache_root)
    selector.close()
    assert engines(robot).records() == (record,)
    assert robot.selector(backend=backend).open().info.name == 'tensorrt'


@pytest.mark.parametrize('deaths', [1, 3])
def test_engine_that_killed_the_process_is_not_loaded_where_that_cannot_be_recorded(
        robot, engine, deaths, monkeypatch):
    record, = engines(robot).records()
    for _ in range(deaths):
        record = engines(robot).begin_load(record)
    monkeypatch.setattr(EngineCandidates, 'load', lambda candidates, found: pytest.fail('loaded'))
    selector = robot.selector()
    with no_room():
        serving = selector.open()
        robot.drive(selector, serving, lambda _: len(robot.masks) > 5)
    assert serving.info.name == 'onnxruntime'
    assert selector.status.level == errors.WARN
    assert_told(selector.status.why, robot.cache_root)


@pytest.mark.once
@pytest.mark.parametrize('faults, backend', [
    ('', 'tensorrt'), ('context_none', 'onnxruntime'), ('deserialize_none', 'onnxruntime')])
def test_disk_that_fills_up_while_an_engine_is_loaded_hides_neither_its_fate_nor_itself(
        robot, engine, full_disk, monkeypatch, faults, backend):
    beginning = EngineCache.begin_load

    def begin_load(cache, record):
        record = beginning(cache, record)
        full_disk()
        return record

    def delete(cache, name, reason):
        raise StorageError('No space left on device')

    monkeypatch.setattr(EngineCache, 'begin_load', begin_load)
    monkeypatch.setattr(EngineCache, 'delete', delete)
    selector = robot.selector(faults=faults)
    serving = selector.open()
    assert serving.info.name == backend
    robot.drive(selector, serving, lambda _: len(robot.masks) > 5)
    assert is_idle(selector)
    assert selector.status.level == errors.WARN
    assert 'No space left on device' in selector.status.why
    assert ('no fp16+fp32 engine: ' in selector.status.why) == (backend == 'onnxruntime')
    record, = engines(robot).records()
    # The next start tries it in a process of its own.
    assert record.unfinished_loads == 1


def test_read_only_folder_gives_way_to_a_temporary_one_with_a_warning(
        robot, engine, monkeypatch):
    making = tempfile.mkstemp

    def mkstemp(dir=None, **options):
        if str(dir).startswith(robot.cache_root):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return making(dir=dir, **options)

    monkeypatch.setattr(tempfile, 'mkstemp', mkstemp)
    selector = robot.selector()
    serving = robot.drive(selector, selector.open(), is_idle)
    assert serving.info.name == 'tensorrt'
    assert selector.status.level == errors.WARN
    assert 'Read-only file system' in selector.status.why
    assert 'must then be built again' in selector.status.why


@pytest.mark.parametrize('backend', ['auto', 'tensorrt'])
def test_no_place_for_engines_is_told_and_refused_only_where_tensorrt_was_asked_for(
        robot, tmp_path, monkeypatch, backend):
    (tmp_path / 'file').write_text('in the way')
    robot.cache_root = str(tmp_path / 'file' / 'root')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'gone'))
    selector = robot.selector(backend=backend)
    if backend == 'tensorrt':
        with pytest.raises(SegformerRosError, match='set engine_cache'):
            selector.open()
        return
    assert selector.open().info.name == 'onnxruntime'
    assert selector.status.level == errors.WARN
    assert 'set engine_cache' in selector.status.why
