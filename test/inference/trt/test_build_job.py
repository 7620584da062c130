# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""An engine is built and checked in another process, whatever goes wrong there."""

import os
import re
import time
from types import SimpleNamespace

import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.inference.base.frames import Frames
from segformer_ros.inference.trt import build_job
from segformer_ros.inference.trt import memory
from segformer_ros.inference.trt import validation
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.backend import EngineLoadError
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.inference.trt.backend import TensorrtBackend
from segformer_ros.inference.trt.build_job import EngineJob
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.inference.trt.candidates import engine_tasks
from segformer_ros.inference.trt.candidates import EngineCandidates
from segformer_ros.inference.trt.candidates import EngineModel
from segformer_ros.inference.trt.key import BuilderSettings
from segformer_ros.inference.trt.key import DEFAULT_BUILDER
from segformer_ros.inference.trt.key import entry_name

PATIENCE_S = 120.0


@pytest.fixture
def cache(tmp_path):
    """Return an empty engine cache."""
    return open_cache(str(tmp_path / 'cache'))


@pytest.fixture
def make_task(fake_tensorrt, tiny_model, tiny_spec, nano):
    """Return a function that makes the task of one engine."""

    def make(version, faults='', wish='fp32', model=tiny_model, builder=DEFAULT_BUILDER,
             **options):
        runtime = RuntimeSettings(tensorrt_module=fake_tensorrt(version, faults), probe=False,
                                  **options)
        return engine_tasks(
            EngineModel(model, tiny_spec), wish, load_tensorrt(runtime.tensorrt_module), runtime,
            builder, nano)[0]

    return make


@pytest.fixture
def run(cache, frames):
    """Return a function that runs a job to its end."""

    def until_done(task, live=2, seen=None):
        job = EngineJob(cache, task, lambda: Frames(tuple(frames[:live]), tuple(frames[live:])),
                        wait_for_memory=False)
        give_up_at = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < give_up_at:
                record = job.poll()
                if record is not None:
                    return record
                if seen is not None:
                    seen.append(job.progress)
                time.sleep(0.01)
        finally:
            job.cancel()
        raise AssertionError(f'the job did not end: {job.progress}')

    return until_done


def leftovers(cache):
    """Return the temporary files in the cache's folder."""
    return [name for name in os.listdir(cache.folder) if name.startswith('.tmp')]


@pytest.mark.parametrize('version, wish', [
    pytest.param('8.2.1', 'fp16', marks=pytest.mark.real_process),
    ('8.4.1', 'fp32'), ('8.5.1', 'fp16'), ('8.6.1', 'fp16')])
def test_engine_is_built_checked_and_kept(make_task, run, cache, version, wish):
    task = make_task(version, wish=wish)
    seen = []
    record = run(task, seen=seen)
    assert record.usable
    assert record.check.agreement >= 0.99
    assert (record.check.live_frames, record.check.bundled_frames) == (2, 3)
    assert record.built['precision'] == ('fp16+fp32' if wish == 'fp16' else 'fp32')
    assert record.built['tensorrt_version'] == version
    assert 0.0 < record.built['latency_p50_ms'] <= record.built['latency_p95_ms']
    assert record.built['device_memory_mib'] == 3.0
    assert cache.find('tiny', task.key) == record
    assert cache.read_plan(record)[:8] == b'FAKEPLAN'
    stages = [progress.stage for progress in seen]
    assert stages.index('building') < stages.index('checking')
    assert not leftovers(cache)


def test_latencies_are_the_median_and_the_95th_percentile_of_forty_runs(
        make_task, run, monkeypatch):
    # Runs that take 1 ms to 40 ms, the shortest last; a further one would take none.
    moments = []
    for milliseconds in range(40, -1, -1):
        moments += [float(milliseconds), milliseconds + 0.001 * milliseconds]
    monkeypatch.setattr(validation, 'time', SimpleNamespace(
        perf_counter=iter(moments).__next__))
    built = run(make_task('8.6.1')).built
    assert built['latency_p50_ms'] == pytest.approx(20.5, rel=1e-6)
    # Between the third longest and the second: 38 ms and 39 ms.
    assert built['latency_p95_ms'] == pytest.approx(38.05, rel=1e-6)


@pytest.mark.parametrize('version', [
    '10.3.0', pytest.param('11.4.0.106', marks=pytest.mark.real_process)])
def test_mixed_engine_is_strongly_typed_from_10_on(make_task, run, version):
    pytest.importorskip('onnx')
    record = run(make_task(version, wish='fp16'))
    assert record.usable
    assert record.built['precision'] == 'fp16+fp32'
    assert 0 < record.built['fp32_parts'] < record.built['parts']


