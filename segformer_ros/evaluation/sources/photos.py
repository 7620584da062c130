# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Folders of photos with label PNGs: ADE20K, Cityscapes, or one's own."""

import os
import re
import time
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.sources import frames as source_frames
from segformer_ros.evaluation.sources.label_folder import read_labels
from segformer_ros.segmentation.images.compressed import compressed_to_rgb

PHOTOS = ('.jpg', '.jpeg', '.png')

_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_PNG_DEPTH_AT = 24
"""Bytes before the number of bits of a sample: magic, length, IHDR, width and height."""

# What is written before or after a photo's name for the depth image that belongs to it.
_COMPANION = re.compile(r'^(depth|disp|disparity)[_-]|[_-](depth|disp|disparity)$', re.IGNORECASE)

# Photos of one task; fixed, so that the report does not depend on the number of workers.
SLICE = 250

# (images, labels, end of an image's name, end of its label's name) below the given folder.
LAYOUTS = (
    ('images/{split}', 'annotations/{split}', '.jpg', '.png'),
    ('leftImg8bit/{split}', 'gtFine/{split}', '_leftImg8bit.png', '_gtFine_labelIds.png'),
    ('images', 'labels', '', '.png'),
    ('images', 'annotations', '', '.png'),
    ('images', 'masks', '', '.png'),
)


class Photo(NamedTuple):
    """A photo's file and its label file; ``name`` is the path below the images' folder."""

    name: str
    path: str
    label_path: Optional[str]


class _Encoded(NamedTuple):
    """A file in the place of a CompressedImage message."""

    data: bytes
    format: str


class PhotoSource(source_frames.FrameSource):
    """
    A slice of a data set.

    :param name: for reports
    :param group: the data set
    :param photos: in the order of their names
    :param first_position: place of the first one in the data set
    :param wants_labels: leave out photos without labels
    """

    def __init__(self, name: str, group: str, photos: Sequence[Photo], first_position: int,
                 wants_labels: bool) -> None:
        super().__init__(name, group, consecutive=False)
        self._photos = list(photos)
        self._first_position = first_position
        self._wants_labels = wants_labels

    def expected_frames(self) -> Optional[int]:
        """Return the number of photos."""
        return len(self._photos)

    def frames(self) -> Iterator[Union[source_frames.Frame, source_frames.LeftOut]]:
        """Read photo by photo."""
        for position, photo in enumerate(self._photos, self._first_position):
            started = time.perf_counter()
            try:
                with open(photo.path, 'rb') as stream:
                    # The stored pixels, whatever EXIF says: labels are drawn on those.
                    image = compressed_to_rgb(_Encoded(stream.read(), photo.name))
            except InvalidInputError as error:
                # Its remedy is one for messages of a camera.
                text = str(InvalidInputError(error.problem, error.got, error.expected))
                yield source_frames.LeftOut(photo.name, source_frames.BAD_IMAGE, text)
                continue
            except OSError as error:
                yield source_frames.LeftOut(photo.name, source_frames.BAD_IMAGE, str(error))
                continue
            decode_seconds = time.perf_counter() - started
            labels = None
            if self._wants_labels:
                if photo.label_path is None:
                    yield source_frames.LeftOut(photo.name, source_frames.NO_LABELS,
                                                'no label file')
                    continue
                try:
                    labels = read_labels(photo.label_path)
                except InvalidInputError as error:
                    yield source_frames.LeftOut(photo.name, source_frames.BAD_LABELS, str(error))
                    continue
            yield source_frames.Frame(position, photo.name, None, image, labels, decode_seconds)


def find_photos(folder: str, split: str, labels: Optional[str] = None,
                notes: Optional[List[str]] = None) -> List[Photo]:
    """
    Return the photos of a data set, sorted by name.

    Known layouts are ADE20K (images/validation, annotations/validation), Cityscapes
    (leftImg8bit/val, gtFine/val), images beside labels, annotations or masks, and label PNGs in
    one folder with their JPEGs. Names must be the same up to their ends.

    :param folder: of the data set, or a single photo
    :param split: ``validation``, ``val``, ...
    :param labels: folder of the labels where no known layout has them; of a single photo it may
        be the file
    :param notes: takes what was left out
    :return: possibly none
    :raises ConfigurationError: the labels do not exist
    """
    if os.path.isfile(folder):
        return _single(folder, labels)
    if labels is not None:
        if not os.path.isdir(labels):
            raise ConfigurationError('Label folder not found', got=labels)
        # Labels in the data set's own folder: its photos are beside them.
        images = os.path.join(folder, LAYOUTS[-1][0])
        inside = os.path.realpath(labels).startswith(os.path.join(os.path.realpath(folder), ''))
        return _paired(images if inside and os.path.isdir(images) else folder, labels, '', '.png',
                       notes)
    for images, annotations, image_end, label_end in LAYOUTS:
        image_folder = os.path.join(folder, *images.format(split=split).split('/'))
        label_folder = os.path.join(folder, *annotations.format(split=split).split('/'))
        if os.path.isdir(image_folder) and os.path.isdir(label_folder):
            return _paired(image_folder, label_folder, image_end, label_end, notes)
    return _paired(folder, folder, '', '.png', notes)


