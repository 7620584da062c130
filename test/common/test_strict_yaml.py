# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""YAML files with aliases, which may stand for more than any memory holds, are refused."""

import time

import pytest
from segformer_ros.common import strict_yaml
from segformer_ros.common.errors import ConfigurationError

BOMB = 'a: &a [x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'{name}: &{name} [' + ', '.join([f'*{before}'] * 9) + ']\n'
    for before, name in zip('abcdefgh', 'bcdefghi'))


def read(tmp_path, text):
    path = tmp_path / 'file.yaml'
    path.write_text(text, encoding='utf-8')
    return strict_yaml.read_mapping(str(path))


def test_alias_bomb_is_refused_at_once(tmp_path):
    started = time.process_time()
    with pytest.raises(ConfigurationError, match=r'alias.*write the value out.*line 2'):
        read(tmp_path, BOMB)
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize('text', ['a: &x 1\nb: *x\n', 'a: &x {b: *x}\n',
                                  'a: &x {c: 1}\nb:\n  <<: *x\n'])
def test_every_alias_is_refused(tmp_path, text):
    with pytest.raises(ConfigurationError, match='alias'):
        read(tmp_path, text)


def test_anchor_that_nobody_uses_is_harmless(tmp_path):
    assert read(tmp_path, 'a: &x 1\n') == {'a': 1}
    assert read(tmp_path, "a: '*x'\nb: [1, {c: 2}]\n") == {'a': '*x', 'b': [1, {'c': 2}]}


def test_a_word_of_three_megabytes_is_no_slip_of_the_pen():
    known = [f'class {number}' for number in range(150)]
    assert strict_yaml.nearest('clas 7', known)[0] == 'class 7'
    longest = 'class 7'.ljust(strict_yaml.LONGEST_WORD, '7')
    assert strict_yaml.nearest(longest, [longest + '7']) == [longest + '7']
    started = time.process_time()
    assert strict_yaml.nearest('class ' * 500000, known) == []
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize('text', ['59:59', '12:30:45', '20:30.5', ':'.join(['59'] * 300) + '.5',
                                  ':'.join(['59'] * 100000)])
def test_numbers_of_base_60_are_text(tmp_path, text):
    # A port, a time of day; and 300 kB took two seconds, or were more than a float holds.
    started = time.process_time()
    assert read(tmp_path, f'a: {text}\n') == {'a': text}
    assert time.process_time() - started < 1.0
    assert read(tmp_path, 'a: [-7, 0x1f, 017, 1_000, 1.5, .inf]\n') == {
        'a': [-7, 31, 15, 1000, 1.5, float('inf')]}


@pytest.mark.parametrize('prefix', ['', '-', '0x', '0'])
def test_whole_numbers_that_nobody_writes_are_refused_before_they_are_made(tmp_path, prefix):
    # Older Pythons take minutes for a million digits, newer ones refuse 4300.
    with pytest.raises(ConfigurationError, match='whole number of .* characters'):
        read(tmp_path, f"a: {prefix}{'1' * 4000}\n")


def test_files_larger_than_anybody_writes_are_refused_before_they_are_read(tmp_path, monkeypatch):
    # One megabyte of keys takes 4 s and 130 MB.
    assert strict_yaml.MOST_BYTES >= 4 << 20
    monkeypatch.setattr(strict_yaml, 'MOST_BYTES', 100)
    assert read(tmp_path, 'a: ' + 'x' * 97) == {'a': 'x' * 97}
    with pytest.raises(ConfigurationError, match='too large: got .* of 101 bytes'):
        read(tmp_path, 'a: ' + 'x' * 98)
