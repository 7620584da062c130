# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Commands and nodes as child processes that end with a ``with`` block."""

import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any, Dict, Mapping, Optional, Sequence, Type, TypeVar

from segformer_ros.common.errors import SegformerRosError

STOP_TIMEOUT = 15.0
"""Seconds that a child may take to end after SIGINT before it is killed."""
TAIL = 20
"""Lines of its log that an error shows."""

AnyChild = TypeVar('AnyChild', bound='ChildCommand')


class ChildCommand:
    """
    A child process that writes its output to a log file.

    :param command: program and arguments
    :param log_path: file for everything that it prints
    :param environment: variables on top of the parent's
    """

    def __init__(self, command: Sequence[str], log_path: str,
                 environment: Optional[Dict[str, str]] = None) -> None:
        self._name = ' '.join(command[:3])
        self._log_path = log_path
        with open(log_path, 'wb') as log:
            self._process = subprocess.Popen(
                list(command), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=dict(os.environ, **(environment or {})))

    def __enter__(self: AnyChild) -> AnyChild:
        """Return itself."""
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        """End the child: SIGINT first, SIGKILL where that does not help."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self._process.poll() is not None

    def check(self) -> None:
        """
        Raise if the process has failed.

        :raises SegformerRosError: with the end of its log
        """
        status = self._process.poll()
        if status:
            raise SegformerRosError(
                f'{self._name} ended', got=f'exit status {status}',
                remedy=f'Its last words:\n{self.last_words()}')

    def last_words(self) -> str:
        """Return the end of the log."""
        with open(self._log_path, encoding='utf-8', errors='replace') as log:
            return '\n'.join(log.read().rstrip().split('\n')[-TAIL:])


class ChildProcess(ChildCommand):
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
