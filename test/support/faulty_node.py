# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The node as it is, with a backend that does what a file says.

``python -m support.faulty_node`` stands in for ``segformer``; ``FAULT_FILE`` names the file. It
holds one word, and may hold the number of the last backend that is faulty: ``hang 1`` lets the
first backend of the process hang, and every later one work. The words: ``ok``, ``hang`` (until
the word is another one), ``stuck`` (likewise, while it is opened), ``endless`` (likewise, with
the runtime at work), ``raise``, ``bug``, ``nan``, ``refuse`` (it runs not and opens not).
"""

import itertools
import os
import time

import numpy as np
from segformer_ros.cli.segformer import main
from segformer_ros.common.errors import BackendError
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.ros.node import live_segmenter
from support.slow_backend import plain_status

NUMBERS = itertools.count(1)


def fault_of(number):
    """Return what the backend of that number shall do now."""
    with open(os.environ['FAULT_FILE'], encoding='ascii') as stream:
        words = stream.read().split()
    return words[0] if len(words) == 1 or number <= int(words[1]) else 'ok'


def hang(number, word, do=lambda: time.sleep(0.02)):
    """Return what the file says once it is something else than that word."""
    fault = fault_of(number)
    if fault == word:
        print(f'number {number} hangs', flush=True)
    while fault == word:
        do()
        fault = fault_of(number)
    return fault


class FaultyBackend(OnnxruntimeBackend):
    """onnxruntime, until the file says something else."""

    def __init__(self, path, threads, number):
        super().__init__(path, threads=threads)
        self._number = number

    def _open(self):
        hang(self._number, 'endless', super()._open)
        if hang(self._number, 'stuck') == 'refuse':
            raise BackendError('The test lets no backend open')
        return super()._open()

    def _infer(self, inputs):
        outputs = super()._infer(inputs)
        fault = hang(self._number, 'hang')
        if fault in ('raise', 'refuse'):
            raise BackendError('The test lets the network fail')
        if fault == 'bug':
            raise ZeroDivisionError('a fault of ours')
        if fault == 'nan':
            outputs = {name: values.copy() for name, values in outputs.items()}
            for values in outputs.values():
                values.flat[7] = np.nan
        return outputs


class FaultySelector:
    """Serves with one faulty session."""

    def __init__(self, parameters, model):
        number = next(NUMBERS)
        self.spec = model.spec
        self.status = plain_status(f'number {number}, {parameters.backend}')
        self._backend = FaultyBackend(model.path, parameters.threads, number)

    def open(self):
        """Return the session, open."""
        return self._backend.open()

    def offer_frame(self, inputs):
        """Keep nothing."""

    def close(self):
        """Close the session."""
        self._backend.close()


if __name__ == '__main__':
    live_segmenter.make_selector = FaultySelector
    raise SystemExit(main())
