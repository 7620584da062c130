# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Judge an ONNX file of unknown origin: what specification fits it, does TensorRT 8.2 read it.

TensorRT's limits are data, so that they are known where TensorRT is not installed.
"""

import os
import re
from typing import List, NamedTuple, Optional, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model import classes as model_classes
from segformer_ros.model import spec as model_spec
from segformer_ros.model.huggingface import class_table_to_yaml
from segformer_ros.model.onnx_file import graph_checks
from segformer_ros.model.onnx_file.header import OnnxHeader
import yaml

DEFAULT_CLASSES = 'ade20k'
EXPORT_REMEDY = 'Export it as docs/models.md says, or see there what the contract is.'
WIDEST_LINE = 1000
# Part of the names of outputs that only training needs (torchvision, mmsegmentation).
_AUXILIARY = 'aux'
OUTPUT_STRIDE = 4
"""SegFormer's logits are a quarter of its input in width and height."""
OLDEST = '8.2'
MAX_OPSET = 13
NEWEST_IR = 14
"""Of onnx 1.23."""
_NAMES = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization
    Cast Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum
    DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten
    Floor GRU Gather GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool
    Greater GreaterOrEqual HardSigmoid Identity If ImageScaler InstanceNormalization IsNaN LRN
    LSTM LeakyRelu Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool
    Mean Min Mul Neg NonMaxSuppression Not Or PRelu Pad ParametricSoftplus Pow QuantizeLinear RNN
    RandomUniform RandomUniformLike Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
    ReverseSequence Round ScaledTanh Scan Scatter ScatterElements ScatterND Selu Shape Sigmoid
    Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum
    Tan Tanh ThresholdedRelu Tile TopK Transpose Unsqueeze Upsample Where
