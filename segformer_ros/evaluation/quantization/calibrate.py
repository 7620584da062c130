# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Calibrate a network, compare it with float32 on other frames, and say what was found."""

import os
import re
import tempfile
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.evaluation.metrics.confusion import ConfusionMatrix
from segformer_ros.evaluation.metrics.confusion import score
from segformer_ros.evaluation.quantization.frames import Frames
from segformer_ros.inference.base import mask_check
from segformer_ros.inference.base.frames import Frame as Tensors
from segformer_ros.inference.trt import key
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.optimize import verify
from segformer_ros.model.optimize.mixed_precision import convert_to_mixed_precision
from segformer_ros.model.quantize import placement
from segformer_ros.model.quantize import ranges
from segformer_ros.model.spec import ModelSpec

QUANTILE = 0.9999
"""
Share of a tensor's values that its range must hold.

Of the shipped network on 16 rendered worlds, 16 others held out, labels were equal on 0.9942 of
the cells with 1 (the maximum), 0.9950 with 0.99999, 0.9957 with 0.9999 and 0.9918 with 0.999.
"""
FEW_FRAMES = 16
_NAMED = 3
MOST_CLIPPED = 5 * (1.0 - QUANTILE)
"""
Share of values beyond their range, mean of all tensors, above which other frames are unlike.

In the worlds above 0.00015 with 16 frames, 0.00029 with 3, 0.00059 with a single one.
"""


class Calibrated(NamedTuple):
    """A quantized network; ``check`` compares it with float32 on the frames held out."""

    onnx: bytes
    check: mask_check.SelfCheck
    report: Dict[str, Any]


def calibrate(graph: str, spec: ModelSpec, frames: Frames, bundled: Sequence[Tensors],
              tell: Callable[[str], None] = lambda line: None) -> Calibrated:
    """
    Calibrate a network by frames, and compare it with float32 by others.

    onnxruntime's CPU provider stands in for the engine: it computes the same pairs one by one.

    :param graph: path of the float32 network that engines are built from
    :param spec: of that
    :param frames: input tensors of it
    :param bundled: input tensors of the pictures that come with the package, on which the
        engine will be checked, too
    :param tell: called with a line on what comes next
    :raises BackendError: onnx or onnxruntime is not installed, or cannot run the network
    :raises ModelError: the network cannot be quantized
    :raises InvalidInputError: the network has values that are not finite
    """
    model = placement.read_model(graph)
    sites = placement.find_sites(model)
    names = placement.activations(sites)
    tell(f'calibrating {len(sites)} layers on {len(frames.calibration)} frames')
    seen = ranges.observe(model, names, frames.calibration)
    limits = {name: histogram.quantile(QUANTILE) for name, histogram in seen.items()}
    quantized = placement.quantized(model, limits)
    tell(f'comparing on {len(frames.held_out)} frames held out and {len(bundled)} bundled ones')
    others = ranges.observe(model, names, frames.held_out)
    clipped = float(np.mean([others[name].share_above(limits[name]) for name in names]))
    # The very type that each layer of an engine will have; below TensorRT 10 pins say it.
    with tempfile.TemporaryDirectory(prefix='segformer_ros_int8_') as folder:
        path = os.path.join(folder, 'quantized.onnx')
        with open(path, 'wb') as stream:
            stream.write(quantized.SerializeToString())
        contents = {key.MIXED: convert_to_mixed_precision(graph).onnx,
                    key.INT8: convert_to_mixed_precision(path).onnx}
    judged = list(frames.held_out) + list(bundled)
    reference = _masks(verify.open_session(model.SerializeToString()), spec, judged)
    rows: Dict[str, Any] = {}
    names_of = load_class_table(spec.classes).names
    checks = {}
    for precision, content in contents.items():
        tell(f'comparing {precision}')
        found = _masks(verify.open_session(content, literally=True), spec, judged)
        checks[precision] = mask_check.compare_masks(
            reference.masks, found.masks, found.finite, len(frames.held_out), len(bundled))
        rows[precision] = _figures(reference.masks, found.masks, len(frames.held_out),
                                   spec.num_classes, checks[precision], names_of)
    if not reference.finite:
        raise ModelError('The float32 network itself returns values that are not finite',
                         got=graph)
    report = {
        'model': spec.name, 'input_size': '{} x {}'.format(*spec.input_size_wh),
        'images': frames.images, 'left_out': frames.left_out,
        'left_out_first': list(frames.left_out_first),
        'calibration_frames': len(frames.calibration), 'held_out_frames': len(frames.held_out),
        'bundled_frames': len(bundled), 'quantile': QUANTILE, 'rules': placement.REVISION,
        'layers': len(sites), 'nodes': len(model.graph.node),
        'classes_seen': _classes_seen(reference.masks[:len(frames.held_out)]),
        'clipped': clipped, 'precisions': rows}
    report['warnings'] = _warnings(report)
    return Calibrated(quantized.SerializeToString(), checks[key.INT8], report)


