# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The parameters that a file of config/ gives the node."""

import os

from segformer_ros.ros.parameters.node import camera_rows
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.row import fault
import yaml


def node_values(project_root, name):
    """Return every parameter by full name: the file on top of the defaults."""
    with open(os.path.join(project_root, 'config', name), encoding='utf-8') as stream:
        content = yaml.safe_load(stream)['/**']['ros__parameters']
    rows = {row.name: row for row in list(node_rows()) + camera_rows([''])}
    values = {row.name: row.default for row in rows.values()}
    for key, value in content.items():
        for last, each in value.items() if isinstance(value, dict) else [('', value)]:
            full = f'{key}.{last}' if last else key
            assert fault(rows[full], each) is None, full
            values[full] = each
    return values
