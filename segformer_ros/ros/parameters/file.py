# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A parameter file of the node, read without ROS as ROS reads it.

Sections are names of nodes, in which * stands for one part and ** for any number; where several
are of the node, the later one in the file counts. Types are those of rcl_yaml_param_parser.
"""

import re
from typing import Any, Dict, List, NamedTuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.strict_yaml import read_node
from segformer_ros.ros.parameters import node as parameters
from segformer_ros.ros.parameters.row import fault
from segformer_ros.ros.parameters.row import unknown_names
import yaml

PARAMETERS = 'ros__parameters'
LONGEST_WHOLE = 80
"""Characters of a whole number; 64 bits have 20."""
_TRUE = ('y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON')
_FALSE = ('n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF')
_WHOLE = re.compile('[-+]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)')
_REAL = re.compile(r'[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?')
_SPECIAL = {'.inf': 'inf', '.Inf': 'inf', '.INF': 'inf', '+.inf': 'inf', '-.inf': '-inf',
            '.nan': 'nan', '.NaN': 'nan', '.NAN': 'nan', 'inf': 'inf', '-inf': '-inf',
            'nan': 'nan'}


class NodeFile(NamedTuple):
    """
    The parameters of the node that a file gives.

    ``values`` by full name, one for each row; ``given``: the names that stand in the file;
    ``unknown``: a sentence for each parameter that the node does not have.
    """

    parameters: parameters.NodeParameters
    values: Dict[str, Any]
    given: List[str]
    unknown: List[str]


def read_node_file(path: str, node: str = '/segformer') -> NodeFile:
    """
    Return the parameters that the node has when it starts with a file.

    :param path: of the file
    :param node: its name with its namespace
    :raises ConfigurationError: not a parameter file, none of the node, or a wrong value
    """
    given = read_overrides(path, node)
    rows = list(parameters.node_rows())
    values: Dict[str, Any] = {}
    for row in rows:
        values[row.name] = _checked(row, given, path)
    for row in parameters.camera_rows(values['cameras']):
        rows.append(row)
        values[row.name] = _checked(parameters.with_general_default(row, values), given, path)
    wrong = parameters.combined_fault(values)
    if wrong is not None:
        raise ConfigurationError(wrong.rstrip('.'), remedy=f'Correct {path}.')
    known = {row.name: row for row in rows}
    return NodeFile(parameters.snapshot(values), values, [name for name in given if name in known],
                    unknown_names(given, known))


def read_overrides(path: str, node: str) -> Dict[str, Any]:
    """
    Return what a file gives a node, by full name and unchecked.

    :param path: of the file
    :param node: its name with its namespace
    :raises ConfigurationError: not a parameter file, or no section of it is of the node
    """
    root = read_node(path)
    if not isinstance(root, yaml.MappingNode):
        raise ConfigurationError('Not a parameter file', got=path,
                                 expected=f'{node}: {{{PARAMETERS}: {{...}}}}')
    found: Dict[str, Any] = {}
    names: List[str] = []
    _collect(root, '', node, found, names, path)
    if not any(_matches(name, node) for name in names):
        raise ConfigurationError(f'No parameters of {node}', got='sections ' + (
            ', '.join(names) or '(none)'), expected=f'{node} or /** in {path}')
    return found


def _collect(section: yaml.MappingNode, name: str, node: str, found: Dict[str, Any],
             names: List[str], path: str) -> None:
    for key, content in section.value:
        _check_key(key)
        if key.value == PARAMETERS and name:
            names.append(name)
            if not isinstance(content, yaml.MappingNode):
                raise ConfigurationError(f'{PARAMETERS} of {name} is not a mapping', got=path,
                                         expected='"name: value" lines')
            if _matches(name, node):
                _flatten(content, '', found)
        elif isinstance(content, yaml.MappingNode):
            _collect(content, f'{name}/{key.value}' if name else key.value, node, found, names,
                     path)
        else:
            raise ConfigurationError('Not a parameter file', got=f'{key.value} in {path}',
                                     expected=f'{node}: {{{PARAMETERS}: {{...}}}}')


def _matches(pattern: str, node: str) -> bool:
    parts = [part for part in pattern.split('/') if part]
    expression = ''.join('(/[^/]+)*' if part == '**' else '/[^/]+' if part == '*'
                         else '/' + re.escape(part) for part in parts)
    return re.fullmatch(expression, '/' + node.lstrip('/')) is not None


def _flatten(content: yaml.MappingNode, prefix: str, found: Dict[str, Any]) -> None:
    for key, value in content.value:
        _check_key(key)
        name = prefix + key.value
        if isinstance(value, yaml.MappingNode):
            _flatten(value, name + '.', found)
        else:
            # The later one counts, and stands where it was given.
            found.pop(name, None)
            found[name] = [_scalar(each) for each in value.value] if isinstance(
                value, yaml.SequenceNode) else _scalar(value)


def _check_key(key: yaml.Node) -> None:
    if not isinstance(key, yaml.ScalarNode):
        raise ConfigurationError('Not a parameter file', got='a key that is not a text'
                                 f'{key.start_mark}', expected='"name: value" lines')


def _scalar(node: yaml.Node) -> Any:
    """Return the value of a scalar by the rules of rcl_yaml_param_parser."""
    text: str = node.value
    if not isinstance(node, yaml.ScalarNode) or node.style is not None or \
            (node.tag == 'tag:yaml.org,2002:str' and _tagged(node)):
        return text
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    # A longer one is no 64-bit number, and Python makes none of 4300 digits.
    if len(text) <= LONGEST_WHOLE and _WHOLE.fullmatch(text):
        digits = text.lstrip('+-')
        base = 16 if digits[:2] in ('0x', '0X') else 8 if digits.startswith('0') else 10
        return int(digits, base) * (-1 if text.startswith('-') else 1)
    if text in _SPECIAL:
        return float(_SPECIAL[text])
    return float(text) if _REAL.fullmatch(text) else text


def _tagged(node: yaml.ScalarNode) -> bool:
    # !!str before it: the mark begins at the tag then, and the value is shorter than its place.
    return bool(node.end_mark.index - node.start_mark.index != len(node.value))


def _checked(row: Any, given: Dict[str, Any], path: str) -> Any:
    value = given.get(row.name, row.default)
    wrong = fault(row, value)
    if wrong is not None:
        raise ConfigurationError(wrong.rstrip('.'), remedy=f'Correct {path}.')
    return list(value) if row.kind is list else value
