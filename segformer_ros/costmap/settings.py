# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Every setting of the costmap: one row each, with its default, its bounds and its meaning.

A row gives the field of the settings below, its check, and the ROS parameter of that name.
All of them may change between two frames.
"""

import math
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, TypeVar

from segformer_ros.common.errors import ConfigurationError

CONTACT = 'contact'
NADIR = 'overhead'
"""The value keeps the name that users set."""
METRIC, SCALED, INVERSE = 'metric', 'scaled', 'inverse'
"""Kinds of depth images: metres, or up to scale and shift of depth, or of one over depth."""
MOST_CELLS = 2048
"""Cells on a side of the grid; the grid then takes 150 MB, at 36 bytes a cell."""


class Setting(NamedTuple):
    """One row; ``bounds`` are inclusive, ``choices`` are all values that are accepted."""

    name: str
    default: Any
    description: str
    bounds: Optional[Tuple[float, float]]
    choices: Optional[Tuple[str, ...]]


SETTINGS: Dict[str, Setting] = {}
"""All rows by full name, such as ``fusion.forget_time``, in the order of the settings below."""
_Value = TypeVar('_Value')


def _setting(name: str, default: _Value, description: str,
             bounds: Optional[Tuple[float, float]] = None,
             choices: Optional[Tuple[str, ...]] = None) -> _Value:
    SETTINGS[name] = Setting(name, default, description, bounds, choices)
    return default


class GridSettings(NamedTuple):
    """The grid's shape."""

    size: float = _setting('grid.size', 10.0, 'Side of the grid, metres.', (1.0, 200.0))
    resolution: float = _setting('grid.resolution', 0.05, 'Side of a cell, metres.', (0.01, 2.0))
    # In steps, since StaticLayer writes a log line whenever the origin moves. A rolling local
    # costmap must fit into the grid with 3/4 of a block to spare on each side.
    block: float = _setting('grid.block', 1.0, 'Metres by which the origin moves at once.',
                            (0.1, 50.0))


class ProjectionSettings(NamedTuple):
    """From pixels to ground."""

    mode: str = _setting(
        'projection.mode', CONTACT,
        'contact: a camera that looks ahead; an obstacle stands where its lowest pixel meets the '
        'ground. overhead: a camera that looks down.', choices=(CONTACT, NADIR))
    max_range: float = _setting(
        'projection.max_range', 5.0,
        "Metres from the camera's foot point; errors grow with the square of it.", (0.2, 200.0))
    horizon: float = _setting('projection.horizon', 0.01,
                              'Sine of the least angle of a ray below the horizon.', (0.001, 0.5))
    min_confidence: int = _setting(
        'projection.min_confidence', 0,
        'Pixels below this confidence count as unseen; 255 is sure.', (0, 255))
    # Mistakes come again in neighbouring images: several unsure sightings are no sure one.
    confidence_power: float = _setting(
        'projection.confidence_power', 3.0,
        'Power of the confidence by which ground and obstacles that stay count, without depth; 0 '
        'ignores it. What moves counts by the confidence itself.', (0.0, 10.0))
    # To within a fifth: samples lie a little closer than image rows.
    min_run: int = _setting('projection.min_run', 3, 'Pixels that an obstacle must be high.',
                            (1, 100))
    max_gap: int = _setting(
        'projection.max_gap', 6,
        'Unlabeled pixels between ground and obstacle that still count as their border.', (0, 100))
    obstacle_z: float = _setting(
        'projection.obstacle_z', 0.2,
        "Height of obstacle points, metres; Nav2's gates drop points at 0.", (0.0, 2.0))
    robot_radius: float = _setting(
        'projection.robot_radius', 0.3,
        "Metres from ground_frame's origin to the bumper. What fills the lowest row in view may "
        'stand anywhere from there on.', (0.0, 5.0))
    overhang: float = _setting(
        'projection.overhang', 2.0,
        'Metres that crowns and roofs start above the ground at most (overhead).', (0.0, 50.0))
    # From a hand's breadth grass fills the picture, and networks call it a car.
    min_height: float = _setting(
        'projection.min_height', 0.0,
        'Metres above the ground below which images are not used (overhead).', (0.0, 50.0))


