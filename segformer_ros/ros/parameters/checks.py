# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whether a value may be given to a parameter; texts say got and expected."""

import math
import re
from typing import Any, Dict, Mapping, Optional, Sequence

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap.settings import check as check_settings
from segformer_ros.ros.parameters.costmap import costmap_parameters
from segformer_ros.ros.parameters.row import Row

CAMERA_NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')
"""What ROS accepts as one token of a topic name, and what can stand before a dot."""
KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text',
         list: 'a list of texts'}


def fault(row: Row, value: Any) -> Optional[str]:
    """
    Tell what is wrong with one value.

    :return: None where the value may be used, else a sentence
    """
    if not _is_of_kind(row, value):
        return _sentence(row, value, KINDS[row.kind])
    if row.choices is not None and value not in row.choices:
        return _sentence(row, value, 'one of ' + ', '.join(str(each) for each in row.choices))
    # Written so that NaN, which compares false with everything, is refused.
    if row.range is not None and not row.range[0] <= value <= row.range[1]:
        return _sentence(row, value, '{} to {}'.format(*row.range))
    if row.name == 'cameras':
        return _cameras_fault(row, value)
    return None


def combined_fault(values: Mapping[str, Any]) -> Optional[str]:
    """
    Tell what is wrong between values that are each right.

    :param values: by full name, as they would be after a change
    """
    if values['warn_after'] > values['error_after']:
        return ('Wrong value of error_after: got {}; expected at least warn_after, '
                '{}.'.format(values['error_after'], values['warn_after']))
    costmap = costmap_parameters(values)
    if not costmap.has_odometry and len(list(values['cameras'])) > 1:
        return (
            f'Wrong value of odom_frame: got {costmap.odom_frame!r}, which is ground_frame too; expected a frame '
            'of odometry, since several cameras share one grid.')
    try:
        check_settings(costmap.settings)
    except ConfigurationError as error:
        return str(error)
    return None


def _is_of_kind(row: Row, value: Any) -> bool:
    if row.kind is list:
        # rclpy gives a sequence of texts as list, tuple or array; of no texts as anything.
        return not isinstance(value, (str, bytes)) and hasattr(value, '__iter__') and \
            all(isinstance(each, str) for each in value)
    if isinstance(value, bool) or row.kind is bool:
        return type(value) is row.kind
    if row.kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, row.kind)


def _cameras_fault(row: Row, names: Any) -> Optional[str]:
    names = list(names)
    if names == ['']:
        return None
    for name in names:
        if not CAMERA_NAME.fullmatch(name):
            return _sentence(row, names, 'names of letters, digits and _ that start with a '
                                         "letter, or [''] for one camera without a name")
    if not names or len(set(names)) != len(names):
        return _sentence(row, names, 'at least one name, each once')
    return None


def _sentence(row: Row, value: Any, expected: str) -> str:
    return f'Wrong value of {row.name}: got {value!r}; expected {expected}.'


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
