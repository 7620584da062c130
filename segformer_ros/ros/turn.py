# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One frame's turn on the inference thread."""

from typing import Callable
from typing import NamedTuple
from typing import Optional

from segformer_ros.errors import BackendError
from segformer_ros.segmentation.segmenter import Segmenter

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


class Turn:
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
                 claim: 'Callable[[Turn], bool]', note: Callable[[bool], None],
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

        Of a frame either its result is claimed, or ``InferenceWorker.abandon`` gives it back as
        lost; never both.
        """
        return self._claim(self)
