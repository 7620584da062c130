#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Run pytest again and again, each time in a fork of a process that has imported what takes long.

The package itself is not imported before: each run sees its sources as they are then. Started as
a program it reads lines of JSON, ``{"tests": [...], "cpu_s": 120, "wall_s": 300}``, and answers
each with ``{"status": 0, "output": "..."}``.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from typing import List, NamedTuple

SLOW_TO_IMPORT = ('numpy', 'cv2', 'PIL.Image', 'yaml', 'hypothesis', 'scipy.spatial', 'onnx',
                  'onnxruntime', 'pytest')
MARKS = ('not slow and not linter and not once', 'not slow and not linter and once')
"""The dear ones, marked once, run where the others see nothing."""
NO_TESTS = 5
"""Exit status of pytest where no test has the marks."""


class Result(NamedTuple):
    """Exit status, 0 where all are green, below 0 where a limit or a signal ended it; output."""

    status: int
    output: str


class ForkedTests:
    """
    Runs tests with one interpreter.

    :param python: of the environment that has what the tests need
    :param cpu_s: seconds of processor time, a limit of each run
    :param wall_s: seconds, likewise
    """

    def __init__(self, python: str, cpu_s: int, wall_s: float) -> None:
        self._limits = {'cpu_s': cpu_s, 'wall_s': wall_s}
        self._process = subprocess.Popen(
            [python, os.path.abspath(__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            universal_newlines=True)

    def run(self, tests: List[str]) -> Result:
        """
        Run tests in the present folder, up to the first that is red.

        :raises OSError: the interpreter cannot run
        """
        self._process.stdin.write(json.dumps(dict(self._limits, tests=tests)) + '\n')
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise OSError(f'{self._process.args[0]} ended with {self._process.wait()}')
        return Result(**json.loads(answer))

    def close(self) -> None:
        """End the process, and the tests that it runs."""
        self._process.terminate()
        self._process.communicate()


def _serve() -> None:
    os.environ['ORT_DISABLE_TELEMETRY'] = '1'
    # Of tests that were written since, pytest would keep the old ones.
    sys.dont_write_bytecode = True
    sys.path[0] = os.getcwd()
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    for name in SLOW_TO_IMPORT:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f'{name} is not there: {error}', file=sys.stderr)
    for line in sys.stdin:
        asked = json.loads(line)
        for marks in MARKS:
            result = _in_fork(marks, **asked)
            if result.status not in (0, NO_TESTS):
                break
        status = 0 if result.status == NO_TESTS else result.status
        answers.write(json.dumps({'status': status, 'output': result.output}) + '\n')
        answers.flush()


def _in_fork(marks: str, tests: List[str], cpu_s: int, wall_s: float) -> Result:
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), 0)
            import pytest
            status = pytest.main(['-q', '-x', '--tb=line', '-p', 'no:cacheprovider', '-m', marks]
                                 + tests)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(status))
        status = _status_of(child, time.monotonic() + wall_s)
        output.seek(0)
        return Result(status, output.read().decode('utf-8', 'replace')[-4000:])


def _status_of(child: int, end: float) -> int:
    def stop(*_: object) -> None:
        _kill_group(child)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended and time.monotonic() < end:
        time.sleep(0.02)
        ended, status = os.waitpid(child, os.WNOHANG)
    # What the tests started goes as well.
    _kill_group(child)
    if not ended:
        os.waitpid(child, 0)
        return -signal.SIGKILL
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


def _kill_group(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == '__main__':
    _serve()
