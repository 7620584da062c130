# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How fast, on what: latencies, processor time, memory, and the machine."""

import os
import platform
import resource
import sys
import time
from typing import Dict, List, NamedTuple, Sequence

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.time import percentile

# One frame's way: stored bytes to RGB, RGB to tensor, network, logits to mask and confidence.
STAGES = ('decode', 'preprocess', 'infer', 'postprocess')
TOTAL = 'total'

PERCENTILES = (50, 90, 95, 99)
LATENCY_COLUMNS = ('mean',) + tuple(f'p{percent}' for percent in PERCENTILES) + ('max',)


class Usage(NamedTuple):
    """
    What a process has used.

    ``cpu_seconds`` is the processor time of all its threads; ``peak_bytes`` the most memory
    that was resident at a time, since the process began.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


class UsageMeter:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def read(self) -> Usage:
        """Return what was used since the meter was made."""
        return Usage(time.perf_counter() - self._wall, time.process_time() - self._cpu,
                     peak_resident_bytes())


def peak_resident_bytes() -> int:
    """Return the most memory that this process has had resident, in bytes."""
    try:
        # getrusage counts what the parent held when it started this process; this does not.
        with open('/proc/self/status', encoding='ascii', errors='replace') as stream:
            for line in stream:
                if line.startswith('VmHWM:'):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # not on Linux: getrusage has to do
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return int(peak if sys.platform == 'darwin' else peak * 1024)


def summarize(seconds: arrays.Float64) -> Dict[str, float]:
    """
    Return mean, percentiles and maximum in milliseconds, by :data:`LATENCY_COLUMNS`.

    :param seconds: (F,), at least one
    """
    milliseconds = 1000.0 * seconds
    values = [
        milliseconds.mean(), *(percentile_ms(seconds.tolist(), each) for each in PERCENTILES),
        milliseconds.max()]
    return {name: round(float(value), 3) for name, value in zip(LATENCY_COLUMNS, values)}


def percentile_ms(seconds: Sequence[float], percent: float) -> float:
    """
    Return one percentile of times in milliseconds, not rounded.

    :param seconds: at least one
    :param percent: 0 is the least, 50 the median, 100 the most
    """
    return 1e3 * float(percentile(sorted(seconds), percent / 100.0))


def latency_table(timings: arrays.Float64) -> Dict[str, Dict[str, float]]:
    """
    Summarize every stage and their sum.

    :param timings: (F, 4) seconds, by :data:`STAGES`
    :return: by stage, in milliseconds; empty without frames
    """
    if not len(timings):
        return {}
    table = {stage: summarize(timings[:, column]) for column, stage in enumerate(STAGES)}
    table[TOTAL] = summarize(timings.sum(axis=1))
    return table


def add_usages(usages: Sequence[Usage]) -> Usage:
    """Return the sums of times, and the largest peak: processes share no memory peak."""
    return Usage(sum(usage.wall_seconds for usage in usages),
                 sum(usage.cpu_seconds for usage in usages),
                 max([usage.peak_bytes for usage in usages] or [0]))


def machine_description() -> Dict[str, str]:
    """Return what the figures of speed depend on, for the report."""
    return {'processor': _processor(), 'cores': str(os.cpu_count()),
            'system': platform.platform(), 'python': platform.python_version(),
            'numpy': np.__version__, 'opencv': cv2.__version__}


def _processor() -> str:
    # A Jetson tells its board's name here; its cpuinfo has no model name.
    for path, wanted in (('/proc/device-tree/model', ''), ('/proc/cpuinfo', 'model name')):
        try:
            with open(path, encoding='utf-8', errors='replace') as stream:
                lines: List[str] = stream.read().replace('\0', '').split('\n')
        except OSError:
            continue
        for line in lines:
            if line.startswith(wanted) and line.strip():
                return line.split(':', 1)[-1].strip()
    return platform.processor() or platform.machine()
