# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every test may use: support modules and the shared test material."""

import gc
import os
import signal
import sys

import pytest

try:
    from hypothesis import settings
    from hypothesis.database import DirectoryBasedExampleDatabase
except ImportError:
    settings = None

TEST_ROOT = os.path.dirname(os.path.abspath(__file__))
PROJECT_ROOT = os.path.dirname(TEST_ROOT)

# colcon test and plain pytest start in different folders; both need support/ and the checkout.
TOOLS = [os.path.join(PROJECT_ROOT, 'tools', name) for name in ('docs', 'measure', 'worlds')]
for folder in (*TOOLS, TEST_ROOT, PROJECT_ROOT):
    if folder not in sys.path:
        sys.path.insert(0, folder)

from segformer_ros.common.allocator import keep_freed_memory  # noqa: E402
from segformer_ros.common.telemetry import disable_telemetry  # noqa: E402

# Shells start what runs in their background with SIGINT ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test imports onnxruntime by itself.
disable_telemetry()

# Pictures come and go here as in the node: a fifth of the processor time of rendering tests.
keep_freed_memory()

# Everywhere alike: a test judges a change, not a draw. make test-properties draws anew.
if settings is not None:
    settings.register_profile('repeatable', derandomize=True, deadline=None)
    settings.load_profile('repeatable')
EXAMPLES = int(os.environ.get('SEGFORMER_ROS_EXAMPLES', '0'))
"""Random examples for each property test instead of its own number; 0: its own, or the most."""
MOST_EXAMPLES = 40
"""Unless others are asked for: the same ones each time, so that more of them find little more."""
# Where hypothesis keeps the settings of one test; a second decorator is refused.
HYPOTHESIS_SETTINGS = '_hypothesis_internal_use_settings'
EXAMPLE_DATABASE = os.path.join(PROJECT_ROOT, '.hypothesis', 'examples')
"""Examples that failed once are tried first, until they pass."""


@pytest.fixture(scope='session')
def project_root():
    """Return the checkout's folder."""
    return PROJECT_ROOT


@pytest.fixture(scope='session')
def shared():
    """
    Return a function that gives the path of a file of the shared test material.

    The material lies beside the checkout, or where ``SEGFORMER_ROS_SHARED`` says.
    A test that asks for a missing file is skipped with the file's name.
    """
    root = os.environ.get('SEGFORMER_ROS_SHARED') or os.path.join(PROJECT_ROOT, '..', 'shared')

    def path(relative_path):
        found = os.path.abspath(os.path.join(root, relative_path))
        if not os.path.exists(found):
            pytest.skip(f'shared test material missing: {relative_path}')
        return found

    return path


def pytest_configure(config):
    """Run the smoke tests only where colcon calls: it hands over the package's name."""
    if getattr(config.option, 'junitprefix', None) == 'segformer_ros':
        config.option.markexpr = config.option.markexpr or 'smoke'


def pytest_collection_modifyitems(items):
    """Give every property test as many random examples as the environment asks for."""
    for item in items:
        test = getattr(item.obj, '__func__', item.obj) if hasattr(item, 'obj') else None
        own = getattr(test, HYPOTHESIS_SETTINGS, None)
        if own is not None and EXAMPLES:
            setattr(test, HYPOTHESIS_SETTINGS, settings(
                own, max_examples=EXAMPLES, derandomize=False,
                database=DirectoryBasedExampleDatabase(EXAMPLE_DATABASE), print_blob=True))
        elif own is not None and own.max_examples > MOST_EXAMPLES:
            setattr(test, HYPOTHESIS_SETTINGS, settings(own, max_examples=MOST_EXAMPLES))


def _expected_skips():
    # Each environment lacks something else; what main lacks would hide whole modules there.
    name = os.environ.get('SEGFORMER_ROS_TEST_ENVIRONMENT', 'main')
    path = os.path.join(TEST_ROOT, 'expected_skips', name + '.txt')
    with open(path, encoding='utf-8') as stream:
        rows = [line.rstrip('\n') for line in stream if line.strip() and line[0] != '#']
    return [tuple(row.split('\t')) for row in rows]


def pytest_collection_finish():
    """Leave the modules of the tests out of collections: a twentieth of the processor time."""
    gc.collect()
    getattr(gc, 'freeze', lambda: None)()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Fail where strictness is asked for and a skip is not in the committed list."""
    reporter = session.config.pluginmanager.get_plugin('terminalreporter')
    if not os.environ.get('SEGFORMER_ROS_STRICT_SKIPS') or reporter is None:
        return
    expected = _expected_skips()
    for report in reporter.stats.get('skipped', []):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ''
        if not any(test in report.nodeid and why in reason for test, why in expected):
            reporter.write_line(f'unexpected skip: {report.nodeid}: {reason}', red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
