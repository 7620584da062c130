# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What tells machines apart, and how many processors of this one are worth a thread."""

import math
import os
import platform
from typing import List, Optional

# Of a core's capacity beside that of the fastest: an A55 beside an A76 has 0.25 to 0.45, the
# slower of two clusters of one kind 0.8 and more.
_FAST = 0.6
_CPU_FOLDER = '/sys/devices/system/cpu'
_CGROUP = '/sys/fs/cgroup'


def machine_identity() -> str:
    """
    Return a text that differs between machines whose compiled code or rounding may differ.

    Architecture, processor with its features, and page size: a home folder may be shared by
    several machines, or be copied.
    """
    try:
        with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as stream:
            lines = {line for line in stream
                     if line.startswith(('flags', 'Features', 'model name', 'CPU part'))}
    except OSError:
        lines = {platform.processor()}
    # A library whose segments lie on 4 KiB does not load where pages have 16 or 64.
    return f'{platform.machine()} {os.sysconf("SC_PAGESIZE")}\n' + ''.join(sorted(lines))


def usable_processors(cpu_folder: str = _CPU_FOLDER, cgroup: str = _CGROUP,
                      own_group: Optional[str] = None) -> int:
    """
    Return how many processors work of equal shares can use at once, at least one.

    Those that this process may run on; of a big.LITTLE processor the fast ones alone, since
    equal shares end with the slowest; and no more than the control group's quota of time.

    :param cpu_folder: of sysfs
    :param cgroup: where the control groups are mounted
    :param own_group: content of ``/proc/self/cgroup``, by default that of this process
    """
    if hasattr(os, 'sched_getaffinity'):
        allowed = sorted(os.sched_getaffinity(0))
    else:
        allowed = list(range(os.cpu_count() or 1))
    capacities = [_number(os.path.join(cpu_folder, f'cpu{each}', 'cpu_capacity'))
                  for each in allowed]
    known = [each for each in capacities if each is not None]
    count = len(allowed)
    if known and len(known) == count:
        count = sum(each >= _FAST * max(known) for each in known)
    quota = _quota(cgroup, _read('/proc/self/cgroup') if own_group is None else own_group)
    if quota is not None:
        # A quota of 1.5 processors feeds two threads better than one.
        count = min(count, math.ceil(quota))
    return max(count, 1)


def _quota(root: str, groups: str) -> Optional[float]:
    """Return the least quota of the group and those above it, in processors."""
    found: List[float] = []
    for line in groups.splitlines():
        _, _, rest = line.partition(':')
        controllers, _, path = rest.partition(':')
        if controllers == '':
            mounts = ['', 'unified']
        elif 'cpu' in controllers.split(','):
            mounts = [controllers, 'cpu']
        else:
            continue
        for mount in mounts:
            # In a container the path may be that of the host: then the mount is the group itself.
            parts = [part for part in path.split('/') if part and part != '..']
            for depth in range(len(parts), -1, -1):
                folder = os.path.join(root, mount, *parts[:depth])
                quota = _quota_of(folder)
                if quota is not None:
                    found.append(quota)
    return min(found) if found else None


def _quota_of(folder: str) -> Optional[float]:
    words = _read(os.path.join(folder, 'cpu.max')).split()
    if len(words) != 2:
        words = [_read(os.path.join(folder, f'cpu.cfs_{name}_us')).strip()
                 for name in ('quota', 'period')]
    try:
        quota, period = [int(word) for word in words]
    except ValueError:
        # "max" and an absent file alike.
        return None
    return quota / period if quota > 0 and period > 0 else None


def _number(path: str) -> Optional[int]:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: str) -> str:
    try:
        with open(path, encoding='ascii', errors='replace') as stream:
            return stream.read()
    except OSError:
        return ''
