# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a Hugging Face preprocessor_config.json says about a network's input."""

import json
from typing import Any
from typing import Dict
from typing import NamedTuple
from typing import Optional
from typing import Tuple

from segformer_ros.errors import ConfigurationError
from segformer_ros.model.spec import IMAGENET_MEAN
from segformer_ros.model.spec import IMAGENET_STD

_RESCALE = 1.0 / 255.0


class Preprocessor(NamedTuple):
    """Size (width, height) in pixels if stated; mean and std of RGB values in 0..1."""

    input_size_wh: Optional[Tuple[int, int]]
    mean: Tuple[float, float, float]
    std: Tuple[float, float, float]


def read_preprocessor(path: str) -> Preprocessor:
    """
    Read size, mean and std of a checkpoint's preprocessing.

    :raises ConfigurationError: unreadable, or a preprocessing that this package does not do
    """
    try:
        with open(path, encoding='utf-8') as stream:
            config: Any = json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            'Preprocessor config cannot be read', got='{} ({})'.format(path, error),
            expected='the preprocessor_config.json of a checkpoint') from error
    if not isinstance(config, dict):
        raise ConfigurationError('Preprocessor config is no mapping', got=path)
    factor = config.get('rescale_factor', _RESCALE)
    if not config.get('do_rescale', True) or not isinstance(factor, float) \
            or abs(factor - _RESCALE) > 1e-6:
        raise ConfigurationError(
            'Wrong rescaling in {}'.format(path), got=factor, expected='1/255',
            remedy='Fold the factor into image_mean and image_std.')
    if not config.get('do_normalize', True):
        return Preprocessor(_size(config, path), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Preprocessor(_size(config, path),
                        _triple(config, 'image_mean', IMAGENET_MEAN, path),
                        _triple(config, 'image_std', IMAGENET_STD, path))


def _size(config: Dict[str, Any], path: str) -> Optional[Tuple[int, int]]:
    size = config.get('size')
    if not config.get('do_resize', True) or size is None:
        return None
    if isinstance(size, dict):
        size = [size.get('width'), size.get('height')]
    elif isinstance(size, int):
        size = [size, size]
    if not isinstance(size, list) or len(size) != 2 \
            or not all(type(n) is int and n > 0 for n in size):
        raise ConfigurationError(
            'Wrong size in {}'.format(path), got=config['size'],
            expected='width and height: the network is given one size')
    return size[0], size[1]


def _triple(config: Dict[str, Any], key: str, default: Tuple[float, float, float],
            path: str) -> Tuple[float, float, float]:
    values = config.get(key, default)
    if not isinstance(values, (list, tuple)) or len(values) != 3 or not all(
            type(value) in (int, float) and 0 <= value <= 1 for value in values):
        raise ConfigurationError('Wrong {} in {}'.format(key, path), got=values,
                                 expected='three numbers, of RGB values in 0..1')
    red, green, blue = values
    return float(red), float(green), float(blue)
