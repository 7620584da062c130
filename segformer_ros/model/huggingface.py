# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What a Hugging Face checkpoint says beside its weights: classes, input size, mean and std.

Class names are those of ``config.json`` (``id2label``), which has no colours: they are chosen
here. The rest is in ``preprocessor_config.json``. transformers is not needed to read them.
"""

import itertools
import json
import os
import re
import sys
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.text import one_line
from segformer_ros.common.text import plain
from segformer_ros.model import spec as model_spec
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table

Rgb = Tuple[int, int, int]

# What moves in Cityscapes, Mapillary Vistas, COCO and Pascal VOC, beside ADE20K's.
_ALSO_DYNAMIC = (
    'aeroplane', 'bicyclist', 'bike', 'bird', 'caravan', 'cat', 'cow', 'cyclist', 'dog',
    'elephant', 'horse', 'motorbike', 'motorcycle', 'motorcyclist', 'pedestrian', 'rider',
    'sheep', 'trailer', 'train', 'tram', 'vehicle')

# Characters; the longest of ADE20K, Mapillary Vistas and COCO has 35.
_LONGEST_NAME = 100
_ID = re.compile(r'[0-9]{1,9}\Z')

_LATTICE_STEP = 15
# Anchored colours keep at least this distance from each other. Of 16, 18, 20, 21, 22 and 24 it
# gives the 150 classes of ADE20K the largest smallest distance: 17.0.
_ANCHOR_DISTANCE = 20.0

_RESCALE = 1.0 / 255.0
# Far above what is accepted; an integer of JSON may be too large for a float.
_LARGEST_NUMBER = 1e6
# Keys that make the mean, which may be 0.
_MEANS = ('image_mean', 'offset')


class Preprocessor(NamedTuple):
    """
    Size (width, height) in pixels if stated; mean and std of RGB values in 0..1.

    ``color_order`` is ``rgb`` or ``bgr``; ``assumed`` holds a line on each thing that the file
    does not state.
    """

    input_size_wh: Optional[Tuple[int, int]]
    mean: Tuple[float, float, float]
    std: Tuple[float, float, float]
    color_order: str = 'rgb'
    assumed: Tuple[str, ...] = ()


def class_table_from_huggingface(path: str) -> ClassTable:
    """
    Return the class table of a Hugging Face ``config.json``.

    Names lose their blanks at the ends and, WordNet style, everything after the first comma
    (``stove, kitchen stove`` is ``stove``); they are cut, and what a terminal would obey is
    escaped. The file says neither colours nor what moves:
    colours are chosen to differ, and a name is dynamic if it is so in ADE20K or usually is.

    :param path: of the file; its ``id2label`` must have the ids 0 to N - 1
    :raises ConfigurationError: unreadable, no ``id2label``, ids with gaps, repeated names
    """
    labels = _id2label(path)
    if sorted(labels) != list(range(len(labels))):
        # Of N ids with gaps one below N is missing; the largest id may be anything.
        missing: List[Any] = [each for each in range(len(labels)) if each not in labels]
        raise ConfigurationError(
            f'Ids of id2label in {path} have gaps',
            got=f'{len(labels)} ids, the first missing one is {(missing or ["below 0"])[0]}',
            expected='0 to N - 1')
    names = [plain(one_line(labels[class_id].split(',')[0]), _LONGEST_NAME)
             for class_id in range(len(labels))]
    _refuse_repeats(names, labels, path)
    ade20k = load_class_table('ade20k')
    moving = set(_ALSO_DYNAMIC)
    moving.update(name for name, moves in zip(ade20k.names, ade20k.dynamic) if moves)
    return ClassTable(path, names, distinct_colors(names),
                      [name.lower() in moving for name in names])


def table_with_rest(table: ClassTable) -> ClassTable:
    """Return the table of one class with a second one for all else."""
    rest = 'rest' if table.names[0] != 'rest' else 'other'
    names = list(table.names) + [rest]
    red, green, blue = table.colors[0]
    return ClassTable(table.name, names, distinct_colors(
        names, {names[0]: (int(red), int(green), int(blue))}), [bool(table.dynamic[0]), False])


def class_table_to_yaml(name: str, table: ClassTable) -> str:
    """Return the text of a file that ``load_class_table`` reads, one class a line."""
    lines = [f'name: {json.dumps(name)}', 'classes:']
    for class_name, color, moves in zip(table.names, table.colors, table.dynamic):
        lines.append(f'  - {{name: {json.dumps(class_name, ensure_ascii=False)}, color: '
                     f"{[int(level) for level in color]}{', dynamic: true' if moves else ''}}}")
    return '\n'.join(lines) + '\n'


def read_preprocessor(path: str) -> Preprocessor:
    """
    Read size, mean and std of a checkpoint's preprocessing.

    :raises ConfigurationError: unreadable, or a preprocessing that this package does not do
    """
    config = _read_json(path, 'Preprocessor config', 'preprocessor_config.json')
    if not isinstance(config, dict):
        raise ConfigurationError('Preprocessor config is not a mapping', got=path)
    rescales = _flag(config, 'do_rescale', True, path)
    factor = config.get('rescale_factor', _RESCALE) if rescales else 1
    if type(factor) not in (int, float) or not 0 < factor <= 1:
        raise ConfigurationError(f'Wrong rescaling in {path}', got=factor,
                                 expected='a number above 0, at most 1; usually 1/255')
    # (level * factor - mean) / std, written for levels / 255.
    scale = 1.0 if abs(factor - _RESCALE) < 1e-6 else 255.0 * factor
    # Of ViViT and EfficientNet: 1 is taken away after the rescaling.
    offsets = [_flag(config, key, False, path) for key in ('offset', 'rescale_offset')]
    shift = 1.0 if rescales and any(offsets) else 0.0
    assumed: List[str] = []
    if _normalizes(config, path):
        mean = _triple(config, 'image_mean', model_spec.IMAGENET_MEAN, path, scale, shift)
        std = _triple(config, 'image_std', model_spec.IMAGENET_STD, path, scale)
        assumed += [f'{key}: those of ImageNet, as {name} is not in {os.path.basename(path)}'
                    for key, name in (('mean', 'image_mean'), ('std', 'image_std'))
                    if name not in config]
    else:
        mean = _scaled((shift, shift, shift), 'offset', path, scale)
        std = _scaled((1.0, 1.0, 1.0), 'rescale_factor', path, scale)
    flips = _flag(config, 'do_flip_channel_order', _is_mobilevit(config), path)
    order = 'bgr' if flips else 'rgb'
    if flips and (mean, std) != (mean[::-1], std[::-1]):
        assumed.append('mean and std: red first, as if channels were flipped after that')
    if _flag(config, 'do_pad', False, path):
        assumed.append('input_size_wh: do_pad is set; here nothing is padded, and the whole image '
                       'is given that size')
    return Preprocessor(_size(config, path, assumed), mean, std, order, tuple(assumed))


def distinct_colors(names: Sequence[str],
                    anchors: Optional[Mapping[str, Rgb]] = None) -> List[Rgb]:
    """
    Return one colour for every name, far from all others and from black.

    Anchored names first take the free colour nearest to their anchor. Every other name then
    takes the colour farthest from all taken ones (farthest-point sampling), by Euclidean
    distance in CIELAB (CIE 1976), where 2.3 is just noticeable. There is no randomness.

    :param names: at most 255, all different
    :param anchors: wanted colours of some names (a sky is blue), in order of precedence
    :return: (red, green, blue), 0..255, in the order of the names
    """
    levels = range(0, 256, _LATTICE_STEP)
    candidates = list(itertools.product(levels, levels, levels))
    lab = lab_of_rgb(candidates)
    nearest_taken = _distance(lab, (0, 0, 0))
    chosen: Dict[str, Rgb] = {}

    def take(name: str, index: int) -> None:
        chosen[name] = candidates[index]
        np.minimum(nearest_taken, _distance(lab, candidates[index]), out=nearest_taken)

    for name, anchor in (anchors or {}).items():
        if name in names:
            distance = _distance(lab, anchor)
            distance[nearest_taken < _ANCHOR_DISTANCE] = np.inf
            take(name, int(np.argmin(distance)))
    for name in names:
        if name not in chosen:
            take(name, int(np.argmax(nearest_taken)))
    return [chosen[name] for name in names]


def lab_of_rgb(rgb: arrays.ArrayLike) -> arrays.Float64:
    """
    Convert sRGB to CIELAB (D65), by IEC 61966-2-1 and CIE 15.

    :param rgb: (N, 3), 0..255
    :return: (N, 3): L 0..100, a, b
    """
    value = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375],
                       [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])
    xyz = linear.dot(to_xyz.T) / to_xyz.sum(axis=1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def _read_json(path: str, what: str, name: str) -> Any:
    try:
        with open(path, encoding='utf-8') as stream:
            return json.load(stream, object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f'{what} cannot be read', got=f'{path} ({error})',
                                 expected=f'the {name} of a checkpoint') from error


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'key {key!r} stands twice')
        found[key] = value
    return found


def _id2label(path: str) -> Dict[int, str]:
    config = _read_json(path, 'Hugging Face config', 'config.json')
    labels = config.get('id2label') if isinstance(config, dict) else None
    if not isinstance(labels, dict) or not labels:
        raise ConfigurationError(f'No id2label in {path}', got=repr(labels)[:80],
                                 expected='a mapping from id to name')
    result: Dict[int, str] = {}
    for key, label in labels.items():
        if not _ID.match(key) or not isinstance(label, str):
            raise ConfigurationError(f'Wrong entry of id2label in {path}',
                                     got=f'{key!r}: {label!r}',
                                     expected='"number": "name"')
        if int(key) in result:
            raise ConfigurationError(
                f'An id of id2label in {path} stands twice',
                got=f'{key!r}: {label!r}, and {result[int(key)]!r} of the same number',
                expected='each of 0 to N - 1 once', remedy='Remove one of them.')
        result[int(key)] = label
    return result


def _refuse_repeats(names: List[str], labels: Dict[int, str], path: str) -> None:
    first: Dict[str, int] = {}
    for class_id, name in enumerate(names):
        if name in first:
            raise ConfigurationError(
                f'Two classes of {path} have the same short name',
                got=f'{labels[first[name]]!r} (id {first[name]}) and '
                    f'{labels[class_id]!r} (id {class_id})',
                expected='names that differ before the first comma',
                remedy='Rename one of them in the file.')
        first[name] = class_id


def _flag(config: Dict[str, Any], key: str, default: bool, path: str) -> bool:
    value = config.get(key, default)
    # Of a processor that has no such step null is written.
    if value is not None and type(value) is not bool:
        raise ConfigurationError(f'Wrong {key} in {path}', got=repr(value),
                                 expected='true or false, without quotes',
                                 remedy='Correct it in the file.')
    return bool(value)


def _normalizes(config: Dict[str, Any], path: str) -> bool:
    """Return whether mean and std are taken out; files of MobileViT have neither."""
    stated = 'image_mean' in config or 'image_std' in config
    return _flag(config, 'do_normalize', stated or not _is_mobilevit(config), path)


def _is_mobilevit(config: Dict[str, Any]) -> bool:
    """Return whether a file is of MobileViT, the one kind that flips channels."""
    kind = config.get('image_processor_type') or config.get('feature_extractor_type') or ''
    return 'do_flip_channel_order' in config or str(kind).startswith('MobileViT')


def _size(config: Dict[str, Any], path: str, assumed: List[str]) -> Optional[Tuple[int, int]]:
    resizes = _flag(config, 'do_resize', True, path)
    if _flag(config, 'do_center_crop', False, path) and config.get('crop_size') is not None:
        found = _width_height(config['crop_size'], path)
        assumed.append(f'input_size_wh: crop_size {found[0]} x {found[1]}; here nothing is '
                       'cropped, and the whole image is given that size')
        return found
    size = config.get('size')
    if not resizes or size is None:
        return None
    if isinstance(size, dict) and 'shortest_edge' in size:
        assumed.append(f'input_size_wh: size is shortest_edge {size["shortest_edge"]!r:.20}, and '
                       'the other edge the image\'s; here the network is given one size')
        return None
    return _width_height(size, path)


def _width_height(size: Any, path: str) -> Tuple[int, int]:
    found = size
    if isinstance(size, dict):
        found = [size.get('width'), size.get('height')]
    elif isinstance(size, int):
        found = [size, size]
    if not isinstance(found, list) or len(found) != 2 \
            or not all(type(n) is int and 0 < n <= model_spec.LARGEST_SIDE for n in found):
        raise ConfigurationError(
            f'Wrong size in {path}', got=size,
            expected=f'width and height, whole numbers from 1 to {model_spec.LARGEST_SIDE}: '
            'the network is given one size', remedy='Correct it in the file.')
    return found[0], found[1]


def _triple(config: Dict[str, Any], key: str, default: Tuple[float, float, float],
            path: str, scale: float, shift: float = 0.0) -> Tuple[float, float, float]:
    values = config.get(key, default)
    if not isinstance(values, (list, tuple)) or len(values) != 3 or not all(
            type(value) in (int, float) and abs(value) <= _LARGEST_NUMBER for value in values):
        raise ConfigurationError(f'Wrong {key} in {path}', got=values,
                                 expected='three numbers, of RGB values in 0..1',
                                 remedy='Correct it in the file.')
    red, green, blue = values
    return _scaled((red + shift, green + shift, blue + shift), key, path, scale)


def _scaled(values: Tuple[float, float, float], key: str, path: str,
            scale: float) -> Tuple[float, float, float]:
    lowest_allowed = 0.0 if key in _MEANS else sys.float_info.min
    red, green, blue = [value / scale for value in values]
    if not all(lowest_allowed <= value <= 1.0 for value in (red, green, blue)):
        raise ConfigurationError(
            f'Wrong {key} in {path}', got=list(values),
            expected=f'three numbers from 0 to {scale:g}'
            + (', none 0' if key not in _MEANS else ''),
            remedy=None if scale != 1.0 else
            'Divide by 255 if they are of values in 0..255, or set do_rescale to false if the '
            'network takes such.')
    return red, green, blue


def _distance(lab: arrays.Float64, rgb: Rgb) -> arrays.Float64:
    return np.asarray(np.linalg.norm(lab - lab_of_rgb([rgb]), axis=1))
