# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compare the masks of an engine with those of the network it was built from."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.model import spec as model_spec

# Share of pixels that must have the class of the reference, over all frames.
MINIMUM_AGREEMENT = 0.99
# A class above this share of the reference's pixels, over all frames, must keep this IoU: a
# lost person must not hide in the one per cent that may differ.
CHECKED_SHARE = 0.005
MINIMUM_IOU = 0.9
# A class above CHECKED_SHARE of one single frame must keep this much there: it may be rare over
# all frames. Lower, since a few pixels along its border already cost a small object a lot.
MINIMUM_FRAME_IOU = 0.5


class SelfCheck(NamedTuple):
    """
    Result of a comparison.

    ``lowest_iou`` is that of ``lowest_iou_class``, the worst of the checked classes over all
    frames; 1 and None if no class was checked. ``reason`` says what failed, empty if nothing.
    """

    passed: bool
    reason: str
    finite: bool
    agreement: float
    lowest_iou: float
    lowest_iou_class: Optional[int]
    live_frames: int
    bundled_frames: int

    def __str__(self) -> str:
        """Return the figures in one line."""
        worst = ('' if self.lowest_iou_class is None else
                 f', lowest IoU {self.lowest_iou:.4f} (class {self.lowest_iou_class})')
        return (f'agreement {self.agreement:.4f}{worst} on {self.live_frames} live and '
                f'{self.bundled_frames} bundled frames')


class Iou(NamedTuple):
    """Intersection over union of one class."""

    class_id: int
    iou: float


def class_ids(values: arrays.Array, kind: str, class_axis: int) -> arrays.Array:
    """
    Return (1, h, w) class ids of a network's output, at the size of that.

    :param values: the output
    :param kind: one of ``OUTPUT_KINDS``
    :param class_axis: of the channels, if there are any
    """
    if kind == model_spec.LABELS:
        return values.squeeze(class_axis) if values.ndim == 4 else values
    if kind in model_spec.BINARY:
        rest = 0.0 if kind == model_spec.BINARY_LOGITS else 0.5
        return np.asarray((values < rest).any(axis=class_axis), np.int64)
    return np.asarray(values.argmax(axis=class_axis))


def class_axis_of(spec: model_spec.ModelSpec) -> int:
    """Return the axis of the channels in a network's output."""
    return 3 if spec.output_layout == 'nhwc' else 1


def compare_masks(reference: Sequence[arrays.Array],
                  candidate: Sequence[arrays.Array], finite: bool, live_frames: int,
                  bundled_frames: int) -> SelfCheck:
    """
    Judge an engine by the masks of some frames.

    :param reference: class ids of the float32 network, one array a frame
    :param candidate: class ids of the engine for the same frames
    :param finite: whether every output of the engine was a finite number
    :param live_frames: how many of the frames came from the robot's cameras
    :param bundled_frames: how many came with the package
    :raises InvalidInputError: no frames, or shapes that differ
    """
    shapes = [mask.shape for mask in reference]
    if not shapes or shapes != [mask.shape for mask in candidate]:
        raise InvalidInputError('Masks cannot be compared', got=[mask.shape for mask in candidate],
                                expected=shapes, remedy='Give at least one frame to both.')
    tables = [_confusion(*masks) for masks in zip(reference, candidate)]
    classes = max(len(table) for table in tables)
    total = np.zeros((classes, classes), np.int64)
    faults: List[str] = []
    if not finite:
        faults.append('values that are not finite')
    for number, table in enumerate(tables):
        total[:len(table), :len(table)] += table
        faults.extend(f'class {row.class_id} keeps IoU {row.iou:.3f} in frame {number} '
                      f'(minimum {MINIMUM_FRAME_IOU})' for row in _checked(table)
                      if row.iou < MINIMUM_FRAME_IOU)
    agreement = float(np.trace(total)) / float(total.sum())
    if agreement < MINIMUM_AGREEMENT:
        faults.insert(0, f'agreement {agreement:.4f} (minimum {MINIMUM_AGREEMENT})')
    rows = sorted(_checked(total), key=lambda row: row.iou)
    faults.extend(f'class {row.class_id} keeps IoU {row.iou:.3f} (minimum {MINIMUM_IOU})'
                  for row in rows if row.iou < MINIMUM_IOU)
    return SelfCheck(passed=not faults, reason='; '.join(faults), finite=finite,
                     agreement=agreement, lowest_iou=rows[0].iou if rows else 1.0,
                     lowest_iou_class=rows[0].class_id if rows else None, live_frames=live_frames,
                     bundled_frames=bundled_frames)


def self_check_from_json(values: Dict[str, Any]) -> SelfCheck:
    """
    Return what ``_asdict`` wrote.

    :raises TypeError: a field is missing, unknown, or of the wrong kind
    """
    check = SelfCheck(**values)
    kinds: Dict[str, Any] = {
        'passed': bool, 'reason': str, 'finite': bool, 'agreement': (int, float),
        'lowest_iou': (int, float), 'lowest_iou_class': (int, type(None)),
        'live_frames': int, 'bundled_frames': int}
    for field, kind in kinds.items():
        if not isinstance(getattr(check, field), kind):
            raise TypeError(f'{field} of the self-check is of the wrong kind')
    return check


def _confusion(reference: arrays.Array,
               candidate: arrays.Array) -> arrays.Int64:
    # Rows: reference, columns: candidate.
    classes = int(max(reference.max(), candidate.max())) + 1
    pairs = reference.astype(np.int64).ravel() * classes + candidate.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _checked(table: arrays.Int64) -> List[Iou]:
    reference = table.sum(axis=1)
    union = reference + table.sum(axis=0) - table.diagonal()
    pixels = float(table.sum())
    return [Iou(int(index), float(table[index, index]) / float(union[index]))
            for index in np.flatnonzero(reference > CHECKED_SHARE * pixels)]
