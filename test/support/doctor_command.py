# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``doctor`` in a process of its own."""

import json
import os
import subprocess
import sys

from segformer_ros.ros.doctor.check_result import CheckResult
from segformer_ros.ros.doctor.check_result import LEVEL_NAMES


def results_of(output):
    """Return the results that the command wrote as JSON."""
    return [CheckResult(**dict(each, level=LEVEL_NAMES.index(each['level'])))
            for each in json.loads(output)['findings']]


def doctor(domain, *arguments):
    """Run the command; return its exit status and its results."""
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
