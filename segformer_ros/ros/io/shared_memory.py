# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Look whether shared memory has room for what the profile of Fast DDS takes of it."""

import os
import re
from typing import Mapping

FOLDER = '/dev/shm'  # noqa: S108 (looked at, not written to)
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
PROCESSES = 2
"""That take a segment at least: this node's and the camera's."""
REMEDY = ('Give the container more (docker run --shm-size=256m, or --ipc=host), or lower '
          'segment_size in the profile.')


def shared_memory_trouble(environ: Mapping[str, str], folder: str = FOLDER) -> str:
    """
    Return why images may be lost on their way, empty where nothing speaks for it.

    :param environ: names the profile; with another middleware than Fast DDS none is looked at
    :param folder: where shared memory lies
    """
    if 'fastrtps' not in environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp'):
        return ''
    segment = max(_segment_bytes(environ.get(name, '')) for name in PROFILE_VARIABLES)
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        return f'{folder} cannot be used: {error.strerror}' if segment else ''
    whole, free = disk.f_frsize * disk.f_blocks, disk.f_frsize * disk.f_bavail
    if whole < PROCESSES * segment or free < segment:
        return f'{folder} has {whole / 1e6:.0f} MB, {free / 1e6:.0f} of them free; the Fast ' \
            f'DDS profile takes {segment / 1e6:.0f} MB for each of {PROCESSES} processes or more'
    return ''


def _segment_bytes(path: str) -> int:
    """Return the largest segment that a profile asks for, 0 without."""
    try:
        with open(path, encoding='utf-8', errors='replace') as stream:
            sizes = re.findall(r'<segment_size>\s*([0-9]{1,18})\s*<', stream.read())
    except OSError:
        return 0
    return max((int(size) for size in sizes), default=0)