def test_engine_is_checked_with_graphs_where_the_node_uses_them(make_task, run, cache):
    task = make_task('8.6.1', buffers='pycuda', cuda_graph=True)
    with pytest.raises(BackendError, match=r'could not be run.*graphs.*cuda_graphs: false'):
        run(task)
    assert not cache.find('tiny', task.key).rejected
    assert run(make_task('8.6.1', cuda_graph=True)).usable


def test_progress_of_the_builder_arrives(make_task, run):
    seen = []
    run(make_task('10.13.3.9', faults='build_slow'), seen=seen)
    details = ' '.join(progress.detail for progress in seen)
    assert 'workspace' in details
    assert 'building' in details
    elapsed = [progress.elapsed for progress in seen if progress.stage == 'building']
    assert elapsed == sorted(elapsed)


def test_less_is_tried_when_the_builder_fails(make_task, run, monkeypatch):
    monkeypatch.setattr(memory, 'available_memory', lambda: 4096 << 20)
    record = run(make_task('8.2.1', faults='build_none_above_64'))
    assert record.usable
    assert record.built['workspace_mib'] == 64


def test_cublas_is_given_back_when_nothing_works_without(make_task, run, monkeypatch):
    monkeypatch.setattr(memory, 'available_memory', lambda: memory.MINIMUM_FREE)
    record = run(make_task('8.2.1', faults='build_none_without_cublas'))
    assert record.usable
    assert record.built['tactic_sources'] == 'cublas'


def test_fixed_workspace_is_tried_alone(make_task, run):
    task = make_task('8.6.1', builder=BuilderSettings(workspace_mib=100))
    assert run(task).built['workspace_mib'] == 100


@pytest.mark.real_process
def test_killed_builder_is_an_error_with_its_last_words(make_task, run, cache, monkeypatch):
    monkeypatch.setattr(memory, 'available_memory', lambda: memory.MINIMUM_FREE)
    task = make_task('8.2.1', faults='build_kill')
    with pytest.raises(BackendError, match=r'SIGKILL while building') as caught:
        run(task)
    assert 'about to die' in str(caught.value)
    assert '--force' in str(caught.value)
    record = cache.find('tiny', task.key)
    assert (record.failed_builds, record.rejected) == (1, False)
    assert not leftovers(cache)


def test_engine_that_fails_to_build_again_and_again_is_given_up(make_task, run, monkeypatch):
    monkeypatch.setattr(memory, 'available_memory', lambda: memory.MINIMUM_FREE)
    task = make_task('10.3.0', faults='build_none')
    for _ in range(3):
        with pytest.raises(BackendError, match='could not build the engine'):
            run(task)
    # Known as hopeless: no process is started any more.
    record = run(task)
    assert record.rejected
    assert 'could not build' in record.verdict


def test_model_that_tensorrt_cannot_read_is_a_model_error_at_once(make_task, run, tmp_path):
    pytest.importorskip('onnx')
    from support.segformer_onnx import make_segformer
    from support.segformer_onnx import TINY
    path = make_segformer(str(tmp_path / 'new.onnx'), opset=17, **TINY)
    with pytest.raises(ModelError, match=r'opset 17 is not supported'):
        run(make_task('8.2.1', model=path))
    with pytest.raises(ModelError, match=r'No importer registered for op: LayerNormalization'):
        run(make_task('8.5.1', model=path))
    assert run(make_task('8.6.1', model=path)).usable


@pytest.mark.parametrize('faults, text', [
    ('wrong', r'agreement 0\.\d+ \(minimum 0\.99\)'), ('nan', 'not finite')])
def test_wrong_engine_fails_its_check_and_loses_its_plan(make_task, run, cache, faults, text):
    task = make_task('8.6.1', faults=faults)
    record = run(task)
    assert record.rejected and not record.usable
    assert re.search(text, record.verdict)
    assert not os.path.exists(cache.path(record.name, '.plan'))
    # The verdict is remembered: no second build.
    assert run(make_task('8.6.1')) == record


def test_plan_that_is_not_taken_is_built_again_once(make_task, run, tmp_path, monkeypatch):
    mark = tmp_path / 'mark'
    monkeypatch.setenv('FAKE_TENSORRT_MARK', str(mark))
    record = run(make_task('8.6.1', faults='deserialize_none_once'))
    assert mark.exists()
    assert record.usable


@pytest.mark.once
@pytest.mark.real_process
@pytest.mark.parametrize('faults', ['deserialize_none', 'deserialize_crash'])
def test_plan_that_is_never_taken_is_given_up_for_good(make_task, run, cache, faults):
    task = make_task('8.6.1', faults=faults)
    with pytest.raises(BackendError, match='built again and still not loaded'):
        run(task)
    assert cache.find('tiny', task.key).rejected
    assert not os.path.exists(cache.path(entry_name('tiny', task.key), '.plan'))


