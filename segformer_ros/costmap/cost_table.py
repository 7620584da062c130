# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What each class means to a robot: ground with a cost, an obstacle, or nothing.

Costs are OccupancyGrid values. 99 is never used: StaticLayer turns it into INSCRIBED from
Lyrical on, and into 251 before. Values above 100 would be lethal, below -1 they are undefined.
"""

from typing import Any, Dict, Iterable, List, Optional

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common import strict_yaml
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model import classes as model_classes
from segformer_ros.model.classes import ClassTable

FOLDER = 'config/costs'
"""Where the shipped profiles lie."""
HIGHEST_COST = 98
"""The most that ground can cost and still be ground."""
LETHAL = 100
"""Occupancy of a cell that holds an obstacle."""
UNKNOWN = -1
"""Occupancy of a cell that nobody has seen lately."""

# Values of CostTable.kinds. A value that is not a class of the table has kind NOTHING too.
NOTHING = 0
GROUND = 1
OBSTACLE = 2

CAUTION_COST = 30
"""Ground from here on is a group of its own where groups are made of costs."""
_GROUPS = ('free', 'caution', 'obstacle', 'moving')
_GROUP_COLORS = ((60, 180, 75), (255, 200, 0), (200, 30, 30), (150, 60, 220))

_WORDS = {'lethal': LETHAL, 'ignore': UNKNOWN}
_EXPECTED = '0..98 for ground, "lethal", or "ignore"'


class CostTable:
    """
    Kind and cost of every mask value. Immutable.

    ``kinds`` (256,) uint8 holds NOTHING, GROUND or OBSTACLE; ``costs`` (256,) uint8 holds 0..98
    for ground, 100 for obstacles and 0 for nothing; ``dynamic`` (256,) tells what may move away;
    ``lethal_when_level`` (256,) which obstacles stay obstacles where depth measures level ground.

    :param name: what the profile is called, for logs
    :param classes: the classes of the mask
    :param occupancy: cost by class id: 0..98, LETHAL, or UNKNOWN for a class that is neither
        ground nor obstacle (sky, ceiling)
    :param lethal_when_level: names of lethal classes that need not stand up to be dangerous;
        None: all of them, so that nothing is cleared that nobody has thought about
    :raises ConfigurationError: wrong number of classes, a value that is none of these, or a name
        that is not a lethal class
    """

    def __init__(self, name: str, classes: ClassTable, occupancy: arrays.ArrayLike,
                 lethal_when_level: Optional[Iterable[str]] = None) -> None:
        values = np.array(occupancy, np.int64)
        if values.shape != (len(classes),):
            raise ConfigurationError(f'Cost table {name!r} does not fit its classes',
                                     got=f'{values.size} values', expected=len(classes))
        fits = ((values >= UNKNOWN) & (values <= HIGHEST_COST)) | (values == LETHAL)
        if not fits.all():
            class_id = int(np.argmin(fits))
            raise ConfigurationError(
                f'Cost of {classes.names[class_id]!r} in {name!r} cannot be used',
                got=int(values[class_id]), expected=_EXPECTED)
        self.name = name
        self.classes = classes
        self.kinds = np.full(256, NOTHING, np.uint8)
        self.costs = np.zeros(256, np.uint8)
        self.dynamic = np.zeros(256, np.bool_)
        ids = np.arange(len(classes))
        self.kinds[ids[values >= 0]] = GROUND
        self.kinds[ids[values == LETHAL]] = OBSTACLE
        self.costs[ids] = np.maximum(values, 0)
        self.dynamic[ids] = classes.dynamic
        self.lethal_when_level = self.kinds == OBSTACLE
        if lethal_when_level is not None:
            marked = [self._lethal_id(each) for each in lethal_when_level]
            self.lethal_when_level = np.isin(np.arange(256), marked)
        for array in (self.kinds, self.costs, self.dynamic, self.lethal_when_level):
            array.setflags(write=False)

    def occupancy_of(self, class_name: str) -> int:
        """
        Return 0..98, LETHAL or UNKNOWN for a class.

        :raises ConfigurationError: no class has that name
        """
        class_id = self.classes.id_of(class_name)
        return int(self.costs[class_id]) if self.kinds[class_id] != NOTHING else UNKNOWN

    def grouping(self) -> model_classes.Grouping:
        """
        Return the classes in groups by what they cost.

        ``free`` costs less than CAUTION_COST, ``caution`` is other ground, ``obstacle`` is
        lethal and stays, ``moving`` is lethal and may move away; the rest is in none.
        """
        groups = np.full(256, model_classes.UNLABELED, np.uint8)
        ground, lethal = self.kinds == GROUND, self.kinds == OBSTACLE
        groups[ground] = np.where(self.costs[ground] < CAUTION_COST, 0, 1)
        groups[lethal] = np.where(self.dynamic[lethal], 3, 2)
        return model_classes.Grouping(self.name, ClassTable(
            self.name, _GROUPS, _GROUP_COLORS, [name == 'moving' for name in _GROUPS]), groups)

    def _lethal_id(self, class_name: str) -> int:
        if self.occupancy_of(class_name) != LETHAL:
            raise ConfigurationError(
                f'{class_name!r} cannot be lethal when level in {self.name!r}',
                got=self.occupancy_of(class_name), expected='a class whose cost is "lethal"',
                remedy='Take it out of lethal_when_level, or make its cost "lethal".')
        return self.classes.id_of(class_name)


def load_cost_table(name_or_path: str, classes: ClassTable) -> CostTable:
    """
    Return a shipped cost profile, or one's own from a YAML file.

    The file has ``name``, ``costs`` (class name: 0..98, ``lethal`` or ``ignore``) and, if it
    does not name every class, ``default`` for the rest. ``lethal_when_level`` lists the lethal
    classes that stay so where depth measures level ground; without it all of them do.

    :param name_or_path: ``indoor``, ``outdoor``, ``landing``, ``street``, or a path that ends in
        .yaml
    :param classes: the classes of the mask
    :raises ConfigurationError: not found, an unknown class (the nearest names are listed), a
        value that cannot be used, or a class without one
    """
    path = model_classes.resolve(FOLDER, name_or_path)
    content = strict_yaml.read_mapping(path)
    strict_yaml.check_keys(content, path, ['name', 'costs'], ['default', 'lethal_when_level'])
    costs: Dict[str, Any] = strict_yaml.value_of(content, 'costs', path, dict,
                                                 'a mapping of class names to costs')
    by_id = {}
    for class_name, value in costs.items():
        by_id[classes.id_of(class_name)] = _cost(value, class_name, path)
    missing = [name for class_id, name in enumerate(classes.names) if class_id not in by_id]
    if missing and 'default' not in content:
        raise ConfigurationError(f'Classes without a cost in {path}', got=', '.join(missing),
                                 expected=f'every class of {classes.name!r}',
                                 remedy='Name them, or set "default: lethal".')
    rest = _cost(content['default'], 'default', path) if missing else UNKNOWN
    return CostTable(strict_yaml.value_of(content, 'name', path, str, 'text'), classes,
                     [by_id.get(class_id, rest) for class_id in range(len(classes))],
                     _level_classes(content, path))


def load_groups(groups: str, profile: str, costs: CostTable) -> model_classes.Grouping:
    """
    Return the groups of the classes of a cost table.

    :param groups: name or path of a grouping; empty takes the shipped one of the profile's name,
        or for a profile of one's own what its costs say
    :param profile: name or path from which the costs are
    :param costs: of the classes of the mask
    :raises ConfigurationError: they cannot be used
    """
    if not groups and model_classes.is_path(profile):
        return costs.grouping()
    return model_classes.load_grouping(groups or profile, costs.classes)


def _level_classes(content: Dict[str, Any], path: str) -> Optional[List[str]]:
    if 'lethal_when_level' not in content:
        return None
    names: List[Any] = strict_yaml.value_of(content, 'lethal_when_level', path, list,
                                            'a list of class names')
    for name in names:
        if not isinstance(name, str):
            raise ConfigurationError(f'A class of lethal_when_level in {path} is not a name',
                                     got=repr(name), expected='a class name')
    return names


def _cost(value: Any, key: str, path: str) -> int:
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    if type(value) is int and 0 <= value <= HIGHEST_COST:
        return value
    raise ConfigurationError(f'Cost of {key!r} in {path} cannot be used',
                             got=repr(value), expected=_EXPECTED)
