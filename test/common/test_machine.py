# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Processors that count, on files as kernels write them; and what tells machines apart."""

import os
import platform

import pytest
from segformer_ros.common import machine


def write(folder, **files):
    for name, content in files.items():
        path = folder / name.replace('__', '/').replace('_DOT_', '.')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def usable(tmp_path, own_group='0::/\n'):
    return machine.usable_processors(str(tmp_path / 'cpu'), str(tmp_path / 'cgroup'), own_group)


@pytest.fixture
def eight(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: set(range(8)))


@pytest.mark.parametrize('capacities, count', [
    # RK3588: four A55, four A76. Two clusters of one kind. A single fast one. All alike.
    ([406] * 4 + [1024] * 4, 4), ([870] * 4 + [1024] * 4, 8), ([250] * 7 + [1024], 1),
    ([1024] * 8, 8), ([160, 160, 160, 160, 498, 498, 1024, 1024], 2)])
def test_of_slow_and_fast_cores_the_fast_ones_count(tmp_path, eight, capacities, count):
    for number, capacity in enumerate(capacities):
        write(tmp_path / 'cpu', **{f'cpu{number}__cpu_capacity': f'{capacity}\n'})
    assert usable(tmp_path) == count


def test_only_the_cores_that_the_process_may_run_on_are_compared(tmp_path, monkeypatch):
    for number, capacity in enumerate([406] * 4 + [1024] * 4):
        write(tmp_path / 'cpu', **{f'cpu{number}__cpu_capacity': f'{capacity}\n'})
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {1, 2, 3})
    assert usable(tmp_path) == 3


def test_without_capacities_all_cores_count(tmp_path, eight):
    assert usable(tmp_path) == 8
    write(tmp_path / 'cpu', cpu0__cpu_capacity='1024\n')
    assert usable(tmp_path) == 8


@pytest.mark.parametrize('text, count', [
    ('max 100000\n', 8), ('200000 100000\n', 2), ('150000 100000\n', 2), ('20000 100000\n', 1),
    ('1600000 100000\n', 8), ('', 8), ('nonsense\n', 8), ('0 0\n', 8)])
def test_quota_of_the_control_group_bounds_them(tmp_path, eight, text, count):
    write(tmp_path / 'cgroup', cpu_DOT_max=text)
    assert usable(tmp_path) == count


def test_least_quota_of_the_groups_above_counts(tmp_path, eight):
    write(tmp_path / 'cgroup', robot__cpu_DOT_max='300000 100000\n',
          robot__node__cpu_DOT_max='max 100000\n')
    assert usable(tmp_path, '0::/robot/node\n') == 3
    assert usable(tmp_path, '0::/other\n') == 8


@pytest.mark.parametrize('quota, count', [('-1', 8), ('250000', 3)])
def test_quota_of_the_older_control_groups(tmp_path, eight, quota, count):
    write(tmp_path / 'cgroup' / 'cpu,cpuacct' / 'docker', cpu_DOT_cfs_quota_us=quota + '\n',
          cpu_DOT_cfs_period_us='100000\n')
    assert usable(tmp_path, '5:memory:/docker\n4:cpu,cpuacct:/docker\n0::/\n') == count


def test_real_machine_has_at_least_one_and_no_more_than_it_may_use():
    assert 1 <= machine.usable_processors() <= len(os.sched_getaffinity(0))


def test_identity_is_stable_and_names_architecture_and_page_size():
    assert machine.machine_identity() == machine.machine_identity()
    assert machine.machine_identity().startswith(
        f'{platform.machine()} {os.sysconf("SC_PAGESIZE")}\n')


def test_identity_differs_by_page_size(monkeypatch):
    before = machine.machine_identity()
    monkeypatch.setattr(os, 'sysconf', lambda name: 16384)
    assert machine.machine_identity() != before