class DepthSettings(NamedTuple):
    """From a depth image to cells, instead of the flat-ground assumption."""

    kind: str = _setting(
        'depth.kind', METRIC,
        'metric: depth in metres. scaled, inverse: depth of a network, or one over it, of unknown '
        'scale and shift, which the ground in each image gives.',
        choices=(METRIC, SCALED, INVERSE))
    ground_tolerance: float = _setting(
        'depth.ground_tolerance', 0.05,
        'Metres above or below the plane that still are ground.', (0.005, 1.0))
    # As depth noise and tilt grow.
    tolerance_slope: float = _setting(
        'depth.tolerance_slope', 0.02, 'Growth of ground_tolerance for each metre of range.',
        (0.0, 0.5))
    max_height: float = _setting(
        'depth.max_height', 2.0, 'Metres; what starts above it is passed under.', (0.1, 10.0))
    min_points: int = _setting(
        'depth.min_points', 3, 'Depth points that a cell needs to hold an obstacle.', (1, 1000))
    max_points: int = _setting('depth.max_points', 80000,
                               'Pixels that are used of a larger depth image.', (1000, 10000000))


class FusionSettings(NamedTuple):
    """
    From frames to a lasting grid.

    Obstacle evidence is a sum of log-odds, each times a power of confidence and range weight, kept
    within ``free_limit`` and ``occupied_limit``. Ground costs are exponential averages.
    """

    occupied_gain: float = _setting(
        'fusion.occupied_gain', 0.85, 'Log-odds that one sighting of an obstacle adds.',
        (0.05, 10.0))
    # What moves stands elsewhere in the next image, so one sighting at a confidence of a
    # quarter, which is usual at the border of a person, has to be enough.
    dynamic_gain: float = _setting(
        'fusion.dynamic_gain', 2.5,
        'Log-odds that one sighting of a person, animal or vehicle adds.', (0.05, 10.0))
    free_gain: float = _setting(
        'fusion.free_gain', 0.4, 'Log-odds that one sighting of ground takes away.', (0.0, 10.0))
    occupied_limit: float = _setting(
        'fusion.occupied_limit', 3.5, 'Upper limit of the log-odds.', (0.1, 50.0))
    free_limit: float = _setting(
        'fusion.free_limit', -0.85, 'Lower limit of the log-odds.', (-50.0, 0.0))
    mark_threshold: float = _setting(
        'fusion.mark_threshold', 0.6, 'Log-odds from which a cell is lethal.', (0.05, 50.0))
    static_decay_time: float = _setting(
        'fusion.static_decay_time', 20.0, 'Seconds that an unseen obstacle stays.', (0.1, 3600.0))
    dynamic_decay_time: float = _setting(
        'fusion.dynamic_decay_time', 1.5,
        'Seconds after its last image that an unseen person, animal or vehicle stays.',
        (0.1, 3600.0))
    cost_gain: float = _setting(
        'fusion.cost_gain', 0.4, 'Weight of a new cost of ground against the remembered one.',
        (0.01, 1.0))
    forget_time: float = _setting('fusion.forget_time', 30.0,
                                  'Seconds after which an unseen cell is unknown.', (0.1, 3600.0))
    min_blob: int = _setting(
        'fusion.min_blob', 1, 'Touching lethal cells that are published at least.', (1, 1000))


class MovingSettings(NamedTuple):
    """Where what moves will be."""

    prediction_time: float = _setting(
        'moving.prediction_time', 3.0,
        'Seconds after an image for which the way of a person, animal or vehicle that walks or '
        'drives is marked ahead of it; 0: it is not. Not overhead, and not without odometry.',
        (0.0, 5.0))


class TimeSettings(NamedTuple):
    """Which stamps are believed; a jump back counts against the last stamp of one source."""

    jump_back: float = _setting(
        'time.jump_back', 0.5, 'Seconds that time must go back to clear the grid.', (0.0, 60.0))
    future: float = _setting(
        'time.future', 1.0, 'Seconds that an image may be ahead of the clock.', (0.0, 60.0))


class LandingSettings(NamedTuple):
    """What a landing site needs."""

    # Of the drone with its margin.
    min_radius: float = _setting(
        'landing.min_radius', 0.5, 'Least radius of a landing site, metres.', (0.05, 50.0))
    # Covers errors of height and pose.
    clearance: float = _setting(
        'landing.clearance', 0.2, 'Metres between a landing site and anything not free.',
        (0.0, 20.0))
    # Somebody who is seen beside the disc may be in it before the drone is down.
    moving_clearance: float = _setting(
        'landing.moving_clearance', 0.0,
        'Metres between a landing site and people, animals and vehicles, where that is more.',
        (0.0, 50.0))
    max_cost: int = _setting('landing.max_cost', 20, 'Highest cost of ground to land on.', (0, 98))
    # Somebody may have walked there meanwhile.
    max_age: float = _setting(
        'landing.max_age', 3.0,
        'Seconds since the newest image, beyond which no site is told; and (overhead) for which '
        'ground is remembered that is in view and not recognised any more.', (0.1, 60.0))


