# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The parent's side of the builder process: start, listen without waiting, end."""

import collections
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Deque, Dict, List, NamedTuple, Optional

WORKER_MODULE = 'segformer_ros.inference.trt.worker'
KEPT_LINES = 60
TERMINATION_S = 5.0


class WorkerProgress(NamedTuple):
    """Where the worker is; ``steps`` is 0 where TensorRT does not tell."""

    phase: str
    step: int
    steps: int
    elapsed: float


class WorkerOutcome(NamedTuple):
    """
    How the worker ended.

    ``result`` is None after a failure, which ``problem`` then describes. ``kind`` is ``load``,
    ``model`` or ``storage`` where the worker said so; ``killed`` where it was ended by SIGKILL, as
    the kernel does when memory runs out; ``crash`` where it died in another way without a word;
    else ``backend``; empty after success.
    """

    result: Optional[Dict[str, Any]]
    kind: str
    problem: str
    last_phase: str


class WorkerProcess:
    """
    One request in a process of its own.

    Started from the thread that will live longest: the kernel ends the worker with the thread
    that started it.

    :param operation: ``build`` or ``try``
    :param request: fields of the operation's request
    """

    def __init__(self, operation: str, request: Dict[str, Any]) -> None:
        environment = dict(os.environ)
        # The same modules as here, wherever they were found. A working directory of its own
        # keeps files that lie about from being imported.
        environment['PYTHONPATH'] = os.pathsep.join(
            os.path.abspath(path) for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, '-m', WORKER_MODULE], cwd='/', env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._events: 'queue.Queue[Dict[str, Any]]' = queue.Queue()
        self._lines: Deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._threads = [threading.Thread(target=target, daemon=True)
                         for target in (self._read_events, self._read_lines)]
        for thread in self._threads:
            thread.start()
        self._final: Optional[Dict[str, Any]] = None
        self.progress = WorkerProgress('starting', 0, 0, 0.0)
        self.heard_at = time.monotonic()
        self._send(operation, request)

    @property
    def pid(self) -> int:
        """Return the worker's process id."""
        return self._process.pid

    def poll(self) -> Optional[WorkerOutcome]:
        """Take in what the worker said; return its outcome once it has ended."""
        ended = self._process.poll() is not None
        if ended:
            for thread in self._threads:
                thread.join(TERMINATION_S)
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                break
            self.heard_at = time.monotonic()
            if event.pop('event') == 'progress':
                self.progress = WorkerProgress(**event)
            else:
                self._final = event
        return self._outcome() if ended else None

    def output(self) -> List[str]:
        """Return the last lines that TensorRT and others printed."""
        return list(self._lines)

    def close(self) -> None:
        """End the worker, at once if it does not go by itself; closing twice is allowed."""
        process = self._process
        for stream in (process.stdin,):
            if stream is not None and not stream.closed:
                _close_quietly(stream)
        try:
            process.wait(TERMINATION_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join(TERMINATION_S)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def _send(self, operation: str, request: Dict[str, Any]) -> None:
        line = json.dumps(dict(request, operation=operation)) + '\n'
        stdin = self._process.stdin
        try:
            if stdin is not None:
                stdin.write(line.encode('utf-8'))
                stdin.flush()
        except BrokenPipeError:
            # It died at once; poll() tells with which status and last words.
            self._lines.append('the worker did not read its request')

    def _outcome(self) -> WorkerOutcome:
        status = self._process.returncode
        phase = self.progress.phase
        if self._final is not None and 'text' not in self._final and status == 0:
            return WorkerOutcome(self._final, '', '', phase)
        printed = '\n'.join(self._lines)
        if self._final is not None and 'text' in self._final:
            text = self._final['text'] + ('\n' + printed if printed else '')
            return WorkerOutcome(None, self._final['kind'], text, phase)
        kind = 'killed' if status == -signal.SIGKILL else 'crash'
        return WorkerOutcome(None, kind, 'the process {} while {}{}'.format(
            _how_it_ended(status), phase, '\n' + printed if printed else ''), phase)

    def _read_events(self) -> None:
        stdout = self._process.stdout
        if stdout is None:
            return
        for line in stdout:
            # A killed process may leave half a line, which is no JSON.
            if line.endswith(b'\n'):
                self._events.put(json.loads(line.decode('utf-8')))

    def _read_lines(self) -> None:
        stderr = self._process.stderr
        if stderr is None:
            return
        for line in stderr:
            self._lines.append(line.decode('utf-8', 'replace').rstrip())


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f'was ended by {signal.Signals(-status).name}'
    return f'ended with status {status}'


def _close_quietly(stream: Any) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        # The worker has gone already, which is all that closing is for.
        return
