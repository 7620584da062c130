# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""docs/ros_releases.md names every part of rclpy that the package uses, and no other."""

import ast
import os
import re

import pytest

pytestmark = pytest.mark.linter


def names_imported(project_root):
    """Return the dotted names below rclpy that any module of the package imports or looks up."""
    found = set()
    for folder, _, names in os.walk(os.path.join(project_root, 'segformer_ros')):
        for path in (os.path.join(folder, name) for name in names if name.endswith('.py')):
            with open(path, encoding='utf-8') as stream:
                nodes = list(ast.walk(ast.parse(stream.read())))
            modules = {'rclpy'}
            for node in nodes:
                if isinstance(node, ast.ImportFrom) and node.module == 'rclpy':
                    modules |= {each.name for each in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found |= {f'{node.module}.{each.name}' for each in node.names}
            for node in nodes:
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and \
                        node.value.id in modules:
                    found.add('.'.join((['rclpy'] if node.value.id != 'rclpy' else [])
                                       + [node.value.id, node.attr]))
    return {name for name in found if name.split('.')[0] == 'rclpy'}


def names_listed(project_root):
    """Return the dotted names of the page's table; ``module``: ``name`` is one of a module."""
    found = set()
    with open(os.path.join(project_root, 'docs', 'ros_releases.md'), encoding='utf-8') as stream:
        for row in re.findall(r'^\| (`rclpy.*?) \|', stream.read(), re.MULTILINE):
            before, _, parts = row.partition(': ')
            names = re.findall('`(.*?)`', before)
            assert all(name.split('.')[0] == 'rclpy' for name in names), row
            found |= set(names) | {f'{names[-1]}.{part}' for part in re.findall('`(.*?)`', parts)}
    return found


def test_every_name_of_rclpy_was_reviewed(project_root):
    imported, listed = names_imported(project_root), names_listed(project_root)
    assert len(imported) > 25
    # What only Humble has is told with its successor.
    missing = {name for name in imported - listed if not name.startswith('rclpy.qos_event.')}
    assert missing == set()
    gone = {name for name in listed - imported
            if not name.startswith('rclpy.impl.implementation_singleton.rclpy_')
            and name not in ('rclpy', 'rclpy.qos') and '.SignalHandlerOptions' not in name}
    assert gone == set()
