# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The folder that the node's capture writes: frames, masks, and why they were kept."""

import json
import os
import re
import sys
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
if ROOT not in sys.path:
    sys.path.append(ROOT)

from segformer_ros.common.errors import ConfigurationError  # noqa: E402, I100
from segformer_ros.common.errors import InvalidInputError  # noqa: E402, I100
from segformer_ros.evaluation.sources.label_folder import read_labels  # noqa: E402, I100

NO_LABEL = 255
MANIFEST, CLASSES = 'manifest.jsonl', 'classes.json'
# Ids become file names in archives and web addresses.
_ID = re.compile(r'^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$')


class Captured(NamedTuple):
    """
    One frame.

    ``image`` and ``mask`` are paths; the mask has 8 bit class ids, 255 where there is none.
    ``score`` is the number that the reason was judged by.
    """

    id: str
    stamp_ns: int
    camera: str
    reason: str
    score: float
    image: str
    mask: str
    model: str


class Capture(NamedTuple):
    """A whole folder: names of classes by id, and its frames by stamp."""

    folder: str
    classes: Tuple[str, ...]
    frames: Tuple[Captured, ...]

    def mask(self, frame: Captured) -> np.ndarray:
        """Return the network's mask, (H, W) uint8."""
        found = read_labels(frame.mask)
        unknown = set(np.unique(found)) - set(range(len(self.classes))) - {NO_LABEL}
        if unknown:
            raise InvalidInputError('Mask has ids without a class',
                                    got=f'{sorted(unknown)[:5]} in {frame.mask}',
                                    expected=f'0 to {len(self.classes) - 1}, or 255')
        return found


def read_capture(folder: str, reasons: Optional[Iterable[str]] = None) -> Capture:
    """
    Read a folder's manifest and classes; pictures are read when they are needed.

    A last line without its end is left out: the robot may have been switched off in it.

    :param folder: with manifest.jsonl and classes.json
    :param reasons: keep only frames with one of these; all where None
    :raises ConfigurationError: no such folder, no frame, or a manifest that cannot be used
    """
    names = read_classes(os.path.join(folder, CLASSES))
    path = os.path.join(folder, MANIFEST)
    try:
        with open(path, encoding='utf-8') as stream:
            lines = stream.read().split('\n')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError('Manifest cannot be read', got=error,
                                 expected='a folder that ~/capture wrote') from error
    wanted = None if reasons is None else set(reasons)
    frames: Dict[str, Captured] = {}
    # Behind the last line's end comes an empty text.
    for number, line in enumerate(lines[:-1], 1):
        if not line.strip():
            continue
        frame = _frame(line, f'line {number} of {path}', folder)
        if not (os.path.isfile(frame.image) and os.path.isfile(frame.mask)):
            # It may have made way for a newer one while the folder was copied.
            print(f'{frame.id} is left out: a picture is missing', file=sys.stderr)
            continue
        if wanted is None or frame.reason in wanted:
            frames[frame.id] = frame
    if not frames:
        raise ConfigurationError(
            'No captured frames', got=path,
            expected='a line for each frame' if wanted is None else
            'frames with the reason ' + ' or '.join(sorted(wanted)))
    return Capture(folder, names,
                   tuple(sorted(frames.values(), key=lambda each: (each.stamp_ns, each.id))))


def read_classes(path: str) -> Tuple[str, ...]:
    """
    Return the names of a classes.json, by id.

    :raises ConfigurationError: it is not a list of 1 to 255 different names
    """
    try:
        with open(path, encoding='utf-8') as stream:
            names = json.load(stream)
    except (OSError, ValueError) as error:
        raise ConfigurationError('Class names cannot be read', got=error,
                                 expected='a JSON list of names by id') from error
    if not isinstance(names, list) or not 1 <= len(names) <= NO_LABEL \
            or not all(isinstance(name, str) and name.strip() for name in names) \
            or len(set(names)) != len(names):
        raise ConfigurationError('Class names cannot be used', got=path,
                                 expected='a JSON list of 1 to 255 different names')
    return tuple(names)


def _frame(line: str, where: str, folder: str) -> Captured:
    try:
        row = json.loads(line)
        found = Captured(
            _text(row, 'id'), int(row['stamp_ns']), _text(row, 'camera'), _text(row, 'reason'),
            float(row['score'] or 0.0), _path(folder, _text(row, 'image')),
            _path(folder, _text(row, 'mask')),
            str((row.get('model') or {}).get('name', '')))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigurationError('Frame cannot be used', got=f'{where}: {error!r}',
                                 expected='a JSON object with id, stamp_ns, camera, reason, '
                                          'score, image, mask and model') from error
    if not _ID.match(found.id) or found.id.endswith('.'):
        raise ConfigurationError('Frame has an id that is not a file name',
                                 got=f'{found.id[:80]!r} in {where}',
                                 expected='letters, digits, dots, hyphens')
    return found


def _text(row: Dict[str, Any], key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f'{key} is not a text')
    return value


def _path(folder: str, name: str) -> str:
    parts: List[str] = name.split('/')
    if os.path.isabs(name) or '..' in parts or '\\' in name:
        raise ValueError(f'{name!r} leaves the folder')
    return os.path.join(folder, *parts)
