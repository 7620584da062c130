# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The part of a page of docs that a command writes, between two marks."""

from typing import NamedTuple, Tuple


class Marks(NamedTuple):
    """Lines that stand before and after the part."""

    begin: str
    end: str


def parts_of(page: str, marks: Marks) -> Tuple[str, str, str]:
    """
    Return the text before, between and after the marks.

    :param page: path
    :raises ValueError: the page does not have both marks
    """
    with open(page, encoding='utf-8') as stream:
        before, begin, rest = stream.read().partition(marks.begin)
    between, end, after = rest.partition(marks.end)
    if not begin or not end:
        raise ValueError(f'{page} has not the marks {marks.begin} and {marks.end}')
    return before, between, after


def replace(page: str, marks: Marks, text: str) -> None:
    """
    Put a text between the marks; it begins and ends with a new line of its own.

    :param page: path
    :param text: whole lines
    :raises ValueError: the page does not have both marks
    """
    before, _, after = parts_of(page, marks)
    with open(page, 'w', encoding='utf-8') as stream:
        stream.write(f'{before}{marks.begin}\n{text}{marks.end}{after}')
