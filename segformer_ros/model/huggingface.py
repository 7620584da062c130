# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Class tables of checkpoints whose config.json names the classes (id2label)."""

import json
import re
from typing import Any
from typing import Dict
from typing import List

from segformer_ros.errors import ConfigurationError
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.colors import distinct_colors

# What moves in Cityscapes, Mapillary Vistas, COCO and Pascal VOC, beside ADE20K's.
_ALSO_DYNAMIC = (
    'aeroplane', 'bicyclist', 'bike', 'bird', 'caravan', 'cat', 'cow', 'cyclist', 'dog',
    'elephant', 'horse', 'motorbike', 'motorcycle', 'motorcyclist', 'pedestrian', 'rider',
    'sheep', 'trailer', 'train', 'tram', 'vehicle')

_ID = re.compile(r'[0-9]{1,9}\Z')


def class_table_from_huggingface(path: str) -> ClassTable:
    """
    Return the class table of a Hugging Face ``config.json``.

    Names lose their blanks at the ends and, WordNet style, everything after the first comma
    (``stove, kitchen stove`` is ``stove``). The file says neither colours nor what moves:
    colours are chosen to differ, and a name is dynamic if it is so in ADE20K or usually is.

    :param path: of the file; its ``id2label`` must have the ids 0 to N - 1
    :raises ConfigurationError: unreadable, no ``id2label``, ids with gaps, repeated names
    """
    labels = _id2label(path)
    if sorted(labels) != list(range(len(labels))):
        # Of N ids with gaps one below N is missing; the largest id may be anything.
        missing = [class_id for class_id in range(len(labels)) if class_id not in labels]
        raise ConfigurationError(
            'Ids of id2label in {} have gaps'.format(path),
            got='{} ids, the first missing one is {}'.format(
                len(labels), missing[0] if missing else 'below 0'),
            expected='0 to N - 1')
    names = [labels[class_id].split(',')[0].strip() for class_id in range(len(labels))]
    _refuse_repeats(names, labels, path)
    ade20k = load_class_table('ade20k')
    moving = set(_ALSO_DYNAMIC)
    moving.update(name for name, moves in zip(ade20k.names, ade20k.dynamic) if moves)
    return ClassTable(path, names, distinct_colors(names),
                      [name.lower() in moving for name in names])


def class_table_to_yaml(name: str, table: ClassTable) -> str:
    """Return the text of a file that ``load_class_table`` reads, one class a line."""
    lines = ['name: {}'.format(json.dumps(name)), 'classes:']
    for class_name, color, moves in zip(table.names, table.colors, table.dynamic):
        lines.append('  - {{name: {}, color: {}{}}}'.format(
            json.dumps(class_name, ensure_ascii=False), [int(level) for level in color],
            ', dynamic: true' if moves else ''))
    return '\n'.join(lines) + '\n'


def _id2label(path: str) -> Dict[int, str]:
    try:
        with open(path, encoding='utf-8') as stream:
            config: Any = json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError('Hugging Face config cannot be read', got='{} ({})'.format(
            path, error), expected='the config.json of a checkpoint') from error
    labels = config.get('id2label') if isinstance(config, dict) else None
    if not isinstance(labels, dict) or not labels:
        raise ConfigurationError('No id2label in {}'.format(path), got=repr(labels)[:80],
                                 expected='a mapping from id to name')
    result = {}
    for key, label in labels.items():
        if not _ID.match(key) or not isinstance(label, str):
            raise ConfigurationError('Wrong entry of id2label in {}'.format(path),
                                     got='{!r}: {!r}'.format(key, label),
                                     expected='"number": "name"')
        result[int(key)] = label
    return result


def _refuse_repeats(names: List[str], labels: Dict[int, str], path: str) -> None:
    first: Dict[str, int] = {}
    for class_id, name in enumerate(names):
        if name in first:
            raise ConfigurationError(
                'Two classes of {} have the same short name'.format(path),
                got='{!r} (id {}) and {!r} (id {})'.format(
                    labels[first[name]], first[name], labels[class_id], class_id),
                expected='names that differ before the first comma',
                remedy='Rename one of them in the file.')
        first[name] = class_id
