# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Watch the inference thread, and replace it when its backend hangs or fails again and again."""

import time
from typing import Callable, List, NamedTuple, Optional

from segformer_ros.common.errors import BackendError
from segformer_ros.ros.node.camera import FrameJob
from segformer_ros.ros.node.inference_thread import Activity
from segformer_ros.ros.node.inference_thread import InferenceThread
from segformer_ros.ros.parameters.server import ParameterServer

LONGEST_STEP = 1.0
"""Seconds between two looks, twice as many as usual; with more the process stood still."""
LOOKS_AFTER_STANDSTILL = 2
"""Looks in which a backend may answer that stood still as well."""


class BusyTime:
    """
    The time that passed for one activity while the process had a processor.

    A process that gets none does not look at the time either: a long step between two looks is
    not counted. Only a first one: where every step is long, the machine is merely slow, and
    what hangs on it must be found too.
    """

    def __init__(self) -> None:
        self._looked_at = time.monotonic()
        self._looks_left = 0
        self.activity: Optional[Activity] = None
        """What was under way at the last look."""
        self.seconds = 0.0
        """How long that has been seen under way."""

    @property
    def is_certain(self) -> bool:
        """Return whether the process had a processor for long enough to judge its backend."""
        return self._looks_left == 0

    def look(self, activity: Optional[Activity], now: float) -> None:
        """
        Count the time since the last look.

        :param activity: what is under way; None: nothing
        :param now: of ``time.monotonic()``
        """
        step = now - self._looked_at
        self._looked_at = now
        if self._looks_left:
            self._looks_left -= 1
        elif step > LONGEST_STEP:
            self._looks_left, step = LOOKS_AFTER_STANDSTILL, 0.0
        if activity is not self.activity:
            # It began after the last look at the earliest.
            self.activity, self.seconds = activity, 0.0
        elif activity is not None:
            self.seconds += min(step, LONGEST_STEP)


MAX_ABANDONED = 4
"""
Each keeps a network in memory, and nothing but the end of the process frees it: with so many at
once the node asks for that end, and whoever started it starts it anew.
"""


class AbandonedThreads:
    """Threads that hang in a runtime; neither cleanup nor another configure ends them."""

    def __init__(self) -> None:
        self._threads: List[InferenceThread] = []
        self._wants_end = False
        self.total = 0
        """How many there ever were."""

    def __len__(self) -> int:
        return len(self._threads)

    def __contains__(self, thread: object) -> bool:
        return thread in self._threads

    @property
    def is_unrecoverable(self) -> bool:
        """Return whether only another process can help."""
        return self._wants_end or len(self._threads) >= MAX_ABANDONED

    def add(self, thread: InferenceThread) -> None:
        """Keep one that does not end."""
        self._threads.append(thread)
        self.total += 1

    def ask_for_end(self) -> None:
        """Ask for another process: nobody will try again in this one."""
        self._wants_end = True

    def prune(self) -> None:
        """Forget those that have ended after all."""
        self._threads = [thread for thread in self._threads if thread.is_alive]


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

MakeThread = Callable[[bool, Optional[InferenceThread]], InferenceThread]


class WatchdogState(NamedTuple):
    """
    What the supervisor has seen, for diagnostics.

    ``trouble`` is empty while the network serves. ``last`` is why a backend was replaced last.
    """

    trouble: str
    last: str
    replaced: int
    abandoned: int
    fallback: bool


