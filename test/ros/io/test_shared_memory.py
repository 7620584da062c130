# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Shared memory that is too small for the profile of Fast DDS is told, by node and doctor."""

import os

import pytest
from segformer_ros.common import errors
from segformer_ros.common import resources
from segformer_ros.ros.doctor import machine
from segformer_ros.ros.io import shared_memory
from segformer_ros.ros.io.shared_memory import shared_memory_trouble

MB = 1 << 20
SEGMENT = 16 * MB
"""Of config/fastdds.xml."""


class Disk:
    """What statvfs tells of a folder."""

    f_frsize = 4096

    def __init__(self, whole, free):
        self.f_blocks, self.f_bavail = whole // 4096, free // 4096


@pytest.fixture
def shipped():
    return {'FASTDDS_DEFAULT_PROFILES_FILE': resources.find('config/fastdds.xml')}


@pytest.mark.parametrize('whole, free, is_enough', [
    (64 * MB, 48 * MB, True), (2 * SEGMENT, SEGMENT, True), (2 * SEGMENT - 4096, SEGMENT, False),
    (64 * MB, SEGMENT - 4096, False), (8 * MB, 8 * MB, False)])
def test_room_for_the_segments_of_two_processes_is_asked_for(monkeypatch, shipped, whole, free,
                                                             is_enough):
    monkeypatch.setattr(os, 'statvfs', lambda folder: Disk(whole, free))
    assert (shared_memory_trouble(shipped) == '') is is_enough


def test_without_profile_or_with_another_middleware_nothing_is_told(monkeypatch, shipped):
    monkeypatch.setattr(os, 'statvfs', lambda folder: Disk(MB, MB))
    assert shared_memory_trouble({}) == ''
    assert shared_memory_trouble(dict(shipped, RMW_IMPLEMENTATION='rmw_cyclonedds_cpp')) == ''
    assert '17 MB' in shared_memory_trouble(dict(shipped, RMW_IMPLEMENTATION='rmw_fastrtps_cpp'))


def test_missing_folder_is_told(shipped):
    assert 'cannot be used' in shared_memory_trouble(shipped, '/nonexistent')


def test_doctor_tells_with_a_remedy(monkeypatch, shipped):
    result = machine.check_shared_memory(shipped)
    assert result.level == errors.OK
    monkeypatch.setattr(os, 'statvfs', lambda folder: Disk(MB, MB))
    result = machine.check_shared_memory(shipped)
    assert result.level == errors.WARN
    assert '--shm-size' in result.remedy
    assert result.remedy == shared_memory.REMEDY
