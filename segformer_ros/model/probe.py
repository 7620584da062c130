# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Look at what a network really gives, where its graph does not tell.

It runs three times: on two pictures, and on the first one again.
"""

from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import ModelError
from segformer_ros.model import spec as model_spec
from segformer_ros.model.classes import UNLABELED
from segformer_ros.model.onnx_file import header as onnx_header
from segformer_ros.model.onnx_file.graph_checks import EXPORT_LOGITS
from segformer_ros.model.onnx_file.value_range import UNKNOWN
from segformer_ros.model.optimize import verify

_SUM_TOLERANCE = 1e-2
"""Of probabilities, which float16 rounds."""
_NEAR_ZERO = 1e-2
"""Of the span of one channel's values: what comes so near to 0 on one side ends there."""
_SHIFT_TOLERANCE = 1e-4
"""Of sums that are the same at every pixel, in float32."""
# Their values need not sum to 1; GELU has an Erf, but nobody makes a probability of it.
_SIGMOIDAL = ('sigmoid', 'tanh')


class Finding(NamedTuple):
    """The specification as the values show it, and a sentence on each thing that was seen."""

    spec: model_spec.ModelSpec
    notes: Sequence[str] = ()


def probe(onnx_path: str, spec: model_spec.ModelSpec, is_stated: bool = True) -> Finding:
    """
    Run a network with onnxruntime's CPU provider and judge what it gives.

    :param spec: as its graph and its user say
    :param is_stated: the user, and no draft, says what the output holds
    :raises ModelError: what comes is not what the specification says, or differs from run to run
    :raises BackendError: onnxruntime is not installed, or cannot run it
    """
    pictures = verify.sample_pictures(spec.input_size_wh)[:2]
    came = verify.run(onnx_path, spec, [*pictures, pictures[0]])
    fitted, outputs, notes = _fit_shape(spec, came)
    finding = judge(fitted, outputs, is_stated, spec.output_kind == model_spec.PROBABILITIES
                    and _is_share(onnx_path, spec.output_name))
    return finding._replace(notes=[*notes, *finding.notes])


def judge(spec: model_spec.ModelSpec, outputs: Sequence[arrays.Array], is_stated: bool = True,
          is_share: bool = False) -> Finding:
    """
    Judge the outputs of a network.

    :param outputs: (h, w, channels) of some pictures; the last one is of the first picture again
    :param is_stated: the user, and no draft, says what the output holds
    :param is_share: probabilities are a softmax's, which sum to 1 over the classes
    :raises ModelError: what comes is not what the specification says, or differs from run to run
    """
    name = spec.output_name
    strange = sum(int(np.count_nonzero(~np.isfinite(each))) for each in outputs)
    if strange:
        raise ModelError(
            f'Output {name!r} has values that are not finite',
            got=f'{strange} of {sum(each.size for each in outputs)} values',
            expected='none', remedy='Check mean and std of the specification, and whether float16 '
                                    'is enough for the network. ' + EXPORT_LOGITS)
    if not np.array_equal(outputs[0], outputs[-1]) and not np.allclose(
            outputs[0], outputs[-1], rtol=1e-3, atol=1e-3 * _span(outputs)):
        raise ModelError(
            'The network gives another result at every run',
            got=f'output {name!r} of the same picture, differing by up to '
                f'{np.abs(outputs[0] - outputs[-1]).max():.3g}',
            expected='the same', remedy='Call model.eval() before the export, and export with '
                                        'training off.')
    low, high = _least(outputs), _most(outputs)
    got = f'values from {low:.4g} to {high:.4g} on {len(outputs) - 1} pictures'
    if spec.output_kind == model_spec.LABELS:
        _check_labels(spec, outputs, got)
    elif spec.output_kind == model_spec.BINARY_LOGITS:
        if (low >= 0.0 or high <= 0.0) and high > low:
            return Finding(spec, [_judge_one_side(name, low, high, got, is_stated)])
    elif spec.output_kind == model_spec.LOGITS:
        return _judge_logits(spec, outputs, got)
    else:
        _check_probabilities(spec, outputs, got, is_share)
    return Finding(spec)


def _check_labels(spec: model_spec.ModelSpec, outputs: Sequence[arrays.Array], got: str) -> None:
    labels = {int(each) for each in np.unique(outputs[:-1])}
    if any(each != UNLABELED and not 0 <= each < spec.num_classes for each in labels):
        raise ModelError(
            f'Output {spec.output_name!r} has labels that are not in the class table', got=got,
            expected=f'0 to {spec.num_classes - 1}, or {UNLABELED} for none',
            remedy='Export the network without what is calculated with its labels, or give '
                   'the class table that names them all.')
    if UNLABELED in labels and labels <= {0, UNLABELED}:
        # As masks of painting programs: 255 is no class, so that every pixel would be 0 or none.
        raise ModelError(
            f'Output {spec.output_name!r} is a mask of 0 and {UNLABELED} alone',
            got=f'labels {sorted(labels)}',
            expected=f'0 to {spec.num_classes - 1}; {UNLABELED} is not a class',
            remedy='Export the network with labels 0 and 1 (divide by 255), or with its logits.')


