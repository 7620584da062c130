# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""All cameras of a configured node."""

import time
from typing import Iterable
from typing import Iterator
from typing import List

from segformer_ros.ros.camera import Camera
from segformer_ros.ros.diagnostics import camera_status
from segformer_ros.ros.diagnostics import NodeState
from segformer_ros.ros.diagnostics import Status
from segformer_ros.ros.parameters import NodeParameters
from segformer_ros.ros.scheduler import Frame
from segformer_ros.ros.turn import Turn


class CameraSet:
    """
    Do to every camera what the node is asked to do.

    :param cameras: each name once
    """

    def __init__(self, cameras: Iterable[Camera] = ()) -> None:
        self._by_name = {camera.name: camera for camera in cameras}

    def start(self, threshold: float) -> None:
        """Publish the class names, take images and let results out."""
        for camera in self._by_name.values():
            camera.start(threshold)

    def stop(self) -> None:
        """Take no more images; when this returns no further result goes out."""
        for camera in self._by_name.values():
            camera.stop()

    def destroy(self) -> None:
        """Destroy publishers and subscriptions; the inference thread has ended."""
        for camera in self._by_name.values():
            camera.destroy()

    def serve(self, name: str, frame: Frame, turn: Turn, parameters: NodeParameters
              ) -> Iterator[None]:
        """Return the steps that make the results of one frame; see :meth:`Camera.serve`."""
        return self._by_name[name].serve(frame, turn, parameters)

    def publish_label_info(self, threshold: float) -> None:
        """Publish the class names again, for a changed threshold."""
        for camera in self._by_name.values():
            camera.publish_label_info(threshold)

    def note_lost(self, name: str, why: str) -> None:
        """Count a frame that a backend took with it."""
        if name in self._by_name:
            self._by_name[name].statistics.note_error(why, rejected=False)

    def note_forgotten(self, names: Iterable[str]) -> None:
        """Count frames that waited and are not wanted any more."""
        for name in names:
            self._by_name[name].statistics.note_drop()

    def statuses(self, state: NodeState, parameters: NodeParameters) -> List[Status]:
        """Return the entry of each camera."""
        now = time.monotonic()
        return [camera_status(camera.name, camera.statistics.report(now), state, parameters,
                              camera.facts()) for camera in self._by_name.values()]
