# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The process in which engines are built and validated (``python -m`` this module), and its parent.

TensorRT may take all memory, hang, or crash there without the node noticing more than an exit
status. What TensorRT prints goes to stderr.
"""

import hashlib
import os
import sys
import threading
import time
from typing import Any, Callable, Dict, NamedTuple, Optional

from segformer_ros.common import child_process
from segformer_ros.common.errors import ModelError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.file_cache import StorageError
from segformer_ros.inference.cuda.buffers import open_buffers
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.trt import builder
from segformer_ros.inference.trt import validation
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.backend import EngineLoadError
from segformer_ros.inference.trt.cache import EngineCache

HEARTBEAT_S = 2.0
# Builds of half an hour are normal on a Nano; a silent hang is not.
TIME_LIMIT_S = 3 * 3600.0
FAILED = 1


class WorkerProgress(NamedTuple):
    """Where the worker is; ``steps`` is 0 where TensorRT does not tell."""

    phase: str
    step: int
    steps: int
    elapsed: float


class WorkerOutcome(NamedTuple):
    """
    How the worker ended.

    ``result`` is None after a failure, which ``problem`` then describes. ``kind`` is ``load``,
    ``model`` or ``storage`` where the worker said so; ``killed`` where it was ended by SIGKILL, as
    the kernel does when memory runs out; ``crash`` where it died in another way without a word,
    or took too long; else ``backend``; empty after success.
    """

    result: Optional[Dict[str, Any]]
    kind: str
    problem: str
    last_phase: str


class EngineProcess(child_process.WorkerProcess):
    """
    One request in a process of its own.

    :param operation: ``build`` or ``try``
    :param request: fields of a ``BuildRequest`` or ``ValidationRequest``
    """

    def __init__(self, operation: str, request: Dict[str, Any]) -> None:
        super().__init__(__name__, dict(request, operation=operation), TIME_LIMIT_S)
        self._final: Optional[Dict[str, Any]] = None
        self.progress = WorkerProgress('starting', 0, 0, 0.0)

    def poll(self) -> Optional[WorkerOutcome]:
        """Take in what the worker said; return its outcome once it has ended."""
        has_ended = self.has_ended
        for message in self.messages():
            if message.pop('event') == 'progress':
                self.progress = WorkerProgress(**message)
            else:
                self._final = message
        if not has_ended:
            return None
        phase = self.progress.phase
        if self._final is not None and 'text' in self._final:
            kind, problem = self._final['kind'], self._final['text']
        elif self._final is not None and self.status == 0:
            return WorkerOutcome(self._final, '', '', phase)
        else:
            kind = 'killed' if self.was_killed else 'crash'
            problem = f'the process {self.ending} while {phase}'
        return WorkerOutcome(None, kind, '\n'.join(filter(None, (problem, self.last_words))),
                             phase)


class Reporter:
    """
    Sends events and repeats the last progress while nothing new comes.

    :param send: takes messages
    """

    def __init__(self, send: child_process.Sender) -> None:
        self.send = send
        self._started = time.monotonic()
        self._progress: Dict[str, Any] = {'phase': 'starting', 'step': 0, 'steps': 0}

    def progress(self, phase: str, step: int = 0, steps: int = 0) -> None:
        """Send what is being done, and remember it for the heartbeat."""
        self._progress = {'phase': phase, 'step': step, 'steps': steps}
        self.beat()

    def beat(self) -> None:
        """Send the last progress with the time since the start."""
        self.send(event='progress', elapsed=round(time.monotonic() - self._started, 3),
                  **self._progress)


def main() -> int:
    """Serve the request on stdin; return the exit status."""
    return child_process.serve(_answer)


def _answer(request: Dict[str, Any], send: child_process.Sender) -> int:
    reporter = Reporter(send)
    threading.Thread(target=_beat_for_ever, args=(reporter,), daemon=True).start()
    return serve(request, reporter)


def _beat_for_ever(reporter: Reporter) -> None:
    while True:
        time.sleep(HEARTBEAT_S)
        reporter.beat()


def serve(request: Dict[str, Any], reporter: Reporter) -> int:
    """
    Carry out one request.

    :param request: fields of a ``BuildRequest`` or ``ValidationRequest``, and ``operation``:
        ``build`` or ``try``
    :return: the exit status
    """
    operations: Dict[str, Callable[[Dict[str, Any], Reporter], Dict[str, Any]]] = {
        'build': _build, 'try': _validate}
    values = dict(request)
    try:
        result = operations[values.pop('operation')](values, reporter)
    except SegformerRosError as error:
        reporter.send(event='error', kind=_kind(error), text=str(error))
        return FAILED
    reporter.send(event='result', **result)
    return 0


def _build(values: Dict[str, Any], reporter: Reporter) -> Dict[str, Any]:
    request = builder.BuildRequest(**values)
    if request.probe_gpu:
        probe_gpu(request.device_index)
        request = _within_device_memory(request)
    reporter.progress('importing TensorRT')
    api = load_tensorrt(request.tensorrt_module)
    built = builder.build_engine(api, request, reporter.progress)
    folder = EngineCache(os.path.dirname(request.plan_path))
    with folder.storage_errors(f'writing a plan of {len(built.plan) >> 20} MiB'), \
            open(request.plan_path, 'wb') as stream:
        stream.write(built.plan)
    return {
        'plan_sha256': hashlib.sha256(built.plan).hexdigest(), 'precision': built.precision,
        'fp32_parts': built.fp32_parts, 'parts': built.parts,
        'tensorrt_version': built.tensorrt_version, 'workspace_mib': request.workspace_mib,
        'tactic_sources': request.tactic_sources}


def _within_device_memory(request: builder.BuildRequest) -> builder.BuildRequest:
    # The parent knows the GPU's total memory, only a context knows what is free of it.
    buffers = open_buffers(request.device_index)
    try:
        with buffers.current():
            free_mib = buffers.memory().free >> 20
    finally:
        buffers.close()
    return request._replace(workspace_mib=max(min(request.workspace_mib, free_mib // 2), 16))


def _validate(values: Dict[str, Any], reporter: Reporter) -> Dict[str, Any]:
    return validation.run_validation(validation.ValidationRequest(**values), reporter.progress)


def _kind(error: SegformerRosError) -> str:
    if isinstance(error, EngineLoadError):
        return 'load'
    if isinstance(error, StorageError):
        return 'storage'
    return 'model' if isinstance(error, ModelError) else 'backend'


if __name__ == '__main__':
    sys.exit(main())
