# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run two backends in turn on the same frames: whether masks agree, and which is faster."""

import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.inference.base import mask_check
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.frames import Frame
from segformer_ros.model.spec import ModelSpec

# Of the reference's time that may be taken at most, for another runtime to be worth its memory.
WORTHWHILE = 0.95
# Of the reference's time from one frame to its mask, where processor time decides: a candidate
# that works less but leaves cores idle does not help a camera.
MOST_LATENCY = 1.05
MOST_PASSES = 3
# After that many seconds no further pass is begun: a camera may be waiting.
LONGEST_S = 5.0


class Validation(NamedTuple):
    """
    What came of it.

    ``cpu_ratio`` and ``wall_ratio`` are medians over ``pairs`` of the candidate's processor time
    and time, divided by the reference's for the same frame.
    """

    check: mask_check.SelfCheck
    cpu_ratio: float
    wall_ratio: float
    pairs: int

    def refusal(self, on_cpu: bool) -> str:
        """
        Return why the candidate is not worth taking, or nothing.

        :param on_cpu: both compute on the CPU, so that processor time tells more than time
        """
        if not self.check.passed:
            return self.check.reason
        ratio = self.cpu_ratio if on_cpu else self.wall_ratio
        if ratio > WORTHWHILE:
            return f'it takes {ratio:.2f} of the time, above {WORTHWHILE}'
        if on_cpu and self.wall_ratio > MOST_LATENCY:
            return f'a frame takes {self.wall_ratio:.2f} times as long, above {MOST_LATENCY}'
        return ''

    def __str__(self) -> str:
        """Return the figures in one line."""
        return (f'{self.cpu_ratio:.2f} of the processor time and {self.wall_ratio:.2f} of the '
                f'time in {self.pairs} pairs of runs, {self.check}')

    def to_json(self) -> Dict[str, Any]:
        """Return what :func:`validation_from_json` reads."""
        return dict(self._asdict(), check=self.check._asdict())


def validation_from_json(values: Dict[str, Any]) -> Validation:
    """
    Return what :meth:`Validation.to_json` wrote.

    :raises TypeError: a field is missing, unknown, or of the wrong kind
    """
    fields = dict(values)
    check = fields.pop('check', None)
    if not isinstance(check, dict) or not all(
            isinstance(value, (int, float)) for value in fields.values()):
        raise TypeError('a field of the validation is of the wrong kind')
    return Validation(check=mask_check.self_check_from_json(check), **fields)


def validate(reference: Backend, candidate: Backend, spec: ModelSpec,
             frames: Sequence[Frame]) -> Validation:
    """
    Run both on every frame, in turn, and compare.

    :param reference: open
    :param candidate: open, of a network with the same inputs and outputs
    :param spec: of both
    :param frames: input tensors, at least one
    :raises InvalidInputError: no frames
    :raises BackendError: a runtime failed
    """
    expected: List[arrays.Array] = []
    got: List[arrays.Array] = []
    ratios: List[Tuple[float, float]] = []
    finite = True
    began = time.monotonic()
    for number in range(MOST_PASSES):
        if number and time.monotonic() - began > LONGEST_S:
            break
        for frame in frames:
            values, cpu, wall = _timed(reference, frame, spec)
            other_values, other_cpu, other_wall = _timed(candidate, frame, spec)
            # Clocks of some kernels step by 10 ms: a run of no time has taken part of a step.
            ratios.append((other_cpu / max(cpu, 1e-6), other_wall / max(wall, 1e-6)))
            if number == 0:
                finite = finite and bool(np.isfinite(other_values).all())
                expected.append(_mask(values, spec))
                got.append(_mask(other_values, spec))
    check = mask_check.compare_masks(expected, got, finite, 0, len(frames))
    cpu_ratio, wall_ratio = np.median(ratios, axis=0).tolist()
    return Validation(check, round(cpu_ratio, 4), round(wall_ratio, 4), len(ratios))


def _timed(backend: Backend, frame: Frame,
           spec: ModelSpec) -> Tuple[arrays.Array, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    values = backend.infer(frame)[spec.output_name]
    return values, time.process_time() - cpu, time.perf_counter() - wall


def _mask(values: arrays.Array, spec: ModelSpec) -> arrays.Array:
    # A copy: the buffer of labels is the backend's, and holds the next frame's soon.
    return mask_check.class_ids(values, spec.output_kind, mask_check.class_axis_of(spec)).copy()
