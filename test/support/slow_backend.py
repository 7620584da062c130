# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A backend whose every run a test lets go on, fail or hang; and its selector."""

import threading

import numpy as np
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import OK
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.backend import BackendInfo
from segformer_ros.inference.base.backend import Opened
from segformer_ros.inference.selection.status import SelectionStatus
from segformer_ros.model.spec import ModelSpec

SPEC = ModelSpec('steps', 'ade20k', 150, input_size_wh=(16, 16), output_size_wh=(4, 4))


class SteppedBackend(Backend):
    """
    Class 0 for every pixel, one run at a time.

    :param gate: each run waits for it; None never waits
    :param failures: error texts of the next runs, None for a run that succeeds
    :param name: of the runtime
    """

    def __init__(self, gate=None, failures=(), name='stepped'):
        super().__init__()
        self._name = name
        self.gate = gate
        self.running = threading.Event()
        self.failures = list(failures)
        self.threads = set()
        self.closed = 0

    def _open(self):
        self.threads.add(threading.get_ident())
        return Opened((SPEC.input_tensor(),), SPEC.output_tensors(),
                      BackendInfo(self._name, '1', 'test', 'fp32', 'none', {}))

    def _infer(self, inputs):
        self.threads.add(threading.get_ident())
        self.running.set()
        if self.gate is not None:
            assert self.gate.wait(30.0)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise BackendError(failure)
        logits = np.zeros((1, 150, 4, 4), np.float32)
        logits[:, 0] = 1.0
        return {'logits': logits}

    def _close(self):
        self.threads.add(threading.get_ident())
        self.closed += 1


def plain_status(why, **changes):
    """Return the status of a selector with nothing better under way."""
    return SelectionStatus('model.onnx', 'auto', 'stepped', 'fp32', OK, why, None, None, None,
                           '')._replace(**changes)


class ListSelector:
    """Serves with the last backend of a list; tests append better ones."""

    spec = SPEC

    def __init__(self, *backends):
        self.backends = list(backends)
        self.serving = None

    @property
    def status(self):
        """Return that something better is always under way."""
        return plain_status('the newest', preparing='the test')

    def open(self):
        """Return the newest backend, open."""
        self.serving = self.backends[-1]
        return self.serving.open()

    def poll(self):
        """Return the newest backend, open, where it does not serve yet."""
        return None if self.serving is self.backends[-1] else self.open()

    def offer_frame(self, inputs):
        """Keep nothing."""

    def close(self):
        """Close all of them."""
        for backend in self.backends:
            backend.close()
