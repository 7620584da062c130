# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A backend that hangs while it is opened for the first time, and a stop meanwhile."""

import re
import signal
import time

import pytest
from support.faulty_process import faulty_node

WARN = b'\x01'


@pytest.fixture
def start(domain, tmp_path, color_model):
    """Return a function that starts a node with a fault; use its result in ``with``."""
    def run(fault, **parameters):
        return faulty_node(domain, tmp_path, dict(parameters, model=color_model, threads=1), fault)
    return run


def test_opening_that_hangs_brings_the_fallback(start):
    with start('stuck 1', open_timeout=3.0) as node:
        node.peer.wait_for_state('active')
        assert 'the fallback is opened' in node.process.log()
        assert 'number 2, onnxruntime' in node.process.log()
        node.serves_again()
        status = node.status('watchdog', lambda status: status.level == WARN)
        assert status.message.startswith('the fallback serves: The backend was not open after ')
        waited = float(re.search(r'not open after ([\d.]+) s', status.message).group(1))
        assert 3.0 <= waited < 4.1
        values = {pair.key: pair.value for pair in status.values}
        assert (values['backends replaced'], values['abandoned threads']) == ('1', '1')


def test_when_no_backend_opens_the_process_ends_to_be_started_anew(start):
    with start('stuck', open_timeout=1.0) as node:
        assert node.process.wait() == 3
        assert 'number 2 hangs' in node.process.log()
        assert 'the process ends, to be started anew' in node.process.log()


def test_under_a_lifecycle_manager_configure_fails_and_can_be_repeated(start):
    with start('stuck 2', open_timeout=3.0, autostart='false') as node:
        assert not node.peer.change_state('configure')
        assert node.peer.state() == 'unconfigured'
        assert 'Cannot configure: No backend was open in time, nor the fallback' in \
            node.process.log()
        assert 'Abandoned threads, which hang: 2; with 4 the process ends' in node.process.log()
        assert node.peer.change_state('configure') and node.peer.change_state('activate')
        node.serves_again()


def test_under_a_lifecycle_manager_the_process_ends_when_four_openings_hang(start):
    with start('stuck', open_timeout=1.0, autostart='false') as node:
        assert not node.peer.change_state('configure')
        node.peer.change_state('configure')
        assert node.process.wait() == 3


@pytest.mark.parametrize('number, fault, until, open_timeout', [
    (signal.SIGTERM, 'stuck', 'number 1 hangs', 300.0),
    (signal.SIGTERM, 'endless', 'number 1 hangs', 300.0),
    (signal.SIGINT, 'stuck', 'number 2 hangs', 5.0)],
    ids=['the first', 'the runtime at work', 'the fallback'])
def test_signal_during_the_opening_ends_the_process_in_order(
        start, number, fault, until, open_timeout):
    with start(fault, open_timeout=open_timeout) as node:
        node.process.wait_for_log(until)
        signalled = time.monotonic()
        node.process.signal(number)
        assert node.process.wait() == 0
        assert time.monotonic() - signalled < 10.0
        assert 'Cannot configure: The backend was not open yet: got a request to stop' in \
            node.process.log()
        assert 'Traceback' not in node.process.log()
