# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Give a process less of a processor than it wants, as containers do."""

import contextlib
import os
import signal
import threading
import time

GROUPS = '/sys/fs/cgroup/cpu'
"""Of version 1, where a folder can be made as root."""
PERIOD = 0.1
"""Seconds; the kernel's own."""


@contextlib.contextmanager
def processor_quota(pid, share):
    """
    Let a process have a share of one processor, in the kernel's own way where that can be had.

    Elsewhere it is stopped and continued ten times a second: what a quota does to it, too.

    :param share: 0 to 1
    :return: yields a function that returns how often the process was held up
    """
    group = _group_of(pid)
    folder = os.path.join(group, f'segformer_ros_{pid}')
    try:
        os.mkdir(folder)
        with open(os.path.join(folder, 'cpu.cfs_quota_us'), 'w', encoding='ascii') as stream:
            stream.write(str(int(share * PERIOD * 1e6)))
        with open(os.path.join(folder, 'cgroup.procs'), 'w', encoding='ascii') as stream:
            stream.write(str(pid))
    except OSError:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        with _stopped_and_continued(pid, share) as count:
            yield count
        return

    def throttled():
        with open(os.path.join(folder, 'cpu.stat'), encoding='ascii') as stream:
            return int(dict(line.split() for line in stream)['nr_throttled'])
    try:
        yield throttled
    finally:
        with open(os.path.join(group, 'cgroup.procs'), 'w', encoding='ascii') as stream:
            stream.write(str(pid))
        os.rmdir(folder)


@contextlib.contextmanager
def _stopped_and_continued(pid, share):
    count, done = [0], threading.Event()

    def run():
        while not done.wait(PERIOD * share):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(PERIOD * (1.0 - share))
            os.kill(pid, signal.SIGCONT)
            count[0] += 1
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: count[0]
    finally:
        done.set()
        thread.join()


def _group_of(pid):
    """Return the folder of the group that a process is in."""
    with open(f'/proc/{pid}/cgroup', encoding='ascii') as stream:
        for line in stream:
            _, controllers, path = line.strip().split(':', 2)
            if 'cpu' in controllers.split(','):
                return GROUPS + path
    return GROUPS
