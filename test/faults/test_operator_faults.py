# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Parameters and transitions that come wrong, often, or at the wrong moment; a model changed."""

import os
import random
import shutil
import time

from lifecycle_msgs.srv import ChangeState
import pytest
from rcl_interfaces.srv import GetParameters
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from support.fault_subject import told
from support.ros_graph import wait_until
from support.segformer_peer import TRANSITIONS

pytestmark = pytest.mark.slow

SECONDS = 4.0
WANTED_CALLS = 4000
PATIENT_CALLS = 400
MOST_OPEN = 8
"""Fewer than the ten for which a service of ROS has room."""


def test_parameters_set_wrongly_in_flight(subject, row):
    """Forty wrong parameter sets while images come."""
    begun = subject.begin()
    wrong = [('threshold', 2.0), ('resize', 'x'), ('max_rate', -1.0), ('jpeg_quality', 0),
             ('rotate', 5), ('model', 'other.onnx'), ('warn_after', 1e9), ('threads', -1)]
    for number in range(40):
        name, value = wrong[number % len(wrong)]
        assert subject.peer.set_parameters(**{name: value, 'overlay_alpha': 0.1}) != ''
    assert subject.peer.parameter('overlay_alpha') == 0.5
    row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun, refused=0)
    row.did, row.lost = 'refused each as a whole, with the reason', told(lost)


def test_parameters_set_and_got_as_fast_as_they_come(subject, row):
    """A thousand parameter sets and gets a second are asked for."""
    begun = subject.begin()
    node = subject.peer.node
    setter = node.create_client(SetParametersAtomically, '/segformer/set_parameters_atomically')
    getter = node.create_client(GetParameters, '/segformer/get_parameters')
    assert setter.wait_for_service(10.0) and getter.wait_for_service(10.0)
    answered = []

    def ask(number):
        if number % 2:
            request = SetParametersAtomically.Request(parameters=[
                Parameter('overlay_alpha', value=number / WANTED_CALLS).to_parameter_msg()])
            future = setter.call_async(request)
        else:
            future = getter.call_async(GetParameters.Request(names=['overlay_alpha']))
        future.add_done_callback(lambda future: answered.append(future.result()))

    # Who waits for answers loses none, however slow the machine is.
    for number in range(PATIENT_CALLS):
        ask(number)
        wait_until(lambda number=number: len(answered) > number - MOST_OPEN, 'an answer')
    wait_until(lambda: len(answered) == PATIENT_CALLS, 'the last answers')
    answered.clear()
    started = time.monotonic()
    for number in range(WANTED_CALLS):
        ask(number)
        time.sleep(max(0.0, started + (number + 1) * SECONDS / WANTED_CALLS - time.monotonic()))
    asked = time.monotonic() - started
    deadline = time.monotonic() + 60.0
    before = -1
    while before < len(answered) < WANTED_CALLS and time.monotonic() < deadline:
        before = len(answered)
        time.sleep(2.0)
    row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun)
    # Services are reliable, but their queues are not endless: what is lost is told.
    refused = [each for each in answered if hasattr(each, 'result') and not each.result.successful]
    assert refused == []
    # All but some on an idle machine, four in five on one with five times as much to do.
    # Of each kind: a node that is slow with one still answers the other.
    sets = [each for each in answered if hasattr(each, 'result')]
    for count in (len(sets), len(answered) - len(sets)):
        assert 0.5 * WANTED_CALLS / 2 < count <= WANTED_CALLS / 2
    assert subject.peer.set_parameters(overlay_alpha=0.5) == ''
    row.did = (f'answered {len(answered)} of {WANTED_CALLS} calls, which came at '
               f'{WANTED_CALLS / asked:.0f} a second')
    row.lost = f'{lost} images'
    node.destroy_client(setter)
    node.destroy_client(getter)


def test_transitions_in_any_order_under_load(subject, row):
    """Sixty lifecycle requests in random order while images come."""
    begun = subject.begin()
    chance = random.Random(3)
    refused = 0
    for _ in range(60):
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[chance.choice(sorted(TRANSITIONS))]
        refused += not subject.peer.call(
            ChangeState, '/segformer/change_state', request).success
        time.sleep(chance.choice([0.0, 0.0, 0.1]))
    back_to_active(subject)
    row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun)
    row.did = f'took {60 - refused}, refused {refused} that did not fit its state'
    row.lost = f'{lost} images while it was not active'
    assert 0 < refused < 60


def back_to_active(subject):
    """Take the node to active from whatever state."""
    for _ in range(4):
        state = subject.peer.state()
        if state == 'active':
            return
        assert subject.peer.change_state('configure' if state == 'unconfigured' else 'activate')
    raise AssertionError(subject.peer.state())


@pytest.mark.parametrize('damage', ['replaced', 'truncated', 'unreadable', 'deleted'])
def test_model_file_changes_while_it_serves(subject, row, damage):
    """Model file ... while the node runs."""
    row.fault = row.fault.replace('...', damage)
    path = subject.peer.parameter('model')
    kept = path + '.kept'
    shutil.copy(path, kept)
    begun = subject.begin()
    try:
        os.unlink(path)
        if damage == 'replaced':
            with open(path, 'wb') as stream:
                stream.write(b'another file')
        elif damage == 'truncated':
            with open(kept, 'rb') as source, open(path, 'wb') as target:
                target.write(source.read()[:-200])
        elif damage == 'unreadable':
            # A link to itself: unreadable for root, too.
            os.symlink(path, path)
        subject.served_again(time.monotonic())
        lost = subject.finish(begun, refused=0)
        # It is noticed when it is read next: a clear refusal, the node stays.
        begun = subject.begin()
        assert subject.peer.change_state('deactivate') and subject.peer.change_state('cleanup')
        assert subject.peer.change_state('configure') is False
        subject.process.wait_for_log('Cannot configure: ')
    finally:
        if os.path.lexists(path):
            os.unlink(path)
        os.rename(kept, path)
    assert subject.peer.change_state('configure') and subject.peer.change_state('activate')
    row.back_s = subject.served_again(time.monotonic())
    subject.finish(begun)
    row.did = 'served on; the next configure was refused with the reason, and took the file ' \
        'once it was whole'
    row.lost = told(lost)