class Supervisor:
    """
    Watch the inference thread that serves, and replace it.

    A thread that hangs in a runtime cannot be ended. It is abandoned: a new thread with a new
    backend takes over, and what the old one may still give is thrown away. The first successor
    runs what its predecessor ran; later ones the fallback.

    All methods but :meth:`offer` belong to the executor's thread.

    :param settings: their ``hang_timeout`` and ``open_timeout`` are read at every check
    :param make_thread: returns a thread that was not started, given whether it shall run the
        fallback, and a predecessor that shall be closed first
    :param on_lost: called with the camera whose frame was lost with a thread, and why
    :param on_trouble: called with a sentence for the log when a backend is replaced
    :param abandoned: takes the threads that are given up; it outlives this
    """

    def __init__(self, settings: ParameterServer, make_thread: MakeThread,
                 on_lost: Callable[[str, str], None], on_trouble: Callable[[str], None],
                 abandoned: AbandonedThreads) -> None:
        self._settings = settings
        self._make_thread = make_thread
        self._on_lost = on_lost
        self._on_trouble = on_trouble
        self._abandoned = abandoned
        self._attempts = 0
        self._replaced = 0
        self._fallback = False
        self._trouble = ''
        self._last = ''
        self._not_before = 0.0
        self._replaced_at = float('-inf')
        self._busy = BusyTime()
        self.thread = make_thread(False, None)
        """What serves at the moment."""

    def start(self, is_stopping: Callable[[], bool]) -> None:
        """
        Start the thread and wait until the backend is open; the fallback's, where that hangs.

        :param is_stopping: asked meanwhile; where true nothing is waited for any more
        :raises SegformerRosError: no backend can be opened or the network does not fit, the
            fallback hung as well, or the process shall stop
        """
        self._abandoned.prune()
        self.thread.start()
        if self._opens_in_time(is_stopping):
            return
        self._fallback = True
        self._replace(f'The backend was not open after {self._busy.seconds:.1f} s',
                      time.monotonic(), hangs=True)
        if not self._abandoned.is_unrecoverable:
            if self._opens_in_time(is_stopping):
                return
            self._give_up()
        raise BackendError(
            'No backend was open in time, nor the fallback', got='no answer',
            expected=f'one within {self._settings.current.open_timeout:.1f} s',
            remedy='Raise open_timeout if this machine needs longer, or set backend; a thread '
            'that hangs is left behind until the process ends, so start that anew.')

    def _opens_in_time(self, is_stopping: Callable[[], bool]) -> bool:
        while not self.thread.wait_until_open(OPEN_STEP):
            if is_stopping():
                self.thread.abandon()
                if not self.thread.stop(OPEN_GRACE):
                    self._give_up()
                raise BackendError('The backend was not open yet', got='a request to stop')
            self._busy.look(self.thread.activity, time.monotonic())
            if self._is_hanging():
                return False
        return True

    @property
    def state(self) -> WatchdogState:
        """Return what diagnostics say of it."""
        return WatchdogState(self._trouble, self._last, self._replaced,
                             len(self._abandoned), self._fallback)

    def offer(self, camera: str, job: FrameJob) -> bool:
        """
        Leave the newest frame of a camera.

        :return: whether a frame, this one or an older one, had to make way
        """
        thread = self.thread
        # Nobody will take it before the next attempt.
        return thread.failure is not None or thread.offer(camera, job)

    def hand_over(self, thread: InferenceThread) -> InferenceThread:
        """
        Watch another thread from now on, which is open and takes the frames that wait.

        It is held: whoever calls this lets it go once the one before is drained.

        :return: the thread before, which finishes its frame and ends
        """
        before = self.thread
        thread.hold()
        self.thread = thread
        before.retire(thread)
        self._attempts, self._fallback, self._trouble = 0, False, ''
        self._busy = BusyTime()
        return before

    def stop(self, timeout: float) -> bool:
        """
        Let the frame in work finish, close the backend and join the thread.

        :param timeout: seconds to wait; an abandoned thread is not waited for
        :return: False where the wait was in vain; the thread is abandoned then
        """
        if self.thread in self._abandoned or self.thread.stop(timeout):
            return True
        self._give_up()
        return False

    def check(self) -> None:
        """Look whether the thread still works; replace it where it does not."""
        now = time.monotonic()
        self._busy.look(self.thread.activity, now)
        self._abandoned.prune()
        thread = self.thread
        if thread.successes and not thread.failures and self._trouble:
            self._trouble = ''
            self._attempts = 0
        fault = self._find_fault()
        if not fault or now < self._not_before or self._abandoned.is_unrecoverable:
            return
        self._replace(fault, now, self._is_hanging())

    def _find_fault(self) -> str:
        thread = self.thread
        if thread.is_open and thread.failure is not None:
            return f'The backend cannot be opened: {thread.failure}'
        if thread.failures >= FAILURES:
            return f'The network gave nothing for {thread.failures} frames in a row'
        if self._is_hanging():
            return f'The backend has not answered for {self._busy.seconds:.1f} s'
        return ''

    def _is_hanging(self) -> bool:
        activity, parameters = self._busy.activity, self._settings.current
        if activity is None or not self._busy.is_certain:
            return False
        limit = parameters.open_timeout if activity.first else parameters.hang_timeout
        return 0.0 < limit < self._busy.seconds

    def _replace(self, fault: str, now: float, hangs: bool) -> None:
        thread = self.thread
        self._attempts += 1
        self._replaced += 1
        self._fallback = self._fallback or now - self._replaced_at < RELAPSE
        self._replaced_at = now
        self._not_before = now + min(LONGEST_PAUSE, 2.0 ** (self._attempts - 1))
        self._tell(f'{fault}; ' + (
            'the fallback is opened' if self._fallback else 'it is opened anew'))
        for camera in thread.abandon():
            self._on_lost(camera, fault)
        if hangs:
            self._abandoned.add(thread)
            if self._abandoned.is_unrecoverable:
                self._tell(f'{fault}, as have {len(self._abandoned) - 1} before it; the process '
                           'ends, to be started anew')
                return
        self.thread = self._make_thread(self._fallback, None if hangs else thread)
        self.thread.start()

    def _give_up(self) -> None:
        self.thread.abandon()
        self._abandoned.add(self.thread)

    def _tell(self, text: str) -> None:
        self._trouble = self._last = text
        self._on_trouble(text)
