# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Answer requests for transitions that do not fit the state."""

from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode

RCLError = rclpy_implementation.RCLError


def answer_impossible_transitions(node: LifecycleNode) -> None:
    """
    Refuse them, where rclpy would let the request end the process and its caller wait for ever.

    The service's attribute is not public, though the same in Humble, Jazzy and Kilted.

    :param node: before it is spun
    """
    service = node._service_change_state
    change_state = service.callback

    def answer(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except RCLError as error:
            node.get_logger().error('Transition {} refused in state {}: {}'.format(
                request.transition.label or request.transition.id,
                node._state_machine.current_state[1], error))
            response.success = False
            return response

    service.callback = answer
