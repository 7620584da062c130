# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A backend that hangs, fails or gives rubbish: no mask is made of it, and it is replaced."""

import os
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from support.ros_graph import NodeProcess
from support.ros_graph import wait_until
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import BLUE
from support.tiny_model import color_image

OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'
TEST_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
LIMITS = {'hang_timeout': 0.8, 'open_timeout': 30.0, 'threads': 1}


class FaultyNode:
    """A node whose backend a test can break, and its other side."""

    def __init__(self, process, peer, path):
        self.process = process
        self.peer = peer
        self._path = path
        self._inbox = peer.subscribe(DiagnosticArray, '/diagnostics')

    def let(self, fault):
        """Make the backend do something from its next run on."""
        write(self._path, fault)

    def send(self):
        """Send a blue picture and return its stamp."""
        return self.peer.send(rgb_message(color_image(['blue'])))

    def status(self, task, condition):
        """Return the next diagnostics entry of a task that fulfils the condition."""
        def found(message):
            return [each for each in message.status
                    if each.name == 'segformer: ' + task and condition(each)]
        return found(self._inbox.wait(found, after=len(self._inbox.messages)))[0]

    def serves_again(self):
        """Send pictures until one gets its mask, and look at that one."""
        stamps, before = [], len(self.peer.masks.messages)

        def answered():
            stamps.append(self.send())
            time.sleep(0.1)
            return [mask for mask in self.peer.masks.messages[before:]
                    if mask.header.stamp in stamps]
        mask = wait_until(answered, lambda: 'a mask:\n' + self.process.log())[0]
        assert np.all(pixels(mask) == BLUE)

    def counts(self):
        """Return the camera's books at rest."""
        values = {pair.key: pair.value for pair in self.status('camera', lambda _: True).values}
        return {key: int(values[key]) for key in (
            'received', 'published', 'dropped for newer ones', 'rejected input', 'failed')}


def write(path, fault):
    # In one step: the node reads it at any moment.
    temporary = str(path) + '.new'
    with open(temporary, 'w', encoding='ascii') as stream:
        stream.write(fault)
    os.replace(temporary, str(path))


@pytest.fixture
def node(domain, tmp_path, color_model):
    path = tmp_path / 'fault'
    write(path, 'ok')
    environment = {'FAULT_FILE': str(path), 'PYTHONPATH': os.pathsep.join(
        [os.path.abspath(TEST_ROOT), os.environ.get('PYTHONPATH', '')])}
    with NodeProcess(domain, tmp_path, dict(LIMITS, model=color_model),
                     module='support.faulty_node', environment=environment) as process, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        found = FaultyNode(process, peer, path)
        found.serves_again()
        yield found


def test_hanging_backend_is_told_replaced_and_its_late_result_thrown_away(node):
    before = node.counts()
    node.let('hang 1')
    late = node.send()
    status = node.status('watchdog', lambda status: status.level == ERROR)
    assert 'has not answered for' in status.message
    assert 'it is opened anew' in status.message
    node.serves_again()
    assert 'number 2, auto' in node.process.log()
    node.status('watchdog', lambda status: status.level == OK)
    threads = node.process.threads()
    node.let('ok')  # now the thread that hung goes on
    wait_until(lambda: node.process.threads() < threads, 'the end of the thread that hung')
    node.serves_again()
    assert late not in [mask.header.stamp for mask in node.peer.masks.messages]
    time.sleep(0.5)
    after = node.counts()
    gained = {key: after[key] - before[key] for key in after}
    assert gained['received'] == sum(gained.values()) - gained['received']
    assert gained['failed'] >= 1


def test_second_hang_brings_the_fallback_for_good(node):
    assert node.peer.set_parameters(open_timeout=0.8) == ''
    node.let('hang 2')
    node.send()
    node.process.wait_for_log('it is opened anew')
    publisher = node.peer.connect()

    def fell_back():
        publisher.publish(rgb_message(color_image(['blue'])))
        return 'the fallback is opened' in node.process.log()
    wait_until(fell_back, 'the fallback')
    node.serves_again()
    assert 'number 3, onnxruntime' in node.process.log()
    status = node.status('watchdog', lambda status: status.level == WARN)
    assert status.message.startswith('the fallback serves: ')
    values = {pair.key: pair.value for pair in status.values}
    assert (values['backends replaced'], values['threads that hang']) == ('2', '2')


def test_when_every_backend_hangs_the_process_ends_to_be_started_anew(node):
    # The fallback waits for its first frame longer than for others.
    assert node.peer.set_parameters(open_timeout=0.8) == ''
    node.let('hang')
    publisher = node.peer.connect()

    def ended():
        publisher.publish(rgb_message(color_image(['blue'])))
        time.sleep(0.05)
        return not node.process.is_running()
    wait_until(ended, lambda: 'the end:\n' + node.process.log())
    assert node.process.wait() == 3
    assert 'the process ends, to be started anew' in node.process.log()


@pytest.mark.parametrize('fault, text', [
    ('raise', 'No mask: The test lets the network fail'),
    ('bug', 'No mask: ZeroDivisionError: a fault of ours'),
    ('nan', 'No mask: .*not finite|No mask: .*NaN'),
])
def test_failing_backend_gives_no_mask_and_is_replaced(node, fault, text):
    node.let(fault + ' 1')
    masks = len(node.peer.masks.messages)
    stamps = [node.send()]
    node.process.wait_for_log(text)
    while 'frames in a row' not in node.process.log():
        stamps.append(node.send())
        time.sleep(0.1)
        assert len(stamps) < 100
    node.serves_again()
    assert 'number 2, auto' in node.process.log()
    served = [mask.header.stamp for mask in node.peer.masks.messages[masks:]]
    assert not set(map(str, stamps[:5])) & set(map(str, served))
    node.status('watchdog', lambda status: status.level == OK)


def test_one_failure_replaces_nothing(node):
    node.let('raise')
    node.send()
    node.process.wait_for_log('No mask: The test lets the network fail')
    node.let('ok')
    node.serves_again()
    assert 'opened anew' not in node.process.log()


def test_backend_that_cannot_be_opened_anew_is_tried_again_until_it_can(node):
    node.let('refuse')
    for _ in range(8):
        node.send()
        time.sleep(0.1)
    node.process.wait_for_log('cannot be opened: The test lets no backend open')
    status = node.status('watchdog', lambda status: status.level == ERROR)
    assert 'cannot be opened' in status.message
    node.let('ok')
    node.serves_again()
    assert node.process.is_running()


def test_lifecycle_goes_on_while_a_backend_hangs(node):
    node.let('hang 1')
    node.send()
    node.process.wait_for_log('it is opened anew')
    assert node.peer.change_state('deactivate') and node.peer.change_state('cleanup')
    assert node.peer.change_state('configure') and node.peer.change_state('activate')
    node.serves_again()
