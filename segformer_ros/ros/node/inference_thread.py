# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The inference thread: owns the backend, serves one frame after another."""

import contextlib
import threading
import time
from typing import Generator, Iterator, List, NamedTuple, Optional, Sequence

from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.ros.io.stoppable_thread import StoppableThread
from segformer_ros.ros.node.camera import FrameJob
from segformer_ros.ros.node.live_segmenter import LiveSegmenter
from segformer_ros.ros.node.scheduler import Scheduler
from segformer_ros.segmentation.segmenter import Segmentation
from segformer_ros.segmentation.segmenter import Segmenter

PREDECESSOR_TIMEOUT = 10.0
"""Seconds that a backend which failed may take to close before its successor is opened."""
IMPROVE_PERIOD = 0.25
"""Seconds between two steps towards a better backend while no image comes."""
HOLD_SHARE = 0.3
"""Of a frame's time, the most that a frame is held for a newer one that is about to come."""
_DONE = object()


class Activity(NamedTuple):
    """
    A call of the backend that the inference thread waits for; a new object each time.

    Decoding and what else is done for a frame is none: nobody's image makes a backend hang.
    ``camera`` is None while the backend is opened; ``first`` is true for the first frame of a
    thread, in which runtimes choose algorithms and fill caches.
    """

    camera: Optional[str]
    first: bool


class Task:
    """
    A frame in work.

    :param camera: name
    :param job: what its camera makes of it
    """

    def __init__(self, camera: str, job: FrameJob) -> None:
        self.camera = camera
        self.job = job
        self.claimed = False
        self.steps: Iterator[None] = iter(())
        """Stop before the run is begun, after that, and after it has ended."""
        self.ended = False
        """Whether nothing is left to do, because all is done or something failed."""

    def step(self) -> None:
        """Go on to the next stop."""
        self.ended = self.ended or next(self.steps, _DONE) is _DONE

    def finish(self) -> None:
        """Go on to the end."""
        while not self.ended:
            self.step()


def overlap(running: Optional[Task], following: Optional[Task]) -> Optional[Task]:
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


