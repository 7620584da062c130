# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The process in which engines are built and tried out: ``python -m`` this module.

Reads one request as a line of JSON from stdin, writes events as lines of JSON to stdout, and
ends. TensorRT may take all memory, hang, or crash here without the node noticing more than an
exit status. What TensorRT prints goes to stderr.

The process dies with its parent: the kernel kills it (Linux), and a thread watches stdin, which
the parent holds open as long as it wants the work done.
"""

import ctypes
import hashlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any, Callable, Dict, IO, Optional

from segformer_ros.common.errors import ModelError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.private_files import EngineStorageError
from segformer_ros.common.private_files import storage_errors
from segformer_ros.inference.cuda.buffers import open_buffers
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.trt import builder as network_builder
from segformer_ros.inference.trt import validation as engine_trial
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.backend import EngineLoadError

HEARTBEAT_S = 2.0
CANCELLED = 3
FAILED = 1

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_NICENESS = 10


class Reporter:
    """
    Writes events and repeats the last progress while nothing new comes.

    :param stream: text, line by line
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._progress: Dict[str, Any] = {'phase': 'starting', 'step': 0, 'steps': 0}

    def send(self, event: str, **values: Any) -> None:
        """Write one event."""
        values['event'] = event
        with self._lock:
            self._stream.write(json.dumps(values) + '\n')
            self._stream.flush()

    def progress(self, phase: str, step: int = 0, steps: int = 0) -> None:
        """Write where the work is, and remember it for the heartbeat."""
        self._progress = {'phase': phase, 'step': step, 'steps': steps}
        self.beat()

    def beat(self) -> None:
        """Write the last progress with the time since the start."""
        self.send('progress', elapsed=round(time.monotonic() - self._started, 3),
                  **self._progress)


def main() -> int:
    """Serve the request on stdin; return the exit status."""
    _die_with_parent()
    reporter = Reporter(_private_stdout())
    line = sys.stdin.readline()
    if not line:
        return CANCELLED
    _start_thread(_end_at_eof)
    _start_thread(lambda: _beat_for_ever(reporter))
    return serve(json.loads(line), reporter)


def serve(request: Dict[str, Any], reporter: Reporter) -> int:
    """
    Carry out one request.

    :param request: fields of a ``BuildRequest`` or ``ValidationRequest``, and ``operation``:
        ``build`` or ``try``
    :return: the exit status
    """
    operations: Dict[str, Callable[[Dict[str, Any], Reporter], Dict[str, Any]]] = {
        'build': _build, 'try': _try}
    values = dict(request)
    try:
        result = operations[values.pop('operation')](values, reporter)
    except SegformerRosError as error:
        reporter.send('error', kind=_kind(error), text=str(error))
        return FAILED
    reporter.send('result', **result)
    return 0


def _build(values: Dict[str, Any], reporter: Reporter) -> Dict[str, Any]:
    request = network_builder.BuildRequest(**values)
    if request.probe_gpu:
        probe_gpu(request.device_index)
        request = _within_device_memory(request)
    reporter.progress('importing TensorRT')
    api = load_tensorrt(request.tensorrt_module)
    built = network_builder.build_engine(api, request, reporter.progress)
    with storage_errors(os.path.dirname(request.plan_path),
                        f'writing a plan of {len(built.plan) >> 20} MiB'):
        with open(request.plan_path, 'wb') as stream:
            stream.write(built.plan)
    return {
        'plan_sha256': hashlib.sha256(built.plan).hexdigest(), 'precision': built.precision,
        'fp32_parts': built.fp32_parts, 'parts': built.parts,
        'tensorrt_version': built.tensorrt_version, 'workspace_mib': request.workspace_mib,
        'tactic_sources': request.tactic_sources}


def _within_device_memory(
        request: network_builder.BuildRequest) -> network_builder.BuildRequest:
    # The parent knows the GPU's total memory, only a context knows what is free of it.
    buffers = open_buffers(request.device_index)
    try:
        with buffers.current():
            free_mib = buffers.memory().free >> 20
    finally:
        buffers.close()
    return request._replace(workspace_mib=max(min(request.workspace_mib, free_mib // 2), 16))


def _try(values: Dict[str, Any], reporter: Reporter) -> Dict[str, Any]:
    return engine_trial.run_validation(engine_trial.ValidationRequest(**values), reporter.progress)


def _kind(error: SegformerRosError) -> str:
    if isinstance(error, EngineLoadError):
        return 'load'
    if isinstance(error, EngineStorageError):
        return 'storage'
    return 'model' if isinstance(error, ModelError) else 'backend'


def _private_stdout() -> IO[str]:
    # Libraries print to stdout, too: they get stderr, and the events a descriptor of their own.
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(descriptor, 'w', encoding='utf-8')


def _die_with_parent() -> None:
    # Ctrl-C reaches the whole terminal group; the parent decides what ends here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform.startswith('linux'):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.nice(_NICENESS)
    # If memory runs out, the kernel shall take this process and not the node.
    _write_if_possible('/proc/self/oom_score_adj', '1000')


def _write_if_possible(path: str, text: str) -> Optional[OSError]:
    try:
        with open(path, 'w', encoding='ascii') as stream:
            stream.write(text)
    except OSError as error:
        return error
    return None


def _end_at_eof() -> None:
    # Nothing more is ever sent: the read returns when the parent closes stdin or dies.
    sys.stdin.read()
    os._exit(CANCELLED)


def _beat_for_ever(reporter: Reporter) -> None:
    while True:
        time.sleep(HEARTBEAT_S)
        reporter.beat()


def _start_thread(target: Callable[[], None]) -> None:
    threading.Thread(target=target, daemon=True).start()


if __name__ == '__main__':
    sys.exit(main())
