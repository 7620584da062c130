# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A build takes what the machine, the container and the GPU have, and none below the minimum."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import pytest

from segformer_ros.inference.trt import memory as memory_plan
from segformer_ros.inference.trt.memory import Attempt
from segformer_ros.inference.trt.memory import ControlGroup

MIB = 1 << 20


def write(path, text):
    """Write a file and return its path."""
    path.write_text(text)
    return str(path)


def test_free_memory_is_the_kernels_estimate(tmp_path):
    meminfo = write(tmp_path / 'meminfo', 'MemTotal: 4000000 kB\nMemFree: 100 kB\n'
                    'MemAvailable:    2048000 kB\nSwapFree: 9 kB\n')
    assert memory_plan.available_memory(meminfo, ()) == 2000 * MIB


@pytest.mark.parametrize('limit, use, expected_mib', [
    ('max', '5', 2000), (str(3000 * MIB), str(2500 * MIB), 500),
    (str(100 * MIB), str(200 * MIB), 0), (str(9000 * MIB), '0', 2000)])
def test_limit_of_the_container_counts_if_it_is_lower(tmp_path, limit, use, expected_mib):
    meminfo = write(tmp_path / 'meminfo', 'MemAvailable: 2048000 kB\n')
    group = ControlGroup(write(tmp_path / 'max', limit + '\n'),
                         write(tmp_path / 'current', use + '\n'),
                         str(tmp_path / 'no stat'), 'inactive_file')
    absent = ControlGroup(*[str(tmp_path / 'nothing')] * 3, reclaimable='inactive_file')
    assert memory_plan.available_memory(meminfo, (absent, group)) == expected_mib * MIB


@pytest.mark.parametrize('line, expected_mib', [
    (f'inactive_file {900 * MIB}', 1000), (f'inactive_file {9000 * MIB}', 1500),
    (f'total_inactive_file {900 * MIB}', 100), ('', 100)])
def test_pages_of_files_that_the_container_read_once_are_free(tmp_path, line, expected_mib):
    meminfo = write(tmp_path / 'meminfo', 'MemAvailable: 2048000 kB\n')
    group = ControlGroup(
        write(tmp_path / 'max', f'{1500 * MIB}\n'),
        write(tmp_path / 'current', f'{1400 * MIB}\n'),
        write(tmp_path / 'stat', 'anon 5\nactive_file 7\n' + line + '\nslab 9\n'),
        'inactive_file')
    assert memory_plan.available_memory(meminfo, (group,)) == expected_mib * MIB


def test_both_versions_of_control_groups_name_their_own_line():
    two, one = memory_plan._CGROUPS
    assert (two.reclaimable, one.reclaimable) == ('inactive_file', 'total_inactive_file')
    assert two.statistics == '/sys/fs/cgroup/memory.stat'
    assert one.statistics == '/sys/fs/cgroup/memory/memory.stat'


def test_machine_that_runs_this_has_memory():
    assert 0 < memory_plan.available_memory() < 1 << 50


def test_integrated_gpu_shares_the_hosts_memory(nano):
    assert memory_plan.build_memory(nano, 123) == 123
    assert memory_plan.build_memory(nano._replace(integrated=False), 123) == 4 << 30


def test_nothing_is_tried_below_the_minimum():
    assert memory_plan.attempts(memory_plan.MINIMUM_FREE - 1, True) == ()
    assert memory_plan.attempts(memory_plan.MINIMUM_FREE, True) == (
        Attempt(64, 'none'), Attempt(64, 'cublas'))


def test_large_gpu_begins_with_everything_and_ends_small():
    found = memory_plan.attempts(32 << 30, True)
    assert found[0] == Attempt(2048, 'default')
    assert found[-1].workspace_mib == 64


def test_tactic_sources_are_left_alone_where_tensorrt_has_none():
    assert [attempt.tactic_sources for attempt in memory_plan.attempts(32 << 30, False)] == [
        'default'] * 4
    assert memory_plan.attempts(memory_plan.MINIMUM_FREE, False) == (Attempt(64, 'default'),)


@settings(deadline=None, max_examples=50)
@given(strategies.integers(0, 1 << 36), strategies.booleans())
def test_attempts_never_repeat_nor_ask_for_more_than_there_is(free, with_sources):
    found = memory_plan.attempts(free, with_sources)
    assert len(set(found)) == len(found)
    assert all(attempt.workspace_mib * MIB < free for attempt in found)
    sizes = [attempt.workspace_mib for attempt in found]
    assert sizes == sorted(sizes, reverse=True)
    assert bool(found) == (free >= memory_plan.MINIMUM_FREE)
