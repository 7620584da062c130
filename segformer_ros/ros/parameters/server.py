# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Declare the rows on a node, refuse wrong changes, hand out frozen snapshots."""

import difflib
from typing import Any, Callable, Dict, List, Optional

from rcl_interfaces.msg import FloatingPointRange
from rcl_interfaces.msg import IntegerRange
from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.ros.parameters import node as parameters
from segformer_ros.ros.parameters import row as parameters_row
from segformer_ros.ros.parameters.checks import combined_fault
from segformer_ros.ros.parameters.checks import fault

# Declared by rclpy itself, and names that launch files share between nodes.
FOREIGN = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')


class ParameterServer:
    """
    The rows of :mod:`segformer_ros.ros.parameters.node` on one node.

    :param node: the rows are declared on it at once
    :param on_change: called with the snapshots before and after an accepted change
    :raises ConfigurationError: a value given at start cannot be used
    """

    def __init__(
            self, node: Node,
            on_change: Callable[[parameters.NodeParameters, parameters.NodeParameters],
                                None]) -> None:
        self._node = node
        self._on_change = on_change
        self.locked = False
        """While true, rows of kind CONFIGURE are refused."""
        self.examine: Callable[[parameters.NodeParameters], None] = _accept
        """Called before a change is accepted; raises SegformerRosError to refuse it."""
        self._rows: Dict[str, parameters_row.Row] = {}
        self._values: Dict[str, Any] = {}
        for row in parameters.node_rows():
            self._declare(row)
        for row in parameters.camera_rows(self._values['cameras']):
            # A camera's own row starts from the row without a prefix, which comes first.
            general = self._values.get(row.name.split('.', 1)[-1], row.default)
            self._declare(row._replace(default=general))
        wrong = combined_fault(self._values)
        if wrong is not None:
            raise ConfigurationError(wrong.rstrip('.'))
        self._warn_of_unknown_names()
        self.current = parameters.snapshot(self._values)
        # rclpy of Humble has no callback after a change. Callbacks run newest first, so this one
        # has the last word as long as none is added before it.
        node.add_on_set_parameters_callback(self._on_set)

    def _declare(self, row: parameters_row.Row) -> None:
        descriptor = _descriptor(row)
        try:
            value = self._node.declare_parameter(row.name, row.default, descriptor).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            wrong: Optional[str] = fault(row, self._override(row.name)) or str(error)
        else:
            wrong = fault(row, value)
        if wrong is not None:
            raise ConfigurationError(wrong.rstrip('.'),
                                     remedy='Correct the parameter file or the command line.')
        self._rows[row.name] = row
        self._values[row.name] = list(value) if row.kind is list else value

    def _override(self, name: str) -> Any:
        parameter = self._overrides().get(name)
        return None if parameter is None else parameter.value

    def _overrides(self) -> Dict[str, Parameter]:
        # Not public in rclpy, though the same in Humble, Jazzy and Kilted; used for texts only.
        return dict(getattr(self._node, '_parameter_overrides', {}))

    def _warn_of_unknown_names(self) -> None:
        for name in self._overrides():
            if name in self._rows or name.startswith(FOREIGN):
                continue
            near = difflib.get_close_matches(name, list(self._rows), 3)
            self._node.get_logger().warning(
                'Unknown parameter {!r} is ignored.{}'.format(
                    name, ' Meant: {}?'.format(' or '.join(near)) if near else ''))

    def _on_set(self, changes: List[Parameter]) -> SetParametersResult:
        values = dict(self._values)
        for change in changes:
            row = self._rows.get(change.name)
            if row is None:
                continue
            wrong = fault(row, change.value)
            if wrong is None and row.when == parameters_row.CONFIGURE and self.locked:
                wrong = (
                    f'{row.name} is read by configure: clean the node up (lifecycle), set it, then '
                    'configure again.')
            if wrong is not None:
                return SetParametersResult(successful=False, reason=wrong)
            values[row.name] = list(change.value) if row.kind is list else change.value
        wrong = combined_fault(values)
        if wrong is not None:
            return SetParametersResult(successful=False, reason=wrong)
        if values != self._values:
            now = parameters.snapshot(values)
            try:
                self.examine(now)
            except SegformerRosError as error:
                return SetParametersResult(successful=False, reason=str(error))
            before, self.current = self.current, now
            self._values = values
            self._on_change(before, self.current)
        return SetParametersResult(successful=True)


def _accept(parameters: parameters.NodeParameters) -> None:
    """Refuse nothing."""


def _descriptor(row: parameters_row.Row) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=row.description)
    descriptor.read_only = row.when == parameters_row.START
    # rclpy would refuse 10 where 10.0 is declared; the row's own check takes both.
    descriptor.dynamic_typing = row.kind is float
    constraints = [f'Changed {row.when}.'] if row.when != parameters_row.START else []
    if row.choices is not None:
        constraints.append('One of {}.'.format(', '.join(str(each) for each in row.choices)))
    descriptor.additional_constraints = ' '.join(constraints)
    if row.range is not None and row.kind is float:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=row.range[0], to_value=row.range[1])]
    elif row.range is not None:
        descriptor.integer_range = [
            IntegerRange(from_value=int(row.range[0]), to_value=int(row.range[1]), step=1)]
    return descriptor
