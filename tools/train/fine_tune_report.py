# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report of fine_tune.py: what was trained on, what came out, beside the former network."""

import math
import os
from typing import Any, Dict, List, Sequence, Tuple

import cv2
import numpy as np
from segformer_ros.evaluation.report.compare import Comparison
from segformer_ros.evaluation.report.markdown import escaped
from segformer_ros.evaluation.report.markdown import table
from segformer_ros.model.classes import load_class_table
from segformer_ros.segmentation.load_model import load_model

# Held-out frames that are shown.
PICTURES = 4
SETS = (('held_out', 'Held-out frames'),
        ('simulated_held_out', 'Rendered frames, held out: what it may have forgotten'))


def comparison_values(comparison: Comparison, reports: Sequence[Dict[str, Any]]
                      ) -> Dict[str, Any]:
    """
    Return plain values of a comparison.

    :param reports: documents before and after
    """
    return {
        'frames': comparison.common,
        'figures': {name: {'before': before, 'after': after}
                    for name, before, after in comparison.figures
                    if name in ('miou', 'accuracy')},
        'intervals': {name: {'difference': each.difference, 'low': each.low, 'high': each.high,
                             'clear': each.is_clear}
                      for name, each in comparison.intervals.items()},
        'classes': [{'name': each.name, 'before': _known(each.before), 'after': _known(each.after)}
                    for each in comparison.classes],
        'left_out': [report['left_out']['frames'] for report in reports]}


def _known(value: float) -> Any:
    return None if math.isnan(value) else value


def pictures(frames: Sequence[Tuple[str, str, np.ndarray]], before: str, after: str,
             folder: str) -> List[str]:
    """
    Write a row for some frames: picture, mask before, mask after, labels.

    :param frames: ids, paths of images, labels
    :param before: ONNX file
    :param after: ONNX file
    :param folder: that the file held_out.png is written to
    :return: ids of the frames shown
    """
    chosen = [frames[index] for index in sorted(set(
        np.linspace(0, len(frames) - 1, PICTURES).astype(int).tolist()))]
    segmenters = [load_model(path, threads=1) for path in (before, after)]
    palette = load_class_table(segmenters[1].spec.classes).palette()
    rows = []
    width = cv2.imread(chosen[0][1]).shape[1]
    for _, path, labels in chosen:
        image = np.ascontiguousarray(cv2.imread(path)[..., ::-1])
        row = np.hstack([image] + [palette[segmenter.segment(image).mask]
                                   for segmenter in segmenters] + [palette[labels]])
        height = round(row.shape[0] * width * 4 / row.shape[1])
        rows.append(cv2.resize(row, (width * 4, height), interpolation=cv2.INTER_NEAREST))
    for segmenter in segmenters:
        segmenter.backend.close()
    cv2.imwrite(os.path.join(folder, 'held_out.png'), np.vstack(rows)[..., ::-1])
    return [each[0] for each in chosen]


def markdown(values: Dict[str, Any]) -> str:
    """Return the page."""
    frames, training = values['frames'], values['training']
    lines = [f"# {escaped(values['former'])}, trained further", '',
             f"{frames['train']} labelled frames and {frames['simulated']} rendered ones, "
             f"{training['steps']} steps of {training['batch']} pictures in "
             f"{training['seconds'] / 60:.1f} min on {training['threads']} threads; everything "
             f"together {values['seconds'] / 60:.1f} min, of processor time "
             f"{values['processor_seconds'] / 60:.1f} min. The loss went from "
             f"{training['loss_first']:.3f} to {training['loss_last']:.3f}.", '',
             f"New network: `{values['model']}`, specification beside it.", '']
    if frames['uncorrected']:
        lines += [f"The labels of {frames['uncorrected']} frames are the captured masks, "
                  'unchanged. Such frames teach nothing new, and where they are held out the '
                  'network of before counts as right.', '']
    for name, title in SETS:
        if name in values:
            lines += _comparison(values[name], title)
    lines += ['## Pictures', '',
              'Picture, mask before, mask after, labels; of '
              + ', '.join(f'`{each}`' for each in values['pictures']) + '.', '',
              '![held-out frames](held_out.png)', '',
              '## Export', '',
              f"onnxruntime differs from PyTorch by at most {values['export']['difference']:.1e}.",
              '', '```', values['export']['inspection'].rstrip(), '```', '']
    return '\n'.join(lines)


def _comparison(found: Dict[str, Any], title: str) -> List[str]:
    rows = []
    for name, text in (('miou', 'mean IoU'), ('accuracy', 'pixel accuracy')):
        figures, interval = found['figures'][name], found['intervals'][name]
        rows.append([text, _text(figures['before']), _text(figures['after']),
                     f"{interval['difference']:+.3f}",
                     f"{interval['low']:+.3f} to {interval['high']:+.3f}",
                     '' if interval['clear'] else 'not clear'])
    lines = [f'## {title}', '', f"{found['frames']} frames; the interval of 95 % is a paired "
             'bootstrap of blocks of frames.', '']
    lines += table(['', 'before', 'after', 'change', 'interval', ''], rows)
    classes = sorted(found['classes'], key=lambda each: (each['after'] or 0.0)
                     - (each['before'] or 0.0))
    lines += table(['class', 'IoU before', 'after'], [
        [escaped(each['name']), _text(each['before']), _text(each['after'])]
        for each in classes])
    return lines


def _text(value: Any) -> str:
    return '' if value is None else f'{value:.3f}'