"""
QUANTISED = frozenset({
    'ConvInteger', 'DequantizeLinear', 'DynamicQuantizeLinear', 'MatMulInteger', 'QuantizeLinear'})
"""Operators of networks with 8 bit weights, beside those that begin with QLinear."""
OPERATORS = frozenset(_NAMES.split())
LATER_OPERATORS = (
    ('8.4', 'Shrink Xor'),
    ('8.5', 'GridSample MeanVarianceNormalization NonZero RandomNormal RandomNormalLike '
            'Reciprocal RoiAlign Trilu'),
    ('8.6', 'GroupNormalization HardSwish IsInf LayerNormalization Mod OneHot'),
    ('10.0', 'CastLike Gelu Hardmax Mish'))

Size = Tuple[int, int]
Triple = Tuple[float, float, float]


class Knowledge(NamedTuple):
    """
    What the user or files beside the model say and the ONNX file does not.

    ``num_classes`` is the length of the class table ``classes``, ``output`` the name of the
    output to use, ``assumed`` what those files left open.
    """

    classes: Optional[str] = None
    num_classes: Optional[int] = None
    input_size_wh: Optional[Size] = None
    mean: Optional[Triple] = None
    std: Optional[Triple] = None
    output: Optional[str] = None
    color_order: Optional[str] = None
    assumed: Tuple[str, ...] = ()


class Draft(NamedTuple):
    """A specification that fits a file, and what in it is an assumption."""

    spec: model_spec.ModelSpec
    assumptions: Tuple[str, ...]


def draft_spec(header: OnnxHeader, name: str, known: Knowledge) -> Draft:
    """
    Write the specification of a file as far as the file itself tells.

    :raises ModelError: the file does not fit the contract: one image in, classes out
    """
    assumptions: List[str] = []
    graph_checks.refuse_random(header)
    image = _only_image(header)
    layout = 'nhwc' if image.shape[3] == 3 and image.shape[1] != 3 else 'nchw'
    if 3 not in (image.shape[1], image.shape[3]):
        assumptions.append('input_layout: nchw, as the file does not state its channels')
    size_wh = _size_of(image, layout)
    if size_wh is None:
        size_wh = known.input_size_wh or model_spec.ModelSpec._field_defaults['input_size_wh']
        assumptions.append('input_size_wh: the file takes any size')
    elif known.input_size_wh not in (None, size_wh):
        raise ModelError('Input size is fixed in the file', got=known.input_size_wh,
                         expected=size_wh, remedy='Leave the size out, or export anew.')
    logits = _logits(header, known.output, assumptions)
    graph_checks.refuse_foreign(header, logits, known.output is not None)
    output_layout = _layout_of(logits, size_wh)
    kind = graph_checks.kind_of(header, logits, output_layout)
    if kind is None:
        is_single = logits.shape[3 if output_layout == 'nhwc' else 1] == 1
        kind = model_spec.BINARY_LOGITS if is_single else model_spec.LOGITS
    if kind in model_spec.BINARY:
        assumptions.append(f'output_kind: {kind}, of class 0; class 1 is the rest')
    compared = graph_checks.comparison_of(header, logits)
    if compared:
        # Of binary_logits it is the other way round, so that nobody should have to guess.
        assumptions.append(f'classes: label 1, where {compared} gives 1, is the second class; the '
                           'first is the rest')
    num_classes = _classes_of(header, logits, output_layout, kind, known.num_classes)
    output_size_wh = _size_of(logits, output_layout)
    if output_size_wh is None and logits.name in header.enlarged:
        output_size_wh = size_wh
        assumptions.append('output_size_wh: that of the input, as the network enlarges its output')
    elif output_size_wh is None:
        width, height = size_wh
        output_size_wh = (-(-width // OUTPUT_STRIDE), -(-height // OUTPUT_STRIDE))
        assumptions.append('output_size_wh: a quarter of the input, as SegFormer has it')
    shipped_count = len(model_classes.load_class_table(DEFAULT_CLASSES))
    if known.num_classes is None and num_classes == shipped_count:
        assumptions.append(f'classes: those of {DEFAULT_CLASSES}')
    if image.dtype != 'uint8' and None in (known.mean, known.std):
        assumptions.append('mean and std: those of ImageNet')
    assumptions += known.assumed
    if known.color_order is None:
        assumptions.append('color_order: rgb')
    spec = model_spec.ModelSpec(
        name=name, classes=known.classes or DEFAULT_CLASSES, num_classes=num_classes,
        input_name=image.name, input_size_wh=size_wh, input_layout=layout, input_dtype=image.dtype,
        mean=known.mean or model_spec.IMAGENET_MEAN, std=known.std or model_spec.IMAGENET_STD,
        output_name=logits.name, output_layout=output_layout, output_size_wh=output_size_wh,
        output_kind=kind, color_order=known.color_order or model_spec.COLOR_ORDERS[0])
    spec.check(header.inputs, header.outputs)
    return Draft(spec, tuple(assumptions))


def spec_to_yaml(draft: Draft) -> str:
    """Return the text of a file that ``load_model_spec`` reads."""
    spec = draft.spec
    lines = [f'# {spec.name}: what the network takes and returns.']
    lines += [f'# Assumed, please check: {text}.' for text in draft.assumptions]
    for key, value in spec._asdict().items():
        if isinstance(value, tuple):
            lines.append(f"{key}: [{', '.join(str(number) for number in value)}]")
        elif value is not None:
            lines.append(yaml.safe_dump({key: value}, default_flow_style=False,
                                        width=WIDEST_LINE).rstrip())
    return '\n'.join(lines) + '\n'


def name_from(path: str) -> str:
    """Return a model name made of a file name: lower case letters, digits and ``_``."""
    stem = os.path.splitext(os.path.basename(path))[0].lower()
    return re.sub('[^a-z0-9_]+', '_', stem)


def write_spec(path: str, draft: Draft, table: Optional[model_classes.ClassTable],
               overwrite: bool = False) -> List[str]:
    """
    Write a specification, and beside it the class table if none of the shipped ones is it.

    :param path: of the specification, ending in .yaml
    :param table: class table to write; ``None`` keeps the one that the draft names
    :return: the paths written
    :raises ConfigurationError: a file exists already, cannot be written, or would not load
    """
    if not path.endswith('.yaml'):
        raise ConfigurationError('Specification needs another name', got=path,
                                 expected='a path that ends in .yaml')
    texts = {}
    if table is not None:
        shipped = shipped_table_like(table)
        stem = path[:-len('.yaml')] + '_classes'
        classes = shipped or os.path.basename(stem) + '.yaml'
        draft = draft._replace(spec=draft.spec._replace(classes=classes))
        if shipped is None:
            texts[stem + '.yaml'] = class_table_to_yaml(os.path.basename(stem), table)
    texts[path] = spec_to_yaml(draft)
    for target in texts:
        if os.path.exists(target) and not overwrite:
            raise ConfigurationError('File exists already', got=target,
                                     remedy='Choose another name, or give --force.')
    try:
        for target, text in texts.items():
            with open(target, 'w', encoding='utf-8') as stream:
                stream.write(text)
    except OSError as error:
        raise ConfigurationError('File cannot be written',
                                 got=f'{path}: {error.strerror}') from error
    model_spec.load_model_spec(path)
    return list(texts)


def shipped_table_like(table: model_classes.ClassTable) -> Optional[str]:
    """Return the name of the shipped class table with the same class names, if there is one."""
    return next((name for name in model_classes.shipped_names('config/classes')
                 if model_classes.load_class_table(name).names == table.names), None)


def quantised_note(header: OnnxHeader) -> Optional[str]:
    """Return what a file of 8 bit numbers costs and what to do; ``None`` if it is none."""
    found = sorted(operator for operator in header.ops
                   if operator in QUANTISED or operator.startswith('QLinear'))
    if not found:
        return None
    return (f"quantised ({', '.join(found)}): it runs as it is, without most of the rewriting "
            'for its runtime, and on a CPU takes 1.5 to 3 times the processor time of the '
            'float32 file, which is rewritten, and changes masks: take the float32 file; '
            'docs/performance.md has the figures')


def violations(header: OnnxHeader) -> List[str]:
    """Return what keeps a file from TensorRT 8.2, a sentence each; nothing if it fits."""
    found = []
    if not 0 < header.opset <= MAX_OPSET:
        found.append(f'opset {header.opset}: TensorRT {OLDEST} reads up to {MAX_OPSET}; '
                     f'export with opset {MAX_OPSET}')
    for operator in sorted(header.ops):
        version = first_version_with(operator)
        if version is None:
            found.append(f'operator {operator}: not read by TensorRT up to 10.0')
        elif version != OLDEST:
            found.append(f'operator {operator}: read from TensorRT {version} on')
    found += [f'{spec.name}: uint8 is read from TensorRT 8.5 on'
              for spec in header.inputs + header.outputs if spec.dtype == 'uint8']
    found += [f'{spec}: NCHW with 3 channels is what TensorRT {OLDEST} is given'
              for spec in header.inputs
              if len(spec.shape) == 4 and spec.shape[1] not in (3, None)]
    return found


def first_version_with(operator: str) -> Optional[str]:
    """Return the first version from 8.2 on that reads an operator; ``None`` up to 10.0."""
    if operator in OPERATORS:
        return OLDEST
    for version, names in LATER_OPERATORS:
        if operator in names.split():
            return version
    return None


def _only_image(header: OnnxHeader) -> model_spec.TensorSpec:
    expected = ('one input float32, float16 or uint8 [1, 3, height, width] or '
                '[1, height, width, 3]')
    if len(header.inputs) != 1:
        raise ModelError('Model needs other inputs than one image',
                         got=model_spec.tensors_text(header.inputs), expected=expected,
                         remedy=EXPORT_REMEDY)
    image = header.inputs[0]
    if (image.dtype not in model_spec.INPUT_DTYPES or len(image.shape) != 4
            or image.shape[0] not in (None, 1)
            or (3 not in (image.shape[1], image.shape[3]) and image.shape[1] is not None)):
        raise ModelError('Input is not an image', got=image, expected=expected,
                         remedy=EXPORT_REMEDY)
    return image


def _logits(header: OnnxHeader, wanted: Optional[str],
            assumptions: List[str]) -> model_spec.TensorSpec:
    scores = [spec for spec in header.outputs
              if spec.dtype in model_spec.SCORE_DTYPES and len(spec.shape) == 4]
    labels = [spec for spec in header.outputs if _may_be_labels(spec)]
    if labels and all(1 in (spec.shape[1], spec.shape[3]) for spec in scores) \
            and wanted is None:
        scores = []  # how sure the labels are, and no class of its own
    fitting = scores or [spec for spec in header.outputs if _may_be_labels(spec)]
    expected = ('float32 or float16 [1, classes, height, width], or labels '
                f"{', '.join(model_spec.LABEL_DTYPES)} [1, height, width]")
    if wanted is not None:
        fitting = [spec for spec in scores + [spec for spec in header.outputs
                                              if _may_be_labels(spec)] if spec.name == wanted]
        if not fitting:
            raise ModelError(f'Output {wanted!r} cannot be used',
                             got=model_spec.tensors_text(header.outputs), expected=expected,
                             remedy='Name another output with --output.')
        return fitting[0]
    if not fitting:
        raise ModelError('Model has no output of logits',
                         got=model_spec.tensors_text(header.outputs),
                         expected='one output ' + expected, remedy=EXPORT_REMEDY)
    named = [spec for spec in fitting
             if spec.name == model_spec.ModelSpec._field_defaults['output_name']] or [
                 spec for spec in fitting if _AUXILIARY not in spec.name.lower()]
    if len(named) != 1:
        raise ModelError('Which output holds the logits?',
                         got=model_spec.tensors_text(header.outputs),
                         expected='one output ' + expected,
                         remedy='Name it: '
                                f"{' or '.join(f'--output {spec.name}' for spec in fitting)}.")
    if len(fitting) > 1:
        assumptions.append(f'output_name: {named[0].name} of '
                           f"{', '.join(spec.name for spec in fitting)}")
    if labels and not scores and len(header.outputs) > len(labels):
        assumptions.append(f'output_name: {named[0].name}, the labels, without their score')
    return named[0]


def _may_be_labels(spec: model_spec.TensorSpec) -> bool:
    return spec.dtype in model_spec.LABEL_DTYPES and (
        len(spec.shape) == 3 or (len(spec.shape) == 4 and 1 in (spec.shape[1], spec.shape[3])))


def _layout_of(logits: model_spec.TensorSpec, input_size_wh: Size) -> str:
    # Classes first or last: the other two dimensions have the proportions of the image.
    layouts = model_spec.LAYOUTS if len(logits.shape) == 4 else (model_spec.LABEL_LAYOUT,)
    for layout in layouts:
        size_wh = _size_of(logits, layout)
        if size_wh is None:
            return layout
        shrinking = [size_wh[axis] / float(input_size_wh[axis]) for axis in (0, 1)]
        # Strides round up to whole pixels.
        if abs(shrinking[0] - shrinking[1]) <= 1.0 / min(input_size_wh):
            return layout
    raise ModelError(
        'Logits have other proportions than the image', got=logits,
        expected='[1, classes, height, width] for an image of {} x {}'.format(*input_size_wh),
        remedy=EXPORT_REMEDY)


def _classes_of(header: OnnxHeader, logits: model_spec.TensorSpec, layout: str,
                kind: str, known: Optional[int]) -> int:
    found = None
    if kind in model_spec.BINARY:
        # A table of the class alone gets the rest when it is written.
        found, known = 2, None if known == 1 else known
    elif graph_checks.comparison_of(header, logits):
        found = 2
    elif kind != model_spec.LABELS:
        found = logits.shape[model_spec.LAYOUTS.index(layout) * 2 + 1]
    if found is None:
        found = header.output_channels.get(logits.name, known)
    if found is None:
        raise ModelError('Number of classes is not stated in the file', got=logits,
                         remedy='Give the class table (--classes or --config).')
    if known not in (None, found):
        raise ModelError('Class table does not fit the model', got=f'{known} classes',
                         expected=f'{found} classes',
                         remedy='Give the table of this model (--classes or --config).')
    if kind == model_spec.LABELS:
        graph_checks.refuse_labels(header, logits, found)
    if not 2 <= found <= model_classes.UNLABELED:
        raise ModelError('Number of classes cannot be handled', got=found,
                         expected=f'2 to {model_classes.UNLABELED}, or one channel',
                         remedy=EXPORT_REMEDY)
    return found


def _size_of(spec: model_spec.TensorSpec, layout: str) -> Optional[Size]:
    height, width = spec.shape[2:] if layout == 'nchw' else spec.shape[1:3]
    return None if height is None or width is None else (width, height)
