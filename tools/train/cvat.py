# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
CVAT's format "Segmentation mask 1.1", both ways: a Pascal VOC archive of coloured masks.

https://docs.cvat.ai/docs/dataset_management/formats/format-smask
"""

import io
import json
import os
from typing import Dict, Iterator, List, Sequence, Tuple
import zipfile
import zlib

from capture_folder import Capture
from capture_folder import NO_LABEL
import numpy as np
from PIL import Image
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.image_header import PILLOW_ERRORS

BACKGROUND = 'background'
"""What CVAT calls pixels without a label; black."""
LABEL_MAP = 'labelmap.txt'
MASKS, OBJECTS = 'SegmentationClass/', 'SegmentationObject/'
# Of one picture in the archive; an archive may unpack to anything.
LARGEST_BYTES = 64 * 1024 * 1024
# RuntimeError: a password, or a way to pack that Python does not know.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


def colormap() -> np.ndarray:
    """Return Pascal VOC's colours, (256, 3) uint8, all different, black first."""
    index = np.arange(256)
    colors = np.zeros((256, 3), int)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= ((index >> channel) & 1) << (7 - bit)
        index = index >> 3
    return colors.astype(np.uint8)


def write(capture: Capture, path: str) -> List[str]:
    """
    Write the network's masks as an archive for CVAT, and the labels of its task.

    Each class of a frame is one object, so that CVAT shows one mask a class.

    :param capture: the frames
    :param path: of the zip file
    :return: the files written: the archive, and NAME_labels.json for CVAT's label constructor
    :raises ConfigurationError: a class name that the format cannot hold
    """
    for name in capture.classes:
        if ':' in name or name.startswith('#') or '\n' in name or name == BACKGROUND:
            raise ConfigurationError('Class name does not go into a label map of CVAT',
                                     got=repr(name), expected=f'no colon, no # in front, and not '
                                     f'{BACKGROUND!r}, which means no label',
                                     remedy='Take --format label_studio.')
    colors = colormap()
    # Class 0 is not black: that is CVAT's background.
    by_id = np.zeros((256, 3), np.uint8)
    by_id[:len(capture.classes)] = colors[1:len(capture.classes) + 1]
    rows = ['# label:color_rgb:parts:actions', f'{BACKGROUND}:0,0,0::']
    rows += ['{}:{},{},{}::'.format(name, *by_id[index])
             for index, name in enumerate(capture.classes)]
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        archive.writestr(LABEL_MAP, '\n'.join(rows) + '\n')
        archive.writestr('ImageSets/Segmentation/default.txt',
                         ''.join(frame.id + '\n' for frame in capture.frames))
        for frame in capture.frames:
            mask = capture.mask(frame)
            present = [index for index in np.unique(mask) if index != NO_LABEL]
            objects = np.zeros(256, np.uint8)
            objects[present] = np.arange(1, len(present) + 1)
            archive.writestr(f'{MASKS}{frame.id}.png', _png(by_id[mask]))
            archive.writestr(f'{OBJECTS}{frame.id}.png', _png(colors[objects[mask]]))
            archive.write(frame.image, f'JPEGImages/{frame.id}{os.path.splitext(frame.image)[1]}',
                          zipfile.ZIP_STORED)
    labels = os.path.splitext(path)[0] + '_labels.json'
    with open(labels, 'w', encoding='utf-8') as stream:
        json.dump([{'name': name, 'color': '#{:02x}{:02x}{:02x}'.format(*by_id[index]),
                    'type': 'mask', 'attributes': []}
                   for index, name in enumerate(capture.classes)], stream, indent=1)
    return [path, labels]


