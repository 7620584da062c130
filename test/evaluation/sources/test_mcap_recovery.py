# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cut MCAP files are read as far as they are sound, at every possible cut."""

import os
import struct

import pytest

from segformer_ros.evaluation.sources.mcap_recovery import find_truncation
from segformer_ros.evaluation.sources.mcap_recovery import MAGIC
from segformer_ros.evaluation.sources.mcap_recovery import RepairedFile
from segformer_ros.evaluation.sources.mcap_recovery import TAIL


def record(kind, content):
    return struct.pack('<BQ', kind, len(content)) + content


RECORDS = [record(1, b'header'), record(6, b'chunk' * 9), record(7, b''), record(6, b'x' * 30)]
FOOTER = record(2, b'\0' * 20) + MAGIC


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / 'bag.mcap'
        path.write_bytes(content)
        return str(path)
    return write


def test_whole_file_needs_no_repair(written):
    assert find_truncation(written(MAGIC + b''.join(RECORDS) + FOOTER)) is None


def test_other_files_are_left_to_their_readers(written):
    assert find_truncation(written(b'SQLite format 3\0')) is None
    assert find_truncation(written(b'')) is None


def test_every_cut_keeps_exactly_the_whole_records(written):
    whole = MAGIC + b''.join(RECORDS) + FOOTER
    ends = [len(MAGIC)]
    for content in RECORDS:
        ends.append(ends[-1] + len(content))
    for cut in range(len(MAGIC), len(whole)):
        truncation = find_truncation(written(whole[:cut]))
        assert truncation.sound_end == max(end for end in ends if end <= cut)
        assert truncation.file_bytes == cut


def test_repaired_file_reads_as_the_sound_part_and_a_tail(written):
    path = written(MAGIC + b''.join(RECORDS)[:-5])
    truncation = find_truncation(path)
    with open(path, 'rb') as stream:
        expected = stream.read(truncation.sound_end) + TAIL
    repaired = RepairedFile(path, truncation)
    with repaired.open('rb') as stream:
        assert stream.read() == expected
        assert stream.seek(-37, os.SEEK_END) == len(expected) - 37
        assert stream.read() == expected[-37:]
        for start in range(0, len(expected), 7):
            stream.seek(start)
            assert stream.read(13) == expected[start:start + 13]
            assert stream.tell() == min(start + 13, len(expected))
    assert (str(repaired), repaired.suffix, repaired.exists(), repaired.is_dir()) == (
        path, '.mcap', True, False)
