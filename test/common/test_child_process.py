# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A worker serves its request, tells how it ended, and is gone when nobody wants it."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from segformer_ros.common.child_process import CANCELLED
from segformer_ros.common.child_process import ChildProcess
from segformer_ros.common.child_process import WorkerProcess

MODULE = 'support.echo_worker'
TIMEOUT_S = 60.0


@pytest.fixture(autouse=True)
def buffers(monkeypatch):
    """Take away the variable with which Python holds nothing back; robots do not set it."""
    monkeypatch.delenv('PYTHONUNBUFFERED', raising=False)


def run(timeout_s=TIMEOUT_S, **request):
    """Return a worker that has ended."""
    with WorkerProcess(MODULE, request, timeout_s) as worker:
        worker.wait()
    return worker


@pytest.mark.smoke
def test_messages_arrive_in_order_and_prints_do_not_come_between():
    worker = run(messages=3, words='last')
    assert [message['number'] for message in worker.messages()] == [0, 1, 2]
    assert list(worker.messages()) == []
    assert (worker.status, worker.was_killed) == (0, False)
    assert 'a library prints to stdout' in worker.last_words
    assert 'last' in worker.last_words


def test_worker_in_the_background_gives_way(monkeypatch):
    niceness, = (message['niceness'] for message in run(messages=1).messages())
    assert niceness >= min(19, os.nice(0) + 10)
    monkeypatch.setenv('ECHO_IN_FRONT', '1')
    niceness, = (message['niceness'] for message in run(messages=1).messages())
    assert niceness == os.nice(0)


@pytest.mark.parametrize('request_, status, was_killed, ending', [
    ({'status': 7}, 7, False, 'ended with status 7'),
    ({'dies': True}, -signal.SIGKILL, True, 'was ended by SIGKILL')])
def test_ending_is_told_with_the_last_words(request_, status, was_killed, ending):
    worker = run(words='why', **request_)
    assert (worker.status, worker.was_killed, worker.ending) == (status, was_killed, ending)
    assert worker.last_words.endswith('why')
    assert worker.account(2) == f'{ending}: hy'


def test_worker_without_last_words_is_told_without_a_colon():
    with WorkerProcess('support.nonesuch', {}, 0.0) as worker:
        worker.wait()
    assert (worker.last_words, worker.account(100)) == ('', 'took longer than 0 s')


@pytest.mark.parametrize('timeout_s, text', [(0.0, '0'), (0.05, '0.05'), (0.5, '0.5'),
                                             (1.5, '1.5')])
def test_worker_that_takes_too_long_is_killed_for_that_and_not_for_memory(timeout_s, text):
    worker = run(timeout_s=timeout_s, seconds=600.0)
    assert worker.ending == f'took longer than {text} s'
    assert worker.status == -signal.SIGKILL and not worker.was_killed


def test_closed_worker_ends_at_once_and_may_be_closed_again():
    worker = WorkerProcess(MODULE, {'seconds': 600.0}, TIMEOUT_S)
    began = time.monotonic()
    worker.close()
    worker.close()
    assert worker.status is not None
    assert time.monotonic() - began < 30.0


def test_worker_ends_when_its_stdin_is_closed():
    with subprocess.Popen([sys.executable, '-m', MODULE], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))) as worker:
        try:
            worker.stdin.write(b'{"messages": 1, "seconds": 600}\n')
            worker.stdin.flush()
            assert b'"number": 0' in worker.stdout.readline()
            worker.stdin.close()
            assert worker.wait(TIMEOUT_S) == CANCELLED
        finally:
            worker.kill()


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='a signal that Linux has')
def test_worker_ends_with_the_thread_that_started_it():
    started = []

    def start():
        started.append(WorkerProcess(MODULE, {'messages': 1, 'seconds': 600.0}, TIMEOUT_S))
        deadline = time.monotonic() + TIMEOUT_S
        # What it sends comes after it has asked the kernel for the signal.
        while not list(started[0].messages()) and time.monotonic() < deadline:
            time.sleep(0.02)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    worker = started[0]
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while worker.status is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert worker.status == -signal.SIGKILL
    finally:
        worker.close()


def test_module_that_is_missing_is_told_by_its_last_words():
    with WorkerProcess('support.absent', {}, TIMEOUT_S) as worker:
        worker.wait()
        assert worker.status == 1
        assert 'support.absent' in worker.last_words


def test_command_is_interrupted_with_its_block_and_killed_where_that_does_not_help():
    with ChildProcess([sys.executable, '-c', 'import time; time.sleep(600)'],
                      stderr=subprocess.DEVNULL) as child:
        assert child.status is None
    assert child.status is not None
    deaf = 'import signal, time; signal.signal(2, signal.SIG_IGN); print(1, flush=True); ' \
           'time.sleep(600)'
    child = ChildProcess([sys.executable, '-c', deaf], stdout=subprocess.PIPE)
    child.termination_s = 0.2
    with child, child._process.stdout as stdout:
        stdout.readline()
    assert child.status == -signal.SIGKILL
