# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Processors that count, on files as kernels write them, and threads bound to them, with real masks.

And what tells machines apart.
"""

import os
import platform
import threading

import pytest
from segformer_ros.common import machine
from segformer_ros.common.machine import FastProcessors
from support.thread_masks import fake_capacities
from support.thread_masks import fast_core  # noqa: F401
from support.thread_masks import own_mask
from support.thread_masks import two_cores  # noqa: F401


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


@pytest.mark.parametrize('mount, files', [
    ('cpu', {'cpu_DOT_cfs_quota_us': '250000\n', 'cpu_DOT_cfs_period_us': '100000\n'}),
    ('unified', {'cpu_DOT_max': '250000 100000\n'})])
def test_quota_is_found_where_either_kind_of_group_is_mounted(tmp_path, eight, mount, files):
    write(tmp_path / 'cgroup' / mount / 'docker', **files)
    assert usable(tmp_path, '4:cpu,cpuacct:/docker\n0::/docker\n') == 3


def test_group_outside_the_container_is_not_looked_for_outside_its_mount(tmp_path, eight):
    # Seen from a namespace of groups, another one's path begins with two dots.
    write(tmp_path / 'other', cpu_DOT_max='100000 100000\n')
    write(tmp_path / 'cgroup' / 'other', cpu_DOT_max='300000 100000\n')
    assert usable(tmp_path, '0::/../other\n') == 3


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


def mask_of_new_thread():
    """Begin a thread and return its mask."""
    found = []
    thread = threading.Thread(target=lambda: found.append(own_mask()))
    thread.start()
    thread.join()
    return found[0]


def test_caller_and_what_it_begins_are_on_the_fast_core_and_nothing_afterwards(
        two_cores, fast_core):  # noqa: F811
    processors = FastProcessors(1)
    assert processors.numbers == {fast_core}
    for _ in range(2):
        with processors:
            assert own_mask() == {fast_core} == mask_of_new_thread()
        assert own_mask() == set(two_cores) == mask_of_new_thread()


def test_the_callers_mask_comes_back_after_an_error(two_cores, fast_core):  # noqa: F811
    with pytest.raises(KeyError):
        with FastProcessors(1):
            raise KeyError
    assert own_mask() == set(two_cores)


@pytest.mark.parametrize('capacities', [(), (1024,), (1024, 1024), (1024, 870)])
def test_nothing_is_bound_where_cores_are_alike_or_not_known(
        two_cores, tmp_path, monkeypatch, capacities):  # noqa: F811
    fake_capacities(tmp_path / 'cpu', monkeypatch, dict(zip(two_cores, capacities)))
    processors = FastProcessors(1)
    with processors:
        assert own_mask() == set(two_cores) == mask_of_new_thread()
    assert processors.numbers == frozenset()


def test_nothing_is_bound_on_this_machine_as_it_is_unless_its_cores_differ():
    if machine.fast_processors():
        pytest.skip('cores of this machine differ')
    before = own_mask()
    with FastProcessors(1):
        assert own_mask() == before


def test_more_threads_than_fast_cores_want_the_slow_ones_too(two_cores, fast_core):  # noqa: F811
    with FastProcessors(2):
        assert own_mask() == set(two_cores)


def test_a_mask_that_the_user_set_is_never_widened(two_cores, fast_core):  # noqa: F811
    slow = two_cores[1]
    # Before: the slow core alone, of which nothing is faster.
    os.sched_setaffinity(0, {slow})
    with FastProcessors(1):
        assert own_mask() == {slow}
    assert own_mask() == {slow}
    # After the fast cores were looked for.
    os.sched_setaffinity(0, set(two_cores))
    processors = FastProcessors(1)
    os.sched_setaffinity(0, {slow})
    with processors:
        assert own_mask() == {slow}
    assert own_mask() == {slow}


def test_a_mask_that_was_set_in_between_stays(two_cores, fast_core):  # noqa: F811
    with FastProcessors(1):
        os.sched_setaffinity(0, {two_cores[1]})
    assert own_mask() == {two_cores[1]}


def test_where_binding_is_forbidden_work_goes_on_with_one_warning(
        two_cores, fast_core, monkeypatch, caplog):  # noqa: F811
    def refuse(thread, mask):
        raise PermissionError(1, 'Operation not permitted')
    monkeypatch.setattr(os, 'sched_setaffinity', refuse)
    processors = FastProcessors(1)
    for _ in range(3):
        with processors:
            assert own_mask() == set(two_cores)
    monkeypatch.undo()
    assert [record.message for record in caplog.records] == [
        'threads are not bound to the fast cores any more: [Errno 1] Operation not permitted']
    assert processors.numbers == frozenset()
