# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Rules of Nav2 (1.3.13, Jazzy) that only tests need, in our own words.

Those of the costmap's layers are in segformer_ros/evaluation/drive/nav2_rules.py.
"""

import math

from segformer_ros.evaluation.drive.nav2_rules import Nav2Error

# Parameters that Nav2 declares, by type; rclcpp refuses a whole number where a double is
# declared, and says nothing about a name that nobody declared.
DECLARED = {
    bool: """enabled rolling_window trinary_costmap track_unknown_space use_maximum marking
        clearing map_subscribe_transient_local subscribe_to_updates footprint_clearing_enabled
        use_approximate_time_sync use_cost_selection visualize_tile_map dominant_priority
        visualize publish_voxel_map""",
    int: """width height lethal_cost_threshold combination_method type base_cost max_cost
        mark_confidence samples_to_max_cost min_points z_voxels unknown_threshold
        mark_threshold""",
    float: """resolution update_frequency publish_frequency transform_tolerance base multiplier
        min_obstacle_height max_obstacle_height obstacle_min_range obstacle_max_range
        raytrace_min_range raytrace_max_range observation_persistence expected_update_rate
        cost_scaling_factor inflation_radius max_obstacle_distance min_obstacle_distance
        tile_map_decay_time source_timeout min_height max_height origin_z z_resolution""",
    list: 'plugins filters classes class_types polygons',
    str: """global_frame robot_base_frame plugin map_topic topic data_type sensor_frame
        filter_info_topic mask_topic speed_limit_topic segmentation_topic confidence_topic
        labels_topic pointcloud_topic base_frame_id odom_frame_id points action_type
        polygon_pub_topic"""}
# The same name has another type in another node: collision_monitor's sources and polygons have
# a "type" in words, and it lists its sources; the layers name theirs in one text.
DECLARED_ELSEWHERE = {('type', str), ('observation_sources', str), ('observation_sources', list)}


def is_declared(name, value):
    """Return whether Nav2 declares a parameter of that name for a value of that type."""
    return ((name, type(value)) in DECLARED_ELSEWHERE
            or name in DECLARED.get(type(value), '').split())


def resolved_topic(name, node='/local_costmap/local_costmap'):
    """Return a topic of a layer or filter as Jazzy's costmap node resolves it."""
    return name if name.startswith('/') else node.rpartition('/')[0] + '/' + name


def speed_filter(mask, info, x, y):
    """Return the speed limit in per cent at the robot's place, None for no limit."""
    if info['type'] != 1:
        raise Nav2Error('Mode is not supported')
    gx = math.floor((x - mask.origin_x) / mask.resolution)
    gy = math.floor((y - mask.origin_y) / mask.resolution)
    height, width = mask.values.shape
    if not (0 <= gx < width and 0 <= gy < height):
        return None
    value = int(mask.values[gy, gx])
    if value == -1:
        raise Nav2Error('Received unknown mask value')
    if value == 0:
        return None
    limit = value * info['multiplier'] + info['base']
    if not 0.0 <= limit <= 100.0:
        raise Nav2Error('Speed limit out of range')
    return None if limit == 0.0 else float(limit)


def collision_monitor(points, source, stamp, now):
    """Return the points that count, in the base frame; None where the robot must stop."""
    if now - stamp > source['source_timeout']:
        return None
    return [point for point in points if source['min_height'] <= point[2]
            <= source['max_height']]


def polygon_stops(points, polygon, zone):
    """
    Return whether collision_monitor's polygon stops the robot.

    :param points: (x, y) in the base frame
    :param polygon: corners (x, y)
    :param zone: the polygon's parameters
    """
    if not zone.get('enabled', True) or zone['action_type'] != 'stop':
        return False
    inside = 0
    for x, y in points:
        odd = False
        for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1]):
            if (y1 <= y < y2 or y2 <= y < y1) and x1 + (x2 - x1) * (y - y1) / (y2 - y1) > x:
                odd = not odd
        inside += odd
    return bool(inside >= zone['min_points'])
