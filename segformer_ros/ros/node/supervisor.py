# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A worker that is replaced when its backend hangs or fails again and again."""

import time
from typing import Callable, List, NamedTuple, Optional

from segformer_ros.common.errors import BackendError
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.node.inference_thread import Work
from segformer_ros.ros.node.live_segmenter import BackendChoice
from segformer_ros.ros.node.scheduler import Frame

LONGEST_STEP = 1.0
"""Seconds between two looks, twice as many as usual; with more the process stood still."""
LOOKS_AFTER_STANDSTILL = 2
"""Looks in which a backend may answer that stood still as well."""


class BusyTime:
    """
    The time that passed for one piece of work while the process had a processor.

    A process that gets none does not look at the time either: a long step between two looks is
    not counted. Only a first one: where every step is long, the machine is merely slow, and
    what hangs on it must be found too.
    """

    def __init__(self) -> None:
        self._looked_at = time.monotonic()
        self._looks_left = 0
        self.work: Optional[Work] = None
        """What was under way at the last look."""
        self.seconds = 0.0
        """How long that has been seen under way."""

    @property
    def is_certain(self) -> bool:
        """Tell whether the process had a processor for long enough to judge its backend."""
        return self._looks_left == 0

    def look(self, work: Optional[Work], now: float) -> None:
        """
        Count the time since the last look.

        :param work: what is under way; None: nothing
        :param now: of ``time.monotonic()``
        """
        step = now - self._looked_at
        self._looked_at = now
        if self._looks_left:
            self._looks_left -= 1
        elif step > LONGEST_STEP:
            self._looks_left, step = LOOKS_AFTER_STANDSTILL, 0.0
        if work is not self.work:
            # It began after the last look at the earliest.
            self.work, self.seconds = work, 0.0
        elif work is not None:
            self.seconds += min(step, LONGEST_STEP)


MAX_ABANDONED = 4
"""
Threads that hang at once. Each keeps a network in memory, and nothing but the end of the process
frees it: with so many the node asks for that end, and whoever started it starts it anew.
"""


class AbandonedThreads:
    """Keeps them, since neither cleanup nor another configure ends them."""

    def __init__(self) -> None:
        self._workers: List[InferenceThread] = []
        self._wants_end = False
        self.total = 0
        """How many there ever were."""

    def __len__(self) -> int:
        return len(self._workers)

    def __contains__(self, worker: object) -> bool:
        return worker in self._workers

    @property
    def is_unrecoverable(self) -> bool:
        """Tell whether only another process can help."""
        return self._wants_end or len(self._workers) >= MAX_ABANDONED

    def add(self, worker: InferenceThread) -> None:
        """Note one that does not end."""
        self._workers.append(worker)
        self.total += 1

    def ask_for_end(self) -> None:
        """Note that nobody will try again in this process."""
        self._wants_end = True

    def prune(self) -> None:
        """Forget those that have ended after all."""
        self._workers = [worker for worker in self._workers if worker.is_alive]


