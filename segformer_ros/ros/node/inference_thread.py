# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The inference thread: owns the backend, serves one frame after another."""

import threading
import time
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.errors import BackendError
from segformer_ros.ros.node import live_segmenter
from segformer_ros.ros.node.scheduler import Frame
from segformer_ros.ros.node.scheduler import Scheduler
from segformer_ros.segmentation.segmenter import Segmenter

_DONE = object()


class Steps:
    """
    A frame that is being served.

    :param steps: stops before its run is begun, after that, and after it has ended; None where
        the frame is done with already
    """

    def __init__(self, steps: Optional[Iterator[None]]) -> None:
        self._steps = steps

    @property
    def ended(self) -> bool:
        """Tell whether nothing is left to do, because all is done or something failed."""
        return self._steps is None

    def step(self) -> None:
        """Go on to the next stop."""
        if self._steps is not None and next(self._steps, _DONE) is _DONE:
            self._steps = None

    def finish(self) -> None:
        """Go on to the end."""
        while not self.ended:
            self.step()


def overlap(running: Optional[Steps], following: Optional[Steps]) -> Optional[Steps]:
    """
    Finish the frame whose network runs, beside the one that follows it.

    :param running: stopped behind the beginning of its run
    :param following: not stepped yet
    :return: ``following`` where its network runs now, else None
    """
    if following is not None:
        following.step()  # prepares it while the network runs
    if running is not None:
        running.step()  # waits for the network
    if following is not None:
        following.step()  # begins its run, beside which the other one is published
    if running is not None:
        running.finish()
    return None if following is None or following.ended else following


Recover = Callable[[Segmenter, BackendError], Segmenter]


class Work(NamedTuple):
    """
    What the inference thread is busy with; a new object each time.

    ``camera`` is None while the backend is opened; ``first`` is true for the first frame of a
    worker, in which runtimes choose algorithms and fill caches.
    """

    camera: Optional[str]
    first: bool


def no_recovery(segmenter: Segmenter, error: BackendError) -> Segmenter:
    """Raise the error again: there is no other segmenter."""
    raise error


class FrameTask:
    """
    What the worker lends to whoever serves a frame.

    :param camera: whose frame
    :param segmenter: returns the segmenter of the backend that serves at the moment; raises
        SegformerRosError where no backend can be opened
    :param claim: see :meth:`claim`
    :param note: told whether the network gave a result, for whoever watches the worker
    :param recover: takes a segmenter that failed and its error, and returns another one, for the
        same frame; raises the error where there is no other
    """

    def __init__(self, camera: str, segmenter: Callable[[], Segmenter],
                 claim: 'Callable[[FrameTask], bool]', note: Callable[[bool], None],
                 recover: Recover = no_recovery) -> None:
        self.camera = camera
        self.segmenter = segmenter
        self.note = note
        self.recover = recover
        self.claimed = False
        self._claim = claim

    def claim(self) -> bool:
        """
        Ask whether what came of the frame counts: not once the worker was given up with it.

        Of a frame either its result is claimed, or ``InferenceThread.abandon`` gives it back as
        lost; never both.
        """
        return self._claim(self)


Serve = Callable[[str, Frame, FrameTask], Optional[Iterator[None]]]

PREDECESSOR_TIMEOUT = 10.0
"""Seconds that a backend which failed may take to close before its successor is opened."""

IMPROVE_PERIOD = 0.25
"""Seconds between two steps towards a better backend while no image comes."""
ASK_PERIOD = 1.0
"""Seconds after which frames are not overlapped once, so that a better backend may take over."""
HOLD_SHARE = 0.3
"""Of a frame's time, the most that a frame is held for a newer one that is about to come."""


