# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the outputs of an ONNX file hold, as its last steps say, and what cannot be used at all."""

import math
import re
from typing import Optional

from segformer_ros.common.errors import ModelError
from segformer_ros.model import spec as model_spec
from segformer_ros.model.onnx_file import header as onnx_header
from segformer_ros.model.onnx_file import value_range
from segformer_ros.model.onnx_file.value_range import UNKNOWN

EXPORT_LOGITS = 'Export the network with its logits as the output, as docs/models.md says.'
# Steps after which an axis is no longer the one that it was.
_MOVES = ('Gather', 'Reshape', 'Slice', 'Squeeze', 'Unsqueeze')
_FIRST_OPSET_OF_ONE_AXIS = 13
"""Before it, Softmax ran over its axis and all that follow."""
# Steps that make probabilities.
_PROBABLE = ('Sigmoid', 'Softmax')
# A bound of logits themselves, as some networks have.
_MAY_BE_LOGITS = ('Tanh',)
_YOLO_PROTOTYPES = (16, 32, 64)
# Words in names, in lower case, of outputs that look like logits and are none.
_FOREIGN_WORDS = (
    ('proto protos prototypes', 'mask prototypes of YOLO'),
    ('query queries', 'masks of queries (MaskFormer, Mask2Former)'), ('depth', 'depth'),
    ('disparity disp', 'disparity'), ('boxes box bboxes bbox', 'boxes of objects'),
    ('flow', 'optical flow'), ('normals', 'directions of surfaces'),
    ('heatmap heatmaps keypoints', 'heat maps of points'))


def refuse_random(header: onnx_header.OnnxHeader) -> None:
    """
    Refuse a network that gives another result at every run.

    :raises ModelError: it does; the operators are named
    """
    if header.random:
        raise ModelError(
            'The network gives another result at every run', got=', '.join(header.random),
            expected='a network exported for inference',
            remedy='Call model.eval() before the export, and export with training off.')


def refuse_foreign(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec,
                   is_named: bool = False) -> None:
    """
    Refuse an output that is not a segmentation by class.

    :param output: the one that the user or the file names
    :param is_named: the user has named it, so that its name says nothing against it
    :raises ModelError: it is known to be something else, which is named
    """
    words = re.findall('[a-z]+', output.name.lower())
    found = next((meaning for names, meaning in _FOREIGN_WORDS
                  if set(names.split()).intersection(words)), '')
    if is_named:
        found = ''
    if _has_queries(header, output):
        found = 'masks of queries (DETR, MaskFormer)'
    if _is_yolo(header, output):
        found = 'mask prototypes of YOLO'
    if found:
        raise ModelError(
            f'Output {output.name!r} does not hold classes', got=f'{found}: {output}',
            expected='logits, probabilities or labels by pixel',
            remedy='Use a network for semantic segmentation. If its name alone misleads: '
                   f'inspect_model --output {output.name}')


