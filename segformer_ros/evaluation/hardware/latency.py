# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Latency and peak memory of one graph, in a fresh process: ``python -m`` this module.

A process's peak cannot be taken back, and optimizing a graph takes more memory than running it.
"""

import sys
import time
from typing import Any, Dict, List

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import child_process
from segformer_ros.common.errors import BackendError
from segformer_ros.common.time import percentile
from segformer_ros.evaluation.metrics.performance import peak_resident_bytes
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.inference.ov.backend import OpenvinoBackend
from segformer_ros.model.spec import TensorSpec

BACKENDS = {'onnxruntime': OnnxruntimeBackend, 'openvino': OpenvinoBackend}
RUNS = 30
# Seconds of runs, where they take long.
RUN_SECONDS = 6.0
_TIMEOUT_S = 60.0
_MIB = 1 << 20


def measure(backend: str, path: str, tensor: TensorSpec) -> str:
    """
    Run a graph in a child process and return its figures as text.

    :param backend: a key of :data:`BACKENDS`
    :param path: of the ONNX file
    :param tensor: its input; the file may leave sizes open
    :raises BackendError: the child failed
    """
    request = {'backend': backend, 'path': path, 'name': tensor.name, 'dtype': tensor.dtype,
               'shape': [size or 1 for size in tensor.shape]}
    with child_process.WorkerProcess(__name__, request, _TIMEOUT_S) as child:
        child.wait()
        for message in child.messages():
            return str(message['text'])
        raise BackendError('The latency could not be measured',
                           got=f'the process {child.account(500)}')


def _answer(request: Dict[str, Any], send: child_process.Sender) -> int:
    # Written, as a camera's would be: zeros that nobody wrote take no memory.
    inputs = {request['name']: np.full(request['shape'], 0, request['dtype'])}
    with BACKENDS[request['backend']](request['path']) as backend:
        text = _latency(backend, inputs)
    send(text=f'{text}, peak memory {peak_resident_bytes() / _MIB:.0f} MiB')
    return 0


def _latency(backend: Backend, inputs: Dict[str, arrays.Array]) -> str:
    times: List[float] = []
    cpu = time.process_time()
    deadline = time.monotonic() + RUN_SECONDS
    while len(times) < RUNS and (len(times) < 3 or time.monotonic() < deadline):
        started = time.perf_counter()
        backend.infer(inputs)
        times.append(time.perf_counter() - started)
    cpu = (time.process_time() - cpu) / len(times)
    times.sort()
    p50, p95 = (1e3 * percentile(times, share) for share in (0.5, 0.95))
    return (f'p50 {p50:.1f}, p95 {p95:.1f}, processor time {1e3 * cpu:.1f} ms, '
            f'{len(times)} runs')


if __name__ == '__main__':
    sys.exit(child_process.serve(_answer, in_background=False))
