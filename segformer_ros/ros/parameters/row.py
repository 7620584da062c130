# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What a parameter is: one row with all that ROS, its checks and the documentation need.

Imports without ROS: tools and tests read the rows where there is none.
"""

import difflib
import math
import re
from typing import Any, Iterable, List, NamedTuple, Optional, Tuple

from segformer_ros.common.text import plain
from segformer_ros.model.optimize.resize import LARGEST
from segformer_ros.model.optimize.resize import SMALLEST

START = 'at start'
"""Read once when the process starts (``read_only`` for ROS tools)."""
CONFIGURE = 'while unconfigured'
"""Read by each configure; refused while the node holds what was made from it."""
LIVE = 'any time'
"""Used from the next frame on."""
CAMERA_NAME = re.compile('[A-Za-z][A-Za-z0-9_]*')
"""What ROS accepts as one token of a topic name, and what can stand before a dot."""
KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text',
         list: 'a list of texts'}
LISTS = {int: 'a list of whole numbers', float: 'a list of numbers such as [0.0, 180.0]'}
"""Kinds of lists by what their default holds; others hold texts."""
OF_ROS = ('use_sim_time', 'start_type_description_service')
"""Parameters that rclpy declares itself."""
OVERRIDES = 'qos_overrides.'
"""Before those that :mod:`segformer_ros.ros.io.endpoints` reads."""


class Row(NamedTuple):
    """
    One parameter.

    ``range`` is inclusive. ``choices`` are all values that are accepted. A double row takes
    whole numbers too, since YAML and ``ros2 param set`` write 10.0 as 10.
    """

    name: str
    kind: type
    default: Any
    when: str
    description: str
    range: Optional[Tuple[float, float]] = None
    choices: Optional[Tuple[Any, ...]] = None


def parameter(default: Any, when: str, description: str,
              range: Optional[Tuple[float, float]] = None,
              choices: Optional[Tuple[Any, ...]] = None) -> Any:
    """Return a row as the default of a field of a NamedTuple, which is its name."""
    return Row('', type(default), default, when, description, range, choices)


def rows_of(parameters: Any) -> Tuple[Row, ...]:
    """
    Return the rows of a class of parameters.

    :param parameters: NamedTuple with :func:`parameter` as the default of fields
    """
    return tuple(row._replace(name=name) for name, row in parameters._field_defaults.items()
                 if isinstance(row, Row))


def fault(row: Row, value: Any) -> Optional[str]:
    """
    Return what is wrong with one value.

    :return: None where the value may be used, else a sentence
    """
    if not _is_of_kind(row, value):
        return _sentence(row, value, LISTS.get(type(row.default[0]), KINDS[list])
                         if row.kind is list else KINDS[row.kind])
    if row.choices is not None and value not in row.choices:
        return _sentence(row, value, 'one of ' + ', '.join(str(each) for each in row.choices))
    # Written so that NaN, which compares false with everything, is refused.
    if row.range is not None and not row.range[0] <= value <= row.range[1]:
        return _sentence(row, value, f'{row.range[0]} to {row.range[1]}')
    if row.name == 'input_size':
        return _size_fault(row, list(value))
    if row.name == 'cameras':
        return _cameras_fault(row, value)
    if row.name.endswith(('_topic', '.topic')) and value:
        return _topic_fault(row, value)
    return None


def unknown_names(given: Iterable[str], known: Iterable[str]) -> List[str]:
    """
    Return a sentence for each parameter that a node does not have.

    :param given: full names
    :param known: full names of its rows
    """
    names = list(known)
    sentences = []
    for name in given:
        if name in names or name in OF_ROS or name.startswith(OVERRIDES):
            continue
        near = ' or '.join(difflib.get_close_matches(name, [*names, *OF_ROS], 3))
        sentences.append(f'Unknown parameter {name!r} is ignored.'
                         + (f' Meant: {near}?' if near else ''))
    return sentences


def _is_of_kind(row: Row, value: Any) -> bool:
    if row.kind is list:
        # rclpy gives a sequence as list, tuple or array; an empty one as anything.
        return not isinstance(value, (str, bytes)) and hasattr(value, '__iter__') and \
            all(type(each) is type(row.default[0]) for each in value) and \
            all(math.isfinite(each) for each in value if isinstance(each, float))
    if isinstance(value, bool) or row.kind is bool:
        return type(value) is row.kind
    if row.kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, row.kind)


def _size_fault(row: Row, size: Any) -> Optional[str]:
    if size == [0, 0] or (len(size) == 2 and all(SMALLEST <= side <= LARGEST for side in size)):
        return None
    return _sentence(row, size, f'[width, height] from {SMALLEST} to {LARGEST}, or [0, 0] for '
                                'the size of the model')


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


def _topic_fault(row: Row, name: str) -> Optional[str]:
    try:
        from rclpy.exceptions import InvalidTopicNameException
        from rclpy.validate_topic_name import validate_topic_name
    except ImportError:
        return None  # without ROS there are no topics to name
    try:
        validate_topic_name(name)
    except InvalidTopicNameException:
        return _sentence(row, name, 'the name of a topic, such as /camera/image_raw')
    return None


def _sentence(row: Row, value: Any, expected: str) -> str:
    return f'Wrong value of {row.name}: got {plain(repr(value))}; expected {expected}.'