class InferenceThread(StoppableThread):
    """
    Take the newest frames of all cameras and make their masks, in a thread.

    Backends are opened, used and closed in that thread alone: a CUDA context belongs to it.

    :param cameras: names, for the scheduler
    :param live: the segmenter in use; closed at the end
    :param max_rate: frames per second of each camera, 0 for no limit
    :param predecessor: its backend is closed before this one is opened, if it can be
    """

    def __init__(self, cameras: Sequence[str], live: LiveSegmenter, max_rate: float,
                 predecessor: 'Optional[InferenceThread]' = None) -> None:
        super().__init__('inference')
        self.live = live
        self._scheduler = Scheduler(cameras)
        self._max_rate = max_rate
        self._predecessor = predecessor
        self._abandoned = False
        self._held = False
        self._drained = threading.Event()
        self._tasks: List[Task] = []
        self._opened = threading.Event()
        self._hold_time = 0.0
        self.failure: Optional[BaseException] = None
        """Why the backend could not be opened."""
        self.failures = 0
        """Frames in a row for which the network gave nothing."""
        self.successes = 0
        """Frames for which it gave something."""
        self.activity: Optional[Activity] = None
        """Which call of the backend is waited for; replaced, never changed."""

    def start(self) -> None:
        """Start the thread, which opens the backend; wait for nothing."""
        self.activity = Activity(None, True)
        super().start()

    def wait_until_open(self, timeout: Optional[float] = None) -> bool:
        """
        Wait until the backend is open.

        :return: whether that was so within the time
        :raises SegformerRosError: no backend can be opened, or the network does not fit
        """
        if not self._opened.wait(timeout):
            return False
        if self.failure is not None:
            self._thread.join()
            raise self.failure
        return True

    @property
    def is_open(self) -> bool:
        """Return whether opening has come to an end, good or bad."""
        return self._opened.is_set()

    def offer(self, camera: str, job: FrameJob) -> bool:
        """
        Leave the newest frame of a camera.

        :return: whether an older frame had to make way
        """
        with self._changed:
            replaced = self._scheduler.offer(camera, job)
            self._changed.notify()
        return replaced

    def set_max_rate(self, max_rate: float) -> None:
        """Change the limit from the next frame on."""
        with self._changed:
            self._max_rate = max_rate
            self._changed.notify()

    def hold(self) -> None:
        """Begin no frame before :meth:`resume`; the newest of each camera waits."""
        with self._changed:
            self._held = True

    def resume(self) -> None:
        """Take frames again."""
        with self._changed:
            self._held = False
            self._changed.notify()

    def retire(self, successor: 'InferenceThread') -> None:
        """Finish the frame in work, leave those that wait to another thread, close and end."""
        with self._changed:
            self._stopping = True
            waiting = self._scheduler.take_all()
            self._changed.notify()
        for camera, job in waiting:
            successor.offer(camera, job)

    def wait_until_drained(self, timeout: float) -> bool:
        """Wait until the last frame is published; return whether that was so in time."""
        return self._drained.wait(timeout)

    def clear(self) -> List[str]:
        """Forget the frames that wait, and return the cameras that had one."""
        with self._changed:
            return self._scheduler.clear()

    def abandon(self) -> List[str]:
        """
        Use nothing of it any more; the thread closes its backend and ends when it can.

        Of a frame either its result is published, or it is returned here as lost; never both.

        :return: the cameras that lose a frame, in work or waiting; one twice if it had both
        """
        with self._changed:
            self._abandoned = True
            self._stopping = True
            self._changed.notify()
            lost = self._scheduler.clear()
            return lost + [task.camera for task in self._tasks if not task.claimed]

    def _run(self) -> None:
        predecessor, self._predecessor = self._predecessor, None
        if predecessor is not None:
            # Two networks at once may be more than the memory holds.
            predecessor.stop(PREDECESSOR_TIMEOUT)
        try:
            self.live.get()
        except BaseException as error:  # wait_until_open() raises it
            self.failure = error
        self.activity = None
        self._opened.set()
        try:
            running: Optional[Task] = None
            while self.failure is None:
                if running is None and self.live.is_improving:
                    self.activity = Activity(None, True)
                    self.live.improve()
                    self.activity = None
                following = self._take(wait=running is None)
                if running is None and following is None:
                    if self._stopping:
                        break
                    continue
                began = time.monotonic()
                running = self._advance(running, following)
                self._hold_time = HOLD_SHARE * (time.monotonic() - began)
        finally:
            self._drained.set()
            self.live.close()

    def _advance(self, running: Optional[Task], following: Optional[Task]) -> Optional[Task]:
        if self.live.overlaps:
            running = overlap(running, following)
        else:
            for task in (running, following):
                if task is not None:
                    task.finish()
            running = None
        with self._changed:
            self._tasks = [] if running is None else [running]
        return running

    def _take(self, wait: bool) -> Optional[Task]:
        """Return the next frame, or None: there is none, or a better backend may be there."""
        if not wait and self.live.is_poll_due:
            return None
        give_up_at = time.monotonic() + IMPROVE_PERIOD if self.live.is_improving else None
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                # Not while another frame runs on a GPU: waiting would cost its overlap.
                hold_time = self._hold_time if wait else 0.0
                if self._held:
                    if not wait:
                        return None
                    self._changed.wait()
                    continue
                found = self._scheduler.take(now, self._max_rate, hold_time)
                if found is not None:
                    task = Task(*found)
                    task.steps = self._serve(task)
                    self._tasks.append(task)
                    return task
                if not wait or (give_up_at is not None and now >= give_up_at):
                    return None
                limits = (self._scheduler.wait_time(now, self._max_rate, hold_time),
                          None if give_up_at is None else give_up_at - now)
                self._changed.wait(min((each for each in limits if each is not None),
                                       default=None))
        return None

    def _serve(self, task: Task) -> Iterator[None]:
        try:
            segmentation = yield from self._segment(task)
            # Else the backend was given up meanwhile: another one serves newer frames.
            if self._claim(task):
                self.failures = 0
                self.successes += 1
                task.job.publish(segmentation)
        except Exception as error:
            if self._claim(task):
                self.failures += not isinstance(error, InvalidInputError)
                task.job.fail(error)

    def _segment(self, task: Task) -> Generator[None, None, Segmentation]:
        with self._waiting_for_backend(task):
            segmenter = self.live.get()
        prepared = task.job.prepare(segmenter)
        yield
        try:
            refused: Optional[BackendError] = None
            try:
                with self._waiting_for_backend(task):
                    segmenter.begin(prepared)
            except BackendError as error:
                # To recover closes the backend, whose results the frame before still reads.
                refused = error
            yield
            if refused is not None:
                raise refused
            with self._waiting_for_backend(task):
                segmenter.end()
            yield
            return segmenter.finish(prepared)
        except BackendError as error:
            # Opening another backend may take longer than a frame, and so may its first one.
            with self._waiting_for_backend(task, is_first=True):
                return task.job.segment(self._recover(segmenter, error))

    def _recover(self, segmenter: Segmenter, error: BackendError) -> Segmenter:
        if self.live.is_current(segmenter):
            if self._abandoned:
                raise error
            self.live.replace(error)
        return self.live.get()

    @contextlib.contextmanager
    def _waiting_for_backend(self, task: Task, is_first: bool = False) -> Iterator[None]:
        self.activity = Activity(task.camera, is_first or self.successes == 0)
        try:
            yield
        finally:
            self.activity = None

    def _claim(self, task: Task) -> bool:
        with self._changed:
            task.claimed = task.claimed or not self._abandoned
            return task.claimed