class InferenceThread:
    """
    A thread that takes the newest frames and hands them to ``serve``.

    Backends are opened, used and closed in that thread alone: a CUDA context belongs to it.

    :param cameras: names, for the scheduler
    :param provider: asked for its backend before every frame
    :param make_segmenter: called in the thread for every new backend
    :param serve: called in the thread for every frame; returns what is left of it in steps (see
        ``overlap``), or None where it is done; neither may raise
    :param max_rate: frames per second of each camera, 0 for no limit
    :param predecessor: its backend is closed before this one is opened, if it can be
    """

    def __init__(self, cameras: Sequence[str], provider: live_segmenter.BackendProvider,
                 make_segmenter: live_segmenter.MakeSegmenter, serve: Serve, max_rate: float,
                 predecessor: 'Optional[InferenceThread]' = None) -> None:
        self._current = live_segmenter.LiveSegmenter(provider, make_segmenter)
        self._serve = serve
        self._scheduler = Scheduler(cameras)
        self._max_rate = max_rate
        self._predecessor = predecessor
        self._changed = threading.Condition()
        self._stopping = False
        self._abandoned = False
        self._tasks: List[FrameTask] = []
        self._opened = threading.Event()
        self._hold_time = 0.0
        self.failure: Optional[BaseException] = None
        """Why the backend could not be opened."""
        self.failures = 0
        """Frames in a row for which the network gave nothing."""
        self.successes = 0
        """Frames for which it gave something."""
        self.work: Optional[Work] = None
        """What the thread is busy with; replaced, never changed."""
        # Daemon: a runtime that hangs for ever must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)

    def begin(self) -> None:
        """Start the thread, which opens the backend; wait for nothing."""
        self.work = Work(None, True)
        self._thread.start()

    def wait_until_open(self, timeout: Optional[float] = None) -> bool:
        """
        Wait until the backend is open.

        :return: whether that was so within the time
        :raises SegformerRosError: as the provider or the segmenter raised it
        """
        if not self._opened.wait(timeout):
            return False
        if self.failure is not None:
            self._thread.join()
            raise self.failure
        return True

    @property
    def choice(self) -> Optional[live_segmenter.BackendChoice]:
        """Return what serves at the moment, None before the backend is open."""
        return self._current.choice

    @property
    def is_open(self) -> bool:
        """Tell whether opening has come to an end, good or bad."""
        return self._opened.is_set()

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread has not ended."""
        return self._thread.is_alive()

    def offer(self, camera: str, frame: Frame) -> bool:
        """
        Leave the newest frame of a camera.

        :return: whether an older frame had to make way
        """
        with self._changed:
            replaced = self._scheduler.offer(camera, frame)
            self._changed.notify()
        return replaced

    def set_max_rate(self, max_rate: float) -> None:
        """Change the limit from the next frame on."""
        with self._changed:
            self._max_rate = max_rate
            self._changed.notify()

    def clear(self) -> List[str]:
        """Forget the frames that wait, and return the cameras that had one."""
        with self._changed:
            return self._scheduler.clear()

    def abandon(self) -> List[str]:
        """
        Use nothing of it any more; the thread closes its backend and ends when it can.

        :return: the cameras that lose a frame, in work or waiting; one twice if it had both
        """
        with self._changed:
            self._abandoned = True
            self._stopping = True
            self._changed.notify()
            lost = self._scheduler.clear()
            return lost + [turn.camera for turn in self._tasks if not turn.claimed]

    def stop(self, timeout: float) -> bool:
        """
        Let the frame in work finish, close the backend and join the thread.

        :param timeout: seconds to wait
        :return: whether the thread has ended
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        predecessor, self._predecessor = self._predecessor, None
        if predecessor is not None:
            # Two networks at once may be more than the memory holds.
            predecessor.stop(PREDECESSOR_TIMEOUT)
        try:
            self._current.get()
        except BaseException as error:  # wait_until_open() raises it
            self.failure = error
        self.work = None
        self._opened.set()
        try:
            running: Optional[Steps] = None
            while self.failure is None:
                if running is None and self._current.is_improving:
                    self.work = Work(None, True)
                    self._current.improve()
                    self.work = None
                following = self._take(wait=running is None)
                if running is None and following is None:
                    if self._stopping:
                        break
                    continue
                began = time.monotonic()
                running = self._advance(running, following)
                self._hold_time = HOLD_SHARE * (time.monotonic() - began)
        finally:
            self._current.close()

    def _advance(self, running: Optional[Steps], following: Optional[Steps]) -> Optional[Steps]:
        if self._current.overlaps:
            running = overlap(running, following)
        else:
            for steps in (running, following):
                if steps is not None:
                    steps.finish()
            running = None
        with self._changed:
            del self._tasks[:len(self._tasks) - (running is not None)]
            # A new object: whoever watches the worker counts from here.
            self.work = Work(self._tasks[0].camera, self.successes == 0) if self._tasks else None
        return running

    def _take(self, wait: bool) -> Optional[Steps]:
        """Return the next frame, or None: there is none, or it is time to ask the provider."""
        if not wait and self._current.unasked_for > ASK_PERIOD:
            return None
        found = self._wait_for_frame(wait)
        return None if found is None else Steps(self._serve(found[1].camera, *found))

    def _wait_for_frame(self, wait: bool) -> Optional[Tuple[Frame, FrameTask]]:
        give_up_at = time.monotonic() + IMPROVE_PERIOD if self._current.is_improving else None
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                # Not while another frame runs on a GPU: waiting would cost its overlap.
                patience = self._hold_time if wait else 0.0
                job = self._scheduler.take(now, self._max_rate, patience)
                if job is not None:
                    camera, frame = job
                    turn = FrameTask(camera, self._get_segmenter, self._claim, self._note,
                                self._recover)
                    self._tasks.append(turn)
                    if len(self._tasks) == 1:
                        self.work = Work(camera, self.successes == 0)
                    return frame, turn
                if not wait or (give_up_at is not None and now >= give_up_at):
                    return None
                limits = (self._scheduler.wait_time(now, self._max_rate, patience),
                          None if give_up_at is None else give_up_at - now)
                self._changed.wait(min((each for each in limits if each is not None),
                                       default=None))
        return None

    def _get_segmenter(self) -> Segmenter:
        return self._current.get(may_change=len(self._tasks) < 2)

    def _recover(self, segmenter: Segmenter, error: BackendError) -> Segmenter:
        if self._current.is_current(segmenter):
            if self._abandoned or self.work is None:
                raise error
            # Opening another backend may take longer than a frame.
            self.work = self.work._replace(first=True)
            self._current.replace(error)
        return self._get_segmenter()

    def _claim(self, turn: FrameTask) -> bool:
        with self._changed:
            turn.claimed = turn.claimed or not self._abandoned
            return turn.claimed

    def _note(self, success: bool) -> None:
        self.failures = 0 if success else self.failures + 1
        self.successes += success
