# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is kept of tables has a limit in bytes, whatever sizes strangers choose."""

import collections
from types import SimpleNamespace

import numpy as np
import pytest
from segformer_ros.common import table_cache
from segformer_ros.common.image_header import MOST_SIDE
from segformer_ros.segmentation.exact_argmax import upsampling_axis
from segformer_ros.segmentation.pillow_resize import resize_axis

Table = collections.namedtuple('Table', 'values')


def test_newest_tables_are_kept_within_the_bytes():
    made = []

    @table_cache.cache_tables
    def make(first, second):
        made.append((first, second))
        return Table(np.zeros(first, np.uint8))

    quarter = table_cache.MOST_BYTES // 4
    for second in range(4):
        make(quarter, second)
    assert make(quarter, 0) is make(quarter, 0)
    assert len(made) == 4
    make(quarter, 4)  # makes way: 1, which was not asked for since
    for second in (0, 2, 3, 4):
        make(quarter, second)
    assert len(made) == 5
    make(quarter, 1)
    assert len(made) == 6


def test_table_above_the_limit_is_made_and_not_kept():
    make = table_cache.cache_tables(lambda first, second: Table(np.zeros(first, np.uint8)))
    assert make(table_cache.MOST_BYTES + 1, 0) is not make(table_cache.MOST_BYTES + 1, 0)
    assert make(table_cache.MOST_BYTES, 0) is make(table_cache.MOST_BYTES, 0)


@pytest.mark.parametrize('table', [lambda side: resize_axis(side, 512),
                                   lambda side: upsampling_axis(128, side)])
def test_tables_of_a_common_size_are_kept_and_those_of_the_widest_are_small(table):
    assert table(640) is table(640)
    assert sum(array.nbytes for array in table(MOST_SIDE)) < 2e6


@pytest.mark.parametrize('message, size', [
    (SimpleNamespace(data=b'12345'), 5),
    (SimpleNamespace(data=b'', header=SimpleNamespace(frame_id='camera')), 6),
    (SimpleNamespace(data=b'1', format='h264', header=SimpleNamespace(frame_id='')), 5),
    (SimpleNamespace(data=b'12', encoding='rgb8', header=SimpleNamespace(frame_id='a')), 7)])
def test_texts_of_a_message_count_as_its_data_do(message, size):
    assert table_cache.held_bytes(message) == size
