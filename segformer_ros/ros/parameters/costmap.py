# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The parameters of the costmap: one row each.

What the costmap itself uses has its rows in costmap/settings.py; those of the node stand here.
"""

from typing import Any, List, Mapping, NamedTuple, TypeVar

from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.ros.parameters import row as parameters_row
from segformer_ros.ros.parameters.row import CONFIGURE
from segformer_ros.ros.parameters.row import LIVE

TF, RANGE = 'tf', 'range'
OWN_ROWS: List[parameters_row.Row] = []
"""The rows of :class:`CostmapParameters`."""
_Value = TypeVar('_Value')


def _row(name: str, default: _Value, when: str, description: str, **limits: Any) -> _Value:
    OWN_ROWS.append(parameters_row.Row(name, type(default), default, when, description, **limits))
    return default


def _setting_row(name: str) -> parameters_row.Row:
    setting = costmap_settings.SETTINGS[name]
    return parameters_row.Row(name, type(setting.default), setting.default, LIVE,
                              setting.description, setting.bounds, setting.choices)


class CostmapParameters(NamedTuple):
    """The values of :data:`OWN_ROWS` by name, and of all others as ``settings``."""

    costmap: bool = _row(
        'costmap', True, CONFIGURE,
        'Make the costmap and its clouds. They need CameraInfo and the poses of the camera.')
    costmap_rate: float = _row('costmap_rate', 5.0, LIVE,
                               'Grids a second, with images or without.', range=(0.1, 50.0))
    cost_profile: str = _row(
        'cost_profile', 'indoor', LIVE,
        'Costs of the classes: indoor, outdoor, landing, or the path of a YAML file.')
    category_groups: str = _row(
        'category_groups', '', CONFIGURE,
        'Groups of ~/category_mask: indoor, outdoor, landing, or the path of a YAML file; empty: '
        'those named as the cost profile.')
    category_width: int = _row('category_width', *_setting_row('category_width')[2:5],
                               range=costmap_settings.bounds_of('category_width'))
    odom_frame: str = _row(
        'odom_frame', 'odom', CONFIGURE,
        'Frame of the grid, in which the robot moves without jumps. Equal to ground_frame: there '
        'is no odometry, each image stands for itself, and one sighting makes a mark.')
    ground_frame: str = _row(
        'ground_frame', 'base_footprint', CONFIGURE,
        "Frame of the robot whose plane z = 0 is the ground; the clouds' frame.")
    transform_tolerance: float = _row(
        'transform_tolerance', 0.2, LIVE,
        'Seconds that an image may wait for its pose and its depth image.', range=(0.0, 5.0))
    height_source: str = _row(
        'height_source', TF, CONFIGURE,
        'Height above ground in projection.mode overhead: tf is z of the camera in odom_frame, '
        'range the topic range.', choices=(TF, RANGE))
    keepout_cost: int = _row('keepout_cost', 50, LIVE, 'Least cost that ~/keepout_mask forbids.',
                             range=(1, 100))
    slowest_speed: float = _row(
        'slowest_speed', 0.3, LIVE,
        'Share of full speed that ~/speed_mask leaves at the highest cost.', range=(0.01, 1.0))
    settings: costmap_settings.CostmapSettings = costmap_settings.CostmapSettings()

    @property
    def groups(self) -> str:
        """Return the name or path of the grouping in use."""
        return self.category_groups or self.cost_profile

    @property
    def has_odometry(self) -> bool:
        """Return whether images are joined by the robot's motion."""
        return self.odom_frame != self.ground_frame


COSTMAP_ROWS = tuple(OWN_ROWS) + tuple(
    _setting_row(name) for name in costmap_settings.SETTINGS if '.' in name)


def costmap_parameters(values: Mapping[str, Any]) -> CostmapParameters:
    """
    Return frozen parameters from values that were checked one by one.

    :param values: by full name, one for every row of :data:`COSTMAP_ROWS`
    """
    own = {row.name: row.kind(values[row.name]) for row in OWN_ROWS}
    settings = costmap_settings.settings_from(values)
    if own['odom_frame'] == own['ground_frame']:
        # Nothing can add up over several images: one sighting has to be enough for a mark.
        settings = settings._replace(fusion=settings.fusion._replace(
            mark_threshold=costmap_settings.bounds_of('fusion.mark_threshold')[0]))
    return CostmapParameters(settings=settings, **own)
