# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a network takes and returns: read from YAML, checked against the opened file."""

import os
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common import strict_yaml
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.classes import load_class_table


class TensorSpec(NamedTuple):
    """
    One input or output tensor as the runtime reports it.

    ``dtype`` is a numpy name (``float32``, ``uint8``); a dimension of ``None`` is dynamic.
    """

    name: str
    dtype: str
    shape: Tuple[Optional[int], ...]

    def __str__(self) -> str:
        """Return ``name dtype[1, 3, ?, ?]``."""
        shape = ', '.join('?' if size is None else str(size) for size in self.shape)
        return f'{self.name} {self.dtype}[{shape}]'

    def accepts(self, shape: Tuple[int, ...]) -> bool:
        """Return whether an array of this shape fits, dynamic dimensions being free."""
        return len(shape) == len(self.shape) and all(
            want is None or want == have for want, have in zip(self.shape, shape))


def tensors_text(specs: Sequence[TensorSpec]) -> str:
    """Return a line that names every tensor, for errors."""
    return '; '.join(map(str, specs)) or 'none'


ONE_CLASS_REMEDY = (
    'A network with one channel tells its class from the rest: write output_kind: binary_logits '
    '(binary_probabilities after a sigmoid), num_classes: 2, and a class table with that class '
    'and the rest.')

# Of RGB values in 0..1; the figures of the ILSVRC-2012 training set that the checkpoint's
# preprocessor_config.json names.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

LARGEST_SIDE = 4096
"""Pixels of an input or output: what any board has memory for."""
LAYOUTS = ('nchw', 'nhwc')
COLOR_ORDERS = ('rgb', 'bgr')
INPUT_DTYPES = ('float32', 'uint8', 'float16')
SCORE_DTYPES = ('float32', 'float16')
LOGITS, PROBABILITIES, LABELS = 'logits', 'probabilities', 'labels'
BINARY_LOGITS, BINARY_PROBABILITIES = 'binary_logits', 'binary_probabilities'
BINARY = (BINARY_LOGITS, BINARY_PROBABILITIES)
"""Of one channel: class 0 and, by default of it, class 1."""
OUTPUT_KINDS = (LOGITS, PROBABILITIES) + BINARY + (LABELS,)
# Of labels; a dimension of channels may be missing.
LABEL_DTYPES = ('int64', 'int32', 'uint8')
LABEL_LAYOUT = 'nhw'
CATALOGUE_KEYS = ('download', 'about')
"""Of a specification's file, but none of the network's."""
OUTPUT_LAYOUTS = LAYOUTS + (LABEL_LAYOUT,)


