# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Configure and activate without a lifecycle manager."""

from typing import Any, Callable

from lifecycle_msgs.msg import Transition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import TransitionCallbackReturn
from segformer_ros.ros.io.clock import create_steady_timer
from segformer_ros.ros.node.supervisor import AbandonedThreads


def start_by_itself(node: LifecycleNode, abandoned: AbandonedThreads,
                    is_stopping: Callable[[], bool]) -> None:
    """
    Configure and activate once, as soon as the node is spun.

    :param node: before it is spun
    :param abandoned: the node's; asked for the end of the process where a backend hung and no
        other opened, since nobody else would try again
    :param is_stopping: returns whether the process shall end in order anyway
    """
    def run() -> None:
        timer.cancel()
        if node._state_machine.current_state[1] != 'unconfigured':
            return
        total_before = abandoned.total
        if node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            node.trigger_activate()
        elif abandoned.total > total_before and not is_stopping():
            node.get_logger().fatal('No backend opens; the process ends, to be started anew.')
            abandoned.ask_for_end()

    timer = create_steady_timer(node, 0.0, run)


RCLError = rclpy_implementation.RCLError
TRANSITIONS = {
    Transition.TRANSITION_CONFIGURE: 'configure', Transition.TRANSITION_CLEANUP: 'cleanup',
    Transition.TRANSITION_ACTIVATE: 'activate', Transition.TRANSITION_DEACTIVATE: 'deactivate',
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: 'shutdown',
    Transition.TRANSITION_INACTIVE_SHUTDOWN: 'shutdown',
    Transition.TRANSITION_ACTIVE_SHUTDOWN: 'shutdown'}
"""Names by id, which is all that lifecycle managers send."""
POSSIBLE = {'unconfigured': ('configure', 'shutdown'),
            'inactive': ('activate', 'cleanup', 'shutdown'),
            'active': ('deactivate', 'shutdown')}
"""Transitions that start from each state."""


def answer_impossible_transitions(node: LifecycleNode, autostart: bool) -> None:
    """
    Refuse impossible transitions, and say so.

    Up to Jazzy rclpy would let such a request end the process, and its caller wait for ever.
    From Kilted on it refuses by itself, without a word of what to do.

    The service's attribute is not public, though the same from Humble to Lyrical.

    :param node: before it is spun
    :param autostart: whether the node leads itself, which a lifecycle manager does not expect
    """
    service = node._service_change_state
    change_state = service.callback

    def answer(request: Any, response: Any) -> Any:
        asked = request.transition
        name = asked.label or TRANSITIONS.get(asked.id, asked.id)
        state = node._state_machine.current_state[1]
        why = ''
        try:
            response = change_state(request, response)
            if not response.success and name not in POSSIBLE.get(state, ()):
                why = 'it does not start there'
        except RCLError as error:
            why = str(error)
            response.success = False
        if why:
            remedy = (' The node starts by itself: set autostart: false where a lifecycle '
                      'manager leads it.') if autostart else ''
            node.get_logger().error(f'Transition {name} refused in state {state}: {why}{remedy}')
        return response

    service.callback = answer
