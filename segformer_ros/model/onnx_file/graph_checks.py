# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the outputs of an ONNX file hold, as its last steps say, and what cannot be used at all."""

from typing import Optional

from segformer_ros.common.errors import ModelError
from segformer_ros.model import spec as model_spec
from segformer_ros.model.onnx_file.header import COMPARISONS
from segformer_ros.model.onnx_file.header import OnnxHeader

EXPORT_LOGITS = 'Export the network with its logits as the output, as docs/models.md says.'
# Steps after which an axis is no longer the one that it was.
_MOVES = ('Gather', 'Reshape', 'Slice', 'Squeeze', 'Transpose', 'Unsqueeze')
_FIRST_OPSET_OF_ONE_AXIS = 13
"""Before it, Softmax ran over its axis and all that follow."""
_YOLO_PROTOTYPES = 32
# Parts of names, in lower case, of outputs that look like logits and are none.
_FOREIGN_NAMES = (
    ('proto', 'mask prototypes of YOLO'), ('quer', 'masks of queries (MaskFormer, Mask2Former)'),
    ('depth', 'depth'), ('disparity', 'disparity'), ('boxes', 'boxes of objects'))


def refuse_random(header: OnnxHeader) -> None:
    """
    Refuse a network that gives another result at every run.

    :raises ModelError: it does; the operators are named
    """
    if header.random:
        raise ModelError(
            'The network gives another result at every run', got=', '.join(header.random),
            expected='a network exported for inference',
            remedy='Call model.eval() before the export, and export with training off.')


def refuse_foreign(header: OnnxHeader, output: model_spec.TensorSpec) -> None:
    """
    Refuse an output that is not a segmentation by class.

    :param output: the one that the user or the file names
    :raises ModelError: it is known to be something else, which is named
    """
    found = next((meaning for part, meaning in _FOREIGN_NAMES if part in output.name.lower()), '')
    if _is_yolo(header, output):
        found = 'mask prototypes of YOLO'
    if found:
        raise ModelError(
            f'Output {output.name!r} does not hold classes', got=f'{found}: {output}',
            expected='logits, probabilities or labels by pixel',
            remedy='Use a network for semantic segmentation.')


def kind_of(header: OnnxHeader, output: model_spec.TensorSpec, layout: str) -> Optional[str]:
    """
    Return what the last steps before an output make of it; None where they do not tell.

    :param output: as the file declares it
    :param layout: one of ``OUTPUT_LAYOUTS``
    :raises ModelError: something of which neither classes nor confidence can be made
    """
    class_axis = 3 if layout == 'nhwc' else 1
    is_label = output.dtype in model_spec.LABEL_DTYPES
    is_single = layout != model_spec.LABEL_LAYOUT and output.shape[class_axis] == 1
    moved = False
    for step in header.tails.get(output.name, ()):
        if step.op in COMPARISONS or step.op == 'ArgMax':
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
        if step.op == 'Sigmoid':
            return model_spec.BINARY_PROBABILITIES if is_single else model_spec.PROBABILITIES
        moved = moved or step.op in _MOVES
    return model_spec.LABELS if is_label else None


def fitted(header: OnnxHeader, spec: model_spec.ModelSpec) -> model_spec.ModelSpec:
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
    refuse_foreign(header, output)
    if len(output.shape) != (3 if spec.output_layout == model_spec.LABEL_LAYOUT else 4):
        return spec
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


def _is_yolo(header: OnnxHeader, output: model_spec.TensorSpec) -> bool:
    # Detections [1, 4 + classes + 32, anchors] beside [1, 32, h, w], whose sums with the last
    # 32 values of a detection are its mask.
    return len(output.shape) == 4 and output.shape[1] == _YOLO_PROTOTYPES and any(
        len(other.shape) == 3 and other.dtype == output.dtype for other in header.outputs)


def _check_axis(header: OnnxHeader, axis: Optional[int], op: str,
                output: model_spec.TensorSpec, class_axis: int) -> None:
    is_old = header.opset < _FIRST_OPSET_OF_ONE_AXIS
    default = 1 if is_old else -1
    found = (default if axis is None else axis) % 4
    if found != class_axis or (is_old and class_axis != 3):
        raise ModelError(
            f'Output {output.name!r} is not by class',
            got=f'{op} over axis {found}' + (' and all after it' if is_old else '') +
            f' of {output}', expected=f'{op} over axis {class_axis}', remedy=EXPORT_LOGITS)
