# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The inference thread: owns the backend, serves one frame after another."""

import threading
import time
from typing import Callable
from typing import Optional
from typing import Sequence
from typing import Tuple

from segformer_ros.ros.backend_provider import BackendChoice
from segformer_ros.ros.backend_provider import BackendProvider
from segformer_ros.ros.scheduler import Frame
from segformer_ros.ros.scheduler import Scheduler
from segformer_ros.segmentation.segmenter import Segmenter

Serve = Callable[[str, Frame, Callable[[], Segmenter]], None]
MakeSegmenter = Callable[[BackendChoice], Segmenter]


class InferenceWorker:
    """
    A thread that takes the newest frames and hands them to ``serve``.

    Backends are opened, used and closed in that thread alone: a CUDA context belongs to it.

    :param cameras: names, for the scheduler
    :param provider: asked for its backend before every frame
    :param make_segmenter: called in the thread for every new backend
    :param serve: called in the thread for every frame, with a function that returns the
        segmenter; must not raise
    :param max_rate: frames per second of each camera, 0 for no limit
    """

    def __init__(self, cameras: Sequence[str], provider: BackendProvider,
                 make_segmenter: MakeSegmenter, serve: Serve, max_rate: float) -> None:
        self._provider = provider
        self._make_segmenter = make_segmenter
        self._serve = serve
        self._scheduler = Scheduler(cameras)
        self._max_rate = max_rate
        self._changed = threading.Condition()
        self._stopping = False
        self._opened = threading.Event()
        self._failure: Optional[BaseException] = None
        self._segmenter: Optional[Segmenter] = None
        self.choice: Optional[BackendChoice] = None
        """What serves at the moment; replaced, never changed."""
        # Daemon: a runtime that hangs for ever must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)

    def start(self) -> None:
        """
        Start the thread and wait until the backend is open.

        :raises SegformerRosError: as the provider or the segmenter raised it
        """
        self._thread.start()
        self._opened.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

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

    def clear(self) -> None:
        """Forget the frames that wait."""
        with self._changed:
            self._scheduler.clear()

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
        try:
            self._current_segmenter()
        except BaseException as error:  # start() raises it
            self._failure = error
        self._opened.set()
        try:
            while self._failure is None:
                job = self._wait_for_frame()
                if job is None:
                    break
                self._serve(job[0], job[1], self._current_segmenter)
        finally:
            self._segmenter = None
            self._provider.close()

    def _current_segmenter(self) -> Segmenter:
        choice = self._provider.current()
        if self._segmenter is None or self.choice is None or \
                choice.backend is not self.choice.backend:
            self._segmenter = self._make_segmenter(choice)
        self.choice = choice
        return self._segmenter

    def _wait_for_frame(self) -> Optional[Tuple[str, Frame]]:
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                job = self._scheduler.take(now, self._max_rate)
                if job is not None:
                    return job
                self._changed.wait(self._scheduler.wait_time(now))
        return None
