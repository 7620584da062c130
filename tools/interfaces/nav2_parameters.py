#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Record which parameters Nav2 declares in each release, for tests of config/nav2_*.yaml.

Reads the sources of a clone of navigation2 by tag; writes test/data/nav2_parameters.json.
Types are those of the default values; a parameter without a literal default has the type null.

usage: nav2_parameters.py CLONE
"""

import argparse
import json
import os
import re
import subprocess
from typing import Dict, Iterator, List, Optional, Tuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUTPUT = os.path.join(ROOT, 'test', 'data', 'nav2_parameters.json')
RELEASES = {'Humble': '1.1.20', 'Jazzy': '1.3.13', 'Kilted': '1.4.2', 'Lyrical': '1.5.1'}
LAYERS, FILTERS = 'nav2_costmap_2d/plugins/', 'nav2_costmap_2d/plugins/costmap_filters/'
MONITOR = 'nav2_collision_monitor/src/'
# What is declared together, by the class that reads it. "/" marks the sources of a layer, whose
# parameters stand below their own name.
CLASSES = {
    'Costmap2DROS': ['nav2_costmap_2d/src/costmap_2d_ros.cpp'],
    'StaticLayer': [LAYERS + 'static_layer.cpp'],
    'ObstacleLayer': [LAYERS + 'obstacle_layer.cpp'],
    # Derived from ObstacleLayer.
    'VoxelLayer': [LAYERS + 'obstacle_layer.cpp', LAYERS + 'voxel_layer.cpp'],
    'InflationLayer': [LAYERS + 'inflation_layer.cpp'],
    'KeepoutFilter': [FILTERS + 'costmap_filter.cpp', FILTERS + 'keepout_filter.cpp'],
    'SpeedFilter': [FILTERS + 'costmap_filter.cpp', FILTERS + 'speed_filter.cpp'],
    'CostmapFilterInfoServer': [
        'nav2_map_server/src/costmap_filter_info/costmap_filter_info_server.cpp'],
    'CollisionMonitor': [MONITOR + 'collision_monitor_node.cpp'],
    'Polygon': [MONITOR + 'polygon.cpp'],
    'PointCloud': [MONITOR + 'source.cpp', MONITOR + 'pointcloud.cpp'],
    'LifecycleManager': ['nav2_lifecycle_manager/src/lifecycle_manager.cpp'],
    'BtNavigator': ['nav2_bt_navigator/src/bt_navigator.cpp',
                    'nav2_behavior_tree/include/nav2_behavior_tree/bt_action_server_impl.hpp'],
    'BehaviorServer': ['nav2_behaviors/src/behavior_server.cpp']}
CALL = re.compile(r'\b(declareParameter|declare_parameter|declare_parameter_if_not_declared'
                  r'|declare_or_get_parameter)\s*(<[\w:<> ]+>)?\s*\(')
BY_NAME = {'BOOL': 'bool', 'INTEGER': 'integer', 'DOUBLE': 'double', 'STRING': 'string',
           'STRING_ARRAY': 'string array', 'DOUBLE_ARRAY': 'double array'}


def arguments_of(text: str, start: int) -> List[str]:
    """Return the arguments of a call whose opening bracket ends before ``start``."""
    found, depth, quoted, last = [], 0, False, start
    for place in range(start, len(text)):
        sign = text[place]
        if sign == '"' and text[place - 1] != '\\':
            quoted = not quoted
        if quoted:
            continue
        if sign in '([{':
            depth += 1
        if sign in ')]}':
            if depth == 0:
                return [*found, text[last:place]]
            depth -= 1
        if sign == ',' and depth == 0:
            found.append(text[last:place])
            last = place + 1
    return found


def type_of(default: str, template: str) -> Optional[str]:
    """Return the type of a default value as it stands in C++, None where a literal is missing."""
    named = re.search(r'PARAMETER_([A-Z_]+)', default)
    if named:
        return BY_NAME.get(named.group(1))
    for text, kind in (('std::vector<std::string>', 'string array'),
                       ('std::string', 'string'), ('bool', 'bool'), ('double', 'double'),
                       ('int', 'integer')):
        if text in template or (text in default and text.startswith('std::')):
            return kind
    inner = re.sub(r'^\s*(rclcpp::)?ParameterValue\((.*)\)\s*$', r'\2', default, flags=re.S)
    inner = inner.strip()
    if inner in ('true', 'false'):
        return 'bool'
    if re.match(r'^-?\d+$', inner):
        return 'integer'
    if re.match(r'^-?\d*\.\d*(e-?\d+)?$', inner):
        return 'double'
    if inner.startswith('"') or inner in ('source', 'source_name_', 'polygon_name_'):
        return 'string'
    return None


def declared_in(text: str) -> Iterator[Tuple[str, Optional[str]]]:
    """Yield name and type of each parameter that a C++ file declares."""
    text = re.sub(r'//[^\n]*', '', text)
    for call in CALL.finditer(text):
        arguments = arguments_of(text, call.end())
        # Free functions take the node first.
        if arguments and '"' not in arguments[0]:
            arguments = arguments[1:]
        if not arguments:
            continue
        literals = ''.join(re.findall(r'"([^"]*)"', arguments[0]))
        name = literals.rpartition('.')[2]
        if not name:
            continue
        of_source = re.search(r'\bsource\b', arguments[0]) is not None
        default = arguments[1] if len(arguments) > 1 else ''
        yield ('/' if of_source else '') + name, type_of(default, call.group(2) or '')


def record(clone: str) -> Dict[str, Dict[str, Dict[str, Optional[str]]]]:
    """Return names and types by release and class."""
    found: Dict[str, Dict[str, Dict[str, Optional[str]]]] = {}
    for release, tag in RELEASES.items():
        found[release] = {}
        for name, paths in CLASSES.items():
            declared: Dict[str, Optional[str]] = {}
            for path in paths:
                shown = subprocess.run(['git', '-C', clone, 'show', f'{tag}:{path}'],
                                       stdout=subprocess.PIPE, universal_newlines=True, check=True)
                for each, kind in declared_in(shown.stdout):
                    declared[each] = declared.get(each) or kind
            found[release][name] = dict(sorted(declared.items()))
    return found


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('clone', help='of github.com/ros-navigation/navigation2, with tags')
    options = parser.parse_args()
    content = {'tags': RELEASES, 'releases': record(options.clone)}
    with open(OUTPUT, 'w', encoding='utf-8') as stream:
        json.dump(content, stream, indent=1, sort_keys=True)
        stream.write('\n')


if __name__ == '__main__':
    main()