class CostmapSettings(NamedTuple):
    """All settings of the costmap."""

    grid: GridSettings = GridSettings()
    projection: ProjectionSettings = ProjectionSettings()
    depth: DepthSettings = DepthSettings()
    fusion: FusionSettings = FusionSettings()
    moving: MovingSettings = MovingSettings()
    time: TimeSettings = TimeSettings()
    landing: LandingSettings = LandingSettings()
    category_width: int = _setting(
        'category_width', 320, 'Pixels across ~/category_mask and ~/points.', (16, 4096))


# No two groups have a field of the same name.
_BY_FIELD = {name.rpartition('.')[2]: row for name, row in SETTINGS.items()}


def bounds_of(name: str) -> Tuple[float, float]:
    """Return the least and the greatest value of a setting by its full name."""
    return SETTINGS[name].bounds or (-math.inf, math.inf)


def settings_from(values: Mapping[str, Any]) -> CostmapSettings:
    """
    Return the settings that values give; they are not checked.

    :param values: one by the full name of each row
    """
    groups: Dict[str, Any] = CostmapSettings()._asdict()
    for name, row in SETTINGS.items():
        group, _, field = name.rpartition('.')
        value = type(row.default)(values[name])
        groups[group or field] = groups[group]._replace(**{field: value}) if group else value
    return CostmapSettings(**groups)


def of_single_images(settings: CostmapSettings) -> CostmapSettings:
    """
    Return settings for a robot without odometry, where each image stands for itself.

    Nothing can add up over several images: one sighting has to be enough for a mark.
    """
    return settings._replace(fusion=settings.fusion._replace(
        mark_threshold=bounds_of('fusion.mark_threshold')[0]))


def check(*groups: Any) -> None:
    """
    Check settings against their bounds and against each other.

    :param groups: instances of the classes above; CostmapSettings stands for all of them
    :raises ConfigurationError: names the setting, its value and what is accepted
    """
    for group in groups:
        for name, value in group._asdict().items():
            if name in _BY_FIELD:
                _check_value(_BY_FIELD[name], value)
            else:
                check(value)
        if isinstance(group, GridSettings):
            _check_grid(group)
        if isinstance(group, FusionSettings):
            _check_fusion(group)


def _check_value(row: Setting, value: Any) -> None:
    if row.choices is not None and value not in row.choices:
        raise ConfigurationError('Unknown ' + row.name.replace('.', ' '), got=repr(value),
                                 expected=' or '.join(repr(each) for each in row.choices))
    # Comparing this way round refuses NaN too.
    if row.bounds is not None and not row.bounds[0] <= value <= row.bounds[1]:
        raise ConfigurationError(f'Setting {row.name!r} is out of bounds',
                                 got=value, expected='{} .. {}'.format(*row.bounds))


def _check_grid(grid: GridSettings) -> None:
    if grid.size < 2.0 * grid.block:
        raise ConfigurationError(
            'Grid is smaller than two blocks', got=f'grid.size {grid.size} m',
            expected=f'at least {2.0 * grid.block} m with grid.block {grid.block} m',
            remedy='Raise grid.size, or lower grid.block.')
    if grid.size > MOST_CELLS * grid.resolution:
        raise ConfigurationError(
            'Grid has too many cells',
            got=f'grid.size {grid.size} m with grid.resolution {grid.resolution} m',
            expected=f'at most {MOST_CELLS} cells a side',
            remedy='Lower grid.size, or raise grid.resolution.')


def _check_fusion(fusion: FusionSettings) -> None:
    if fusion.mark_threshold >= fusion.occupied_limit:
        raise ConfigurationError(
            'No cell could ever be lethal', got=f'fusion.mark_threshold {fusion.mark_threshold}',
            expected=f'less than fusion.occupied_limit {fusion.occupied_limit}',
            remedy='Lower fusion.mark_threshold, or raise fusion.occupied_limit.')
    longer = [f'fusion.{name} {value} s' for name, value in (
        ('static_decay_time', fusion.static_decay_time),
        ('dynamic_decay_time', fusion.dynamic_decay_time)) if value > fusion.forget_time]
    if longer:
        raise ConfigurationError(
            'Obstacles would outlive the memory', got=' and '.join(longer),
            expected=f'at most fusion.forget_time {fusion.forget_time} s',
            remedy='Raise fusion.forget_time, or lower the decay time.')
