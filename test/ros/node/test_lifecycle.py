# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Impossible transitions are refused with a word on why, whichever way rclpy has of refusing."""

import types

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import pytest
from rclpy.impl.implementation_singleton import rclpy_implementation
from segformer_ros.ros.node.lifecycle import answer_impossible_transitions


class ServedNode:
    """As much of a lifecycle node as its service looks at, for one way in which rclpy answers."""

    def __init__(self, state, answers):
        self.lines = []
        self._state_machine = types.SimpleNamespace(current_state=(0, state))
        self._service_change_state = types.SimpleNamespace(callback=answers)

    def get_logger(self):
        return types.SimpleNamespace(error=self.lines.append)

    def ask(self, **transition):
        request = ChangeState.Request(transition=Transition(**transition))
        return self._service_change_state.callback(request, ChangeState.Response()).success


def raises(request, response):
    """Answer as rclpy up to Jazzy does, where the transition does not start there."""
    raise rclpy_implementation.RCLError('Failed to trigger lifecycle state machine')


def refuses(request, response):
    """Answer as rclpy from Kilted on does, and every rclpy where our own callback fails."""
    response.success = False
    return response


def accepts(request, response):
    response.success = True
    return response


@pytest.mark.parametrize('way', [raises, refuses])
@pytest.mark.parametrize('state, transition, name', [
    ('active', {'id': Transition.TRANSITION_CONFIGURE}, 'configure'),
    ('active', {'label': 'configure'}, 'configure'),
    ('unconfigured', {'id': Transition.TRANSITION_ACTIVATE}, 'activate'),
    ('inactive', {'id': Transition.TRANSITION_DEACTIVATE}, 'deactivate'),
    ('finalized', {'id': Transition.TRANSITION_ACTIVE_SHUTDOWN}, 'shutdown'),
    ('active', {'id': 99}, '99')])
def test_impossible_transition_is_told(way, state, transition, name):
    node = ServedNode(state, way)
    answer_impossible_transitions(node, autostart=True)
    assert node.ask(**transition) is False
    (line,) = node.lines
    assert f'Transition {name} refused in state {state}: ' in line
    assert 'set autostart: false' in line


def test_without_autostart_the_remedy_is_left_out():
    node = ServedNode('active', refuses)
    answer_impossible_transitions(node, autostart=False)
    assert node.ask(label='configure') is False
    assert 'refused' in node.lines[0] and 'autostart' not in node.lines[0]


@pytest.mark.parametrize('state, label', [
    ('unconfigured', 'configure'), ('inactive', 'activate'), ('active', 'deactivate'),
    ('inactive', 'cleanup'), ('active', 'shutdown')])
def test_what_failed_in_a_possible_transition_is_told_by_who_failed(state, label):
    node = ServedNode(state, refuses)
    answer_impossible_transitions(node, autostart=True)
    assert node.ask(label=label) is False
    assert node.lines == []


def test_what_succeeds_is_passed_on():
    node = ServedNode('unconfigured', accepts)
    answer_impossible_transitions(node, autostart=True)
    assert node.ask(label='configure') is True
    assert node.lines == []
