# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One line on disk for every frame, so that memory does not grow with a recording's length."""

import json
from typing import Any
from typing import Dict
from typing import IO
from typing import Iterator
from typing import List
from typing import NamedTuple
from typing import Tuple


class FrameRecord(NamedTuple):
    """
    What is kept of a frame.

    ``facts`` are the same in every run; ``timings`` are seconds by stage and are not.
    """

    facts: Dict[str, Any]
    timings: Tuple[float, ...]


def write_record(stream: IO[str], record: FrameRecord) -> None:
    """Append one frame to an open file."""
    stream.write(compact_json([record.facts, list(record.timings)]) + '\n')


def read_records(path: str) -> Iterator[FrameRecord]:
    """Yield the frames of a file in their order."""
    with open(path, encoding='utf-8') as stream:
        for line in stream:
            facts, timings = json.loads(line)
            yield FrameRecord(facts, tuple(timings))


def read_timings(paths: List[str]) -> List[Tuple[float, ...]]:
    """Return the timings of several files, one after the other."""
    return [record.timings for path in paths for record in read_records(path)]


def compact_json(value: Any) -> str:
    """Return JSON without blanks, keys sorted, and NaN refused: it is no JSON."""
    return json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)
