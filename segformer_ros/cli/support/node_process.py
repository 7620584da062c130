# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Commands and nodes as child processes that end with a ``with`` block."""

import os
import subprocess
import sys
import time
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

from segformer_ros.common import child_process
from segformer_ros.common.errors import SegformerRosError

STOP_TIMEOUT = 15.0
"""Seconds that a child may take to end after SIGINT before it is killed."""
TAIL = 20
"""Lines of its log that an error shows."""


class ChildCommand(child_process.ChildProcess):
    """
    A command with its output in a log file; it ends by SIGINT.

    :param command: program and arguments
    :param log_path: file for everything that it prints
    :param environment: variables on top of the parent's
    """

    termination_s = STOP_TIMEOUT

    def __init__(self, command: Sequence[str], log_path: str,
                 environment: Optional[Dict[str, str]] = None) -> None:
        self._name = ' '.join(command[:3])
        self._log_path = log_path
        with open(log_path, 'wb') as log:
            super().__init__(list(command), environment, stdout=log, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL)

    @property
    def has_ended(self) -> bool:
        """Return whether the process is gone."""
        return self.status is not None

    def check(self) -> None:
        """
        Raise if the process has failed.

        :raises SegformerRosError: with the end of its log
        """
        if self.status:
            raise SegformerRosError(f'{self._name} ended', got=f'exit status {self.status}',
                                    remedy=f'Its last words:\n{self.last_words()}')

    def last_words(self) -> str:
        """Return the end of the log."""
        with open(self._log_path, encoding='utf-8', errors='replace') as log:
            return '\n'.join(log.read().rstrip().split('\n')[-TAIL:])


class NodeProcess(ChildCommand):
    """
    ``python -m module --ros-args ...``.

    :param module: for example ``segformer_ros.cli.segformer``
    :param log_path: file for everything that it prints
    :param parameters: ROS parameters by name
    :param remaps: names by what they are remapped from
    :param environment: variables on top of the parent's
    """

    def __init__(self, module: str, log_path: str, parameters: Mapping[str, Any],
                 remaps: Mapping[str, str], environment: Optional[Dict[str, str]] = None) -> None:
        command = [sys.executable, '-m', module, '--ros-args']
        for name, value in parameters.items():
            command += ['-p', f'{name}:={value}']
        for name, value in remaps.items():
            command += ['-r', f'{name}:={value}']
        super().__init__(command, log_path, environment)
        self._name = module


def await_node(node: NodeProcess, listener: Any, timeout: float) -> None:
    """
    Return once the node has loaded its model.

    :param timeout: seconds
    :raises SegformerRosError: it has ended, cannot load the model, or took too long
    """
    deadline = time.monotonic() + timeout
    while not listener.node_is_ready():
        node.check()
        # With a wrong model the node stays unconfigured, as a robot's operator may mend it.
        if 'Cannot configure' in node.last_words() or time.monotonic() > deadline:
            raise SegformerRosError('The node does not start',
                                    remedy=f'Its last words:\n{node.last_words()}')
        listener.wait(0.1)


class Usage(NamedTuple):
    """Processor seconds and minor page faults of a process."""

    cpu: float
    page_faults: int


def usage_of(pid: int) -> Usage:
    """Return what a process has used so far: proc(5), stat fields 10, 14 and 15."""
    with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as stream:
        fields = stream.read().rsplit(')', 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / float(os.sysconf('SC_CLK_TCK')), int(fields[7]))