def _check_probabilities(spec: model_spec.ModelSpec, outputs: Sequence[arrays.Array], got: str,
                         is_share: bool) -> None:
    name, low, high = spec.output_name, _least(outputs), _most(outputs)
    if low < -_SUM_TOLERANCE or high > 1.0 + _SUM_TOLERANCE:
        raise ModelError(
            f'Output {name!r} holds no probabilities', got=got, expected='0 to 1',
            remedy='If it holds logits, write output_kind: '
                   + spec.output_kind.replace('probabilities', 'logits') + '; else: '
                   + EXPORT_LOGITS)
    if spec.output_kind == model_spec.PROBABILITIES:
        _refuse_shares_of_picture(name, outputs)
        least, most = _sums(outputs)
        if is_share and max(abs(least - 1.0), abs(most - 1.0)) > _SUM_TOLERANCE:
            raise ModelError(
                f'Output {name!r} holds no probabilities of the classes',
                got=f'sums over the classes from {least:.4g} to {most:.4g}',
                expected='1 at every pixel, as a softmax over the classes gives',
                remedy=EXPORT_LOGITS)


def _judge_logits(spec: model_spec.ModelSpec, outputs: Sequence[arrays.Array],
                  got: str) -> Finding:
    name, low, high = spec.output_name, _least(outputs), _most(outputs)
    least, most = _sums(outputs)
    # A network that gives the same everywhere is no softmax with a scale.
    varies = any(np.ptp(each, axis=(0, 1)).max() > _SUM_TOLERANCE * (high - low)
                 for each in outputs) and high > low
    if low >= 0.0 and varies:
        powers = _sums([np.exp(-each.astype(np.float64)) for each in outputs])
        if max(abs(each - 1.0) for each in powers) <= _SUM_TOLERANCE:
            raise ModelError(
                f'Output {name!r} is largest for the least likely class',
                got=f'{got}: minus the logarithm of probabilities',
                expected='logits, which are largest for the likeliest one',
                remedy=EXPORT_LOGITS)
        if high <= 1.0:
            _refuse_shares_of_picture(name, outputs)
        if max(abs(least - 1.0), abs(most - 1.0)) <= _SUM_TOLERANCE:
            return Finding(spec._replace(output_kind=model_spec.PROBABILITIES), [
                f'output_kind: {model_spec.PROBABILITIES}, as the values of all classes sum to 1'])
        if most - least <= _SUM_TOLERANCE * most:
            raise ModelError(
                f'Output {name!r} holds probabilities times {most:.4g}',
                got=f'{got}, which sum to {most:.4g} over the classes at every pixel',
                expected='probabilities, which sum to 1, or logits',
                remedy='Export the network without the scale, or with its logits, as '
                       'docs/models.md says.')
        if high <= 1.0:
            return Finding(spec, [
                f'output_kind: {spec.output_kind}, though there were only {got}: if these are '
                f'probabilities, write output_kind: {model_spec.PROBABILITIES}'])
    elif low < 0.0 and varies and most - least <= _SHIFT_TOLERANCE:
        shift = (1.0 - most) / spec.num_classes
        if low + shift >= -_SHIFT_TOLERANCE and high + shift <= 1.0 + _SHIFT_TOLERANCE:
            raise ModelError(
                f'Output {name!r} holds probabilities minus {shift:.4g}',
                got=f'{got}, which sum to {most:.4g} over the classes at every pixel',
                expected='probabilities, which sum to 1, or logits',
                remedy='Export the network without what is subtracted, or with its logits, as '
                       'docs/models.md says.')
    return Finding(spec)


def _refuse_shares_of_picture(name: str, outputs: Sequence[arrays.Array]) -> None:
    """
    Refuse a softmax over the places of a picture.

    :raises ModelError: the values of every class sum to 1 over all pixels
    """
    sums = [each.sum(axis=(0, 1), dtype=np.float64) for each in outputs]
    if all(float(np.abs(each - 1.0).max()) <= _SUM_TOLERANCE for each in sums):
        raise ModelError(
            f'Output {name!r} is not by class',
            got='values that sum to 1 over all pixels, for every class',
            expected='1 over the classes, at every pixel', remedy=EXPORT_LOGITS)


def _is_share(onnx_path: str, output_name: str) -> bool:
    """Return whether probabilities of a network can only be those of a softmax."""
    header = onnx_header.read_onnx_header(onnx_path)
    for ops in (header.ranges.get(output_name, UNKNOWN).ops, header.ops):
        if any(op == 'Exp' or word in op.lower() for op in ops for word in _SIGMOIDAL):
            return False
        if 'Softmax' in ops:
            return True
    return False


