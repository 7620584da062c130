# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Error texts."""

import pytest

from segformer_ros.common import errors


@pytest.mark.smoke
def test_text_tells_got_expected_and_remedy():
    error = errors.ModelError('Model file not found', got='a.onnx', expected='a file',
                              remedy='Run fetch_model.')
    assert str(error) == 'Model file not found: got a.onnx; expected a file. Run fetch_model.'
    assert (error.got, error.expected) == ('a.onnx', 'a file')


def test_text_leaves_out_what_is_not_known():
    assert str(errors.BackendError('It broke')) == 'It broke.'
    assert str(errors.BackendError('It broke', expected=0)) == 'It broke: expected 0.'


def test_one_family_holds_every_error():
    family = [value for value in vars(errors).values()
              if isinstance(value, type) and issubclass(value, Exception)]
    assert len(family) >= 6
    assert all(issubclass(member, errors.SegformerRosError) for member in family)
