# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What strangers chose is cut and escaped wherever an error shows it."""

import pickle

import pytest
from segformer_ros.common import errors
from segformer_ros.common.text import LONGEST
from segformer_ros.common.text import plain


def test_short_text_stays_as_it_is():
    text = 'Größe: 5 µm\tand\nmore'
    assert plain(text) == text
    assert plain('a' * LONGEST) == 'a' * LONGEST


def test_long_text_keeps_beginning_and_end():
    shown = plain('begin' + 'x' * 10 ** 6 + 'end', 60)
    assert len(shown) < 90
    assert shown.startswith('begin') and shown.endswith('end')
    assert '[999948 characters]' in shown


@pytest.mark.parametrize('text, shown', [
    ('\x1b[2J', '\\x1b[2J'), ('\x00', '\\x00'), ('\r', '\\r'), ('\x9b1m', '\\x9b1m'),
    ('\u202e', '\\u202e'), ('\udc80', '\\udc80'), ('\x07', '\\x07')])
def test_what_a_terminal_would_obey_is_escaped(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize('part', ['problem', 'got', 'expected', 'remedy'])
def test_every_part_of_an_error_is_cut_and_escaped(part):
    parts = dict({'problem': 'It'}, **{part: '\x1b' + 'x' * 10 ** 6})
    error = errors.InvalidInputError(**parts)
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert len(str(each)) < LONGEST + 100
        assert '\x1b' not in str(each)
        assert '\x1b' not in str(getattr(each, part))


def test_objects_are_cut_too():
    assert len(str(errors.InvalidInputError('It', got=[0] * 10 ** 5))) < LONGEST + 100
