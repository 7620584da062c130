# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The own transform buffer beside answers that a real tf2 gave.

test/data/tf2_answers.txt holds both the questions and the answers of tf2::BufferCore, recorded by
tools/tf2. Where the two differ on purpose, DIFFERENT says what ours answers, and why.
"""

import os

import numpy as np
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer

NANOSECONDS = 1000000000
BASE = 1700000000
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, 'data',
                    'tf2_answers.txt')
SAID = {'extrapolation': 'No transform at that time', 'connectivity': 'not connected',
        'lookup': 'Unknown frame'}
# Metres and parts of a turn: seconds as float64 resolve 0.24 us, in which the fastest frame of
# the recorded trees, with 4 m in 0.1 s, moves by 1e-5 m.
TOLERANCE = 3e-5

# By scenario; each question (target, source, seconds after BASE or None) with what ours answers:
# x of the source in the target, or the error.
EXTRAPOLATION, UNKNOWN = SAID['extrapolation'], SAID['lookup']
DIFFERENT = {
    # The one sent last counts, as in tf2 of ROS 2; tf2 0.7.6 keeps the first.
    'same_stamp_at_the_newest': {('a', 'b', 1): 3.0, ('a', 'b', None): 3.0},
    'same_stamp_between_two': {('a', 'b', 0.5): 1.5, ('a', 'b', 1): 3.0, ('a', 'b', 1.5): 6.0},
    # tf2 keeps the history of a frame under its old parent. Ours forgets it: for some tenths of
    # a second it refuses images that were taken before the change, and never mixes two trees.
    'new_parent': {(target, 'c', seconds): EXTRAPOLATION for target in 'ab'
                   for seconds in (0, 1.5, 2, 2.5)},
    'parent_taken_away': {('a', 'c', 0.5): UNKNOWN, ('a', 'c', 2): UNKNOWN,
                          ('a', 'c', None): UNKNOWN},
    # The last message decides whether a frame is static, as in tf2 of ROS 2; in 0.7.6 the first.
    'static_then_moving': {('a', 'b', 0): EXTRAPOLATION, ('a', 'b', 5): 2.0, ('a', 'b', 5.5): 2.5,
                           ('a', 'b', 7): EXTRAPOLATION},
    'moving_then_static': {('a', 'b', seconds): 3.0 for seconds in (0, 0.5, 5, None)},
    # Found, and told as what it is.
    'loop': {('a', 'd', 0): 'Transforms form a loop'},
    # The leading slash that ROS 1 bags have is dropped; tf2 refuses it in questions.
    'names': {('odom', '/base', 0): 1.0},
    # Made one of length 1; tf2 takes no transform whose quaternion is off by more than 1 %.
    'quaternion_of_length_1.5': {('a', 'b', 0): 1.0},
}


def scenarios():
    """Return {name: (cache time, [step])}; a step is (words before ``=``, words after it)."""
    found = {}
    with open(FILE, encoding='utf-8') as stream:
        for line in stream:
            before, _, after = line.partition(' = ')
            words = before.split()
            if words[0] == 'scenario':
                steps = []
                found[words[1]] = (float(words[2]), steps)
            elif words[0] != '#':
                steps.append((words, after.split()))
    return found


SCENARIOS = scenarios()


def insert(buffer, words):
    numbers = [float(each) for each in words[5:]]
    buffer.insert(words[1], words[2], int(words[3]) / NANOSECONDS, numbers[:3], numbers[3:],
                  static=words[4] == 'static')


def question(words):
    nanoseconds = int(words[3])
    return (words[1], words[2],
            (nanoseconds - BASE * NANOSECONDS) / NANOSECONDS if nanoseconds else None)


def answer(buffer, words):
    """Return what ours answers: a matrix, or the text of its error."""
    nanoseconds = int(words[3])
    try:
        return buffer.lookup(words[1], words[2], nanoseconds / NANOSECONDS if nanoseconds else
                             None)
    except TransformError as error:
        return str(error)


def matrix(words):
    numbers = [float(each) for each in words]
    result = np.eye(4)
    result[:3, :3] = transforms.rotation_of(transforms.unit_quaternion(numbers[3:]))
    result[:3, 3] = numbers[:3]
    return result


def same(found, expected):
    """Return whether an answer of ours is what tf2 said: the words after ``=``."""
    if len(expected) == 1:
        return isinstance(found, str) and SAID.get(expected[0], 'not among them') in found
    return not isinstance(found, str) and abs(found - matrix(expected)).max() < TOLERANCE


@pytest.mark.parametrize('name', sorted(SCENARIOS))
def test_every_answer_is_that_of_tf2_or_a_difference_that_is_meant(name):
    cache_time, steps = SCENARIOS[name]
    buffer = TransformBuffer(cache_time)
    different, asked = dict(DIFFERENT.get(name, {})), 0
    for words, expected in steps:
        if words[0] == 'set':
            try:
                insert(buffer, words)
            except InvalidInputError:
                assert expected == ['refused'], words
            continue
        asked += 1
        found = answer(buffer, words)
        if question(words) in different:
            ours = different.pop(question(words))
            assert not same(found, expected), f'no difference any more: {words}'
            if isinstance(ours, str):
                assert isinstance(found, str) and ours in found, words
            else:
                assert found[0, 3] == pytest.approx(ours, abs=TOLERANCE), words
        else:
            assert same(found, expected), (words, expected, found)
    assert asked and not different


def test_the_record_has_every_kind_of_answer():
    kinds = [' '.join(after[:1]) for _, steps in SCENARIOS.values() for words, after in steps
             if words[0] == 'look']
    assert len(SCENARIOS) > 25 and len(kinds) > 500
    for kind in ('extrapolation', 'connectivity', 'lookup', 'invalid'):
        assert kind in kinds
    assert sum(kind not in SAID for kind in kinds) > 300
