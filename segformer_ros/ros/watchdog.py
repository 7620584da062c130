# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A worker that is replaced when its backend hangs or fails again and again."""

import time
from typing import Callable
from typing import List
from typing import NamedTuple
from typing import Optional

from segformer_ros.errors import BackendError
from segformer_ros.ros.backend_provider import BackendChoice
from segformer_ros.ros.scheduler import Frame
from segformer_ros.ros.turn import Work
from segformer_ros.ros.worker import InferenceWorker

FAILURES = 5
"""Frames in a row without a result until the backend is opened anew."""
RELAPSE = 600.0
"""Seconds within which a second fault is not taken for an accident: the fallback serves."""
LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most; the first is made at once, then 1, 2, 4, ... s."""
MAX_HUNG = 4
"""
Threads that hang at once. Each keeps a network in memory, and nothing but the end of the process
frees it: with so many the node asks for that end, and whoever started it starts it anew.
"""

LONGEST_STEP = 1.0
"""
Seconds between two checks that count at most: while the whole process gets no processor its
backend cannot answer either.
"""

MakeWorker = Callable[[bool, Optional[InferenceWorker]], InferenceWorker]


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


class WatchedWorker:
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
    """

    def __init__(self, make_worker: MakeWorker, limits: Callable[[], Limits],
                 on_lost: Callable[[str, str], None], on_trouble: Callable[[str], None]) -> None:
        self._make_worker = make_worker
        self._limits = limits
        self._on_lost = on_lost
        self._on_trouble = on_trouble
        self._hung: List[InferenceWorker] = []
        self._attempts = 0
        self._replaced = 0
        self._fallback = False
        self._trouble = ''
        self._last = ''
        self._not_before = 0.0
        self._last_check = time.monotonic()
        self._replaced_at = float('-inf')
        self._watched: Optional[Work] = None
        self._busy = 0.0
        self._worker = make_worker(False, None)

    def start(self) -> None:
        """
        Start the thread and wait until the backend is open.

        :raises SegformerRosError: as the provider or the segmenter raised it, or it took longer
            than the limit
        """
        limit = self._limits().open or None
        self._worker.begin()
        if not self._worker.wait_until_open(limit):
            self._worker.abandon()
            raise BackendError(
                'The backend was not open in time', got='{:.1f} s'.format(limit or 0.0),
                remedy='Raise open_timeout if this machine needs longer, or set backend.')

    @property
    def choice(self) -> Optional[BackendChoice]:
        """Return what serves at the moment."""
        return self._worker.choice

    @property
    def state(self) -> WatchdogState:
        """Return what was seen."""
        return WatchdogState(self._trouble, self._last, self._replaced, len(self._hung),
                             self._fallback)

    @property
    def is_hopeless(self) -> bool:
        """Tell whether only another process can help."""
        return len(self._hung) >= MAX_HUNG

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

        :param timeout: seconds to wait
        :return: whether no thread is left behind
        """
        ended = self._worker.stop(timeout)
        return ended and not any(worker.is_alive for worker in self._hung)

    def check(self) -> None:
        """Look whether the worker still works; replace it where it does not."""
        now = time.monotonic()
        self._note_busy(now)
        self._hung = [worker for worker in self._hung if worker.is_alive]
        worker = self._worker
        if worker.successes and not worker.failures and self._trouble:
            self._trouble = ''
            self._attempts = 0
        wrong = self._what_is_wrong(worker)
        if not wrong or now < self._not_before or self.is_hopeless:
            return
        self._replace(worker, wrong, now)

    def _note_busy(self, now: float) -> None:
        step = min(now - self._last_check, LONGEST_STEP)
        self._last_check = now
        work = self._worker.work
        if work is not self._watched:
            # It began after the last check at the earliest.
            self._watched, self._busy = work, 0.0
        elif work is not None:
            self._busy += step

    def _what_is_wrong(self, worker: InferenceWorker) -> str:
        if worker.is_open and worker.failure is not None:
            return 'The backend cannot be opened: {}'.format(worker.failure)
        if worker.failures >= FAILURES:
            return 'The network gave nothing for {} frames in a row'.format(worker.failures)
        if self._is_hanging():
            return 'The backend has not answered for {:.1f} s'.format(self._busy)
        return ''

    def _is_hanging(self) -> bool:
        work, limits = self._watched, self._limits()
        if work is None:
            return False
        return 0.0 < (limits.open if work.first else limits.run) < self._busy

    def _replace(self, worker: InferenceWorker, wrong: str, now: float) -> None:
        hangs = self._is_hanging()
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
            self._hung.append(worker)
            if self.is_hopeless:
                self._tell('{}, as have {} before it; the process ends, to be started '
                           'anew'.format(wrong, len(self._hung) - 1))
                return
        self._worker = self._make_worker(self._fallback, None if hangs else worker)
        self._worker.begin()

    def _tell(self, text: str) -> None:
        self._trouble = self._last = text
        self._on_trouble(text)
