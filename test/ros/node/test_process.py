# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A node's process outlives faults of single callbacks, and ends in order."""

import os
import signal
import time

import pytest
from segformer_ros.ros.node import process
from segformer_ros.ros.node.stop_signal import SAME_REQUEST
from std_srvs.srv import Trigger
from support.ros_graph import NodeProcess
from support.ros_graph import Peer

FAULTY = '''
import atexit
import ctypes
import os
from rclpy.node import Node
from segformer_ros.ros.node import process
from segformer_ros.ros.node import stop_signal as stop_request
from segformer_ros.ros.node.process import run_node
from std_srvs.srv import Trigger
import sys
import time


class Faulty(Node):
    def __init__(self):
        super().__init__('faulty')
        self.create_service(Trigger, 'answer', self.answer)
        self.create_timer(0.05, self.fail)

    def answer(self, request, response):
        response.success = True
        return response

    def fail(self):
        raise ZeroDivisionError('deliberate')

    def close(self):
        self.get_logger().info('closed in order')
        time.sleep({seconds})

    def destroy_node(self):
        # A function of C that keeps the interpreter, as rclpy does there.
        ctypes.PyDLL(None).sleep({seconds_to_leave})
        super().destroy_node()


process.LEAVE_TIMEOUT = {leave_timeout}
stop_request.SAME_REQUEST = {same_request}
if {leaves_threads}:
    atexit.register(os._exit, 7)
sys.exit(run_node(Faulty, Faulty.close, leaves_threads=lambda node: {leaves_threads}))
'''


@pytest.fixture
def start(domain, tmp_path):
    """Return a function that starts a node whose timer always fails."""
    def run(seconds_to_close=0, same_request=SAME_REQUEST, leaves_threads=False,
            seconds_to_leave=0, leave_timeout=process.LEAVE_TIMEOUT):
        (tmp_path / 'faulty_node.py').write_text(FAULTY.format(
            seconds=seconds_to_close, same_request=same_request, leaves_threads=leaves_threads,
            seconds_to_leave=seconds_to_leave, leave_timeout=leave_timeout), encoding='utf-8')
        path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
        return NodeProcess(domain, tmp_path, module='faulty_node',
                           environment={'PYTHONPATH': path})
    return run


def test_a_fault_in_a_callback_is_told_and_other_callbacks_go_on(domain, start):
    with start() as node, Peer(domain) as peer:
        node.wait_for_log('Fault in a callback:\\n(.*\\n)*ZeroDivisionError: deliberate')
        assert peer.call(Trigger, 'answer', Trigger.Request()).success
        assert node.is_running()
        node.signal(signal.SIGTERM)
        assert node.wait() == 0
        assert 'closed in order' in node.log()


def test_a_second_signal_ends_a_process_that_hangs_while_closing(start):
    with start(seconds_to_close=1000) as node:
        node.wait_for_log('deliberate')
        node.signal(signal.SIGINT)
        node.wait_for_log('closed in order')
        time.sleep(SAME_REQUEST)
        node.signal(signal.SIGINT)
        assert node.wait() == -signal.SIGINT


def test_ctrl_c_that_launch_passes_on_once_more_is_one_request(start):
    # A machine with other work may take longer than a second to the second one.
    with start(seconds_to_close=1.0, same_request=60.0) as node:
        node.wait_for_log('deliberate')
        node.signal(signal.SIGINT)
        node.wait_for_log('closed in order')
        node.signal(signal.SIGINT)
        assert node.wait() == 0


def test_with_threads_left_behind_the_interpreter_is_not_torn_down(start):
    with start(leaves_threads=True) as node:
        node.wait_for_log('deliberate')
        node.signal(signal.SIGTERM)
        assert node.wait() == 0
        assert 'closed in order' in node.log()


def test_a_process_ends_whose_dds_does_not_leave_and_holds_the_interpreter(start):
    with start(seconds_to_leave=1000, leave_timeout=0.5) as node:
        node.wait_for_log('deliberate')
        node.signal(signal.SIGINT)
        assert node.wait() == -signal.SIGALRM
        assert 'closed in order' in node.log()


def test_a_process_whose_dds_takes_its_time_ends_in_order(start):
    with start(seconds_to_leave=1, leave_timeout=60.0) as node:
        node.wait_for_log('deliberate')
        node.signal(signal.SIGINT)
        assert node.wait() == 0