def shortened(reason: str) -> str:
    """Return the first faults of a check, and how many more there are."""
    faults = reason.split('; ')
    more = len(faults) - _NAMED
    return '; '.join(faults[:_NAMED]) + (f' and {more} more' if more > 0 else '')


def named(reason: str, names: Sequence[str]) -> str:
    """Return the faults of a check with the name of each class beside its number."""
    return re.sub(r'\bclass (\d+)\b', lambda found: 'class ' + _name(int(found.group(1)), names),
                  reason)


def _name(class_id: int, names: Sequence[str]) -> str:
    # A network may give ids that its table does not have; they have no name.
    return f'{names[class_id]} ({class_id})' if class_id < len(names) else str(class_id)


class _Masks(NamedTuple):
    masks: List[arrays.Array]
    finite: bool


def _masks(session: Any, spec: ModelSpec, frames: Sequence[Tensors]) -> _Masks:
    masks, finite = [], True
    for frame in frames:
        try:
            values = session.run([spec.output_name], dict(frame))[0]
        except Exception as error:  # onnxruntime's own types are not exported in 1.10
            raise BackendError('Graph cannot be run', got=error) from error
        finite = finite and bool(np.isfinite(values).all())
        masks.append(mask_check.class_ids(values, spec.output_kind,
                                          mask_check.class_axis_of(spec)))
    return _Masks(masks, finite)


def _figures(reference: Sequence[arrays.Array], found: Sequence[arrays.Array], held_out: int,
             classes: int, check: mask_check.SelfCheck, names: Sequence[str]) -> Dict[str, Any]:
    worst = check.lowest_iou_class
    figures: Dict[str, Any] = {
        'passes': check.passed, 'reason': named(check.reason, names),
        'lowest_iou': check.lowest_iou, 'lowest_iou_class': worst,
        'lowest_iou_name': 'none' if worst is None else _name(worst, names)}
    for name, part in (('held_out', slice(held_out)), ('bundled', slice(held_out, None))):
        table = ConfusionMatrix(max(classes, 2))
        for pair in zip(reference[part], found[part]):
            table.add(*(mask.astype(np.uint8) for mask in pair))
        scores = score(table.class_counts())
        # A part without frames has no figures: null in JSON.
        known = bool(reference[part])
        figures[f'{name}_agreement'] = scores.pixel_accuracy if known else None
        figures[f'{name}_mean_iou'] = scores.mean_iou if known else None
    return figures


def _classes_seen(masks: Sequence[arrays.Array]) -> int:
    """Return how many classes cover more of the frames than the check looks at."""
    counts = np.bincount(np.concatenate([mask.ravel() for mask in masks]).astype(np.int64))
    return int((counts > mask_check.CHECKED_SHARE * counts.sum()).sum())


def _warnings(report: Dict[str, Any]) -> List[str]:
    found = []
    integers = report['precisions'][key.INT8]
    if not integers['passes']:
        found.append('The check fails, so no engine is built with 8-bit integers: {}.'.format(
            shortened(integers['reason'])))
    if report['calibration_frames'] < FEW_FRAMES:
        found.append('Calibrated on {} frames; {} or more are advised.'.format(
            report['calibration_frames'], FEW_FRAMES))
    if report['classes_seen'] < 2:
        found.append('float32 sees one class alone on the frames held out: are these images of '
                     'where the robot works?')
    if report['clipped'] > MOST_CLIPPED:
        found.append('On the frames held out {:.3%} of the values inside the network lie beyond '
                     'what calibration saw, where {:.3%} are meant to: they are unlike the '
                     'others, or those were too few.'.format(report['clipped'], 1.0 - QUANTILE))
    return found
