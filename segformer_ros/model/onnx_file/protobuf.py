# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Read protobuf messages from a file without a schema compiler.

Meant for files of unknown origin: every length is compared with the end of the message that
holds it, the number of fields is bounded, and large fields are skipped, never read.
Wire format: https://protobuf.dev/programming-guides/encoding.
"""

import collections
import os
from typing import BinaryIO, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from segformer_ros.common.errors import ModelError

VARINT = 0
FIXED64 = 1
LENGTH = 2
FIXED32 = 5

MOST_FIELDS = 200000
"""Bound on time. SegFormer-B5, the largest, has 46 061 in the exporter's form."""
LONGEST_TEXT = 4096
MOST_TEXT = 1 << 24
"""Bound on memory: characters of all names together."""
BLOCK_BYTES = 1 << 16
_LONGEST_VARINT = 10


class Field(NamedTuple):
    """
    One field of a message.

    ``value`` is the number of a VARINT; the content of others lies at ``start`` to ``end``.
    """

    number: int
    kind: int
    value: int
    start: int
    end: int


class WireReader:
    """
    Walks through the messages of an open file.

    :param stream: a regular file, open for reading
    :param name: what errors call it
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._descriptor = stream.fileno()
        self._name = name
        self._fields_left = MOST_FIELDS
        self._text_left = MOST_TEXT
        self._block = b''
        self._block_start = 0
        self.size = os.fstat(self._descriptor).st_size

    def whole(self) -> Field:
        """Return the file as if it were a field of a message."""
        return Field(0, LENGTH, 0, 0, self.size)

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """
        Yield the fields of the message that lies at ``start`` to ``end``.

        :raises ModelError: that is not a message
        """
        position = start
        while position < end:
            self._count(position)
            tag, position = self._varint(position, end)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise self.damaged(f'field number {number}', position)
            value = 0
            begin = position
            if kind == VARINT:
                value, position = self._varint(position, end)
            elif kind == LENGTH:
                length, begin = self._varint(position, end)
                position = begin + length
            elif kind in (FIXED64, FIXED32):
                position += 8 if kind == FIXED64 else 4
            else:
                raise self.damaged(f'wire type {kind}', position)
            if position > end:
                raise self.damaged(
                    f'a field of {position - begin} bytes that ends after its message', begin)
            yield Field(number, kind, value, begin, position)

    def text(self, field: Field) -> str:
        """
        Return a text field.

        :raises ModelError: it is longer than LONGEST_TEXT bytes or not UTF-8
        """
        self.expect(field, LENGTH)
        length = field.end - field.start
        self._text_left -= length
        if length > LONGEST_TEXT or self._text_left < 0:
            raise self.damaged(f'names too long ({length} bytes)', field.start)
        try:
            return self._read(field.start, length).decode('utf-8')
        except UnicodeDecodeError as error:
            raise self.damaged('a name that is not UTF-8', field.start) from error

    def content(self, field: Field) -> bytes:
        """
        Return the bytes of a field.

        :raises ModelError: they are more than LONGEST_TEXT
        """
        self.expect(field, LENGTH)
        length = field.end - field.start
        if length > LONGEST_TEXT:
            raise self.damaged(f'{length} bytes where few are expected', field.start)
        return self._read(field.start, length)

    def children(self, message: Field) -> Iterator[Field]:
        """Yield the fields of a message that is itself a field."""
        self.expect(message, LENGTH)
        return self.fields(message.start, message.end)

    def grouped(self, message: Field) -> Dict[int, List[Field]]:
        """Return the fields of such a message by number; a number without fields has none."""
        found: Dict[int, List[Field]] = collections.defaultdict(list)
        for field in self.children(message):
            found[field.number].append(field)
        return found

    def last_text(self, fields: Sequence[Field]) -> str:
        """Return the text that counts of a field that may be repeated, else nothing."""
        return ([''] + [self.text(field) for field in fields])[-1]

    def last_integer(self, fields: Sequence[Field]) -> int:
        """Return the number that counts of a field that may be repeated, else 0."""
        return ([0] + [self.integer(field) for field in fields])[-1]

    def integer(self, field: Field) -> int:
        """Return a number field as a signed 64-bit integer."""
        self.expect(field, VARINT)
        return _signed(field.value)

    def integers(self, field: Field) -> Iterator[int]:
        """Yield the numbers of a repeated field, which may be packed."""
        if field.kind == VARINT:
            yield _signed(field.value)
            return
        self.expect(field, LENGTH)
        position = field.start
        while position < field.end:
            self._count(position)
            value, position = self._varint(position, field.end)
            yield _signed(value)

    def expect(self, field: Field, kind: int) -> None:
        """
        Check how a field is encoded.

        :raises ModelError: otherwise than ``kind``
        """
        if field.kind != kind:
            raise self.damaged(f'wire type {field.kind} of field {field.number}',
                               field.start)

    def damaged(self, found: str, position: int) -> ModelError:
        """Return the error to raise for something that cannot be at a place of the file."""
        return ModelError(
            f'No readable ONNX file: {self._name}',
            got=f'{found} at byte {position} of {self.size}',
            remedy='The file is damaged, cut off, or of another kind: fetch or export it again.')

    def _count(self, position: int) -> None:
        self._fields_left -= 1
        if self._fields_left < 0:
            raise self.damaged(f'more than {MOST_FIELDS} fields', position)

    def _varint(self, position: int, end: int) -> Tuple[int, int]:
        data = self._read(position, min(_LONGEST_VARINT, end - position))
        value = 0
        for count, byte in enumerate(data):
            value |= (byte & 0x7f) << (7 * count)
            if byte < 0x80:
                if value >> 64:
                    break
                return value, position + count + 1
        raise self.damaged('a number without an end', position)

    def _read(self, position: int, count: int) -> bytes:
        offset = position - self._block_start
        if offset < 0 or offset + count > len(self._block):
            self._block = os.pread(self._descriptor, max(count, BLOCK_BYTES), position)
            self._block_start = position
            offset = 0
        data = self._block[offset:offset + count]
        if len(data) < count:
            raise self.damaged('the end of the file', position + len(data))
        return data


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
