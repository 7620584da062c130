# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The watch on a camera's mount in a thread of its own: one image waits, others are left out."""

import math
import time
import traceback
from typing import Callable, List, Optional, Tuple

import numpy as np
from segformer_ros.calibration import verdict as mount_verdict
from segformer_ros.calibration import watch as mount_watch
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.ros.io.stoppable_thread import StoppableThread

# Of the thread alone, from Python 3.7 on.
_processor_time: Callable[[], float] = getattr(time, 'thread_time', time.perf_counter)


class MountWatcher(StoppableThread):
    """
    Estimates how far one camera's mount is off, and corrects poses where it is asked to.

    :param name: of the camera, for the log
    :param tell: takes a sentence when the verdict changes
    :param verdict: by which it is judged
    """

    def __init__(self, name: str, tell: Callable[[str], None],
                 verdict: mount_verdict.MountVerdict) -> None:
        super().__init__('mount watch')
        self._prefix = name + ': ' if name else ''
        self._tell = tell
        self._verdict = verdict
        self._watch: Optional[mount_watch.MountWatch] = None
        self._waiting: Optional[Tuple[mount_watch.WatchedFrame, CameraModel, arrays.Bool]] = None
        self._busy = False
        self._error: Optional[mount_watch.MountError] = None
        self._trouble = ''
        self._offered = 0
        self._spent = 0.0

    @property
    def is_idle(self) -> bool:
        """Return whether no image waits or is in work."""
        with self._changed:
            return self._waiting is None and not self._busy

    def corrected(self, pose: CameraPose) -> CameraPose:
        """Return a pose with the correction that is applied, if any."""
        return self._verdict.correction.corrected(pose)

    def offer(self, frame: mount_watch.WatchedFrame, camera: CameraModel,
              is_ground: arrays.Bool) -> None:
        """
        Leave an image if it is wanted and nothing is in work; return at once.

        :param camera: of the mask's size
        :param is_ground: (256,) whether a label is ground
        """
        watch = self._watch
        with self._changed:
            self._offered += 1
            if self._busy or self._waiting is not None or (
                    watch is not None and watch.camera is camera
                    and not watch.wants(frame.stamp, frame.pose)):
                return
            self._waiting = (frame, camera, is_ground)
            self._changed.notify()

    def measure_by(self, max_range: float, resolution: float) -> None:
        """Take other parameters for what an error costs."""
        self._verdict.measure_by(max_range, resolution)

    def forget(self) -> None:
        """Begin anew: time has jumped."""
        with self._changed:
            self._waiting = None
            self._watch = None

    def fault(self) -> str:
        """Return why diagnostics warn, or nothing."""
        if self._trouble:
            return f'{self._prefix}the watch on the mount failed: {self._trouble}'
        error = self._error
        if not self._verdict.is_off or error is None:
            return ''
        done = self._verdict.correction
        return (f'{self._prefix}the mount is off: {_told(error)}; '
                + (f'corrected by {_of(done)}' if done != mount_verdict.NONE else
                   'run calibrate_mount, or look for a bumped camera, a soft tyre or a load'))

    def figures(self) -> List[Tuple[str, str]]:
        """Return what diagnostics tell."""
        error = self._error
        values = [(self._prefix + 'mount is off by', 'unknown' if error is None else
                   f'{_told(error)}, from {error.points} corners of {error.pairs} pairs'),
                  (self._prefix + 'mount watch [ms of processor time an image]',
                   f'{1e3 * self._spent / max(1, self._offered):.2f}')]
        if self._verdict.correction != mount_verdict.NONE:
            values.append((self._prefix + 'mount corrected by', _of(self._verdict.correction)))
        return values

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None and not self._stopping:
                    self._changed.wait()
                if self._stopping or self._waiting is None:
                    return
                work, self._waiting, self._busy = self._waiting, None, True
            started = _processor_time()
            try:
                self._work(*work)
                self._trouble = ''
            except Exception as error:  # a fault of ours; the next image may be of use
                if not self._trouble:
                    self._tell(f'The watch on the mount failed: {traceback.format_exc()}')
                self._trouble = f'{type(error).__name__}: {error}'
            self._spent += _processor_time() - started
            with self._changed:
                self._busy = False

    def _work(self, frame: mount_watch.WatchedFrame, camera: CameraModel,
              is_ground: arrays.Bool) -> None:
        watch = self._watch
        if watch is None or watch.camera is not camera or \
                not np.array_equal(watch.is_ground, is_ground):
            watch = self._watch = mount_watch.MountWatch(camera, is_ground)
            # What was found by another camera, other classes or another time is nobody's.
            self._error = None
            self._verdict.forget()
        if not watch.add(frame):
            return
        error = self._error = watch.error()
        if error is None:
            return
        was_off = self._verdict.is_off
        height = float(frame.pose.ground_from_camera[2, 3])
        if self._verdict.update(frame.stamp, height, error):
            self._tell(self.fault() or (
                f'{self._prefix}the mount is as it is told again.' if was_off else
                f'{self._prefix}the mount is off by {_told(error)}.'))


def _told(error: mount_watch.MountError) -> str:
    return (f'pitch {math.degrees(error.pitch):+.2f} +- '
            f'{math.degrees(error.pitch_deviation):.2f} degrees, height {error.height:+.3f} +- '
            f'{error.height_deviation:.3f} m')


def _of(done: mount_verdict.Correction) -> str:
    return f'{math.degrees(done.pitch):+.2f} degrees of pitch and {done.height:+.3f} m of height'
