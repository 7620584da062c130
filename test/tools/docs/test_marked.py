# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The parts of pages that commands write."""

import marked
import pytest

MARKS = marked.Marks('<!-- begin -->', '<!-- end -->')


def test_page_keeps_what_is_around_the_table(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- begin -->\nold\n<!-- end -->\nafter\n')
    assert marked.parts_of(str(page), MARKS) == ('before\n', '\nold\n', '\nafter\n')
    marked.replace(str(page), MARKS, 'new\n')
    assert page.read_text() == 'before\n<!-- begin -->\nnew\n<!-- end -->\nafter\n'


@pytest.mark.parametrize('text', ['', 'a <!-- begin --> b', 'a <!-- end --> b',
                                  '<!-- end --> <!-- begin -->'])
def test_page_without_both_marks_is_left_alone(tmp_path, text):
    page = tmp_path / 'page.md'
    page.write_text(text)
    with pytest.raises(ValueError, match='has not the marks'):
        marked.replace(str(page), MARKS, 'new\n')
    assert page.read_text() == text
