# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
How much memory is free, and what an engine build may take of it.

On a Jetson CPU and GPU share one memory. Measured on a 2 GB Nano with TensorRT 8.2 and
CUDA 10.2 (tensorrtx issue 1160): the CUDA context takes about 225 MB, cuBLAS 400 MB more,
cuDNN another 650 MB.
"""

import os
from typing import List, NamedTuple, Optional, Tuple

from segformer_ros.inference.cuda.probe import GpuInfo

MIB = 1 << 20

# The context, the libraries' code, the network's weights and the smallest workspace. Below
# this the kernel would start to kill processes, and not necessarily ours.
MINIMUM_FREE = 768 * MIB

_MEMINFO = '/proc/meminfo'


class ControlGroup(NamedTuple):
    """
    Where a container's memory is told.

    ``limit`` and ``use`` are files with a number; ``reclaimable`` is a line of the file
    ``statistics``.
    """

    limit: str
    use: str
    statistics: str
    reclaimable: str


# Version 2, then 1.
_CGROUPS = (
    ControlGroup('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory.current',
                 '/sys/fs/cgroup/memory.stat', 'inactive_file'),
    ControlGroup('/sys/fs/cgroup/memory/memory.limit_in_bytes',
                 '/sys/fs/cgroup/memory/memory.usage_in_bytes',
                 '/sys/fs/cgroup/memory/memory.stat', 'total_inactive_file'),
)


class Attempt(NamedTuple):
    """One way to build: workspace, and what else may be loaded (see ``TACTIC_SOURCES``)."""

    workspace_mib: int
    tactic_sources: str


# Free memory that an attempt needs, and the attempt. The last one follows the one before
# because some matrix products may have no kernel without cuBLAS.
_LADDER = (
    (6144 * MIB, Attempt(2048, 'default')),
    (3072 * MIB, Attempt(512, 'default')),
    (1536 * MIB, Attempt(256, 'cublas')),
    (1024 * MIB, Attempt(64, 'cublas')),
    (MINIMUM_FREE, Attempt(64, 'none')),
    (MINIMUM_FREE, Attempt(64, 'cublas')),
)


def available_memory(meminfo: str = _MEMINFO,
                     groups: Tuple[ControlGroup, ...] = _CGROUPS) -> int:
    """
    Return the bytes that this process can still get from the machine.

    The kernel's estimate MemAvailable, or what is left of the container's limit if that is
    less. Files that were read once count as use of the container until others need the memory;
    those that were not read again lately are taken for free, as Kubernetes does.

    :param meminfo: the kernel's table
    :param groups: of the process
    """
    free = _mem_available(meminfo)
    for group in groups:
        limit = _number(group.limit)
        use = _number(group.use)
        if limit is not None and use is not None:
            in_work = max(use - _reclaimable(group), 0)
            free = min(free, max(limit - in_work, 0))
    return free


def build_memory(gpu: GpuInfo, host_free: int) -> int:
    """Return the bytes that bound a build: the shared memory, or the GPU's own."""
    return host_free if gpu.integrated else gpu.total_memory


def attempts(free: int, with_tactic_sources: bool) -> Tuple[Attempt, ...]:
    """
    Return the ways to build that fit into this much memory, the most generous first.

    Empty if nothing should be tried.

    :param with_tactic_sources: this TensorRT uses cuBLAS and cuDNN unless told otherwise
        (8.2 to 8.6); without, attempts differ in workspace alone
    """
    found: List[Attempt] = []
    for need, attempt in _LADDER:
        sources = attempt.tactic_sources if with_tactic_sources else 'default'
        fitting = Attempt(attempt.workspace_mib, sources)
        if free >= need and fitting not in found:
            found.append(fitting)
    return tuple(found)


def _mem_available(path: str) -> int:
    with open(path, encoding='ascii') as stream:
        for line in stream:
            if line.startswith('MemAvailable:'):
                return int(line.split()[1]) * 1024
    raise OSError(f'no MemAvailable in {path}')


def _reclaimable(group: ControlGroup) -> int:
    if not os.path.exists(group.statistics):
        return 0
    with open(group.statistics, encoding='ascii') as stream:
        for line in stream:
            name, _, value = line.partition(' ')
            if name == group.reclaimable:
                return int(value)
    return 0


def _number(path: str) -> Optional[int]:
    if not os.path.exists(path):
        return None
    with open(path, encoding='ascii') as stream:
        text = stream.read().strip()
    # Version 2 writes "max" where there is no limit.
    return int(text) if text.isdigit() else None
