# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Results as people read them."""

from segformer_ros.common.errors import ERROR
from segformer_ros.common.errors import OK
from segformer_ros.ros.doctor.check_result import CheckResult
from segformer_ros.ros.doctor.check_result import render_text


def test_text_has_one_line_for_each_result_and_remedy():
    text = render_text([CheckResult(OK, 'clock', 'now'),
                        CheckResult(ERROR, 'model', 'not\nthere', 'Fetch it.\nThen start.')])
    assert text.splitlines() == [
        'ok    clock         now',
        'ERROR model         not there',
        '                    remedy: Fetch it. Then start.',
        '1 errors, 0 warnings, 1 ok']


def test_texts_of_strangers_are_cut_and_hold_nothing_that_a_terminal_obeys():
    lens = '\x1b[2J\x9b' + 'x' * 3000000
    text = render_text([CheckResult(OK, 'camera_info', f'30 Hz, {lens}', f'Correct {lens}.')])
    assert len(text) < 20000
    assert not any(code in text for code in '\x1b\x9b')
    assert text.startswith('ok    camera_info   30 Hz, \\x1b[2J\\x9bxxx')
