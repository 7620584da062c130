# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""On which cores this process's threads may run, read from the kernel; and slow cores to fake."""

import os
import threading
import time

import pytest
from segformer_ros.common import machine

TASKS = '/proc/self/task'
DEADLINE_S = 60.0


def mask_of(thread):
    """Return the numbers of the cores of a thread of this process, None where it has ended."""
    try:
        with open(f'{TASKS}/{thread}/status', encoding='ascii', errors='replace') as stream:
            text = dict(line.split(':', 1) for line in stream)['Cpus_allowed_list'].strip()
    except OSError:
        return None
    numbers = set()
    for part in text.split(','):
        first, _, last = part.partition('-')
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def own_mask():
    """Return the calling thread's cores."""
    return mask_of(os.path.basename(os.readlink('/proc/thread-self')))


def threads():
    """Return the numbers of this process's threads."""
    return {int(name) for name in os.listdir(TASKS)}


class Masks:
    """
    Masks that threads have while something runs, looked at all the time from another thread.

    ``caller`` are those of the thread that made this, ``new`` those of threads begun since.
    """

    def __init__(self):
        self.caller, self.new = set(), set()
        self._caller = int(os.path.basename(os.readlink('/proc/thread-self')))
        self._started, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *exception):
        self._ended.set()
        self._thread.join()

    def _look(self):
        known = threads()
        self._started.set()
        while not self._ended.is_set():
            self.caller.add(mask_of(self._caller))
            # A thread that ended since it was listed has no mask to tell.
            self.new.update({mask_of(each) for each in threads() - known} - {None})
            time.sleep(0)

    def run_until(self, work, is_seen):
        """Repeat ``work`` until ``is_seen()``; return whether that came to be."""
        give_up_at = time.monotonic() + DEADLINE_S
        while not is_seen() and time.monotonic() < give_up_at:
            work()
        return is_seen()


@pytest.fixture
def two_cores():
    """Return two cores that this thread may run on, and let it run on these alone."""
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip('one core only')
    cores = sorted(before)[:2]
    os.sched_setaffinity(0, cores)
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def fast_core(two_cores, tmp_path, monkeypatch):
    """Return the first of two cores, beside which the second one is said to be slow."""
    fake_capacities(tmp_path / 'cpu', monkeypatch, dict(zip(two_cores, (1024, 250))))
    return two_cores[0]


def fake_capacities(folder, monkeypatch, capacities):
    """Let the kernel say what cores can do, by their numbers."""
    for number, capacity in capacities.items():
        path = folder / f'cpu{number}'
        path.mkdir(parents=True, exist_ok=True)
        (path / 'cpu_capacity').write_text(f'{capacity}\n')
    monkeypatch.setattr(machine, '_CPU_FOLDER', str(folder))