def read(path: str, classes: Sequence[str]) -> Iterator[Tuple[str, np.ndarray]]:
    """
    Yield id and labels of each frame of an archive that CVAT exported.

    :param path: zip file
    :param classes: names by id
    :return: ids, and (H, W) uint8 class ids, 255 where nothing is labelled
    :raises ConfigurationError: not such an archive, or a label that is not one of the classes
    :raises InvalidInputError: a mask that cannot be read, or with colours that no label has
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigurationError('Archive cannot be read', got=f'{path}: {error}',
                                 expected='a zip file of CVAT, "Segmentation mask 1.1"') from error
    with archive:
        names = sorted(name for name in archive.namelist()
                       if name.startswith(MASKS) and name.endswith('.png'))
        if LABEL_MAP not in archive.namelist() or not names:
            raise ConfigurationError('Archive is not of segmentation masks', got=path,
                                     expected=f'{LABEL_MAP} and {MASKS}*.png in it',
                                     remedy='Export as "Segmentation mask 1.1".')
        lookup, by_row = _label_map(_text(archive, LABEL_MAP), classes)
        for name in names:
            # CVAT keeps the folders that images were uploaded in.
            stem = os.path.splitext(os.path.basename(name))[0]
            yield stem, _mask(archive, name, lookup, by_row)


def _text(archive: zipfile.ZipFile, name: str) -> str:
    try:
        with archive.open(name) as stream:
            return stream.read(LARGEST_BYTES).decode('utf-8')
    except (*_ZIP_ERRORS, UnicodeDecodeError) as error:
        raise ConfigurationError('Archive cannot be read', got=f'{name}: {error}',
                                 expected='text without a password') from error


def _label_map(text: str, classes: Sequence[str]) -> Tuple[Dict[int, int], np.ndarray]:
    """Return class ids by colour (0xRRGGBB), and by row of the label map."""
    ids = {name: index for index, name in enumerate(classes)}
    lookup: Dict[int, int] = {}
    by_row = np.full(256, NO_LABEL, np.uint8)
    rows = [line.strip() for line in text.splitlines()]
    for row, line in enumerate(line for line in rows if line and line[0] != '#'):
        try:
            name, color, _, _ = line.split(':')
            red, green, blue = (int(part) for part in color.split(','))
        except ValueError as error:
            raise ConfigurationError('Label map cannot be read', got=line[:80],
                                     expected='name:red,green,blue:parts:actions') from error
        if name not in ids and name != BACKGROUND:
            raise ConfigurationError(
                'Label is not one of the captured classes', got=repr(name),
                expected='a name of classes.json',
                remedy='Append it to classes.json; the network then gets that class, too.')
        class_id = ids.get(name, NO_LABEL)
        lookup[red << 16 | green << 8 | blue] = class_id
        if row < 256:
            by_row[row] = class_id
    lookup.setdefault(0, NO_LABEL)
    return lookup, by_row


def _mask(archive: zipfile.ZipFile, name: str, lookup: Dict[int, int],
          by_row: np.ndarray) -> np.ndarray:
    if archive.getinfo(name).file_size > LARGEST_BYTES:
        raise InvalidInputError('Mask is too large', got=name, expected=f'{LARGEST_BYTES} bytes')
    try:
        with Image.open(io.BytesIO(archive.read(name))) as picture:
            if picture.mode == 'L':
                return by_row[np.array(picture)]
            pixels = np.array(picture.convert('RGB')).astype(np.int32)
    except (*PILLOW_ERRORS, *_ZIP_ERRORS) as error:
        raise InvalidInputError('Mask cannot be read', got=f'{name}: {error}') from error
    packed = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    colors, index = np.unique(packed, return_inverse=True)
    unknown = [color for color in colors.tolist() if color not in lookup]
    if unknown:
        raise InvalidInputError('Mask has a colour that no label has',
                                got=f'#{unknown[0]:06x} in {name}',
                                expected=f'the colours of {LABEL_MAP}')
    ids = np.array([lookup[color] for color in colors.tolist()], np.uint8)
    return ids[index.reshape(packed.shape)]


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, 'PNG')
    return stream.getvalue()
