# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One row of the fault table for each collected test; ``FAULTS_JSON`` names their file."""

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

FOLDER = os.path.dirname(os.path.abspath(__file__))
PHASES = ('setup', 'call', 'teardown')
ROWS = {}


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
        self.passed = set()
        """Which of :data:`PHASES` went well."""

    def as_dict(self, test, case):
        """Return what the table says of it."""
        return {'test': test, 'fault': self.fault.replace('...', case).rstrip('.'),
                'did': self.did, 'lost': self.lost,
                'back_s': None if self.back_s is None else round(self.back_s, 2),
                'passed': self.passed.issuperset(PHASES)}


def row_of(item):
    """Return the row of a test, which there is from its collection on."""
    # With "..." the test fills in the case; else a sentence without its full stop.
    text = item.function.__doc__ or item.name
    return ROWS.setdefault(item.nodeid, Row(text.strip().split('\n')[0]))


def case_of(item):
    """Return what stands for "..." where the test itself came to say nothing."""
    return item.callspec.id if hasattr(item, 'callspec') else '...'


@pytest.fixture
def row(request):
    """Return the row of this test; its first docstring line is the fault's name."""
    filled = row_of(request.node)
    yield filled
    if 'call' in filled.passed:
        assert filled.did, 'the test does not say what the node did'


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Note how each phase of a test went: a node that does not start or end is a fault, too."""
    outcome = yield
    report = outcome.get_result()
    if report.passed:
        row_of(item).passed.add(report.when)


def pytest_sessionfinish(session):
    """Write the rows of all tests that were collected, if a file was named."""
    path = os.environ.get('FAULTS_JSON')
    rows = [row_of(item).as_dict(item.nodeid, case_of(item)) for item in session.items
            if str(item.path).startswith(FOLDER + os.sep)]
    if path and rows and not session.config.option.collectonly:
        with open(path, 'w', encoding='utf-8') as stream:
            json.dump(
                {
                    'date': time.strftime('%Y-%m-%d', time.gmtime()),
                    'machine': f'{os.cpu_count()} cores of {platform.machine()}, '
                    f'Python {platform.python_version()}',
                    'rows': rows
                }, stream, indent=1)
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