def kind_of(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec, layout: str
            ) -> Optional[str]:
    """
    Return what the last steps before an output make of it; None where they do not tell.

    :param output: as the file declares it
    :param layout: one of ``OUTPUT_LAYOUTS``
    :raises ModelError: something of which neither classes nor confidence can be made
    """
    class_axis = 3 if layout == 'nhwc' else 1
    is_label = output.dtype in model_spec.LABEL_DTYPES
    is_single = layout != model_spec.LABEL_LAYOUT and output.shape[class_axis] == 1
    _refuse_least_likely(header, output, is_label, is_single)
    moved, changed = False, ''
    for step in header.tails.get(output.name, ()):
        if changed and step.op in ('Sigmoid', 'Softmax') + onnx_header.COMPARISONS:
            # 1 - sigmoid, say, or 255 * softmax: taken for logits they would lie.
            raise ModelError(f'Output {output.name!r} is not what {step.op} gives',
                             got=f'{changed} after {step.op}', expected=f'{step.op} alone',
                             remedy=EXPORT_LOGITS)
        if step.op == 'Transpose':
            if sorted(step.perm) == [0, 1, 2, 3] and not moved:
                class_axis = step.perm[class_axis]
            else:
                moved = True
        if step.op == 'ArgMax' and step.channel_axis is not None:
            _check_argmax(step, output)
        if step.op in onnx_header.COMPARISONS or step.op == 'ArgMax':
            if not is_label:
                raise ModelError(
                    f'Output {output.name!r} holds labels as {output.dtype}',
                    got=f'{output} after {step.op}',
                    expected=f"labels of {' or '.join(model_spec.LABEL_DTYPES)}",
                    remedy=EXPORT_LOGITS)
            return model_spec.LABELS
        if step.op in ('Softmax', 'LogSoftmax'):
            if not moved:
                _check_axis(header, step.axis, step.op, output, class_axis)
            if is_single and not moved:
                raise ModelError(f'Output {output.name!r} is always the same',
                                 got=f'{step.op} over the one channel of {output}',
                                 expected='Sigmoid over it', remedy=EXPORT_LOGITS)
            if step.op == 'LogSoftmax':
                if is_single:
                    raise ModelError(f'Output {output.name!r} is one class of {step.op}',
                                     got=output, expected='all classes', remedy=EXPORT_LOGITS)
                return model_spec.LOGITS
            return model_spec.BINARY_PROBABILITIES if is_single else model_spec.PROBABILITIES
        if step.op in onnx_header.NEVER_NEGATIVE and is_single and not changed:
            # The sigmoid would be 0.5 or more in every pixel: all of them of the one class.
            raise ModelError(f'Output {output.name!r} is never below 0',
                             got=f'{step.op} before the one channel of {output}; depth, perhaps',
                             expected='a logit, which is below 0 where the class is not',
                             remedy=EXPORT_LOGITS)
        if step.op == 'Sigmoid':
            return model_spec.BINARY_PROBABILITIES if is_single else model_spec.PROBABILITIES
        moved = moved or step.op in _MOVES
        changed = step.op if step.op in onnx_header.ARITHMETIC else changed
    return model_spec.LABELS if is_label else _kind_by_range(header, output, is_single)


def label_limit(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec) -> float:
    """Return the largest label that a network gives, infinity where that is not known."""
    found = header.ranges.get(output.name)
    return math.inf if found is None else found.high


def refuse_labels(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec,
                  num_classes: int) -> None:
    """
    Refuse labels that the class table does not have.

    :raises ModelError: the network is known to give such
    """
    limit = label_limit(header, output)
    least = header.ranges.get(output.name, UNKNOWN).low
    is_above, is_below = limit >= num_classes, least < 0.0
    if (math.isfinite(limit) and is_above) or (math.isfinite(least) and is_below):
        # Below 0 they wrap around as uint8: -1 is 255, which is no class.
        raise ModelError(
            f'Output {output.name!r} has labels that are not in the class table',
            got=f'labels from {least:g} to {limit:g}' if is_below else f'labels up to {limit:g}',
            expected=f'0 to {num_classes - 1}',
            remedy='Export the network without what is calculated with its labels, or give a '
                   'class table that names them all (an argmax plus 1 leaves out label 0).')


def comparison_of(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec) -> str:
    """Return the comparison that makes two labels of one score, or nothing."""
    steps = header.tails.get(output.name, ())
    is_label = output.dtype in model_spec.LABEL_DTYPES
    return steps[-1].op if steps and is_label and steps[-1].op in onnx_header.COMPARISONS else ''


def fitted(header: onnx_header.OnnxHeader, spec: model_spec.ModelSpec) -> model_spec.ModelSpec:
    """
    Return a specification with the output's kind that its file shows.

    A softmax that is taken for logits gives hardly any confidence, so that what the graph shows
    counts where the specification leaves the kind at its default.

    :param spec: of that file, as it was written
    :raises ModelError: the output is not a segmentation, or of another kind than is written
    """
    refuse_random(header)
    output = next((each for each in header.outputs if each.name == spec.output_name), None)
    if output is None:
        return spec  # told by its check, with the outputs that there are
    refuse_foreign(header, output, is_named=True)
    if len(output.shape) != (3 if spec.output_layout == model_spec.LABEL_LAYOUT else 4):
        return spec
    if spec.output_kind == model_spec.LABELS:
        refuse_labels(header, output, spec.num_classes)
    seen = kind_of(header, output, spec.output_layout)
    if seen in (None, spec.output_kind):
        return spec
    if spec.output_kind == model_spec.LOGITS and seen == model_spec.PROBABILITIES:
        return spec._replace(output_kind=seen)
    raise ModelError(
        f'Output {output.name!r} is of another kind than specification {spec.name!r} says',
        got=f'output_kind {spec.output_kind}', expected=seen,
        remedy=model_spec.ONE_CLASS_REMEDY if seen in model_spec.BINARY
        and spec.output_kind not in model_spec.BINARY
        else f'Write output_kind: {seen} in the specification.')