def test_engine_that_the_node_cannot_load_is_built_again_once_and_then_given_up(
        make_task, run, cache, tiny_spec, monkeypatch):
    task = make_task('8.6.1')
    engines = EngineCandidates([task], cache, tiny_spec)

    def refuse(_):
        raise EngineLoadError('Plan is not taken')

    for is_final in (False, True):
        record = run(task)
        assert record.usable
        with monkeypatch.context() as patch, pytest.raises(EngineLoadError):
            patch.setattr(TensorrtBackend, 'open', refuse)
            engines.load(record)
        assert not os.path.exists(cache.path(record.name, '.plan'))
        assert (cache.find('tiny', task.key) is not None) == is_final
        assert (engines.next_task(None) is task) != is_final
    record = cache.find('tiny', task.key)
    assert record.rejected and 'built again and still not loaded' in record.verdict


@pytest.mark.once
@pytest.mark.real_process
def test_check_that_the_kernel_ends_for_memory_says_nothing_about_the_engine(
        make_task, run, cache):
    task = make_task('8.6.1', faults='deserialize_kill')
    for _ in range(3):
        with pytest.raises(BackendError, match='memory may have run out') as caught:
            run(task)
        assert 'SIGKILL while loading the engine' in str(caught.value)
        assert 'MiB of memory are free now' in str(caught.value)
        assert 'the next start' in str(caught.value)
        record = cache.find('tiny', task.key)
        assert (record.rejected, record.failed_builds) == (False, 0)
    # With memory, the engine that was built first passes.
    checked = run(make_task('8.6.1'))
    assert checked.usable
    assert checked.plan_sha256 == record.plan_sha256


@pytest.mark.real_process
def test_cancelled_job_ends_its_process_and_leaves_nothing(make_task, cache, frames):
    job = EngineJob(cache, make_task('8.6.1', faults='build_hang'),
                    lambda: Frames((), tuple(frames)), wait_for_memory=False)
    give_up_at = time.monotonic() + PATIENCE_S
    while 'building' not in job.progress.detail and time.monotonic() < give_up_at:
        assert job.poll() is None
        time.sleep(0.01)
    pid = job._worker.pid
    job.cancel()
    job.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not leftovers(cache)


def test_no_build_is_started_without_memory(make_task, cache, frames, monkeypatch):
    monkeypatch.setattr(memory, 'available_memory', lambda: 100 << 20)
    task = make_task('8.6.1')
    job = EngineJob(cache, task, lambda: Frames((), tuple(frames)), wait_for_memory=True)
    for _ in range(3):
        assert job.poll() is None
    assert job.progress.stage == 'waiting'
    assert '100 MiB of memory are free, 768 are needed' in job.progress.detail
    assert job._worker is None
    job.cancel()
    impatient = EngineJob(cache, task, lambda: Frames((), tuple(frames)), wait_for_memory=False)
    with pytest.raises(BackendError, match='Too little memory'):
        impatient.poll()


def test_waiting_job_begins_when_memory_comes_back(make_task, cache, frames, monkeypatch):
    monkeypatch.setattr(memory, 'available_memory', lambda: 100 << 20)
    monkeypatch.setattr(build_job, 'MEMORY_POLL_S', 0.0)
    job = EngineJob(cache, make_task('8.6.1'), lambda: Frames((), tuple(frames)), True)
    assert job.poll() is None
    monkeypatch.setattr(memory, 'available_memory', lambda: 2048 << 20)
    assert job.poll() is None
    assert job.progress.stage == 'building'
    job.cancel()


@pytest.mark.real_process
def test_second_job_waits_for_the_first_and_takes_its_engine(make_task, cache, frames):
    task = make_task('8.6.1')
    first = EngineJob(cache, task, lambda: Frames((), tuple(frames)), wait_for_memory=False)
    second = EngineJob(cache, task, lambda: pytest.fail('checked twice'), wait_for_memory=False)
    assert first.poll() is None
    assert second.poll() is None
    assert second.progress.stage == 'waiting'
    assert 'Another process holds the lock' in second.progress.detail
    give_up_at = time.monotonic() + PATIENCE_S
    while first.poll() is None and time.monotonic() < give_up_at:
        assert second.poll() is None
        time.sleep(0.01)
    assert first.poll().usable
    assert second.poll() == first.poll()


def test_timing_cache_is_kept_for_the_next_build(make_task, run, cache):
    run(make_task('8.6.1'))
    kept = [name for name in os.listdir(cache.folder) if name.startswith('timing-')]
    assert kept == ['timing-8.6.1_NVIDIA_Tegra_X1.cache']
    assert os.stat(os.path.join(cache.folder, kept[0])).st_mode & 0o777 == 0o600
