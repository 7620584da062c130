# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Property tests draw the same examples everywhere, and others where that is asked for."""

import os
import re
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
import pytest

PROPERTIES = 'test/evaluation/metrics/test_confusion.py'


def examples_of_each(project_root, *arguments, **environment):
    """Return how many examples passed of each property test of one file."""
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-m', 'hypothesis', '-p', 'no:cacheprovider',
         '--hypothesis-show-statistics', PROPERTIES] + list(arguments), cwd=project_root,
        env=dict(os.environ, **environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        universal_newlines=True, check=False)
    assert done.returncode == 0, done.stdout
    return [int(number) for number in re.findall(r'(\d+) passing', done.stdout)]


def test_as_many_examples_are_drawn_as_are_asked_for(project_root):
    own = examples_of_each(project_root, SEGFORMER_ROS_EXAMPLES='0')
    asked = examples_of_each(project_root, '--hypothesis-seed=1', SEGFORMER_ROS_EXAMPLES='17')
    assert len(own) == len(asked) == 3
    assert min(own) >= 20
    assert asked == [17, 17, 17]


@pytest.mark.skipif(os.environ.get('SEGFORMER_ROS_EXAMPLES', '0') != '0',
                    reason='other examples were asked for')
def test_examples_are_the_same_in_every_run():
    drawn = []

    def draw():
        @given(st.lists(st.integers()))
        def remember(numbers):
            drawn[-1].append(numbers)
        drawn.append([])
        remember()
    draw()
    draw()
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) >= 50
