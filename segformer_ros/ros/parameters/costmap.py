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

_FRAMES = camera_poses.Frames()


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
        'Costs of the classes: indoor, outdoor, landing, street, or the path of a YAML file.')
    category_groups: str = rows.parameter(
        '', rows.CONFIGURE,
        'Groups of ~/category_mask: indoor, outdoor, landing, street, or the path of a YAML file; '
        'empty: those of the cost profile, shipped with it or made of its costs.')
    category_width: int = rows.parameter(
        *_setting_row('category_width')[2:5],
        range=costmap_settings.bounds_of('category_width'))
    odom_frame: str = rows.parameter(
        _FRAMES.odom_frame, rows.CONFIGURE,
        'Frame of the grid, in which the robot moves without jumps. Equal to ground_frame: there '
        'is no odometry, each image stands for itself, and one sighting makes a mark.')
    ground_frame: str = rows.parameter(
        _FRAMES.ground_frame, rows.CONFIGURE,
        "Frame of the robot whose plane z = 0 is the ground; the clouds' frame. Where no "
        'transform names base_footprint, base_link stands in for it.')
    transform_tolerance: float = rows.parameter(
        0.2, rows.LIVE,
        'Seconds that an image may wait for its pose and its depth image.', range=(0.0, 5.0))
    height_source: str = rows.parameter(
        _FRAMES.height_source, rows.CONFIGURE,
        'Height above ground in projection.mode overhead: tf is z of the camera in odom_frame, '
        'range the topic range.', choices=(camera_poses.TF, camera_poses.RANGE))
    imu_topic: str = rows.parameter(
        '', rows.CONFIGURE,
        'Topic of a sensor_msgs/Imu that tells how far the body is tipped against the ground, '
        'where TF has neither roll nor pitch; empty: no IMU is used.')
    imu_slope_time: float = rows.parameter(
        8.0, rows.CONFIGURE,
        'Seconds over which the median of the tilt is taken for the slope of the ground and an '
        'error of the IMU, so that only what lasts for less than half of that tips the body; 0: '
        'the ground is level.', range=(0.0, 60.0))
    mount_watch_enabled: bool = rows.parameter(
        False, rows.CONFIGURE,
        'Watch the pitch and the height of each camera while the robot drives, and warn in '
        'diagnostics where they cost a cell at projection.max_range.')
    mount_watch_apply: bool = rows.parameter(
        False, rows.CONFIGURE,
        'Correct pitch and height by what the watch finds, 3 degrees and a tenth of the height at '
        'most.')
    keepout_cost: int = rows.parameter(
        50, rows.LIVE, 'Least cost that ~/keepout_mask forbids.', range=(1, 100))
    slowest_speed: float = rows.parameter(
        0.3, rows.LIVE,
        'Share of full speed that ~/speed_mask leaves at the highest cost.', range=(0.01, 1.0))
    settings: costmap_settings.CostmapSettings = costmap_settings.CostmapSettings()

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


DOTTED = ('imu_', 'mount_watch_')
"""Beginnings of fields that are groups: ``imu_topic`` is the parameter ``imu.topic``."""


def _row_name(field: str) -> str:
    for beginning in DOTTED:
        if field.startswith(beginning):
            return beginning[:-1] + '.' + field[len(beginning):]
    return field


OWN_FIELDS = {_row_name(row.name): row.name for row in rows.rows_of(CostmapParameters)}
"""Fields of :class:`CostmapParameters` by the full names of their rows."""
OWN_ROWS = tuple(row._replace(name=_row_name(row.name))
                 for row in rows.rows_of(CostmapParameters))
COSTMAP_ROWS = OWN_ROWS + tuple(
    _setting_row(name) for name in costmap_settings.SETTINGS if '.' in name)


def costmap_parameters(values: Mapping[str, Any]) -> CostmapParameters:
    """
    Return frozen parameters from values that were checked one by one.

    :param values: by full name, one for every row of :data:`COSTMAP_ROWS`
    """
    own = {OWN_FIELDS[row.name]: row.kind(values[row.name]) for row in OWN_ROWS}
    settings = costmap_settings.settings_from(values)
    if own['odom_frame'] == own['ground_frame']:
        settings = costmap_settings.of_single_images(settings)
    return CostmapParameters(settings=settings, **own)
