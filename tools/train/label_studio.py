# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Label Studio's tasks with brush masks, both ways.

https://labelstud.io/tags/brushlabels; the run lengths are those of the library rle-pack, over
red, green, blue and alpha of each pixel. Only alpha is read.
"""

import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from capture_folder import Capture
from capture_folder import NO_LABEL
from cvat import colormap
import numpy as np
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError

# Bits of a run's length, minus one; a word has 8 bits.
_LENGTH_BITS = (3, 4, 8, 16)
_WORD_BITS = 8
_HEADER_BITS = 32 + 5 + 4 * len(_LENGTH_BITS)
# Values of a picture of 64 megapixels: an export may claim anything.
LARGEST_VALUES = 4 * 64 * 1000 * 1000


def encode(mask: np.ndarray) -> List[int]:
    """
    Return the run lengths of a mask.

    :param mask: (H, W) bool
    :return: bytes as whole numbers
    """
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    bits = [f'{4 * flat.size:032b}{_WORD_BITS - 1:05b}']
    bits += [f'{size - 1:04b}' for size in _LENGTH_BITS]
    start = 0
    for end in ends.tolist():
        left = 4 * (end - start)
        value = f'{255 if flat[start] else 0:08b}'
        while left:
            kind, size = next(((kind, size) for kind, size in enumerate(_LENGTH_BITS)
                               if left <= 1 << size), (3, _LENGTH_BITS[3]))
            part = min(left, 1 << size)
            bits.append(f'1{kind:02b}{part - 1:0{size}b}{value}')
            left -= part
        start = end
    text = ''.join(bits)
    text += '0' * (-len(text) % 8)
    return [int(text[place:place + 8], 2) for place in range(0, len(text), 8)]


def decode(rle: Sequence[int], size_wh: Tuple[int, int]) -> np.ndarray:
    """
    Return the mask of run lengths.

    :param rle: bytes as whole numbers
    :param size_wh: of the picture, pixels
    :return: (H, W) bool, true where alpha is not 0
    :raises InvalidInputError: they are of another size, or end too early
    """
    try:
        text = ''.join(f'{value:08b}' for value in bytes(rle))
        count = int(text[:32], 2)
        word = int(text[32:37], 2) + 1
        sizes = [int(text[place:place + 4], 2) + 1 for place in range(37, _HEADER_BITS, 4)]
    except (ValueError, TypeError) as error:
        raise InvalidInputError('Brush mask cannot be read', got=error,
                                expected='run lengths of Label Studio') from error
    width, height = size_wh
    if count != 4 * width * height or count > LARGEST_VALUES:
        raise InvalidInputError('Brush mask has another size', got=f'{count} values',
                                expected=f'{4 * width * height} for {width} x {height} pixels')
    values = np.zeros(count, np.uint8)
    place, index = _HEADER_BITS, 0
    try:
        while index < count:
            repeats = text[place] == '1'
            size = sizes[int(text[place + 1:place + 3], 2)]
            place += 3
            length = int(text[place:place + size], 2) + 1
            place += size
            words = 1 if repeats else length
            part = [int(text[place + word * number:place + word * (number + 1)], 2)
                    for number in range(words)]
            place += word * words
            values[index:index + length] = part if not repeats else part[0]
            index += length
    except (ValueError, IndexError) as error:
        raise InvalidInputError('Brush mask ends too early', got=f'{index} values',
                                expected=count) from error
    return values.reshape(height, width, 4)[..., 3] > 0


def write(capture: Capture, path: str, image_root: str) -> List[str]:
    """
    Write the network's masks as predictions of tasks, and the labelling interface.

    :param capture: the frames
    :param path: of the JSON file
    :param image_root: what comes before images/ID.png in the tasks, such as
        ``/data/local-files/?d=capture/``
    :return: the files written: the tasks, and NAME_config.xml
    """
    tasks = []
    for frame in capture.frames:
        mask = capture.mask(frame)
        result = [_region(mask == index, index, capture.classes[index])
                  for index in np.unique(mask).tolist() if index != NO_LABEL]
        name = os.path.relpath(frame.image, capture.folder).replace(os.sep, '/')
        tasks.append({
            'data': {'image': image_root + quote(name), 'id': frame.id, 'reason': frame.reason},
            'predictions': [{'model_version': frame.model or 'captured', 'result': result}]})
    with open(path, 'w', encoding='utf-8') as stream:
        json.dump(tasks, stream)
    colors = colormap()
    labels = '\n'.join('    <Label value={} background="#{:02x}{:02x}{:02x}"/>'.format(
        quoteattr(name), *colors[index + 1]) for index, name in enumerate(capture.classes))
    config = os.path.splitext(path)[0] + '_config.xml'
    with open(config, 'w', encoding='utf-8') as stream:
        stream.write('<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
                     f'  <BrushLabels name="label" toName="image">\n{labels}\n  </BrushLabels>\n'
                     '</View>\n')
    return [path, config]


def read(path: str, classes: Sequence[str]) -> Iterator[Tuple[str, np.ndarray]]:
    """
    Yield id and labels of each task that somebody has labelled.

    Of several annotations the last counts that was not skipped; where strokes overlap, the later.

    :param path: JSON file, exported as "JSON"
    :param classes: names by id
    :return: ids, and (H, W) uint8 class ids, 255 where nothing is painted
    :raises ConfigurationError: not such a file, or a label that is not one of the classes
    :raises InvalidInputError: a mask that cannot be read
    """
    try:
        with open(path, encoding='utf-8') as stream:
            tasks = [_Task(_id(task), [dict(entry) for entry in task.get('annotations') or []])
                     for task in json.load(stream)]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError('Tasks cannot be read', got=f'{path}: {error}',
                                 expected='an export of Label Studio as "JSON"') from error
    ids = {name: index for index, name in enumerate(classes)}
    for task in tasks:
        done = [entry for entry in task.annotations if not entry.get('was_cancelled')]
        if done:
            yield task.id, _painted(done[-1].get('result') or [], ids, task.id)


class _Task(NamedTuple):
    id: str
    annotations: List[Dict[str, Any]]


def _region(mask: np.ndarray, class_id: int, name: str) -> Dict[str, Any]:
    height, width = mask.shape
    return {'id': f'class{class_id}', 'type': 'brushlabels', 'from_name': 'label',
            'to_name': 'image', 'original_width': width, 'original_height': height,
            'image_rotation': 0,
            'value': {'format': 'rle', 'rle': encode(mask), 'brushlabels': [name]}}


def _id(task: Dict[str, Any]) -> str:
    data = task.get('data') or {}
    named = str(data.get('image', '')).rsplit('/', 1)[-1]
    return str(data.get('id') or os.path.splitext(named)[0])


def _painted(result: Sequence[Dict[str, Any]], ids: Dict[str, int], name: str) -> np.ndarray:
    labels = None
    for entry in result:
        kind = entry.get('type') if isinstance(entry, dict) else entry
        if kind != 'brushlabels':
            raise ConfigurationError('Only brush masks are read', got=f'{kind!r:.80} in {name}',
                                     expected='brushlabels')
        try:
            value = entry['value']
            size_wh = int(entry['original_width']), int(entry['original_height'])
            label, = value['brushlabels']
            rle = value['rle']
        except (KeyError, ValueError, TypeError) as error:
            raise InvalidInputError('Brush mask is incomplete', got=f'{error!r} in {name}',
                                    expected='one label, rle, original_width and _height'
                                    ) from error
        if label not in ids:
            raise ConfigurationError(
                'Label is not one of the captured classes', got=f'{label!r} in {name}',
                expected='a name of classes.json',
                remedy='Append it to classes.json; the network then gets that class, too.')
        mask = decode(rle, size_wh)
        if labels is None:
            labels = np.full(mask.shape, NO_LABEL, np.uint8)
        labels[mask] = ids[label]
    if labels is None:
        raise InvalidInputError('Annotation is empty', got=name, expected='at least one stroke',
                                remedy='Skip the task instead.')
    return labels
