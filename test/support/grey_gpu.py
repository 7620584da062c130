# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A backend that runs beside the CPU; its class for every pixel is the image's grey level."""

import numpy as np
from segformer_ros.common.errors import BackendError
from support.slow_backend import SPEC
from support.slow_backend import SteppedBackend


class Gpu(SteppedBackend):
    """
    Runs by itself; the class of every pixel is the image's own grey level.

    :param log: gets what happens, in order
    :param on_begin: called with the level when a run begins
    :param failing: levels whose runs fail
    """

    overlaps = True

    def __init__(self, log, on_begin=lambda level: None, failing=(), name='stepped'):
        super().__init__(name=name)
        self._log = log
        self._on_begin = on_begin
        self._failing = failing
        self._results = [np.full((1, 150, 4, 4), -1.0, np.float32) for _ in range(2)]
        self._level = None

    def _begin(self, inputs):
        mean, std = SPEC.mean[0], SPEC.std[0]
        self._level = int(round((inputs['pixel_values'][0, 0, 0, 0] * std + mean) * 255))
        self._results.reverse()
        # A GPU writes whenever it likes before the end.
        self._results[0].fill(np.nan)
        self._log.append(('begin', self._level))
        self._on_begin(self._level)

    def _end(self):
        self._log.append(('end', self._level))
        if self._level in self._failing:
            raise BackendError('The GPU failed')
        self._results[0].fill(0.0)
        self._results[0][:, self._level] = 1.0
        return {'logits': self._results[0]}
