# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every backend inherits: states and checked inputs."""

import numpy as np
import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.backend import BackendInfo
from segformer_ros.inference.base.backend import Opened
from segformer_ros.model.spec import TensorSpec

INFO = BackendInfo('doubling', '1', 'cpu', 'fp32', 'none', {})


class Doubling(Backend):
    """Doubles x; counts how often it is opened and closed."""

    def __init__(self):
        super().__init__()
        self.opened = 0
        self.closed = 0

    def _open(self):
        self.opened += 1
        return Opened((TensorSpec('x', 'float32', (1, None, 2)),),
                      (TensorSpec('y', 'float32', (1, None, 2)),), INFO)

    def _infer(self, inputs):
        return {'y': 2 * inputs['x']}

    def _close(self):
        self.closed += 1


def ones(*shape):
    return np.ones(shape, np.float32)


def test_runs_between_open_and_close():
    backend = Doubling()
    with backend as opened:
        assert opened is backend
        assert backend.is_open
        assert backend.info == INFO
        assert backend.infer({'x': ones(1, 5, 2)})['y'].sum() == 20
    assert not backend.is_open
    assert (backend.opened, backend.closed) == (1, 1)


def test_opening_and_closing_twice_is_harmless_and_it_opens_again():
    backend = Doubling()
    backend.open().open()
    backend.close()
    backend.close()
    assert (backend.opened, backend.closed) == (1, 1)
    assert backend.open().infer({'x': ones(1, 1, 2)})['y'].sum() == 4


@pytest.mark.parametrize('use', [
    lambda backend: backend.infer({'x': ones(1, 1, 2)}), lambda backend: backend.inputs,
    lambda backend: backend.outputs, lambda backend: backend.info])
def test_a_closed_backend_says_so(use):
    with pytest.raises(BackendError, match=r'while closed: got Doubling. Call open\(\) first'):
        use(Doubling())


@pytest.mark.parametrize(('inputs', 'message'), [
    ({}, r'Wrong input names: got \[\]; expected x float32\[1, \?, 2\]'),
    ({'z': ones(1, 1, 2)}, 'Wrong input names'),
    ({'x': ones(1, 1, 2), 'z': ones(1)}, 'Wrong input names'),
    ({'x': ones(1, 1, 3)}, r'got x float32\[1, 1, 3\]; expected x float32\[1, \?, 2\]'),
    ({'x': ones(1, 2)}, 'does not fit'),
    ({'x': ones(1, 1, 2).astype(np.float64)}, r'got x float64'),
])
def test_wrong_inputs_are_told_and_the_next_good_one_runs(inputs, message):
    with Doubling() as backend:
        with pytest.raises(InvalidInputError, match=message):
            backend.infer(inputs)
        assert backend.infer({'x': ones(1, 1, 2)})['y'].sum() == 4


class Overlapping(Doubling):
    """Runs by itself; results alternate between two arrays, as those of engines do."""

    overlaps = True

    def __init__(self):
        super().__init__()
        self._pending = []

    def _begin(self, inputs):
        self._pending.append(2 * inputs['x'])

    def _end(self):
        return {'y': self._pending.pop()}


def test_run_is_begun_and_ended_once():
    with Overlapping() as backend:
        with pytest.raises(BackendError, match='No run was begun'):
            backend.end()
        backend.begin({'x': ones(1, 3, 2)})
        with pytest.raises(BackendError, match='A run is under way'):
            backend.begin({'x': ones(1, 3, 2)})
        with pytest.raises(BackendError, match='A run is under way'):
            backend.infer({'x': ones(1, 3, 2)})
        assert backend.end()['y'].sum() == 12
        with pytest.raises(BackendError, match='No run was begun'):
            backend.end()


def test_inputs_of_a_begun_run_are_checked_and_a_refused_one_is_not_under_way():
    with Overlapping() as backend:
        with pytest.raises(InvalidInputError, match='Input tensor does not fit'):
            backend.begin({'x': ones(1, 3, 4)})
        assert backend.infer({'x': ones(1, 3, 2)})['y'].sum() == 12


def test_backend_opened_again_has_no_run_under_way():
    backend = Overlapping().open()
    backend.begin({'x': ones(1, 3, 2)})
    backend.close()
    with backend:
        assert backend.infer({'x': ones(1, 3, 2)})['y'].sum() == 12


def test_runs_on_the_cpu_cannot_be_begun():
    with Doubling() as backend:
        assert not backend.overlaps
        with pytest.raises(BackendError, match='Runs cannot be begun'):
            backend.begin({'x': ones(1, 3, 2)})
        assert backend.infer({'x': ones(1, 3, 2)})['y'].sum() == 12
