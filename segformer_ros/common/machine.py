# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What tells machines apart, and which processors of this one are worth a thread."""

import logging
import math
import os
import platform
from typing import FrozenSet, List, Optional, Set

# Of a core's capacity beside that of the fastest: an A55 beside an A76 has 0.25 to 0.45, the
# slower of two clusters of one kind 0.8 and more.
_FAST = 0.6
_CPU_FOLDER = '/sys/devices/system/cpu'
_CGROUP = '/sys/fs/cgroup'
_LOGGER = logging.getLogger(__name__)


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


def fast_processors(cpu_folder: Optional[str] = None) -> FrozenSet[int]:
    """
    Return the numbers of the fast cores of a big.LITTLE processor.

    Of those that this thread may run on; none where all of these are fast, or where the kernel
    does not tell.

    :param cpu_folder: of sysfs
    """
    allowed = _allowed()
    folder = _CPU_FOLDER if cpu_folder is None else cpu_folder
    capacities = [_number(os.path.join(folder, f'cpu{each}', 'cpu_capacity'))
                  for each in allowed]
    known = [each for each in capacities if each is not None]
    if not known or len(known) < len(allowed):
        return frozenset()
    fast = frozenset(number for number, capacity in zip(allowed, known)
                     if capacity >= _FAST * max(known))
    return fast if len(fast) < len(allowed) else frozenset()


def usable_processors(cpu_folder: Optional[str] = None, cgroup: str = _CGROUP,
                      own_group: Optional[str] = None) -> int:
    """
    Return how many processors work of equal shares can use at once, at least one.

    Those that this process may run on; of a big.LITTLE processor the fast ones alone, since
    equal shares end with the slowest; and no more than the control group's quota of time.

    :param cpu_folder: of sysfs
    :param cgroup: where the control groups are mounted
    :param own_group: content of ``/proc/self/cgroup``, by default that of this process
    """
    count = len(fast_processors(cpu_folder) or _allowed())
    quota = _quota(cgroup, _read('/proc/self/cgroup') if own_group is None else own_group)
    if quota is not None:
        # A quota of 1.5 processors feeds two threads better than one.
        count = min(count, math.ceil(quota))
    return max(count, 1)


class FastProcessors:
    """
    Bind the calling thread in a ``with`` block, and what it begins there for good.

    For threads that share work equally: a slow core among them makes all others wait. A thread
    hands its mask on to those that it begins, so that it is enough to bind the one that opens a
    pool.

    Nothing is bound where all cores that this thread may run on are alike, nor where more
    threads are asked for than there are fast cores: then the slow ones are wanted, too. No mask
    gets a core that it did not have. The calling thread has its own back afterwards, unless
    somebody changed it meanwhile.

    :param threads: that share the work
    """

    def __init__(self, threads: int) -> None:
        fast = fast_processors()
        self._wanted = fast if threads <= len(fast) else frozenset()
        self._before: Optional[Set[int]] = None
        self._bound: Set[int] = set()

    @property
    def numbers(self) -> FrozenSet[int]:
        """Return the numbers of the cores that are bound to; empty where nothing is bound."""
        return self._wanted

    def release(self) -> None:
        """Bind nothing from the next block on."""
        self._wanted = frozenset()

    def __enter__(self) -> 'FastProcessors':
        """Bind the calling thread."""
        if self._wanted:
            self._before = os.sched_getaffinity(0)
            self._bound = self._narrow(self._before)
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the calling thread its mask back."""
        before, self._before = self._before, None
        if before is not None and self._bound != before \
                and os.sched_getaffinity(0) == self._bound:
            os.sched_setaffinity(0, before)

    def _narrow(self, allowed: Set[int]) -> Set[int]:
        """Bind this thread to the fast cores of a mask where it has some; return the mask."""
        wanted = allowed & self._wanted
        if not wanted or wanted == allowed:
            return allowed
        try:
            os.sched_setaffinity(0, wanted)
        except OSError as error:
            # A sandbox forbids it, or these cores were switched off.
            _LOGGER.warning('threads are not bound to the fast cores any more: %s', error)
            self.release()
            return allowed
        return wanted


def _allowed() -> List[int]:
    """Return the numbers of the processors that the calling thread may run on."""
    if hasattr(os, 'sched_getaffinity'):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


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
