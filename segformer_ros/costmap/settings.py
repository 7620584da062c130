# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every number of the costmap stage that a user may set, its default and its bounds."""

from typing import Any, Dict, NamedTuple, Tuple

from segformer_ros.common.errors import ConfigurationError

CONTACT = 'contact'
OVERHEAD = 'overhead'
MOST_CELLS = 2048
"""Cells on a side of the grid; the grid then takes 150 MB, at 36 bytes a cell."""


class GridSettings(NamedTuple):
    """
    The grid's shape.

    ``size`` is the side in metres, ``resolution`` that of a cell. The origin moves in steps of
    ``block`` metres, since StaticLayer writes a log line whenever it moves. A rolling local
    costmap must fit into the grid with 3/4 of a block to spare on each side.
    """

    size: float = 10.0
    resolution: float = 0.05
    block: float = 1.0


class ProjectionSettings(NamedTuple):
    """
    From pixels to ground.

    ``mode``: ``contact`` for a camera that looks ahead (an obstacle stands where its lowest
    pixel meets the ground), ``overhead`` for one that looks down (everything lies where it is
    seen). ``max_range``: metres from the camera's foot point; range errors grow with its square
    over the camera height. ``horizon``: sine of the least angle of a ray below the horizon.
    ``min_confidence``: 0..255, pixels below it count as unseen. ``min_run``: pixels that an
    obstacle must be high (to within a fifth: samples lie a little closer than image rows).
    ``max_gap``: unlabelled pixels between ground and obstacle that still count as their border.
    ``obstacle_z``: height given to obstacle points, metres; Nav2's height gates drop points at
    0. ``overhang``: metres that tree crowns and roofs start above the ground at most (overhead
    mode only).
    """

    mode: str = CONTACT
    max_range: float = 5.0
    horizon: float = 0.01
    min_confidence: int = 0
    min_run: int = 3
    max_gap: int = 6
    obstacle_z: float = 0.2
    overhang: float = 2.0


class DepthSettings(NamedTuple):
    """
    From a depth image to cells, instead of the flat-ground assumption.

    ``ground_tolerance``: metres above or below the plane that still are ground, at the camera's
    foot point; it grows with range by ``tolerance_slope`` metres a metre, as depth noise and
    tilt do. ``max_height``: metres; what starts above it is passed under. ``min_points``: depth
    points that a cell needs to hold an obstacle. ``max_points``: pixels used of a larger image.
    """

    ground_tolerance: float = 0.05
    tolerance_slope: float = 0.02
    max_height: float = 2.0
    min_points: int = 3
    max_points: int = 80000


class FusionSettings(NamedTuple):
    """
    From frames to a lasting grid.

    Obstacle evidence is a log-odds sum: ``occupied_gain`` per sighting, ``dynamic_gain`` per
    sighting of a class that moves (it stands elsewhere in the next image, so one sighting at a
    confidence of a quarter, which is usual at the border of a person, has to be enough),
    ``free_gain`` per sighting of ground, all times confidence and range weight, kept within
    ``free_limit`` and ``occupied_limit``; from ``mark_threshold`` on a cell is lethal. A lethal
    cell that is not seen again stays so for ``static_decay_time`` seconds, one held by a class
    that moves for ``dynamic_decay_time``. Ground costs are exponential averages with weight
    ``cost_gain`` for the new value. A cell not seen for ``forget_time`` seconds is unknown.
    ``min_blob`` is the least number of touching lethal cells that is published.
    """

    occupied_gain: float = 0.85
    dynamic_gain: float = 2.5
    free_gain: float = 0.4
    occupied_limit: float = 3.5
    free_limit: float = -0.85
    mark_threshold: float = 0.6
    static_decay_time: float = 20.0
    dynamic_decay_time: float = 1.5
    cost_gain: float = 0.4
    forget_time: float = 30.0
    min_blob: int = 1


class TimeSettings(NamedTuple):
    """
    What stamps are believed.

    ``jump_back``: seconds; a stamp that lies farther behind the last one of the same source is
    a clock reset, which clears the grid. ``future``: seconds that an image may be ahead of the
    clock.
    """

    jump_back: float = 0.5
    future: float = 1.0


class LandingSettings(NamedTuple):
    """
    What a landing site needs.

    ``min_radius``: metres, of the drone with its margin. ``clearance``: metres left between the
    disc and anything that is not free; it covers height and pose errors. ``max_cost``: 0..98,
    the most that landable ground may cost. ``max_age``: seconds since the newest image, beyond
    which no site is told: somebody may have walked there meanwhile.
    """

    min_radius: float = 0.5
    clearance: float = 0.2
    max_cost: int = 20
    max_age: float = 3.0


