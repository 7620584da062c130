# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Compare a run of the benchmark with the ratios that docs/performance.md promises.

    python3 tools/measure/bench_check.py bench_output/check/benchmark.json docs/performance.json

Ratios of processor time within one run alone: they carry over to other machines, and suffer
least from other work. Ends with 1 where one of ours is more than the margin above its promise.
make bench-check measures and compares.
"""

import json
import sys
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

MARGIN = 1.3
"""A ratio may be so many times that of the docs: another processor, another build of a library."""


class Ratio(NamedTuple):
    """What one way takes beside another, in processor time, here and in the docs."""

    where: str
    measured: float
    promised: float

    @property
    def is_kept(self) -> bool:
        """Return whether the promise holds; NaN does not."""
        return self.measured <= MARGIN * self.promised


def compare(measured: Dict[str, Any], documented: Dict[str, Any]) -> List[Ratio]:
    """Return the ratios below one that both reports have: what ours saves beside the others."""
    promises = dict(_ratios(documented))
    return [Ratio(where, value, promises[where]) for where, value in _ratios(measured)
            if promises.get(where, 1.0) < 1.0]


def _ratios(report: Dict[str, Any]) -> Iterator[Tuple[str, float]]:
    for model in report['models']:
        tables = [('network', model['network'])] + sorted(model['frames'].items())
        for table, content in tables:
            for row in content['rows']:
                if row['name'].endswith('optimized') or row['name'].startswith('ours'):
                    for other, ratio in sorted(row['cpu_ratio'].items()):
                        yield f'{model["name"]}, {table}: {row["name"]} / {other}', ratio


def main(arguments: List[str]) -> int:
    """Print every ratio; return the exit status."""
    reports = []
    for path in arguments:
        with open(path, encoding='utf-8') as stream:
            reports.append(json.load(stream))
    found = compare(*reports)
    for ratio in found:
        print(f'{"kept  " if ratio.is_kept else "BROKEN"} {ratio.measured:.3f}, promised '
              f'{ratio.promised:.3f} (at most {MARGIN * ratio.promised:.3f})  {ratio.where}')
    broken = sum(not ratio.is_kept for ratio in found)
    print(f'bench-check: {len(found) - broken} of {len(found)} ratios kept')
    # A report without a single promise in it has proved nothing.
    return 1 if broken or not found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
