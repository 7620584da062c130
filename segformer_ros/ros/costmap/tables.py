# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the parameters make of the classes of a network, and of those of the next one."""

import contextlib
from typing import Iterator, NamedTuple, Optional, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.model import classes as model_classes
from segformer_ros.ros.parameters.node import NodeParameters


class Tables(NamedTuple):
    """
    What is made of the classes of a network; None where there is no costmap.

    ``trouble``: why there is none, though the parameters ask for one.
    """

    groups: Optional[model_classes.Grouping] = None
    costs: Optional[cost_table.CostTable] = None
    trouble: str = ''


def load_tables(parameters: NodeParameters, classes: model_classes.ClassTable) \
        -> Tuple[model_classes.Grouping, cost_table.CostTable]:
    """
    Return what ``cost_profile`` and ``category_groups`` make of classes.

    :raises ConfigurationError: one of them cannot be used; it is named
    """
    return _load(parameters, classes, '', '')


def load_next_tables(parameters: NodeParameters, classes: model_classes.ClassTable,
                     has_costmap: bool) -> Tables:
    """
    Return what is made of the classes of the next network.

    What is named for it has to fit, also where there is no costmap. What is not named need not
    where the costmap is off already: that takes nothing away.

    :param parameters: as they will be, with ``next_cost_profile`` and ``next_category_groups``
    :param has_costmap: whether there is one now
    :raises ConfigurationError: costs or groups cannot be used; the parameter is named
    """
    profile = 'next_' if parameters.next_cost_profile else ''
    groups = 'next_' if parameters.next_category_groups else ''
    if parameters.costmap.costmap:
        try:
            tables = Tables(*_load(parameters, classes, profile, groups))
            if not has_costmap and tables.costs is not None:
                # Compiles what it needs, which may take seconds, while the other network serves.
                CostmapPipeline(parameters.costmap.settings, tables.costs)
            return tables
        except ConfigurationError as error:
            if has_costmap or profile or groups:
                raise
            return Tables(trouble=str(error))
    if profile:
        _load(parameters, classes, profile, groups)
    elif groups:
        with _naming('next_category_groups'):
            model_classes.load_grouping(parameters.next_category_groups, classes)
    return Tables()


def _load(parameters: NodeParameters, classes: model_classes.ClassTable, profile_prefix: str,
          groups_prefix: str) -> Tuple[model_classes.Grouping, cost_table.CostTable]:
    costmap = parameters.costmap
    name = profile_prefix + 'cost_profile'
    with _naming(name):
        costs = cost_table.load_cost_table(costmap.cost_profile, classes)
    with _naming(groups_prefix + 'category_groups' if costmap.category_groups else name):
        groups = cost_table.load_groups(costmap.category_groups, costmap.cost_profile, costs)
    return groups, costs


@contextlib.contextmanager
def _naming(parameter: str) -> Iterator[None]:
    """Say in an error which parameter it is about."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f'{parameter}: {error.problem}', got=error.got,
                                 expected=error.expected, remedy=error.remedy) from error
