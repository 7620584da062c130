# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The segmenter that serves at the moment, made anew whenever another backend takes over."""

import time
from typing import Callable
from typing import Optional

from segformer_ros.errors import BackendError
from segformer_ros.errors import SegformerRosError
from segformer_ros.ros.backend_provider import BackendChoice
from segformer_ros.ros.backend_provider import BackendProvider
from segformer_ros.segmentation.segmenter import Segmenter

MakeSegmenter = Callable[[BackendChoice], Segmenter]


class CurrentSegmenter:
    """
    Keeps a segmenter for the backend that the provider hands out.

    All of it is for the inference thread alone, but for ``choice``, which anyone may read.

    :param provider: asked for its backend; closed by :meth:`close`
    :param make_segmenter: called for every new backend
    """

    def __init__(self, provider: BackendProvider, make_segmenter: MakeSegmenter) -> None:
        self._provider = provider
        self._make_segmenter = make_segmenter
        self._segmenter: Optional[Segmenter] = None
        self._asked = 0.0
        self.choice: Optional[BackendChoice] = None
        """What serves at the moment; replaced, never changed."""

    def get(self, may_change: bool = True) -> Segmenter:
        """
        Return the segmenter for the next frame.

        :param may_change: False while a frame runs: the provider might close its backend
        :raises SegformerRosError: as the provider or the segmenter raised it
        """
        if self._segmenter is not None and not may_change:
            return self._segmenter
        self._asked = time.monotonic()
        choice = self._provider.current()
        if self._segmenter is None or self.choice is None or \
                choice.backend is not self.choice.backend:
            self._segmenter = self._make_segmenter(choice)
        self.choice = choice
        return self._segmenter

    @property
    def unasked_for(self) -> float:
        """Return the seconds since the provider could last hand out another backend."""
        return time.monotonic() - self._asked

    @property
    def is_improving(self) -> bool:
        """Tell whether the provider has work to do towards a better backend."""
        return self._provider.is_busy

    @property
    def overlaps(self) -> bool:
        """Tell whether the backend gains by work for other frames beside its run."""
        return self._segmenter is not None and self._segmenter.backend.overlaps

    def improve(self) -> None:
        """Take a step towards a better backend, and take it over once it is there."""
        try:
            if self._provider.advance():
                self.get()
        except SegformerRosError:
            # The next frame meets the same fault and reports it.
            self._segmenter = None

    def is_current(self, segmenter: Segmenter) -> bool:
        """Tell whether a segmenter has not been replaced yet."""
        return segmenter is self._segmenter

    def replace(self, error: BackendError) -> None:
        """
        Give up the backend that failed; :meth:`get` then returns the segmenter of another.

        :raises BackendError: the given one, where the provider has no other
        """
        if not self._provider.recover(str(error)):
            raise error
        self._segmenter = None

    def close(self) -> None:
        """Close every backend that was handed out."""
        self._segmenter = None
        self._provider.close()
