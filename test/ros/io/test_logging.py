# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What repeats at camera rate is logged now and then, and nothing new is hidden."""

import logging

from segformer_ros.ros.io.logging import KINDS_KEPT
from segformer_ros.ros.io.logging import LogBridge
from segformer_ros.ros.io.logging import PERIOD
from segformer_ros.ros.io.logging import Throttle


class Recorder:
    """A logger that keeps its lines, and a clock that is set by hand."""

    def __init__(self):
        self.lines = []
        self.now = 0.0

    def error(self, line):
        self.lines.append(('error', line))

    def info(self, line):
        self.lines.append(('info', line))

    def clock(self):
        return self.now


def make():
    recorder = Recorder()
    return Throttle(recorder, recorder.clock), recorder


def test_repetition_is_held_back_and_counted():
    throttle, recorder = make()
    for step in range(100):
        recorder.now = 0.03 * step
        throttle.error('step', f'wrong step {step}')
    recorder.now = PERIOD
    throttle.error('step', 'wrong step again')
    assert recorder.lines == [('error', 'wrong step 0'),
                              ('error', 'wrong step again (99 more like it)')]


def test_another_kind_is_logged_at_once():
    throttle, recorder = make()
    throttle.error('step', 'wrong step')
    throttle.info('stamp', 'stamp went back')
    assert recorder.lines == [('error', 'wrong step'), ('info', 'stamp went back')]


def test_lines_are_cut_and_hold_nothing_that_a_terminal_obeys():
    throttle, recorder = make()
    throttle.error('fault', 'got \x1b[2J' + 'x' * 3000000 + '\nthe end')
    (_, line), = recorder.lines
    assert len(line) < 10000
    assert line.startswith('got \\x1b[2J') and line.endswith('\nthe end')
    throttle.info('short', 'x' * 5000)
    assert recorder.lines[-1] == ('info', 'x' * 5000)


def test_lines_of_the_package_are_cut_on_their_way_to_the_log():
    recorder = Recorder()
    bridge = LogBridge(recorder)
    try:
        logging.getLogger('segformer_ros.test').error('got %s', '\x1b[2J' + 'x' * 3000000)
    finally:
        bridge.remove()
    (_, line), = recorder.lines
    assert len(line) < 10000 and line.startswith('got \\x1b[2J')


def test_who_invents_kinds_fills_neither_log_nor_memory():
    throttle, recorder = make()
    for number in range(10 * KINDS_KEPT):
        throttle.error(str(number), 'text')
    assert len(recorder.lines) == KINDS_KEPT
    assert len(throttle._seen) <= KINDS_KEPT
    recorder.now = PERIOD
    throttle.error('another', 'text')
    assert len(recorder.lines) == KINDS_KEPT + 1
