# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Declare parameters to ROS by their rows, and take back what ROS tools dumped."""

from typing import Any, Iterable, List

from rcl_interfaces import msg as rcl_interfaces
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.ros.io.endpoints import overrides_of
from segformer_ros.ros.parameters import row as parameter_row


def declare(node: Node, row: parameter_row.Row) -> Any:
    """
    Declare a parameter and return its value.

    :raises ConfigurationError: the value given at start cannot be used
    """
    try:
        value = node.declare_parameter(row.name, row.default, _descriptor(row)).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        override = overrides_of(node).get(row.name)
        given = None if override is None else override.value
        wrong = parameter_row.fault(row, given) or str(error)
    else:
        wrong = parameter_row.fault(row, value) or ''
    if wrong:
        raise ConfigurationError(wrong.rstrip('.'),
                                 remedy='Correct the parameter file or the command line.')
    return list(value) if row.kind is list else value


def warn_of_unknown_names(node: Node, known: Iterable[str]) -> None:
    """
    Log a line for each parameter given at start that the node does not have.

    :param known: full names of its rows
    """
    for sentence in parameter_row.unknown_names(overrides_of(node), known):
        node.get_logger().warning(sentence)


class ReloadableNode(Node):
    """
    A node whose read-only parameters may be given the value that they have.

    rclpy refuses these, though ``ros2 param load`` of what ``ros2 param dump`` wrote has them
    all.
    """

    def set_parameters(self, parameter_list: List[Parameter]
                       ) -> List[rcl_interfaces.SetParametersResult]:
        """Set parameters one by one."""
        return [self.set_parameters_atomically([each]) for each in parameter_list]

    def set_parameters_atomically(self, parameter_list: List[Parameter]
                                  ) -> rcl_interfaces.SetParametersResult:
        """Set parameters in one go."""
        changes = [each for each in parameter_list if not (
            self.has_parameter(each.name) and self.describe_parameter(each.name).read_only
            and _same(each, self.get_parameter(each.name)))]
        if parameter_list and not changes:
            return rcl_interfaces.SetParametersResult(successful=True)
        result: rcl_interfaces.SetParametersResult = super().set_parameters_atomically(changes)
        return result


def _same(one: Parameter, other: Parameter) -> bool:
    """Return whether two parameters hold one value; lists may come as arrays."""
    # An empty list has lost its type on the way through YAML.
    values = [list(each.value) if hasattr(each.value, '__iter__') and not isinstance(
        each.value, str) else each.value for each in (one, other)]
    return bool(values[0] == values[1]) and isinstance(values[0], bool) == isinstance(
        values[1], bool)


def _descriptor(row: parameter_row.Row) -> rcl_interfaces.ParameterDescriptor:
    descriptor = rcl_interfaces.ParameterDescriptor(description=row.description)
    descriptor.read_only = row.when == parameter_row.START
    # rclpy would refuse 10 where 10.0 is declared; the row's own check takes both.
    descriptor.dynamic_typing = row.kind is float
    constraints = [f'Changed {row.when}.'] if row.when != parameter_row.START else []
    if row.choices is not None:
        choices = ', '.join(str(each) for each in row.choices)
        constraints.append(f'One of {choices}.')
    descriptor.additional_constraints = ' '.join(constraints)
    if row.range is not None and row.kind is float:
        descriptor.floating_point_range = [
            rcl_interfaces.FloatingPointRange(from_value=row.range[0], to_value=row.range[1])]
    elif row.range is not None:
        descriptor.integer_range = [
            rcl_interfaces.IntegerRange(from_value=int(row.range[0]), to_value=int(row.range[1]),
                                        step=1)]
    return descriptor
