# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The builder's process does what it is asked, tells how it ends, and outlives nobody."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from segformer_ros.common.child_process import CANCELLED
from segformer_ros.inference.trt.worker import EngineProcess
from segformer_ros.inference.trt.worker import WorkerProgress

pytestmark = pytest.mark.real_process
PATIENCE_S = 60.0


def wait(condition, what):
    """Wait until a condition holds."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.02)


def finish(worker):
    """Wait for the outcome."""
    outcomes = []
    wait(lambda: outcomes.append(worker.poll()) or outcomes[-1] is not None, 'no outcome')
    worker.close()
    return outcomes[-1]


@pytest.fixture
def build_request(fake_tensorrt, tiny_model, tmp_path):
    """Return a function that makes the fields of a build request."""

    def make(faults=''):
        return {
            'model_path': tiny_model, 'plan_path': str(tmp_path / 'x.plan'), 'precision': 'fp32',
            'shapes': {}, 'tensorrt_module': fake_tensorrt('8.2.1', faults), 'device_index': 0,
            'workspace_mib': 64, 'tactic_sources': 'none', 'tf32': False,
            'optimization_level': None, 'timing_cache': '', 'probe_gpu': False}

    return make


def exists(pid):
    """Return whether a process runs; a zombie does not."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as stream:
            return stream.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


@pytest.mark.smoke
def test_plan_is_written_and_facts_come_back(build_request):
    request = build_request()
    outcome = finish(EngineProcess('build', request))
    assert (outcome.kind, outcome.problem) == ('', '')
    assert outcome.result['precision'] == 'fp32'
    assert outcome.result['tactic_sources'] == 'none'
    with open(request['plan_path'], 'rb') as stream:
        assert stream.read(8) == b'FAKEPLAN'


def test_failure_comes_back_with_its_kind(build_request):
    worker = EngineProcess('build', build_request('build_none'))
    outcome = finish(worker)
    assert worker.status not in (0, CANCELLED)
    assert outcome.result is None
    assert outcome.kind == 'backend'
    assert 'could not build the engine' in outcome.problem
    request = dict(build_request(), model_path='/absent.onnx')
    assert finish(EngineProcess('build', request)).kind == 'model'
    probing = dict(build_request(), probe_gpu=True)
    if not os.path.exists('/dev/nvidiactl'):
        assert 'No CUDA driver' in finish(EngineProcess('build', probing)).problem


def test_crash_tells_the_signal_the_phase_and_the_last_words(build_request):
    outcome = finish(EngineProcess('build', build_request('build_kill')))
    assert outcome.kind == 'killed'
    assert outcome.last_phase == 'building'
    assert 'was ended by SIGKILL while building' in outcome.problem
    assert '[E] about to die' in outcome.problem


def test_bug_in_the_worker_tells_its_traceback(build_request):
    request = build_request()
    del request['tf32']
    outcome = finish(EngineProcess('build', request))
    assert outcome.kind == 'crash'
    assert 'ended with status 1' in outcome.problem and 'TypeError' in outcome.problem


def test_heartbeat_comes_while_the_builder_works(build_request, monkeypatch):
    worker = EngineProcess('build', build_request('build_hang'))
    assert worker.progress == WorkerProgress('starting', 0, 0, 0.0)
    try:
        wait(lambda: worker.poll() is None and worker.progress.phase == 'building', 'no phase')
        before = worker.progress.elapsed
        wait(lambda: worker.poll() is None and worker.progress.elapsed > before, 'no heartbeat')
    finally:
        worker.close()
    worker.close()
    assert not exists(worker.pid)


def test_worker_is_gentle_and_first_to_be_killed(build_request):
    worker = EngineProcess('build', build_request('build_hang'))
    try:
        wait(lambda: worker.poll() is None and worker.progress.phase == 'building', 'no phase')
        assert os.getpriority(os.PRIO_PROCESS, worker.pid) >= min(
            19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        with open(f'/proc/{worker.pid}/oom_score_adj', encoding='ascii') as stream:
            assert stream.read().strip() == '1000'
    finally:
        worker.close()


PARENT = """
import json, sys, time
from segformer_ros.inference.trt.worker import EngineProcess
worker = EngineProcess('build', json.loads(sys.argv[1]))
outcome = None
while outcome is None and worker.progress.phase != 'building':
    outcome = worker.poll()
    time.sleep(0.02)
print(worker.pid if outcome is None else outcome, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_worker_dies_with_its_parent(build_request, number):
    # The faults travel by the environment: the request first.
    request = json.dumps(build_request('build_hang'))
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    parent = subprocess.Popen(
        [sys.executable, '-c', PARENT, request],
        stdout=subprocess.PIPE, env=environment)
    try:
        told = parent.stdout.readline().decode('utf-8').strip()
        assert told.isdigit(), told
        pid = int(told)
        assert exists(pid)
        parent.send_signal(number)
        parent.wait()
        wait(lambda: not exists(pid), 'the worker lives on')
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


def test_closed_stdin_ends_the_worker_without_the_kernels_help(build_request):
    line = json.dumps(dict(build_request('build_hang'), operation='build')) + '\n'
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    worker = subprocess.Popen(
        [sys.executable, '-m', 'segformer_ros.inference.trt.worker'], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    worker.stdin.write(line.encode('utf-8'))
    worker.stdin.flush()
    assert b'"progress"' in worker.stdout.readline()
    worker.stdin.close()
    assert worker.wait(PATIENCE_S) == CANCELLED
    worker.stdout.close()


def test_worker_without_a_request_ends(build_request):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    done = subprocess.run([sys.executable, '-m', 'segformer_ros.inference.trt.worker'],
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (CANCELLED, b'')
