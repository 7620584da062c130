# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cache, memory, clock and runtimes are judged without ROS, and nothing is changed."""

import os

import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ERROR
from segformer_ros.common.errors import OK
from segformer_ros.common.errors import WARN
from segformer_ros.inference.trt.cache import EngineCache
from segformer_ros.ros.doctor import machine


def test_cache_that_others_may_write_to_is_an_error_and_stays_as_it_is(tmp_path):
    root = tmp_path / 'cache'
    root.mkdir()
    os.chmod(str(root), 0o777)
    found = machine.check_cache(str(root))[-1]
    assert (found.level, 'writable for others' in found.text) == (ERROR, True)
    assert os.stat(str(root)).st_mode & 0o777 == 0o777


def test_cache_that_is_a_link_is_an_error(tmp_path):
    (tmp_path / 'elsewhere').mkdir(mode=0o700)
    (tmp_path / 'cache').symlink_to(tmp_path / 'elsewhere')
    assert machine.check_cache(str(tmp_path / 'cache'))[-1].level == ERROR


def test_damaged_engine_record_is_told_and_not_deleted(tmp_path):
    folder = tmp_path / 'cache' / 'engines'
    folder.mkdir(parents=True, mode=0o700)
    os.chmod(str(tmp_path / 'cache'), 0o700)
    record = folder / 'some-engine.json'
    record.write_bytes(b'{"version": ')
    os.chmod(str(record), 0o600)
    found = machine.check_cache(str(tmp_path / 'cache'))[-1]
    assert (found.level, found.subject) == (WARN, 'engine')
    assert 'some-engine.json: not usable' in found.text
    assert record.exists()
    assert EngineCache(str(folder)).records() == ()  # the node's own way deletes it
    assert not record.exists()


@pytest.mark.parametrize('free, serves, level', [
    (2 ** 30 * 4, False, OK), (600 * 2 ** 20, False, WARN), (100 * 2 ** 20, False, ERROR),
    (2 ** 30 * 4, True, OK), (100 * 2 ** 20, True, WARN)])
def test_little_memory_is_an_error_for_a_start_and_a_warning_once_a_node_serves(
        free, serves, level):
    assert machine.check_memory(free, serves).level == level


def test_clock_that_was_never_set_is_an_error():
    assert machine.check_clock(0.0).level == ERROR
    assert machine.check_clock(1.9e9).level == OK


def test_tensorrt_is_missed_only_where_it_is_wanted(monkeypatch):
    def no_gpu():
        raise BackendError('No CUDA driver', remedy='Install it.')
    monkeypatch.setattr(machine, 'probe_gpu', no_gpu)
    assert machine.check_runtimes('auto')[-1].level == OK
    wanted = machine.check_runtimes('tensorrt')[-1]
    assert (wanted.level, wanted.remedy) == (ERROR, 'Install it.')
