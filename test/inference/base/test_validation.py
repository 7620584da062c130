# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two backends in turn: what decides, what is measured, and what is kept of it."""

import json

import numpy as np
import pytest
from segformer_ros.inference.base import validation
from segformer_ros.inference.base.mask_check import compare_masks
from segformer_ros.model.spec import ModelSpec

SPEC = ModelSpec('x', 'ade20k', 3, input_size_wh=(8, 8), output_layout='nhwc',
                 output_size_wh=(4, 4))
FRAMES = [{'pixel_values': np.full((1, 3, 8, 8), number, np.float32)} for number in range(2)]


def made(cpu=0.5, wall=0.5, agree=True):
    mask = np.arange(16).reshape(1, 4, 4) % 2
    check = compare_masks([mask], [mask if agree else 1 - mask], True, 0, 1)
    return validation.Validation(check, cpu, wall, 6)


@pytest.mark.parametrize('cpu, wall, on_cpu, refused', [
    (0.95, 0.0, True, None), (0.951, 0.0, True, '0.95 of the time, above 0.95'),
    (0.5, 1.05, True, None), (0.5, 1.051, True, 'times as long, above 1.05'),
    (9.9, 0.95, False, None), (0.1, 0.951, False, '0.95 of the time, above 0.95'),
    (1.0, 1.0, True, '1.00 of the time'), (0.1, 1.2, False, '1.20 of the time')])
def test_a_candidate_has_to_save_a_twentieth_and_may_not_be_later_on_the_cpu(
        cpu, wall, on_cpu, refused):
    found = made(cpu, wall).refusal(on_cpu)
    assert found == '' if refused is None else refused in found


def test_other_masks_are_refused_however_fast():
    assert made(0.01, 0.01, agree=False).refusal(True).startswith('agreement 0.0000')


def test_a_validation_comes_back_from_json_and_damaged_ones_are_type_errors():
    kept = json.loads(json.dumps(made(0.25, 0.75).to_json()))
    assert validation.validation_from_json(kept) == made(0.25, 0.75)
    for change in ({'check': None}, {'check': 'passed'}, {'cpu_ratio': 'half'},
                   {'wall_ratio': None}, {'pairs': [1]}, {'extra': 1}):
        with pytest.raises(TypeError):
            validation.validation_from_json(dict(kept, **change))
    kept.pop('check')
    with pytest.raises(TypeError):
        validation.validation_from_json(kept)


class Clock:
    """Seconds of both clocks, which only the backends below move."""

    def __init__(self, monkeypatch):
        self.cpu = self.wall = 50.0
        monkeypatch.setattr(validation.time, 'process_time', lambda: self.cpu)
        monkeypatch.setattr(validation.time, 'perf_counter', lambda: self.wall)
        monkeypatch.setattr(validation.time, 'monotonic', lambda: self.wall)


class Steady:
    """Takes what it is told for each run, and returns logits in a buffer that it uses again."""

    def __init__(self, clock, runs, shift=0):
        self._clock, self._runs, self._shift = clock, list(runs), shift
        self._buffer = np.zeros((1, 4, 4, 3), np.float32)
        self.served = 0

    def infer(self, frame):
        """Run."""
        cpu, wall = self._runs[self.served % len(self._runs)]
        self.served += 1
        self._clock.cpu += cpu
        self._clock.wall += wall
        self._buffer[:] = 0.0
        self._buffer[..., (int(frame['pixel_values'][0, 0, 0, 0]) + self._shift) % 3] = 1.0
        return {'logits': self._buffer}


def test_ratios_are_medians_of_pairs_over_three_passes(monkeypatch):
    clock = Clock(monkeypatch)
    # Two frames a pass; one run of the candidate met other work.
    plain = Steady(clock, [(0.2, 0.1), (0.4, 0.2)])
    other = Steady(clock, [(0.1, 0.08), (0.2, 0.16), (9.0, 9.0), (0.2, 0.16), (0.1, 0.08),
                           (0.1, 0.08)])
    monkeypatch.setattr(validation, 'LONGEST_S', 60.0)
    found = validation.validate(plain, other, SPEC, FRAMES)
    assert (plain.served, other.served, found.pairs) == (6, 6, 6)
    # 0.5, 0.5, 45, 0.5, 0.5, 0.25; 0.8, 0.8, 90, 0.8, 0.8, 0.4
    assert (found.cpu_ratio, found.wall_ratio) == (0.5, 0.8)
    assert found.check.passed and found.check.bundled_frames == 2
    assert found.check.live_frames == 0


@pytest.mark.parametrize('seconds, passes', [(0.1, 3), (2.4, 3), (2.6, 2), (4.9, 2), (5.1, 1)])
def test_no_further_pass_is_begun_after_five_seconds(monkeypatch, seconds, passes):
    clock = Clock(monkeypatch)
    # Two frames, each run by both: a pass takes four runs.
    plain, other = (Steady(clock, [(0.1, seconds / 4.0)]) for _ in range(2))
    assert validation.validate(plain, other, SPEC, FRAMES).pairs == 2 * passes


def test_runs_that_no_clock_saw_divide_by_no_zero(monkeypatch):
    clock = Clock(monkeypatch)
    plain, other = Steady(clock, [(0.0, 0.0)]), Steady(clock, [(0.0, 0.0)])
    found = validation.validate(plain, other, SPEC, FRAMES)
    assert (found.cpu_ratio, found.wall_ratio) == (0.0, 0.0)


def test_masks_are_those_of_each_frame_though_buffers_are_used_again(monkeypatch):
    clock = Clock(monkeypatch)
    found = validation.validate(Steady(clock, [(0.1, 0.1)]), Steady(clock, [(0.1, 0.1)], shift=1),
                                SPEC, FRAMES)
    assert found.check.agreement == 0.0 and not found.check.passed


def test_a_value_that_is_not_finite_in_any_frame_is_found(monkeypatch):
    clock = Clock(monkeypatch)

    class Nan(Steady):
        def infer(self, frame):
            values = super().infer(frame)
            if self.served == 2:
                values['logits'][0, 3, 3, 2] = np.nan
            return values

    found = validation.validate(Steady(clock, [(0.1, 0.1)]), Nan(clock, [(0.1, 0.1)]), SPEC,
                                FRAMES)
    assert not found.check.finite and not found.check.passed