def _kind_by_range(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec,
                   is_single: bool) -> Optional[str]:
    """Return the kind of an output that no single step at its end tells."""
    found = header.ranges.get(output.name, UNKNOWN)
    bounds = f'values from {found.low:g} to {found.high:g} in {output}'
    if found.is_squashed:
        return model_spec.BINARY_PROBABILITIES if is_single else model_spec.PROBABILITIES
    if is_single and (found.low >= 0.0 or found.high <= 0.0):
        # The sigmoid would be on one side of 0.5 in every pixel: all of them of one class.
        side = 'below' if found.low >= 0.0 else 'above'
        raise ModelError(f'Output {output.name!r} is never {side} 0', got=bounds,
                         expected='a logit, which is below 0 where the class is not, or Sigmoid '
                                  'of it', remedy=EXPORT_LOGITS)
    if found.ops.intersection(_PROBABLE) and math.isfinite(found.high - found.low) \
            and not found.ops.intersection(_MAY_BE_LOGITS):
        raise ModelError(f'Output {output.name!r} is calculated of probabilities', got=bounds,
                         expected=' or '.join(_PROBABLE) + ' alone', remedy=EXPORT_LOGITS)
    return None


def _refuse_least_likely(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec,
                         is_label: bool, is_single: bool) -> None:
    ops = header.ranges.get(output.name, UNKNOWN).ops
    if value_range.LEAST.issubset(ops) or any(
            step.op == 'ArgMin' for step in header.tails.get(output.name, ())):
        raise ModelError(
            f'Output {output.name!r} holds the least likely classes',
            got='ArgMin, TopK of the smallest, or ArgMax of negated scores',
            expected='ArgMax of the scores', remedy=EXPORT_LOGITS)
    if not is_label and not is_single and value_range.NEGATED.issubset(ops) \
            and ops.intersection(value_range.LIKELIHOODS):
        raise ModelError(
            f'Output {output.name!r} is largest for the least likely class',
            got=f"a negated {', '.join(sorted(ops.intersection(value_range.LIKELIHOODS)))}",
            expected='what is largest for the likeliest one', remedy=EXPORT_LOGITS)


def _check_argmax(step: onnx_header.TailStep, output: model_spec.TensorSpec) -> None:
    axis = (step.axis or 0) % 4
    if axis != step.channel_axis:
        raise ModelError(
            f'Output {output.name!r} is not by class', got=f'ArgMax over axis {axis}',
            expected=f'ArgMax over axis {step.channel_axis}, that of the classes',
            remedy=EXPORT_LOGITS)


def _is_yolo(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec) -> bool:
    # Detections [1, 4 + classes + 32, anchors] beside [1, 32, h, w], whose sums with the last
    # 32 (or 16, 64) values of a detection are its mask.
    return len(output.shape) == 4 and output.shape[1] in _YOLO_PROTOTYPES and any(
        len(other.shape) == 3 and other.dtype == output.dtype for other in header.outputs)


def _has_queries(header: onnx_header.OnnxHeader, output: model_spec.TensorSpec) -> bool:
    # Masks [1, queries, h, w] beside the classes [1, queries, classes] of the queries.
    return len(output.shape) == 4 and output.shape[1] is not None and any(
        len(other.shape) == 3 and other.shape[1] == output.shape[1]
        and other.dtype in model_spec.SCORE_DTYPES for other in header.outputs)


def _check_axis(header: onnx_header.OnnxHeader, axis: Optional[int], op: str,
                output: model_spec.TensorSpec, class_axis: int) -> None:
    is_old = header.opset < _FIRST_OPSET_OF_ONE_AXIS
    default = 1 if is_old else -1
    found = (default if axis is None else axis) % 4
    if found != class_axis or (is_old and class_axis != 3):
        raise ModelError(
            f'Output {output.name!r} is not by class',
            got=f'{op} over axis {found}' + (' and all after it' if is_old else '') +
            f' of {output}', expected=f'{op} over axis {class_axis}', remedy=EXPORT_LOGITS)