class ModelSpec(NamedTuple):
    """
    The contract of one network.

    Sizes are (width, height) in pixels. ``input_dtype`` is one of ``INPUT_DTYPES``; scores come
    out as float32 or float16. ``classes`` is a name or path for
    ``load_class_table``. ``mean`` and ``std`` are RGB, of values in 0..1; with a ``uint8``
    input the graph normalises and they are not used. ``color_order`` is that of the input's
    channels, ``rgb`` or ``bgr``. ``logsumexp_name`` is an extra output
    (1, h, w) float32: the log-sum-exp of the logits over the classes.

    ``output_kind`` says what the output holds. ``logits`` (or their logarithmic softmax) and
    ``probabilities`` (a softmax's, or a sigmoid's of each class) have a channel for each class.
    ``binary_logits`` and ``binary_probabilities`` have one, of class 0; class 1 is the rest.
    ``labels`` are class ids without any confidence, of the layout ``nhw``, or with a dimension
    of one channel.
    """

    name: str
    classes: str
    num_classes: int
    input_name: str = 'pixel_values'
    input_size_wh: Tuple[int, int] = (512, 512)
    input_layout: str = 'nchw'
    input_dtype: str = 'float32'
    mean: Tuple[float, float, float] = IMAGENET_MEAN
    std: Tuple[float, float, float] = IMAGENET_STD
    output_name: str = 'logits'
    output_layout: str = 'nchw'
    output_size_wh: Tuple[int, int] = (128, 128)
    logsumexp_name: Optional[str] = None
    output_kind: str = LOGITS
    color_order: str = 'rgb'

    @property
    def has_confidence(self) -> bool:
        """Return whether the network says how sure it is."""
        return self.output_kind != LABELS

    def input_tensor(self) -> TensorSpec:
        """Return the input as the network must have it."""
        return TensorSpec(self.input_name, self.input_dtype,
                          _shape(self.input_layout, 3, self.input_size_wh))

    def output_tensors(self) -> Tuple[TensorSpec, ...]:
        """Return the outputs that the network must have; labels may be of any LABEL_DTYPES."""
        channels = self.num_classes if self.output_kind in (LOGITS, PROBABILITIES) else 1
        logits = TensorSpec(self.output_name, 'float32' if self.has_confidence else 'int64',
                            _shape(self.output_layout, channels, self.output_size_wh))
        if self.logsumexp_name is None:
            return (logits,)
        width, height = self.output_size_wh
        return (logits, TensorSpec(self.logsumexp_name, 'float32', (1, height, width)))

    def check(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        """
        Compare an opened network with this specification.

        Dynamic dimensions fit any size. Outputs that the specification does not name are
        ignored; a further input is an error, since nothing would fill it.

        :param inputs: what the runtime reports
        :param outputs: what the runtime reports
        :raises ModelError: a name, element type or shape differs, or there is but one class
        """
        if self.num_classes == 1:
            raise ModelError(f'One class alone tells nothing, in specification {self.name!r}',
                             got='num_classes 1', expected='2 or more', remedy=ONE_CLASS_REMEDY)
        if [spec.name for spec in inputs] != [self.input_name]:
            raise ModelError(
                f'Inputs of the model do not fit specification {self.name!r}',
                got=tensors_text(inputs), expected=self.input_tensor(),
                remedy='Correct input_name in the specification, or choose another model.')
        self._check_tensor('input', inputs, self.input_tensor())
        for expected in self.output_tensors():
            self._check_tensor('output', outputs, expected)

    def check_shapes(self, shapes: Mapping[str, Tuple[int, ...]]) -> None:
        """
        Compare what a network with dynamic outputs returned with this specification.

        :param shapes: of the returned arrays, by output name
        :raises ModelError: a shape differs
        """
        for expected in self.output_tensors():
            if not expected.accepts(shapes[expected.name]):
                raise ModelError(
                    f'Output of the model does not fit specification {self.name!r}',
                    got=expected._replace(shape=shapes[expected.name]), expected=expected,
                    remedy='Correct output_size_wh, output_layout or num_classes in the '
                           'specification.')

    def _check_tensor(self, key: str, actual: Sequence[TensorSpec],
                      expected: TensorSpec) -> None:
        what = key.capitalize()
        for spec in actual:
            if spec.name != expected.name:
                continue
            shape = tuple(size for size in expected.shape if size is not None)
            if key == 'input':
                dtypes: Tuple[str, ...] = (expected.dtype,)
            else:
                dtypes = SCORE_DTYPES if self.has_confidence else LABEL_DTYPES
            if spec.dtype in dtypes and spec.accepts(shape):
                return
            raise ModelError(f'{what} of the model does not fit specification {self.name!r}',
                             got=spec, expected=expected,
                             remedy=_remedy(key, spec, expected, self))
        raise ModelError(
            f'{what} {expected.name!r} of specification {self.name!r} is not in the model',
            got=tensors_text(actual), expected=expected,
            remedy=f'Correct {key}_name in the specification, or choose another model.')


def load_model_spec(path: str) -> ModelSpec:
    """
    Return the specification that a YAML file holds.

    Keys are the fields of :class:`ModelSpec`; a relative path of ``classes`` starts at the
    folder of this file. ``download`` and ``about`` are left to the catalogue.

    :raises ConfigurationError: unreadable, unknown or missing keys, wrong values, or a class
        table of another length
    """
    content = strict_yaml.read_mapping(path)
    for key in CATALOGUE_KEYS:
        content.pop(key, None)
    required = [field for field in ModelSpec._fields if field not in _DEFAULTS]
    strict_yaml.check_keys(content, path, required, [*_DEFAULTS, *CATALOGUE_KEYS])
    values = {key: _value(content, key, path) for key in content}
    if values['classes'].endswith(('.yaml', '.yml')):
        folder = os.path.dirname(os.path.abspath(path))
        values['classes'] = os.path.join(folder, os.path.expanduser(values['classes']))
    spec = ModelSpec(**values)
    table = load_class_table(spec.classes)
    if len(table) != spec.num_classes:
        raise ConfigurationError(
            f'num_classes in {path} does not fit class table {spec.classes!r}',
            got=spec.num_classes, expected=len(table),
            remedy='Name the class table of this model, or write one for it.')
    _check_kind(spec, path)
    return spec


def check_value(key: str, value: Any, where: str) -> None:
    """
    Check one value of a specification that does not come from its file.

    :param key: a field of :class:`ModelSpec`
    :raises ConfigurationError: no such field, or no value of it
    """
    if key not in ModelSpec._fields:
        raise ConfigurationError(f'Unknown key in {where}', got=repr(key),
                                 expected='a field of a specification')
    _value({key: value}, key, where)


_DEFAULTS: Dict[str, Any] = dict(ModelSpec._field_defaults)
_SIZES = ('input_size_wh', 'output_size_wh')
_CHOICES = {'input_layout': LAYOUTS, 'output_layout': OUTPUT_LAYOUTS, 'input_dtype': INPUT_DTYPES,
            'output_kind': OUTPUT_KINDS, 'color_order': COLOR_ORDERS}


def _check_kind(spec: ModelSpec, path: str) -> None:
    if spec.num_classes == 1:
        raise ConfigurationError(f'One class alone tells nothing, in {path}', got='num_classes 1',
                                 expected='2 or more', remedy=ONE_CLASS_REMEDY)
    if spec.output_kind in BINARY and spec.num_classes != 2:
        raise ConfigurationError(
            f'Wrong value of \'num_classes\' in {path}', got=spec.num_classes,
            expected=f'2 with output_kind {spec.output_kind}: the class and the rest')
    if spec.output_layout == LABEL_LAYOUT and spec.has_confidence:
        raise ConfigurationError(
            f'Wrong value of \'output_layout\' in {path}', got=repr(LABEL_LAYOUT),
            expected=' or '.join(LAYOUTS), remedy='Only labels come without channels.')
    if spec.output_kind != LOGITS and spec.logsumexp_name is not None:
        raise ConfigurationError(
            f'Wrong value of \'logsumexp_name\' in {path}', got=repr(spec.logsumexp_name),
            expected=f'none with output_kind {spec.output_kind}')


def _value(content: Dict[str, Any], key: str, path: str) -> Any:
    if key == 'num_classes':
        return strict_yaml.value_of(content, key, path, int, 'a whole number')
    if key in _SIZES:
        size = strict_yaml.value_of(content, key, path, list, '[width, height]')
        if len(size) != 2 or not all(
                type(n) is int and 0 < n <= LARGEST_SIDE for n in size):
            raise ConfigurationError(
                f'Wrong value of {key!r} in {path}', got=size,
                expected=f'[width, height], whole numbers from 1 to {LARGEST_SIDE}')
        return tuple(size)
    if key in ('mean', 'std'):
        return _three_numbers(content, key, path)
    if key == 'logsumexp_name' and content[key] is None:
        return None
    text = strict_yaml.value_of(content, key, path, str, 'text')
    if key in _CHOICES and text not in _CHOICES[key]:
        raise ConfigurationError(f'Wrong value of {key!r} in {path}', got=repr(text),
                                 expected=' or '.join(_CHOICES[key]))
    return text


def _three_numbers(content: Dict[str, Any], key: str, path: str) -> Tuple[float, ...]:
    numbers = strict_yaml.value_of(content, key, path, list, '[red, green, blue]')
    if len(numbers) != 3 or not all(type(n) in (int, float) for n in numbers):
        raise ConfigurationError(f'Wrong value of {key!r} in {path}', got=numbers,
                                 expected='three numbers, of RGB values in 0..1')
    if not all(0 <= n <= 1 for n in numbers) or (key == 'std' and 0 in numbers):
        raise ConfigurationError(
            f'Wrong value of {key!r} in {path}', got=numbers,
            expected='numbers from 0 to 1' + (', none 0' if key == 'std' else ''),
            remedy='Divide by 255 if they are of values in 0..255.')
    return tuple(float(n) for n in numbers)


def _shape(layout: str, channels: int, size_wh: Tuple[int, int]) -> Tuple[int, ...]:
    width, height = size_wh
    if layout == LABEL_LAYOUT:
        return 1, height, width
    return (1, channels, height, width) if layout == 'nchw' else (1, height, width, channels)


def _remedy(key: str, got: TensorSpec, expected: TensorSpec, spec: ModelSpec) -> str:
    if got.dtype != expected.dtype and (key == 'input' or not (
            spec.has_confidence and got.dtype in SCORE_DTYPES)):
        correct = f', or correct {key}_dtype' if key == 'input' else ''
        if key == 'output' and got.dtype in LABEL_DTYPES:
            correct = ', or write output_kind: labels if these are class ids'
        return f'Export the model with {expected.dtype} {key}s{correct}.'
    if key == 'output' and spec.output_kind in (LOGITS, PROBABILITIES) and len(got.shape) == 4:
        channel = got.shape[1 if spec.output_layout == 'nchw' else 3]
        if channel == 1:
            return ONE_CLASS_REMEDY
        other = got.shape[3 if spec.output_layout == 'nchw' else 1]
        if other == spec.num_classes != channel:
            layout = 'nhwc' if spec.output_layout == 'nchw' else 'nchw'
            return (f'Its classes seem to lie elsewhere: write output_layout: {layout} in the '
                    'specification.')
        if channel is not None and channel != spec.num_classes:
            return (f'The model has {channel} classes: correct num_classes and classes in the '
                    'specification, or choose another model.')
    return f'Correct {key}_size_wh or {key}_layout in the specification, or choose another model.'
