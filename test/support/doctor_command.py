# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``doctor``, in a process of its own or in this one."""

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
from unittest import mock

from segformer_ros.cli.doctor import main
from segformer_ros.ros.doctor import parts
from segformer_ros.ros.doctor.check_result import CheckResult
from segformer_ros.ros.doctor.check_result import LEVEL_NAMES


def results_of(output):
    """Return the results that the command wrote as JSON."""
    return [CheckResult(**dict(each, level=LEVEL_NAMES.index(each['level'])))
            for each in json.loads(output)['findings']]


_try_imports = parts._answers


@functools.lru_cache(maxsize=None)
def _kept_answers(modules):
    return _try_imports(list(modules))


def doctor(domain, *arguments):
    """
    Run the command in this process; return its exit status and its results.

    It has a context of its own, so its topics are those of any other process. A process of its
    own would import everything once more, three seconds of processor time. What can be imported
    here is looked at once for all tests.
    """
    output = io.StringIO()
    kept = os.environ.get('ROS_DOMAIN_ID')
    os.environ['ROS_DOMAIN_ID'] = str(domain)
    try:
        with contextlib.redirect_stdout(output), mock.patch.object(
                parts, '_answers', lambda modules: _kept_answers(tuple(modules))):
            status = main(['--json'] + list(arguments))
    finally:
        del os.environ['ROS_DOMAIN_ID']
        if kept is not None:
            os.environ['ROS_DOMAIN_ID'] = kept
    return status, results_of(output.getvalue())


def doctor_process(domain, *arguments):
    """Run the command as users do; return its exit status and its results."""
    done = subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.doctor', '--json'] + list(arguments),
        env=dict(os.environ, ROS_DOMAIN_ID=str(domain)), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, universal_newlines=True, timeout=120, check=False)
    assert 'Traceback' not in done.stderr, done.stderr
    return done.returncode, results_of(done.stdout)


def of(results, subject):
    """Return the results of a subject, of which there is one at least."""
    found = [result for result in results if result.subject == subject]
    assert found, results
    return found
