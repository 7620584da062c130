# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Prepare a graph in a process of its own: ``python -m`` this module.

Rewriting and comparing take several hundred megabytes for a few seconds. A node that runs for
weeks has no use for them, so only a graph that is not cached yet costs it a child process.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, IO, Optional

from segformer_ros.common.errors import SegformerRosError
from segformer_ros.model.optimize import optimize as graph
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.target import Target
from segformer_ros.model.spec import ModelSpec

# Tens of times what a SegFormer-B5 takes on the slowest board.
TIMEOUT_S = 900.0
_LAST_WORDS = 500
# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_NICENESS = 10
_POLL_S = 0.02


class OptimizeProcess:
    """
    Prepares one graph in a process of its own, which ends with the thread that started it.

    :param onnx_path: the original
    :param spec: of the original
    :param target: the runtime that the graph is for
    """

    def __init__(self, onnx_path: str, spec: ModelSpec, target: Target) -> None:
        environment = dict(os.environ)
        # The same modules as here, wherever they were found, and none from the working
        # directory.
        environment['PYTHONPATH'] = os.pathsep.join(
            os.path.abspath(path) for path in sys.path if path)
        request = json.dumps({'onnx_path': os.path.abspath(onnx_path), 'spec': spec._asdict(),
                              'target': target._asdict()})
        self._deadline = time.monotonic() + TIMEOUT_S
        with contextlib.ExitStack() as files:
            # Files never fill up as pipes do, and are written to without a reader.
            stdin, self._answer, self._words = (
                files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            stdin.write(request.encode('utf-8'))
            stdin.seek(0)
            self._child = subprocess.Popen(
                [sys.executable, '-m', 'segformer_ros.model.optimize.worker'], cwd='/',
                env=environment, stdin=stdin, stdout=self._answer, stderr=self._words)
            stdin.close()
            self._files = files.pop_all()

    def poll(self) -> Optional[str]:
        """
        Look whether it has ended.

        :return: None while it runs; then the detail of :class:`graph.OptimizedModel`, or what went
            wrong
        """
        status = self._child.poll()
        if status is None and time.monotonic() < self._deadline:
            return None
        if status is None:
            return f'the child process took longer than {TIMEOUT_S:.0f} s'
        if status:
            lines = _read(self._words).splitlines()
            return 'the child process ended with status {}: {}'.format(
                status, lines[-1][-_LAST_WORDS:] if lines else 'without a word')
        return str(json.loads(_read(self._answer))['detail'])

    def close(self) -> None:
        """End it, and let its files go; closing twice is allowed."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        self._files.close()


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode('utf-8', 'replace').strip()


def optimize_in_child(onnx_path: str, spec: ModelSpec,
                      target: Target = ONNXRUNTIME) -> graph.OptimizedModel:
    """
    Do what :func:`graph.optimize` does without its memory, and wait for it.

    A child that fails leaves the model as it is.

    :raises ModelError: the file is missing
    """
    cache = graph.open_cache(onnx_path, spec, target)
    facts = graph.usable(cache.read())
    if facts is None:
        problem = _run(onnx_path, spec, target)
        facts = cache.read()
        if facts is None:
            return graph.passthrough(onnx_path, spec, problem)
    return graph.from_metadata(onnx_path, spec, target, facts)


def _run(onnx_path: str, spec: ModelSpec, target: Target) -> str:
    try:
        child = OptimizeProcess(onnx_path, spec, target)
    except OSError as error:
        return f'the child process does not start: {error}'
    try:
        while True:
            words = child.poll()
            if words is not None:
                return words
            time.sleep(_POLL_S)
    finally:
        child.close()


def main() -> int:
    """Prepare the graph that stdin asks for and write the outcome to stdout."""
    # A node that is ended must not leave this behind.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.nice(_NICENESS)
    request = json.load(sys.stdin)
    fields: Dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                              for key, value in request['spec'].items()}
    try:
        prepared = graph.optimize(request['onnx_path'], ModelSpec(**fields),
                                  Target(**request['target']))
    except SegformerRosError as error:
        sys.stderr.write(f'{error}\n')
        return 1
    json.dump({'changes': prepared.changes, 'detail': prepared.detail}, sys.stdout)
    return 0


if __name__ == '__main__':
    sys.exit(main())