def _sums(outputs: Sequence[arrays.Array]) -> Tuple[float, float]:
    """Return the least and the largest sum over the classes."""
    sums = [each.sum(axis=2, dtype=np.float64) for each in outputs]
    return _least(sums), _most(sums)


def _least(outputs: Sequence[arrays.Array]) -> float:
    return float(min(each.min() for each in outputs))


def _most(outputs: Sequence[arrays.Array]) -> float:
    return float(max(each.max() for each in outputs))


def _judge_one_side(name: str, low: float, high: float, got: str, is_stated: bool) -> str:
    """
    Return what to say of logits on one side of 0: made pictures may not show the class at all.

    :raises ModelError: they end at 0, are probabilities, or nobody says that what is above 0
        everywhere (depth, say) is a logit
    """
    side = 'below' if low >= 0.0 else 'above'
    is_probability = low >= 0.0 and high <= 1.0
    if is_probability or min(abs(low), abs(high)) <= _NEAR_ZERO * (high - low):
        raise ModelError(
            f'Output {name!r} is never {side} 0', got=got,
            expected='a logit, which is below 0 where the class is not',
            remedy='Every pixel would be of one class. If it is a probability, write output_kind: '
                   'binary_probabilities; else: ' + EXPORT_LOGITS)
    if low >= 0.0 and not is_stated:
        raise ModelError(
            f'Output {name!r} is never below 0', got=f'{got}; depth, perhaps',
            expected='a logit, which is below 0 where the class is not',
            remedy='Every pixel would be of one class. If it is a logit that happens to be so, '
                   f'write output_kind: {model_spec.BINARY_LOGITS} in a specification beside the '
                   'file, as docs/models.md says; else: ' + EXPORT_LOGITS)
    return (f'output_kind: {model_spec.BINARY_LOGITS}, though there were only {got}, never {side} '
            '0: check that it is otherwise on pictures of yours')


def _fit_shape(spec: model_spec.ModelSpec, outputs: Sequence[arrays.Array]) -> Tuple[
        model_spec.ModelSpec, Sequence[arrays.Array], List[str]]:
    """
    Return specification and outputs with the layout and size that an output really has.

    :raises ModelError: it has no channel for each class, or other proportions than the image
    """
    found = outputs[0].shape
    by_class = spec.output_kind in (model_spec.LOGITS, model_spec.PROBABILITIES)
    channels = spec.num_classes if by_class else 1
    # (h, w, channels) was made of what came, by the layout that is written.
    came = found[-1:] + found[:2] if spec.output_layout == 'nchw' else found
    sizes: Dict[str, Tuple[int, int]] = {}
    if spec.output_layout != model_spec.LABEL_LAYOUT and came[0] == channels:
        sizes['nchw'] = came[2], came[1]
    if came[2] == channels:
        sizes[spec.output_layout if spec.output_layout == model_spec.LABEL_LAYOUT
              else 'nhwc'] = came[1], came[0]
    if sizes.get(spec.output_layout) == tuple(spec.output_size_wh):
        return spec, outputs, []
    fitting = {layout: size for layout, size in sizes.items()
               if _has_proportions(size, spec.input_size_wh)}
    if not fitting:
        raise ModelError(
            f'Output {spec.output_name!r} of the model does not fit specification {spec.name!r}',
            got=list((1,) + came), expected=spec.output_tensors()[0],
            remedy='Correct num_classes and classes if the channels differ. Height and width must '
                   'have the proportions of input_size_wh: correct that, or export the network '
                   'for one size.')
    if len(fitting) > 1:
        raise ModelError(
            f'Classes of output {spec.output_name!r} may be the first or the last dimension',
            got=list((1,) + came), expected='two dimensions that differ',
            remedy='Write output_layout and output_size_wh in the specification, or export the '
                   'network for one size.')
    (layout, size), notes = next(iter(fitting.items())), []
    if layout != spec.output_layout:
        notes.append(f'output_layout: {layout}, as its {channels} channels lie there')
        turn = (2, 0, 1) if layout == 'nhwc' else (1, 2, 0)
        outputs = [each.transpose(turn) for each in outputs]
    if size != tuple(spec.output_size_wh):
        notes.append('output_size_wh: [{}, {}], as it came'.format(*size))
    return spec._replace(output_layout=layout, output_size_wh=size), outputs, notes


def _has_proportions(size_wh: Tuple[int, int], input_size_wh: Tuple[int, int]) -> bool:
    shares = [part / float(whole) for part, whole in zip(size_wh, input_size_wh)]
    # Strides round up to whole pixels.
    return abs(shares[0] - shares[1]) <= 1.0 / min(input_size_wh)


def _span(outputs: Sequence[arrays.Array]) -> float:
    return float(np.ptp(outputs[0])) or 1.0
