# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labels as a folder of PNG files, found by the image's stamp, place in the order, or name."""

import bisect
import os
import re
from typing import Dict, List, Optional, Tuple

import numpy as np
from PIL import Image

from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.image_header import PILLOW_ERRORS
from segformer_ros.common.time import NANOSECONDS

BY_STAMP = 'stamp'
BY_ORDER = 'order'
AUTO = 'auto'
MATCHES = (AUTO, BY_STAMP, BY_ORDER)

# File names often carry microseconds; images of one camera are never this near.
TOLERANCE_NS = 1000000

_NANOSECONDS = re.compile(r'^\d{16,20}$')
_SECONDS = re.compile(r'^(\d+)[._-](\d{1,9})$')


class LabelFolder:
    """
    The label files of one recording.

    :param folder: holds PNG files
    :param match: ``stamp``: file names are stamps, as ``1700000003.000000000.png`` or whole
        nanoseconds; ``order``: sorted names stand in the order of the images; ``auto``:
        ``stamp`` if every name is one
    :param list_file: names in the order of the images, one a line; for ``order``
    :raises ConfigurationError: no such folder, no PNG file in it, or names that are not stamps
    """

    def __init__(self, folder: str, match: str = AUTO, list_file: Optional[str] = None) -> None:
        if match not in MATCHES:
            raise ConfigurationError('Unknown way to match labels', got=repr(match),
                                     expected=' or '.join(MATCHES))
        self.folder = folder
        self._names = _listed(list_file) if list_file else _png_names(folder)
        stamps = [stamp_of_name(name) for name in self._names]
        if match == AUTO:
            match = BY_ORDER if list_file or None in stamps else BY_STAMP
        self.match = match
        self._by_stamp: List[Tuple[int, str]] = []
        if match == BY_STAMP:
            for stamp, name in zip(stamps, self._names):
                if stamp is None:
                    raise ConfigurationError(
                        'Label file is not named by a stamp', got=name,
                        expected='<seconds>.<nanoseconds>.png or <nanoseconds>.png',
                        remedy='Rename the files, or match by order.')
                self._by_stamp.append((stamp, name))
            self._by_stamp.sort()

    def __len__(self) -> int:
        """Return the number of label files."""
        return len(self._names)

    def find(self, position: int, stamp_ns: Optional[int]) -> Optional[str]:
        """
        Return the label file of an image, or None if there is none.

        :param position: the image's place in its recording, from 0
        :param stamp_ns: the image's header stamp
        """
        name = self._nearest(stamp_ns) if self.match == BY_STAMP else \
            self._names[position] if position < len(self._names) else None
        return None if name is None else os.path.join(self.folder, name)

    def _nearest(self, stamp_ns: Optional[int]) -> Optional[str]:
        if stamp_ns is None:
            return None
        place = bisect.bisect_left(self._by_stamp, (stamp_ns, ''))
        near = [(abs(stamp - stamp_ns), name)
                for stamp, name in self._by_stamp[max(0, place - 1):place + 1]]
        gap, name = min(near) if near else (TOLERANCE_NS + 1, '')
        return name if gap <= TOLERANCE_NS else None


def stamp_of_name(name: str) -> Optional[int]:
    """
    Return the stamp in nanoseconds that a file name says, or None.

    ``3.5.png`` is three and a half seconds; ``3_000000005.png`` ends in nine digits, which are
    nanoseconds either way.
    """
    stem = os.path.splitext(name)[0]
    if _NANOSECONDS.match(stem):
        return int(stem)
    parts = _SECONDS.match(stem)
    if parts is None:
        return None
    return int(parts.group(1)) * NANOSECONDS + int(parts.group(2).ljust(9, '0'))


def read_labels(path: str) -> arrays.UInt8:
    """
    Return the label values of a PNG file.

    :param path: grey, palette or 16 bit picture; a colour one only if it is grey throughout
    :return: (H, W) uint8
    :raises InvalidInputError: missing, damaged, coloured, or values above 255
    """
    try:
        with Image.open(path) as picture:
            values = np.array(picture)
            has_alpha = picture.mode in ('LA', 'RGBA', 'La', 'RGBa')
    except PILLOW_ERRORS as error:
        raise InvalidInputError('Label file cannot be read', got=f'{path} ({error})',
                                expected='a PNG of label values') from error
    if values.ndim == 3:
        if has_alpha:
            values = values[..., :-1]
        if not (values == values[..., :1]).all():
            raise InvalidInputError(
                'Label file is a coloured picture', got=path, expected='one label value a pixel',
                remedy='Use the files with ids, not those for looking at.')
        values = values[..., 0]
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if values.size and (values.min() < 0 or values.max() > 255):
        raise InvalidInputError('Label values out of range',
                                got=f'{values.min()}..{values.max()} in {path}', expected='0..255')
    return np.ascontiguousarray(values, np.uint8)


def _png_names(folder: str) -> List[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith('.png'))
    except OSError as error:
        raise ConfigurationError('Label folder cannot be read', got=error) from error
    if not names:
        raise ConfigurationError('No labels in folder', got=folder, expected='PNG files')
    return names


def _listed(list_file: str) -> List[str]:
    try:
        with open(list_file, encoding='utf-8') as stream:
            names = [line.strip() for line in stream if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError('List of label files cannot be read', got=error) from error
    seen: Dict[str, int] = {}
    for line, name in enumerate(names, 1):
        if name in seen:
            raise ConfigurationError(f'Label file stands twice in {list_file}',
                                     got=f'{name!r} in lines {seen[name]} and {line}')
        seen[name] = line
    return names
