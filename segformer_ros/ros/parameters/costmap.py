# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The parameters of the costmap: one row each.

What the costmap itself uses has its rows in costmap/settings.py; those of the node stand here.
"""

from typing import Any, Mapping, NamedTuple

from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.geometry import camera_poses
from segformer_ros.ros.parameters import row as rows


def _setting_row(name: str) -> rows.Row:
    setting = costmap_settings.SETTINGS[name]
    return rows.Row(name, type(setting.default), setting.default, rows.LIVE,
                    setting.description, setting.bounds, setting.choices)


class CostmapParameters(NamedTuple):
    """The values of :data:`OWN_ROWS` by name, and of all others as ``settings``."""

    costmap: bool = rows.parameter(
        True, rows.CONFIGURE,
        'Make the costmap and its clouds. They need CameraInfo and the poses of the camera.')
    costmap_rate: float = rows.parameter(
        5.0, rows.LIVE,
        'Grids a second, with images or without.', range=(0.1, 50.0))
    cost_profile: str = rows.parameter(
        'indoor', rows.LIVE,
        'Costs of the classes: indoor, outdoor, landing, or the path of a YAML file.')
    category_groups: str = rows.parameter(
        '', rows.CONFIGURE,
        'Groups of ~/category_mask: indoor, outdoor, landing, or the path of a YAML file; empty: '
        'those named as the cost profile.')
    category_width: int = rows.parameter(
        *_setting_row('category_width')[2:5],
        range=costmap_settings.bounds_of('category_width'))
    odom_frame: str = rows.parameter(
        'odom', rows.CONFIGURE,
        'Frame of the grid, in which the robot moves without jumps. Equal to ground_frame: there '
        'is no odometry, each image stands for itself, and one sighting makes a mark.')
    ground_frame: str = rows.parameter(
        'base_footprint', rows.CONFIGURE,
        "Frame of the robot whose plane z = 0 is the ground; the clouds' frame. Where no "
        'transform names base_footprint, base_link stands in for it.')
    transform_tolerance: float = rows.parameter(
        0.2, rows.LIVE,
        'Seconds that an image may wait for its pose and its depth image.', range=(0.0, 5.0))
    height_source: str = rows.parameter(
        camera_poses.TF, rows.CONFIGURE,
        'Height above ground in projection.mode overhead: tf is z of the camera in odom_frame, '
        'range the topic range.', choices=(camera_poses.TF, camera_poses.RANGE))
    keepout_cost: int = rows.parameter(
        50, rows.LIVE, 'Least cost that ~/keepout_mask forbids.', range=(1, 100))
    slowest_speed: float = rows.parameter(
        0.3, rows.LIVE,
        'Share of full speed that ~/speed_mask leaves at the highest cost.', range=(0.01, 1.0))
    settings: costmap_settings.CostmapSettings = costmap_settings.CostmapSettings()

    @property
    def groups(self) -> str:
        """Return the name or path of the grouping in use."""
        return self.category_groups or self.cost_profile

    @property
    def has_odometry(self) -> bool:
        """Return whether images are joined by the robot's motion."""
        return self.frames.has_odometry

    @property
    def frames(self) -> camera_poses.Frames:
        """Return between which frames poses are looked for."""
        return camera_poses.Frames(
            self.odom_frame, self.ground_frame, self.transform_tolerance, self.height_source,
            self.settings.projection.mode == costmap_settings.NADIR)


OWN_ROWS = rows.rows_of(CostmapParameters)
COSTMAP_ROWS = OWN_ROWS + tuple(
    _setting_row(name) for name in costmap_settings.SETTINGS if '.' in name)


def costmap_parameters(values: Mapping[str, Any]) -> CostmapParameters:
    """
    Return frozen parameters from values that were checked one by one.

    :param values: by full name, one for every row of :data:`COSTMAP_ROWS`
    """
    own = {row.name: row.kind(values[row.name]) for row in OWN_ROWS}
    settings = costmap_settings.settings_from(values)
    if own['odom_frame'] == own['ground_frame']:
        settings = costmap_settings.of_single_images(settings)
    return CostmapParameters(settings=settings, **own)
