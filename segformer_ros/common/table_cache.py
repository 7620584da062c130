# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bounds in bytes on what is kept of strangers: tables of their sizes, and their messages."""

import collections
import functools
import threading
from typing import Any, Callable, Tuple, TypeVar

MOST_BYTES = 16 << 20
"""Of one kind of table. Whoever sends images chooses their sizes, but not this."""

Table = TypeVar('Table', bound=Tuple[Any, ...])


def cache_tables(make: 'Callable[[int, int], Table]') -> 'Callable[[int, int], Table]':
    """
    Keep what a function made lately, as long as all of it has at most MOST_BYTES.

    :param make: returns a named tuple of arrays for two sizes; may be called from any thread
    """
    tables: 'collections.OrderedDict[Tuple[int, int], Table]' = collections.OrderedDict()
    lock = threading.Lock()

    @functools.wraps(make)
    def cached(first: int, second: int) -> Table:
        with lock:
            if (first, second) in tables:
                tables.move_to_end((first, second))
                return tables[first, second]
            table = tables[first, second] = make(first, second)
            held = sum(_bytes(each) for each in tables.values())
            while held > MOST_BYTES:
                _, oldest = tables.popitem(last=False)
                held -= _bytes(oldest)
            return table

    return cached


def held_bytes(message: Any) -> int:
    """
    Return about how many bytes a message with a picture holds.

    :param message: with ``data``; the texts of its header, ``format`` and ``encoding``, where it
        has them, are of any length as well
    """
    texts = (getattr(getattr(message, 'header', None), 'frame_id', ''),
             getattr(message, 'format', ''), getattr(message, 'encoding', ''))
    return len(message.data) + sum(len(text) for text in texts)


def _bytes(table: 'Tuple[Any, ...]') -> int:
    return sum(array.nbytes for array in table)
