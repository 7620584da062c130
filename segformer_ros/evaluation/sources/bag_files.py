# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Find recordings on disk: rosbag2 folders, single files, split and ROS 1 bags."""

import os
import re
from typing import Any, Dict, List, NamedTuple, Tuple

from segformer_ros.common import strict_yaml
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.text import one_line

METADATA = 'metadata.yaml'
STORAGES = {'.mcap': 'mcap', '.db3': 'sqlite3', '.bag': 'ros1'}

# rosbag2 writes this suffix behind the storage's own when it compresses whole files.
COMPRESSED = '.zstd'


class BagPart(NamedTuple):
    """One file of a recording; ``storage`` is ``mcap``, ``sqlite3`` or ``ros1``."""

    path: str
    storage: str

    @property
    def is_compressed(self) -> bool:
        """Return whether the whole file is compressed."""
        return self.path.endswith(COMPRESSED)


class Bag(NamedTuple):
    """
    One recording.

    ``parts`` are its files in the order of time, missing ones included. ``expected`` is the
    number of messages by topic that its metadata tells, empty without. ``notes`` say what is
    wrong with the folder.
    """

    name: str
    parts: Tuple[BagPart, ...]
    expected: Dict[str, int]
    notes: Tuple[str, ...]


def find_bags(path: str) -> List[Bag]:
    """
    Return the recordings at a path, sorted by name.

    :param path: a storage file, a rosbag2 folder, or a folder of recordings at any depth
    :return: possibly none
    :raises ConfigurationError: the path does not exist
    """
    if not os.path.exists(path):
        raise ConfigurationError('Input not found', got=path,
                                 expected='a bag, or a folder of bags or images')
    name = os.path.basename(os.path.abspath(path))
    if os.path.isfile(path):
        storage = _storage_of(path)
        return [Bag(_stem(name), (BagPart(path, storage),), {}, ())] if storage else []
    bags: List[Bag] = []
    for folder, subfolders, names in os.walk(path):
        subfolders.sort()
        if METADATA not in names and not any(_storage_of(file) for file in names):
            continue
        inside = os.path.relpath(folder, path)
        bags += _bags_of_folder(folder, name if inside == os.curdir else
                                f"{name}/{inside.replace(os.sep, '/')}", names)
        if METADATA in names:
            subfolders[:] = []
    return bags


def _bags_of_folder(folder: str, name: str, files: List[str]) -> List[Bag]:
    loose = sorted((file for file in files if _storage_of(file)), key=_natural)
    if METADATA in files:
        try:
            return [_bag_with_metadata(folder, name)]
        except (ConfigurationError, KeyError, TypeError, ValueError, OverflowError) as error:
            cause = one_line(error)
            return [_bag_of_files(
                folder, name, loose, f'{METADATA} cannot be used ({type(error).__name__}: '
                f'{cause}); the storage files are read without it')]
    ros1 = [file for file in loose if file.endswith('.bag')]
    # ROS 1 bags in one folder are recordings of their own; rosbag2 files are one split recording.
    bags = [Bag(f'{name}/{_stem(file)}',
                (BagPart(os.path.join(folder, file), 'ros1'),), {}, ()) for file in ros1]
    rosbag2 = [file for file in loose if file not in ros1]
    if rosbag2:
        bags.append(_bag_of_files(folder, name, rosbag2, METADATA + ' is missing; the storage '
                                  'files are read without it'))
    return bags


def _bag_with_metadata(folder: str, name: str) -> Bag:
    content: Dict[str, Any] = strict_yaml.read_mapping(
        os.path.join(folder, METADATA))['rosbag2_bagfile_information']
    parts = []
    notes = []
    for relative_path in content['relative_file_paths']:
        # Early recorders wrote the folder's name too; it may have been renamed since.
        path = os.path.join(folder, os.path.basename(relative_path))
        storage = _storage_of(path)
        if storage:
            parts.append(BagPart(path, storage))
        else:
            notes.append(f'{relative_path} is of an unknown storage')
    expected = {topic['topic_metadata']['name']: int(topic['message_count'])
                for topic in content['topics_with_message_count']}
    return Bag(name, tuple(parts), expected, tuple(notes))


def _bag_of_files(folder: str, name: str, files: List[str], note: str) -> Bag:
    parts = tuple(BagPart(os.path.join(folder, file), _storage_of(file)) for file in files)
    return Bag(name, parts, {}, (note,))


def _storage_of(path: str) -> str:
    return STORAGES.get(os.path.splitext(_decompressed(path))[1], '')


def _stem(name: str) -> str:
    return os.path.splitext(_decompressed(name))[0]


def _decompressed(path: str) -> str:
    return path[:-len(COMPRESSED)] if path.endswith(COMPRESSED) else path


def _natural(name: str) -> List[Tuple[int, str]]:
    # run_2.mcap before run_10.mcap.
    return [(int(digits or 0), text) for text, digits in re.findall(r'(\D*)(\d*)', name)]