class CostmapSettings(NamedTuple):
    """All settings of the stage; each part explains its own."""

    grid: GridSettings = GridSettings()
    projection: ProjectionSettings = ProjectionSettings()
    depth: DepthSettings = DepthSettings()
    fusion: FusionSettings = FusionSettings()
    time: TimeSettings = TimeSettings()
    landing: LandingSettings = LandingSettings()
    category_width: int = 320


# Least and greatest value by setting; both inclusive.
_BOUNDS: Dict[str, Tuple[float, float]] = {
    'size': (1.0, 200.0), 'resolution': (0.01, 2.0), 'block': (0.1, 50.0),
    'max_range': (0.2, 200.0), 'horizon': (0.001, 0.5), 'min_confidence': (0, 255),
    'min_run': (1, 100), 'max_gap': (0, 100), 'obstacle_z': (0.0, 2.0), 'overhang': (0.0, 50.0),
    'ground_tolerance': (0.005, 1.0), 'tolerance_slope': (0.0, 0.5), 'max_height': (0.1, 10.0),
    'min_points': (1, 1000), 'max_points': (1000, 10000000),
    'occupied_gain': (0.05, 10.0), 'dynamic_gain': (0.05, 10.0), 'free_gain': (0.0, 10.0),
    'occupied_limit': (0.1, 50.0),
    'free_limit': (-50.0, 0.0), 'mark_threshold': (0.05, 50.0),
    'static_decay_time': (0.1, 3600.0), 'dynamic_decay_time': (0.1, 3600.0),
    'cost_gain': (0.01, 1.0), 'forget_time': (0.1, 3600.0), 'min_blob': (1, 1000),
    'min_radius': (0.05, 50.0), 'clearance': (0.0, 20.0), 'max_cost': (0, 98),
    'max_age': (0.1, 60.0),
    'category_width': (16, 4096), 'jump_back': (0.0, 60.0), 'future': (0.0, 60.0)}


def bounds_of(name: str) -> Tuple[float, float]:
    """Return the least and the greatest value that a setting accepts."""
    return _BOUNDS[name]


def check(*groups: Any) -> None:
    """
    Check settings against their bounds and against each other.

    :param groups: instances of the classes above; CostmapSettings stands for all of them
    :raises ConfigurationError: names the setting, its value and what is accepted
    """
    for group in groups:
        for name, value in group._asdict().items():
            if name not in _BOUNDS:
                continue
            low, high = _BOUNDS[name]
            # Comparing this way round refuses NaN too.
            if not low <= value <= high:
                raise ConfigurationError(f'Setting {name!r} is out of bounds', got=value,
                                         expected=f'{low} .. {high}')
        if isinstance(group, GridSettings):
            _check_grid(group)
        if isinstance(group, ProjectionSettings) and group.mode not in (CONTACT, OVERHEAD):
            raise ConfigurationError('Unknown projection mode', got=repr(group.mode),
                                     expected=f'{CONTACT!r} or {OVERHEAD!r}')
        if isinstance(group, FusionSettings):
            _check_fusion(group)
        if isinstance(group, CostmapSettings):
            check(group.grid, group.projection, group.depth, group.fusion, group.time,
                  group.landing)


def _check_grid(grid: GridSettings) -> None:
    if grid.size < 2.0 * grid.block:
        raise ConfigurationError('Grid is smaller than two blocks', got=grid.size,
                                 expected=f'a size of {2.0 * grid.block} m or more')
    if grid.size > MOST_CELLS * grid.resolution:
        raise ConfigurationError(
            'Grid has too many cells', got=f'{grid.size} m with cells of {grid.resolution} m',
            expected=f'at most {MOST_CELLS} cells a side',
            remedy='Lower grid.size, or raise grid.resolution.')


def _check_fusion(fusion: FusionSettings) -> None:
    if fusion.mark_threshold >= fusion.occupied_limit:
        raise ConfigurationError(
            'No cell could ever be lethal', got=f'mark_threshold {fusion.mark_threshold}',
            expected=f'less than occupied_limit {fusion.occupied_limit}')
    longest = max(fusion.static_decay_time, fusion.dynamic_decay_time)
    if longest > fusion.forget_time:
        raise ConfigurationError(
            'Obstacles would outlive the memory', got=f'a decay time of {longest} s',
            expected=f'at most forget_time {fusion.forget_time} s',
            remedy='Raise forget_time, or lower the decay time.')
