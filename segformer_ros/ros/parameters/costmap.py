# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The parameters of the costmap: one row each.

Numbers of the costmap room have their defaults and bounds there (costmap/settings.py); here they
get a name, such as ``fusion.forget_time``, and a meaning in one sentence.
"""

from typing import Any, Dict, List, Mapping, NamedTuple

from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.ros.parameters import row as parameters_row

TF, RANGE = 'tf', 'range'

OWN_ROWS = (
    parameters_row.Row(
        'costmap', bool, True, parameters_row.CONFIGURE,
        'Make the costmap and its clouds. They need CameraInfo and the poses of the camera.'),
    parameters_row.Row('costmap_rate', float, 5.0, parameters_row.LIVE,
                       'Grids a second, with images or without.', range=(0.1, 50.0)),
    parameters_row.Row(
        'cost_profile', str, 'indoor', parameters_row.LIVE,
        'Costs of the classes: indoor, outdoor, landing, or the path of a YAML file.'),
    parameters_row.Row(
        'category_groups', str, '', parameters_row.CONFIGURE,
        'Groups of ~/category_mask: indoor, outdoor, landing, or the path of a YAML file; empty: '
        'those named as the cost profile.'),
    parameters_row.Row('category_width', int,
                       costmap_settings.CostmapSettings().category_width, parameters_row.LIVE,
                       'Pixels across ~/category_mask and ~/points.',
                       range=costmap_settings.bounds_of('category_width')),
    parameters_row.Row(
        'odom_frame', str, 'odom', parameters_row.CONFIGURE,
        'Frame of the grid, in which the robot moves without jumps. Equal to ground_frame: there '
        'is no odometry, each image stands for itself, and one sighting makes a mark.'),
    parameters_row.Row('ground_frame', str, 'base_footprint', parameters_row.CONFIGURE,
                       "Frame of the robot whose plane z = 0 is the ground; the clouds' frame."),
    parameters_row.Row('transform_tolerance', float, 0.2, parameters_row.LIVE,
                       'Seconds that an image may wait for its pose and its depth image.',
                       range=(0.0, 5.0)),
    parameters_row.Row(
        'height_source', str, TF, parameters_row.CONFIGURE,
        'Height above ground in projection.mode overhead: tf is z of the camera in odom_frame, '
        'range the topic range.', choices=(TF, RANGE)),
    parameters_row.Row('keepout_cost', int, 50, parameters_row.LIVE,
                       'Least cost that ~/keepout_mask forbids.', range=(1, 100)),
    parameters_row.Row('slowest_speed', float, 0.3, parameters_row.LIVE,
                       'Share of full speed that ~/speed_mask leaves at the highest cost.',
                       range=(0.01, 1.0)),
)

_MEANINGS: Dict[str, Dict[str, str]] = {
    'grid': {
        'size': 'Side of the grid, metres.',
        'resolution': 'Side of a cell, metres.',
        'block': 'Metres by which the origin moves at once.'},
    'projection': {
        'mode': 'contact: a camera that looks ahead; an obstacle stands where its lowest pixel '
                'meets the ground. overhead: a camera that looks down.',
        'max_range': "Metres from the camera's foot point; errors grow with the square of it.",
        'horizon': 'Sine of the least angle of a ray below the horizon.',
        'min_confidence': 'Pixels below this confidence count as unseen; 255 is sure.',
        'min_run': 'Pixels that an obstacle must be high.',
        'max_gap': 'Unlabeled pixels between ground and obstacle that still count as their '
                   'border.',
        'obstacle_z': "Height of obstacle points, metres; Nav2's gates drop points at 0.",
        'overhang': 'Metres that crowns and roofs start above the ground at most (overhead).'},
    'depth': {
        'ground_tolerance': 'Metres above or below the plane that still are ground.',
        'tolerance_slope': 'Growth of ground_tolerance for each metre of range.',
        'max_height': 'Metres; what starts above it is passed under.',
        'min_points': 'Depth points that a cell needs to hold an obstacle.',
        'max_points': 'Pixels that are used of a larger depth image.'},
    'fusion': {
        'occupied_gain': 'Log-odds that one sighting of an obstacle adds.',
        'dynamic_gain': 'Log-odds that one sighting of a person, animal or vehicle adds.',
        'free_gain': 'Log-odds that one sighting of ground takes away.',
        'occupied_limit': 'Upper limit of the log-odds.',
        'free_limit': 'Lower limit of the log-odds.',
        'mark_threshold': 'Log-odds from which a cell is lethal.',
        'static_decay_time': 'Seconds that an unseen obstacle stays.',
        'dynamic_decay_time': 'Seconds after its last image that an unseen person, animal or '
                              'vehicle stays.',
        'cost_gain': 'Weight of a new cost of ground against the remembered one.',
        'forget_time': 'Seconds after which an unseen cell is unknown.',
        'min_blob': 'Touching lethal cells that are published at least.'},
    'time': {
        'jump_back': 'Seconds that time must go back to clear the grid.',
        'future': 'Seconds that an image may be ahead of the clock.'},
    'landing': {
        'min_radius': 'Least radius of a landing site, metres.',
        'clearance': 'Metres between a landing site and anything not free.',
        'max_cost': 'Highest cost of ground to land on.',
        'max_age': 'Seconds since the newest image, beyond which no site is told.'},
}


def _setting_rows() -> List[parameters_row.Row]:
    rows = []
    for group, meanings in _MEANINGS.items():
        defaults = getattr(costmap_settings.CostmapSettings(), group)
        for field, meaning in meanings.items():
            default = getattr(defaults, field)
            name = f'{group}.{field}'
            if isinstance(default, str):
                rows.append(
                    parameters_row.Row(
                        name, str, default, parameters_row.LIVE, meaning,
                        choices=(costmap_settings.CONTACT, costmap_settings.OVERHEAD)))
            else:
                rows.append(
                    parameters_row.Row(name, type(default), default, parameters_row.LIVE, meaning,
                                       range=costmap_settings.bounds_of(field)))
    return rows


COSTMAP_ROWS = OWN_ROWS + tuple(_setting_rows())


class CostmapParameters(NamedTuple):
    """The values of :data:`OWN_ROWS` by name, and of all others as ``settings``."""

    costmap: bool
    costmap_rate: float
    cost_profile: str
    category_groups: str
    category_width: int
    odom_frame: str
    ground_frame: str
    transform_tolerance: float
    height_source: str
    keepout_cost: int
    slowest_speed: float
    settings: costmap_settings.CostmapSettings

    @property
    def groups(self) -> str:
        """Return the name or path of the grouping in use."""
        return self.category_groups or self.cost_profile

    @property
    def has_odometry(self) -> bool:
        """Tell whether images are joined by the robot's motion."""
        return self.odom_frame != self.ground_frame


def costmap_parameters(values: Mapping[str, Any]) -> CostmapParameters:
    """
    Return frozen parameters from values that were checked one by one.

    :param values: by full name, one for every row of :data:`COSTMAP_ROWS`
    """
    own = {row.name: row.kind(values[row.name]) for row in OWN_ROWS}
    defaults = costmap_settings.CostmapSettings()
    groups = {}
    for group, meanings in _MEANINGS.items():
        default = getattr(defaults, group)
        groups[group] = default._replace(**{
            field: type(getattr(default, field))(values[f'{group}.{field}'])
            for field in meanings})
    settings = costmap_settings.CostmapSettings(category_width=own['category_width'], **groups)
    if own['odom_frame'] == own['ground_frame']:
        # Nothing can add up over several images: one sighting has to be enough for a mark.
        settings = settings._replace(fusion=settings.fusion._replace(
            mark_threshold=costmap_settings.bounds_of('mark_threshold')[0]))
    return CostmapParameters(settings=settings, **own)
