# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A backend that hangs, fails or gives rubbish: no mask is made of it, and it is replaced."""

import re
import time

import pytest
from support.faulty_process import faulty_node
from support.ros_graph import wait_until
from support.segformer_peer import rgb_message
from support.tiny_model import color_image

OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'
LIMITS = {'hang_timeout': 0.8, 'open_timeout': 30.0, 'threads': 1}
LONG = 20.0
"""Seconds; no machine stands still for so long, so that nothing is taken for a hang."""


@pytest.fixture
def node(domain, tmp_path, color_model):
    with faulty_node(domain, tmp_path, dict(LIMITS, model=color_model)) as found:
        found.peer.wait_for_state('active')
        found.serves_again()
        yield found


def test_hanging_backend_is_told_replaced_and_its_late_result_thrown_away(node):
    before = node.counts()
    node.let('hang 1')
    late = node.send()
    status = node.status('watchdog', lambda status: status.level == ERROR)
    waited = float(re.search(r'has not answered for ([\d.]+) s', status.message).group(1))
    # Looks more than a second apart count nothing, so that a busy machine changes no bound.
    assert LIMITS['hang_timeout'] <= waited < LIMITS['hang_timeout'] + 1.1
    assert 'it is opened anew' in status.message
    node.serves_again()
    assert 'number 2, auto' in node.process.log()
    node.status('watchdog', lambda status: status.level == OK)
    threads = node.process.threads()
    node.let('ok')  # now the thread that hung goes on
    wait_until(lambda: node.process.threads() < threads, 'the end of the thread that hung')
    node.serves_again()
    assert late not in [mask.header.stamp for mask in node.peer.masks.messages]

    def gained_when_even():
        after = node.counts()
        gained = {key: after[key] - before[key] for key in after}
        return gained if gained['received'] == sum(gained.values()) - gained['received'] else None

    assert wait_until(gained_when_even,
                      lambda: f'even books: {node.counts()}, before {before}')['failed'] >= 1


def test_second_hang_brings_the_fallback_for_good(node):
    node.let('hang 1')
    node.send_until_logged('it is opened anew')
    # A first frame might take as long as an opening.
    node.serves_again()
    node.let('hang 2')
    node.send_until_logged('the fallback is opened')
    node.serves_again()
    assert 'number 3, onnxruntime' in node.process.log()
    status = node.status('watchdog', lambda status: status.level == WARN)
    assert status.message.startswith('the fallback serves: ')
    values = {pair.key: pair.value for pair in status.values}
    assert (values['backends replaced'], values['abandoned threads']) == ('2', '2')


def test_when_every_backend_hangs_the_process_ends_to_be_started_anew(node):
    # The fallback waits for its first frame longer than for others.
    assert node.peer.set_parameters(open_timeout=0.8) == ''
    node.let('hang')
    assert_ends_for_a_new_start(node)


def test_threads_that_hang_are_counted_over_cleanup_and_configure(node):
    for number in (1, 2, 3):
        # In each cycle one hangs and its successor serves.
        node.let(f'hang {2 * number - 1}')
        node.send_until_logged('it is opened anew', number)
        node.serves_again()
        assert node.peer.change_state('deactivate') and node.peer.change_state('cleanup')
        node.process.wait_for_log(f'Abandoned threads, which hang: {number}')
        # Nobody waited for them.
        assert 'has not answered for 30 s' not in node.process.log()
        assert node.peer.change_state('configure') and node.peer.change_state('activate')
        node.serves_again()
    node.let('hang 7')
    assert_ends_for_a_new_start(node)


def assert_ends_for_a_new_start(node):
    publisher = node.peer.connect()

    def ended():
        publisher.publish(rgb_message(color_image(['blue'])))
        time.sleep(0.05)
        return not node.process.is_running()
    wait_until(ended, lambda: 'the end:\n' + node.process.log())
    assert node.process.wait() == 3
    assert 'as have 3 before it; the process ends, to be started anew' in node.process.log()


@pytest.mark.parametrize('fault, text', [
    ('raise', 'No mask: The test lets the network fail'),
    ('bug', 'No mask: ZeroDivisionError: a fault of ours'),
    ('nan', 'No mask: .*not finite|No mask: .*NaN'),
])
def test_failing_backend_gives_no_mask_and_is_replaced(node, fault, text):
    assert node.peer.set_parameters(hang_timeout=LONG) == ''
    node.let(fault + ' 1')
    masks = len(node.peer.masks.messages)
    stamps = [node.send()]
    node.process.wait_for_log(text)
    stamps += node.send_until_logged('frames in a row')
    node.serves_again()
    assert 'number 2, auto' in node.process.log()
    served = [mask.header.stamp for mask in node.peer.masks.messages[masks:]]
    assert not set(map(str, stamps[:5])) & set(map(str, served))
    node.status('watchdog', lambda status: status.level == OK)


def test_one_failure_replaces_nothing(node):
    assert node.peer.set_parameters(hang_timeout=LONG) == ''
    node.let('raise')
    node.send()
    node.process.wait_for_log('No mask: The test lets the network fail')
    node.let('ok')
    node.serves_again()
    assert 'opened anew' not in node.process.log()


def test_backend_that_cannot_be_opened_anew_is_tried_again_until_it_can(node):
    assert node.peer.set_parameters(hang_timeout=LONG) == ''
    node.let('refuse')
    node.send_until_logged('cannot be opened: The test lets no backend open')
    status = node.status('watchdog', lambda status: status.level == ERROR)
    assert 'cannot be opened' in status.message
    node.let('ok')
    node.serves_again()
    assert node.process.is_running()


def test_lifecycle_goes_on_while_a_backend_hangs(node):
    node.let('hang 1')
    node.send_until_logged('it is opened anew')
    assert node.peer.change_state('deactivate') and node.peer.change_state('cleanup')
    assert node.peer.change_state('configure') and node.peer.change_state('activate')
    node.serves_again()
