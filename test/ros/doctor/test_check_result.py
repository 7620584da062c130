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
