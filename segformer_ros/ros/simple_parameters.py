# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rows of parameters for nodes that read them once, at start."""

from typing import Any
from typing import Dict
from typing import Sequence

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from segformer_ros.errors import ConfigurationError
from segformer_ros.ros.parameter_checks import fault
from segformer_ros.ros.parameter_row import Row


def declare(node: Node, rows: Sequence[Row]) -> Dict[str, Any]:
    """
    Declare read-only parameters and return their values by name.

    :raises ConfigurationError: a value given at start cannot be used
    """
    values = {}
    for row in rows:
        descriptor = ParameterDescriptor(description=row.description, read_only=True,
                                         dynamic_typing=row.kind is float)
        try:
            value = node.declare_parameter(row.name, row.default, descriptor).value
        except InvalidParameterTypeException as error:
            raise ConfigurationError(str(error), expected=row.kind.__name__,
                                     remedy='Correct the command line.') from error
        wrong = fault(row, value)
        if wrong is not None:
            raise ConfigurationError(wrong.rstrip('.'))
        values[row.name] = row.kind(value)
    return values