FAILURES = 5
"""Frames in a row without a result until the backend is opened anew."""
RELAPSE = 600.0
"""Seconds within which a second fault is not taken for an accident: the fallback serves."""
LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most; the first is made at once, then 1, 2, 4, ... s."""
OPEN_STEP = 0.1
"""Seconds between two looks whether the backend is open, or a request to stop came."""
OPEN_GRACE = 2.0
"""Seconds that a backend which is being opened may take to come to an end at such a request."""

MakeWorker = Callable[[bool, Optional[InferenceThread]], InferenceThread]


class Limits(NamedTuple):
    """Seconds that a frame, and that opening a backend or its first frame, may take; 0: any."""

    run: float
    open: float


class WatchdogState(NamedTuple):
    """
    What the watchdog has seen, for diagnostics.

    ``trouble`` is empty while the network serves. ``last`` is why a backend was replaced last.
    """

    trouble: str
    last: str
    replaced: int
    hung: int
    fallback: bool


class Supervisor:
    """
    The worker that serves, and its successors.

    A thread that hangs in a runtime cannot be ended. It is given up: a new thread with a new
    backend takes over, and what the old one may still give is thrown away. The first successor
    runs what its predecessor ran; later ones the fallback.

    All methods but :meth:`offer` belong to the executor's thread.

    :param make_worker: returns a worker that was not begun, given whether it shall run the
        fallback, and a predecessor that shall be closed first
    :param limits: asked at every check
    :param on_lost: called with the camera whose frame a worker was given up with, and why
    :param on_trouble: called with a sentence for the log when a backend is replaced
    :param hung: takes the threads that are given up; it outlives this
    """

    def __init__(self, make_worker: MakeWorker, limits: Callable[[], Limits],
                 on_lost: Callable[[str, str], None], on_trouble: Callable[[str], None],
                 hung: AbandonedThreads) -> None:
        self._make_worker = make_worker
        self._limits = limits
        self._on_lost = on_lost
        self._on_trouble = on_trouble
        self._abandoned_threads = hung
        self._attempts = 0
        self._replaced = 0
        self._fallback = False
        self._trouble = ''
        self._last = ''
        self._not_before = 0.0
        self._replaced_at = float('-inf')
        self._busy = BusyTime()
        self._worker = make_worker(False, None)

    def start(self, is_stopping: Callable[[], bool]) -> None:
        """
        Start the thread and wait until the backend is open; the fallback's, where that hangs.

        :param is_stopping: asked meanwhile; where true nothing is waited for any more
        :raises SegformerRosError: as the provider or the segmenter raised it, or the fallback
            hung as well, or the process shall stop
        """
        self._abandoned_threads.prune()
        self._worker.begin()
        if self._opens_in_time(is_stopping):
            return
        self._fallback = True
        self._replace(self._worker, f'The backend was not open after {self._busy.seconds:.1f} s',
                      time.monotonic(), hangs=True)
        if not self._abandoned_threads.is_unrecoverable:
            if self._opens_in_time(is_stopping):
                return
            self._give_up(self._worker)
        raise BackendError(
            'No backend was open in time, nor the fallback', got='no answer',
            expected=f'one within {self._limits().open:.1f} s',
            remedy='Raise open_timeout if this machine needs longer, or set backend; a thread '
            'that hangs is left behind until the process ends, so start that anew.')

    def _opens_in_time(self, is_stopping: Callable[[], bool]) -> bool:
        while not self._worker.wait_until_open(OPEN_STEP):
            if is_stopping():
                self._worker.abandon()
                if not self._worker.stop(OPEN_GRACE):
                    self._give_up(self._worker)
                raise BackendError('The backend was not open yet', got='a request to stop')
            self._busy.look(self._worker.work, time.monotonic())
            if self._is_hanging():
                return False
        return True

    @property
    def choice(self) -> Optional[BackendChoice]:
        """Return what serves at the moment."""
        return self._worker.choice

    @property
    def state(self) -> WatchdogState:
        """Return what was seen."""
        return WatchdogState(self._trouble, self._last, self._replaced,
                             len(self._abandoned_threads), self._fallback)

    def offer(self, camera: str, frame: Frame) -> bool:
        """
        Leave the newest frame of a camera.

        :return: whether a frame, this one or an older one, had to make way
        """
        worker = self._worker
        if worker.failure is not None:
            return True  # nobody will take it before the next attempt
        return worker.offer(camera, frame)

    def set_max_rate(self, max_rate: float) -> None:
        """Change the limit from the next frame on."""
        self._worker.set_max_rate(max_rate)

    def clear(self) -> List[str]:
        """Forget the frames that wait, and return the cameras that had one."""
        return self._worker.clear()

    def stop(self, timeout: float) -> bool:
        """
        Let the frame in work finish, close the backend and join the thread.

        :param timeout: seconds to wait; what hangs already is not waited for
        :return: False where the wait was in vain; the thread counts among those that hang then
        """
        if self._worker in self._abandoned_threads or self._worker.stop(timeout):
            return True
        self._give_up(self._worker)
        return False

    def check(self) -> None:
        """Look whether the worker still works; replace it where it does not."""
        now = time.monotonic()
        self._busy.look(self._worker.work, now)
        self._abandoned_threads.prune()
        worker = self._worker
        if worker.successes and not worker.failures and self._trouble:
            self._trouble = ''
            self._attempts = 0
        wrong = self._what_is_wrong(worker)
        if not wrong or now < self._not_before or self._abandoned_threads.is_unrecoverable:
            return
        self._replace(worker, wrong, now, self._is_hanging())

    def _what_is_wrong(self, worker: InferenceThread) -> str:
        if worker.is_open and worker.failure is not None:
            return f'The backend cannot be opened: {worker.failure}'
        if worker.failures >= FAILURES:
            return f'The network gave nothing for {worker.failures} frames in a row'
        if self._is_hanging():
            return f'The backend has not answered for {self._busy.seconds:.1f} s'
        return ''

    def _is_hanging(self) -> bool:
        work, limits = self._busy.work, self._limits()
        if work is None or not self._busy.is_certain:
            return False
        return 0.0 < (limits.open if work.first else limits.run) < self._busy.seconds

    def _replace(self, worker: InferenceThread, wrong: str, now: float, hangs: bool) -> None:
        self._attempts += 1
        self._replaced += 1
        self._fallback = self._fallback or now - self._replaced_at < RELAPSE
        self._replaced_at = now
        self._not_before = now + min(LONGEST_PAUSE, 2.0 ** (self._attempts - 1))
        self._tell('{}; {}'.format(
            wrong, 'the fallback is opened' if self._fallback else 'it is opened anew'))
        for camera in worker.abandon():
            self._on_lost(camera, wrong)
        if hangs:
            self._abandoned_threads.add(worker)
            if self._abandoned_threads.is_unrecoverable:
                self._tell(
                    f'{wrong}, as have {len(self._hung) - 1} before it; the process ends, to be started '
                    'anew')
                return
        self._worker = self._make_worker(self._fallback, None if hangs else worker)
        self._worker.begin()

    def _give_up(self, worker: InferenceThread) -> None:
        worker.abandon()
        self._abandoned_threads.add(worker)

    def _tell(self, text: str) -> None:
        self._trouble = self._last = text
        self._on_trouble(text)
