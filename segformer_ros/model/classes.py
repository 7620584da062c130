# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Class ids, names and colours, and their grouping into fewer classes."""

import os
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import resources
from segformer_ros.common import strict_yaml
from segformer_ros.common.arrays import read_only
from segformer_ros.common.errors import ConfigurationError

UNLABELED = 255
"""Mask value of a pixel without a class: below the threshold, or of an unused class."""


class ClassTable:
    """
    The classes of a network: at most 255, since the id 255 is UNLABELED. Immutable.

    :param name: what the table is called, for logs
    :param names: one for every id, all different
    :param colors: (N, 3) RGB, 0..255
    :param dynamic: (N,) true for things that move: people, animals, vehicles
    :raises ConfigurationError: no class, too many, a blank or repeated name, or array lengths
        that differ
    """

    def __init__(self, name: str, names: Sequence[str], colors: arrays.ArrayLike,
                 dynamic: arrays.ArrayLike) -> None:
        self.name = name
        self.names = tuple(names)
        self.colors = read_only(colors, np.uint8)
        self.dynamic = read_only(dynamic, np.bool_)
        self._ids: Dict[str, int] = {}
        count = len(self.names)
        if not 1 <= count <= UNLABELED:
            raise ConfigurationError(f'Wrong number of classes in {name!r}', got=count,
                                     expected=f'1 to {UNLABELED}')
        if self.colors.shape != (count, 3) or self.dynamic.shape != (count,):
            raise ConfigurationError(
                f'Arrays of class table {name!r} do not fit',
                got=f'colors {self.colors.shape}, dynamic {self.dynamic.shape}',
                expected=f'{count} rows each')
        for class_id, class_name in enumerate(self.names):
            if not class_name.strip():
                raise ConfigurationError(f'Blank class name in {name!r}',
                                         got=f'id {class_id}')
            if class_name in self._ids:
                raise ConfigurationError(
                    f'Class name stands twice in {name!r}',
                    got=f'{class_name!r} for ids {self._ids[class_name]} and {class_id}',
                    remedy='Rename one of them.')
            self._ids[class_name] = class_id

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.names)

    def palette(self) -> arrays.UInt8:
        """Return (256, 3) RGB by mask value; UNLABELED and unused ids are black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[:len(self.names)] = self.colors
        return palette

    def id_of(self, class_name: str) -> int:
        """
        Return the id of a class.

        :raises ConfigurationError: no class has that name; the nearest names are listed
        """
        if class_name not in self._ids:
            raise ConfigurationError(
                'Unknown class name', got=repr(class_name),
                expected=f'a class of {self.name!r}',
                remedy=strict_yaml.nearest_text(class_name, self.names))
        return self._ids[class_name]


def load_class_table(name_or_path: str) -> ClassTable:
    """
    Return a shipped class table, or one's own from a YAML file.

    :param name_or_path: ``ade20k``, or a path that ends in .yaml or .yml
    :raises ConfigurationError: not found, or its content cannot be used
    """
    path = resolve('config/classes', name_or_path)
    content = strict_yaml.read_mapping(path)
    strict_yaml.check_keys(content, path, ['name', 'classes'])
    names: List[str] = []
    colors = []
    dynamic = []
    for where, entry in _entries(content, 'classes', 'class', path):
        strict_yaml.check_keys(entry, where, ['name', 'color'], ['dynamic'])
        names.append(strict_yaml.value_of(entry, 'name', where, str, 'text (quote yes, no, on)'))
        colors.append(_color(entry, where))
        dynamic.append(bool(entry.get('dynamic') and strict_yaml.value_of(
            entry, 'dynamic', where, bool, 'true or false')))
    return ClassTable(strict_yaml.value_of(content, 'name', path, str, 'text'),
                      names, colors, dynamic)


class Grouping:
    """
    A few groups in place of many classes. Immutable.

    :param name: what the grouping is called, for logs
    :param table: the groups themselves, as a class table
    :param lookup: (256,) class id to group id; classes without a group, unused ids and
        UNLABELED give UNLABELED. ``grouping.lookup[mask]`` regroups a mask
    """

    def __init__(self, name: str, table: ClassTable, lookup: arrays.ArrayLike) -> None:
        self.name = name
        self.table = table
        self.lookup = read_only(lookup, np.uint8)


def load_grouping(name_or_path: str, classes: ClassTable) -> Grouping:
    """
    Return a shipped grouping, or one's own from a YAML file.

    Every class must be a member of one group, or stand in ``unlabeled`` (what neither carries
    nor stops a robot). A group is dynamic if all its members are.

    :param name_or_path: ``indoor``, ``outdoor``, ``landing``, or a path that ends in .yaml
    :param classes: the table whose names are grouped
    :raises ConfigurationError: not found, an unknown class, or a class that is in no group or
        in two
    """
    path = resolve('config/groups', name_or_path)
    content = strict_yaml.read_mapping(path)
    strict_yaml.check_keys(content, path, ['name', 'groups'], ['unlabeled'])
    lookup = np.full(256, UNLABELED, np.uint8)
    owners: Dict[int, str] = {}

    def claim(members: List[Any], owner: str, value: int) -> List[int]:
        ids = [classes.id_of(member) for member in members]
        for class_id in ids:
            if class_id in owners:
                raise ConfigurationError(
                    f'Class is grouped twice in {path}',
                    got=f'{classes.names[class_id]!r} in {owners[class_id]!r} and {owner!r}')
            owners[class_id] = owner
            lookup[class_id] = value
        return ids

    names: List[str] = []
    colors = []
    dynamic = []
    for where, entry in _entries(content, 'groups', 'group', path):
        strict_yaml.check_keys(entry, where, ['name', 'color', 'members'])
        names.append(strict_yaml.value_of(entry, 'name', where, str, 'text'))
        colors.append(_color(entry, where))
        ids = claim(strict_yaml.value_of(entry, 'members', where, list, 'a list of class names'),
                    names[-1], len(names) - 1)
        dynamic.append(bool(ids) and all(classes.dynamic[ids]))
    if 'unlabeled' in content:
        claim(strict_yaml.value_of(content, 'unlabeled', path, list, 'a list of class names'),
              'unlabeled', UNLABELED)
    missing = [name for class_id, name in enumerate(classes.names) if class_id not in owners]
    if missing:
        raise ConfigurationError(
            f'Classes without a group in {path}', got=', '.join(missing),
            expected=f'every class of {classes.name!r} in one group',
            remedy='Add them to a group, or to "unlabeled".')
    return Grouping(strict_yaml.value_of(content, 'name', path, str, 'text'),
                    ClassTable(content['name'], names, colors, dynamic), lookup)


def resolve(folder: str, name_or_path: str) -> str:
    """
    Return the path of a shipped YAML file, or of the user's own.

    :param folder: where shipped ones lie, for example ``config/groups``
    :param name_or_path: a name without suffix, or a path that ends in .yaml or .yml
    :raises ConfigurationError: neither is there; the shipped names are listed
    """
    if is_path(name_or_path):
        return os.path.expanduser(name_or_path)
    shipped = shipped_names(folder)
    if name_or_path not in shipped:
        raise ConfigurationError(
            f'Not found in {folder}', got=repr(name_or_path),
            expected=f"one of {', '.join(shipped)}, or a path that ends in .yaml",
            remedy=strict_yaml.nearest_text(name_or_path, shipped))
    return resources.find(f'{folder}/{name_or_path}.yaml')


def is_path(name_or_path: str) -> bool:
    """Return whether a parameter names a file and not something shipped."""
    return name_or_path.endswith(('.yaml', '.yml'))


def shipped_names(folder: str) -> List[str]:
    """Return the names, sorted, of the YAML files that the package brings in a folder."""
    return sorted(file[:-len('.yaml')] for file in os.listdir(resources.find(folder))
                  if file.endswith('.yaml'))


def _entries(content: Dict[str, Any], key: str, what: str,
             path: str) -> Iterator[Tuple[str, Dict[str, Any]]]:
    for number, entry in enumerate(strict_yaml.value_of(content, key, path, list, 'a list')):
        if not isinstance(entry, dict):
            raise ConfigurationError(f'Wrong entry of {key!r} in {path}',
                                     got=repr(entry), expected='a mapping with a name')
        yield f'{what} {number} of {path}', entry


def _color(entry: Dict[str, Any], where: str) -> List[int]:
    color = strict_yaml.value_of(entry, 'color', where, list, '[red, green, blue]')
    if len(color) != 3 or not all(
            type(level) is int and 0 <= level <= 255 for level in color):
        raise ConfigurationError(f'Wrong color in {where}', got=color,
                                 expected='three whole numbers 0..255')
    return list(color)
