# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The calibration report, as Markdown."""

from typing import Any, Dict, List

from segformer_ros.evaluation.quantization.calibrate import shortened
from segformer_ros.evaluation.report.format import figure
from segformer_ros.evaluation.report.markdown import escaped
from segformer_ros.evaluation.report.markdown import table
from segformer_ros.inference.base import mask_check
from segformer_ros.inference.trt import key


def markdown(report: Dict[str, Any]) -> str:
    """Return the report of :func:`calibrate` as Markdown."""
    lines = [f"# INT8 calibration of {escaped(report['model'])}", '',
             '{layers} of {nodes} nodes compute with 8-bit integers, at {input_size}.'.format(
                 **report),
             'Calibrated on {calibration_frames} of {images} images, compared on '
             '{held_out_frames} others and on {bundled_frames} pictures of the package; '
             '{left_out} images could not be used'.format(**report) + _first(report),
             'float32 sees {classes_seen} classes on the frames held out.'.format(**report),
             '',
             'onnxruntime on a CPU computed each precision in place of TensorRT. The engine is '
             'compared again, on the robot, before it serves.', '']
    lines += [f'- **{escaped(text)}**' for text in report['warnings']]
    lines += ['' for _ in report['warnings'][:1]]
    rows = [[key.FP32, '1.0000', '1.0000', '1.0000', '1.0000', '', 'is the reference']]
    rows += [_row(name, report['precisions'][name]) for name in (key.MIXED, key.INT8)]
    lines += table(
        ['precision', 'equal labels, held out', 'mean IoU, held out', 'equal labels, bundled',
         'mean IoU, bundled', 'lowest IoU of a class', 'check'], rows)
    lines += [f'The check wants {mask_check.MINIMUM_AGREEMENT} of all labels equal, and an '
              f'IoU of {mask_check.MINIMUM_IOU} for each class that covers '
              f'{mask_check.CHECKED_SHARE:.1%} or more. float32 is the truth here; how right it '
              'is itself, `evaluate` says.']
    return '\n'.join(lines) + '\n'


def _first(report: Dict[str, Any]) -> str:
    first = report['left_out_first']
    more = report['left_out'] - len(first)
    return (': ' + '; '.join(escaped(text) for text in first) if first else '') + (
        f'; and {more} more.' if first and more > 0 else '.')


def _row(precision: str, values: Dict[str, Any]) -> List[str]:
    return [precision] + [
        figure(values[name], '.4f') for name in (
            'held_out_agreement', 'held_out_mean_iou', 'bundled_agreement', 'bundled_mean_iou')
    ] + ['{:.4f} ({})'.format(values['lowest_iou'], escaped(values['lowest_iou_name'])),
         'passes' if values['passes'] else escaped('fails: ' + shortened(values['reason']))]