def sources_of_photos(name: str, photos: Sequence[Photo],
                      wants_labels: bool) -> List[source_frames.FrameSource]:
    """
    Cut a data set into slices of :data:`SLICE` photos.

    :param name: of the data set
    :param photos: all of them
    :param wants_labels: leave out photos without labels
    """
    return [PhotoSource(
        name if len(photos) <= SLICE else f'{name}[{start}:{min(start + SLICE, len(photos))}]',
        name, photos[start:start + SLICE], start, wants_labels)
        for start in range(0, len(photos), SLICE)]


def _single(path: str, labels: Optional[str]) -> List[Photo]:
    if not path.lower().endswith(PHOTOS):
        return []
    if labels is not None and not os.path.exists(labels):
        raise ConfigurationError('Labels not found', got=labels,
                                 expected='a folder, or the PNG file of the photo')
    stem = os.path.splitext(os.path.basename(path))[0]
    label_path = labels if labels is not None and os.path.isfile(labels) else os.path.join(
        labels or os.path.dirname(path), stem + '.png')
    has_labels = os.path.isfile(label_path) and not os.path.samefile(label_path, path)
    return [Photo(os.path.basename(path), path, label_path if has_labels else None)]


def _is_photo(path: str) -> bool:
    # 16 bit PNGs are depth; whoever decodes a file that cannot be read says what is wrong with it.
    if not path.lower().endswith('.png'):
        return True
    try:
        with open(path, 'rb') as stream:
            start = stream.read(_PNG_DEPTH_AT + 1)
    except OSError:
        return True
    return not start.startswith(_PNG_MAGIC) or start[_PNG_DEPTH_AT:] != b'\x10'


def _photo_of(name: str) -> Optional[str]:
    """Return the stem of the photo beside which a file with such a name lies, None if none."""
    folder, stem = os.path.split(os.path.splitext(name)[0])
    rest = _COMPANION.sub('', stem)
    return os.path.join(folder, rest) if rest and rest != stem else None


def _paired(images: str, labels: str, image_end: str, label_end: str,
            notes: Optional[List[str]] = None) -> List[Photo]:
    label_paths = {name[:-len(label_end)]: path for name, path in _files(labels, label_end)}
    chosen: Dict[str, Tuple[str, str]] = {}
    files = _files(images, image_end or PHOTOS)
    stems = {os.path.splitext(name)[0] for name, _ in files}
    left_out = []
    for name, path in files:
        if not _is_photo(path) or (name.lower().endswith('.png') and _photo_of(name) in stems):
            left_out.append(name)
            continue
        stem = name[:-len(image_end)] if image_end else os.path.splitext(name)[0]
        # One folder for both: the PNG beside a JPEG of the same name is its label.
        if stem not in chosen or chosen[stem][1] == label_paths.get(stem):
            chosen[stem] = (name, path)
    if left_out and notes is not None:
        notes.append(f'{len(left_out)} PNG files are left out as depth images, by their 16 bits '
                     f'or the name of the photo beside them; the first: {left_out[0]}')
    return [Photo(name, path, label_paths.get(stem) if label_paths.get(stem) != path else None)
            for stem, (name, path) in sorted(chosen.items())]


def _files(folder: str, end: Union[str, Tuple[str, ...]]) -> List[Tuple[str, str]]:
    # Cameras write .JPG, too.
    ends = tuple(one.lower() for one in ([end] if isinstance(end, str) else end))
    found = []
    for parent, subfolders, names in os.walk(folder):
        subfolders.sort()
        found += [(os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, '/'),
                   os.path.join(parent, name))
                  for name in sorted(names) if name.lower().endswith(ends)]
    return found
