# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Declare the rows on a node, refuse wrong changes, hand out frozen snapshots."""

from typing import Any, Callable, Dict, List

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.text import plain
from segformer_ros.ros.parameters import declaration
from segformer_ros.ros.parameters import node as parameters
from segformer_ros.ros.parameters import row as parameters_row


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
        self.examine: Callable[[parameters.NodeParameters], None] = lambda changed: None
        """Called before a change is accepted; raises SegformerRosError to refuse it."""
        self._rows: Dict[str, parameters_row.Row] = {}
        self._values: Dict[str, Any] = {}
        for row in parameters.node_rows():
            self._declare(row)
        for row in parameters.camera_rows(self._values['cameras']):
            self._declare(parameters.with_general_default(row, self._values))
        wrong = parameters.combined_fault(self._values)
        if wrong is not None:
            raise ConfigurationError(wrong.rstrip('.'))
        declaration.warn_of_unknown_names(node, self._rows)
        self.current = parameters.snapshot(self._values)
        # rclpy of Humble has no callback after a change. Callbacks run newest first, so this one
        # has the last word as long as none is added before it.
        node.add_on_set_parameters_callback(self._on_set)

    def _declare(self, row: parameters_row.Row) -> None:
        self._rows[row.name] = row
        self._values[row.name] = declaration.declare(self._node, row)

    def put(self, values: Dict[str, Any]) -> None:
        """
        Set parameters to what the node uses already, whatever they wait for otherwise.

        :raises ConfigurationError: one of them is refused all the same
        """
        locked, self.locked = self.locked, False
        try:
            result = self._node.set_parameters_atomically(
                [Parameter(name, value=value) for name, value in values.items()])
        finally:
            self.locked = locked
        if not result.successful:
            raise ConfigurationError('Parameters cannot be set', got=result.reason)

    def _on_set(self, changes: List[Parameter]) -> SetParametersResult:
        values = dict(self._values)
        for change in changes:
            row = self._rows.get(change.name)
            if row is None:
                continue
            wrong = parameters_row.fault(row, change.value)
            value = list(change.value) if wrong is None and row.kind is list else change.value
            if wrong is None and row.when == parameters_row.CONFIGURE and self.locked and \
                    value != values[row.name]:
                wrong = f'{row.name} is read by configure: clean the node up (lifecycle), set ' \
                    'it, then configure again.'
            if wrong is not None:
                return SetParametersResult(successful=False, reason=wrong)
            values[row.name] = value
        wrong = parameters.combined_fault(values)
        if wrong is not None:
            return SetParametersResult(successful=False, reason=plain(wrong))
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
