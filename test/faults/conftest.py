# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One row of the fault table for each test; ``FAULTS_JSON`` names the file they go to."""

import json
import os
import platform
import time

import pytest
from support.ros_fixtures import color_model
from support.ros_fixtures import domain
from support.ros_fixtures import use_own_transport

__all__ = ['color_model', 'domain']

pytest.importorskip('rclpy', reason='rclpy is not installed')

use_own_transport()

ROWS = []


class Row:
    """
    What a fault did; filled in by its test.

    ``back_s`` are the seconds until a right mask came of a picture that was sent after the
    fault, None where none was to be expected; ``lost`` says what was lost.
    """

    def __init__(self, fault):
        self.fault = fault
        self.did = ''
        self.back_s = None
        self.lost = ''


@pytest.fixture
def row(request):
    """Return the row of this test; its first docstring line is the fault's name."""
    # With "..." the test fills in the case; else a sentence without its full stop.
    filled = Row(request.function.__doc__.strip().split('\n')[0])
    yield filled
    report = getattr(request.node, 'report_of_call', None)
    good = report is not None and report.passed
    ROWS.append({'test': request.node.nodeid, 'fault': filled.fault.rstrip('.'), 'did': filled.did,
                 'back_s': None if filled.back_s is None else round(filled.back_s, 2),
                 'lost': filled.lost, 'passed': good})
    if good:
        assert filled.did, 'the test does not say what the node did'


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Let the fixture know how its test went."""
    outcome = yield
    if outcome.get_result().when == 'call':
        item.report_of_call = outcome.get_result()


def pytest_sessionfinish(session):
    """Write the rows, if a file was named."""
    path = os.environ.get('FAULTS_JSON')
    if path and ROWS:
        with open(path, 'w', encoding='utf-8') as stream:
            json.dump({'date': time.strftime('%Y-%m-%d', time.gmtime()),
                       'machine': '{} cores of {}, Python {}'.format(
                           os.cpu_count(), platform.machine(), platform.python_version()),
                       'rows': ROWS}, stream, indent=1)
            stream.write('\n')


@pytest.fixture(scope='module')
def subject(tmp_path_factory):
    """Yield a node that all faults of one file fall upon, one after another."""
    from support.fault_subject import Subject
    from support.ros_graph import private_domain
    from support.tiny_model import write_color_model
    folder = tmp_path_factory.mktemp('subject')
    with private_domain() as domain_id, \
            Subject(domain_id, folder, {'model': write_color_model(folder)}) as found:
        yield found
