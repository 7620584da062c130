# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive their parent, and the requests that some of them serve."""

import collections
import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Any, Callable, Deque, Dict, IO, Iterator, List, Optional, Type, TypeVar

KEPT_LINES = 60
TERMINATION_S = 5.0
CANCELLED = 3
"""Exit status of a worker that nobody wants anything of any more."""
# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_NICENESS = 10
_POLL_S = 0.02

AnyChild = TypeVar('AnyChild', bound='ChildProcess')
Message = Dict[str, Any]


class ChildProcess:
    """
    A command that ends with the ``with`` block that it was started for.

    :param command: program and arguments
    :param environment: variables on top of the parent's
    :param options: of ``subprocess.Popen``
    """

    termination_s = TERMINATION_S
    """Seconds that the child may take to end before it is killed."""

    def __init__(self, command: List[str], environment: Optional[Dict[str, str]] = None,
                 **options: Any) -> None:
        self._process: 'subprocess.Popen[bytes]' = subprocess.Popen(
            command, env=dict(os.environ, **(environment or {})), **options)

    def __enter__(self: AnyChild) -> AnyChild:
        """Return itself."""
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        """End the child."""
        self.close()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def status(self) -> Optional[int]:
        """Return the exit status, negative after a signal; None while it runs."""
        return self._process.poll()

    def close(self) -> None:
        """Ask the child to end and kill it if it does not; closing twice is allowed."""
        if self.status is None:
            self._ask_to_end()
        try:
            self._process.wait(self.termination_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask_to_end(self) -> None:
        self._process.send_signal(signal.SIGINT)


class WorkerProcess(ChildProcess):
    """
    ``python -m module``, which serves one request with :func:`serve`.

    Start it from the thread that will live longest: the kernel ends the worker with the thread
    that started it.

    :param module: calls :func:`serve`
    :param request: what JSON can hold
    :param timeout_s: the worker is killed after that many seconds
    :raises OSError: it does not start
    """

    def __init__(self, module: str, request: Message, timeout_s: float) -> None:
        # The same modules as here, wherever they were found. A working directory of its own
        # keeps files that lie about from being imported.
        path = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        self._lines: Deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._messages: 'queue.Queue[Message]' = queue.Queue()
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._is_late = False
        super().__init__([sys.executable, '-m', module], {'PYTHONPATH': path}, cwd='/',
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._streams: List[Any] = [self._process.stdin, self._process.stdout,
                                    self._process.stderr]
        self._threads = [threading.Thread(target=target, daemon=True)
                         for target in (self._read_messages, self._read_lines)]
        for thread in self._threads:
            thread.start()
        try:
            self._streams[0].write(json.dumps(request).encode('utf-8') + b'\n')
            self._streams[0].flush()
        except BrokenPipeError:
            # It died at once: its exit status and last words say why.
            self._lines.append('the worker did not read its request')

    @property
    def has_ended(self) -> bool:
        """Return whether the worker is gone, and all its messages are here."""
        if self.status is None and time.monotonic() > self._deadline:
            self._is_late = True
            self._process.kill()
            self._process.wait()
        if self.status is None:
            return False
        self._join()
        return True

    def messages(self) -> Iterator[Message]:
        """Give the messages that have come since the last call."""
        while True:
            try:
                yield self._messages.get_nowait()
            except queue.Empty:
                return

    def wait(self) -> None:
        """Wait for the end."""
        while not self.has_ended:
            time.sleep(_POLL_S)

    @property
    def was_killed(self) -> bool:
        """Return whether SIGKILL ended it, as the kernel does when memory runs out."""
        return self.status == -signal.SIGKILL and not self._is_late

    @property
    def ending(self) -> str:
        """Return how it ended, in words that follow "the process"."""
        status = self.status
        if self._is_late:
            digits = '.0f' if self._timeout_s >= 10.0 else '.2g'
            return f'took longer than {self._timeout_s:{digits}} s'
        if status is not None and status < 0:
            return f'was ended by {signal.Signals(-status).name}'
        return f'ended with status {status}'

    def account(self, most: int) -> str:
        """
        Return how it ended, and the end of its last words if it has any.

        :param most: characters of them
        """
        words = self.last_words[-most:].strip()
        return f'{self.ending}: {words}' if words else self.ending

    @property
    def last_words(self) -> str:
        """Return the last lines that it printed."""
        return '\n'.join(self._lines)

    def close(self) -> None:
        """End the worker, at once if it does not go by itself; closing twice is allowed."""
        super().close()
        self._join()
        for stream in self._streams:
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _ask_to_end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._streams[0].close()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(TERMINATION_S)

    def _read_messages(self) -> None:
        for line in self._streams[1]:
            # A killed process may leave half a line, which is not JSON.
            if line.endswith(b'\n'):
                self._messages.put(json.loads(line.decode('utf-8')))

    def _read_lines(self) -> None:
        for line in self._streams[2]:
            self._lines.append(line.decode('utf-8', 'replace').rstrip())


class Sender:
    """
    Sends messages to the parent, from any thread.

    :param stream: text, one message a line
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, **message: Any) -> None:
        """Send one message."""
        with self._lock:
            self._stream.write(json.dumps(message) + '\n')
            self._stream.flush()


def serve(answer: Callable[[Message, Sender], int], in_background: bool = True) -> int:
    """
    Serve the request on stdin: the worker's side.

    The process dies with its parent: the kernel kills it (Linux), and a thread watches stdin,
    which the parent holds open as long as it wants the work done.

    :param answer: is called with the request, and what sends messages; returns the exit status
    :param in_background: give way to other processes, and be the first to be killed for memory
    :return: the exit status
    """
    # Ctrl-C reaches the whole terminal group; the parent decides what ends here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform.startswith('linux'):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if in_background:
        os.nice(_NICENESS)
        # If memory runs out, the kernel shall take this process and not the node.
        with contextlib.suppress(OSError), open('/proc/self/oom_score_adj', 'w',
                                                encoding='ascii') as stream:
            stream.write('1000')
    # Libraries print to stdout, too: they get stderr, and messages a descriptor of their own.
    descriptor = os.dup(1)
    os.dup2(2, 1)
    # In their order and at once, also up to Python 3.8: the last words tell why a worker ended.
    sys.stdout = sys.stderr = os.fdopen(2, 'w', buffering=1, encoding='utf-8',
                                        errors='backslashreplace', closefd=False)
    line = sys.stdin.readline()
    if not line:
        return CANCELLED
    threading.Thread(target=_end_at_eof, daemon=True).start()
    return answer(json.loads(line), Sender(os.fdopen(descriptor, 'w', encoding='utf-8')))


def _end_at_eof() -> None:
    # Nothing more is ever sent: the read returns when the parent closes stdin or dies.
    sys.stdin.read()
    os._exit(CANCELLED)
