# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Peak memory and time to the first mask, in a fresh process: ``python -m`` this module.

A process's peak cannot be taken back, so each figure needs one of its own.
"""

import os
import sys
import time
from typing import Any, Dict, Tuple

import cv2
import numpy as np

from segformer_ros.common import child_process
from segformer_ros.common.errors import BackendError
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.evaluation.benchmark.pipelines import CameraImage
from segformer_ros.evaluation.benchmark.pipelines import our_pipeline
from segformer_ros.evaluation.metrics.performance import peak_resident_bytes
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.spec import ModelSpec

# Enough for the allocator to have seen every size that it will see.
FRAMES = 20
_TIMEOUT_S = 600.0


def measure(onnx_path: str, spec: ModelSpec, size_wh: Tuple[int, int],
            threads: int) -> Dict[str, float]:
    """
    Run the whole frame path in a child process.

    :return: ``first_mask_s``, seconds from the start of the process to the first mask;
        ``imports_mb`` and ``above_imports_mb``, resident memory after the imports and the
        peak above that
    :raises BackendError: the child failed
    """
    request = {'onnx_path': os.path.abspath(onnx_path), 'spec': spec._asdict(),
               'size_wh': size_wh, 'threads': threads, 'started': time.time()}
    with child_process.WorkerProcess(__name__, request, _TIMEOUT_S) as child:
        child.wait()
        for figures in child.messages():
            return figures
        raise BackendError('The memory of a frame could not be measured',
                           got=f'the process {child.account(500)}')


def _answer(request: Dict[str, Any], send: child_process.Sender) -> int:
    fields: Dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                              for key, value in request['spec'].items()}
    import_onnxruntime()  # part of what the figures are above
    imports = peak_resident_bytes()
    # Coarse noise: what is in the picture hardly matters, what making it takes would.
    coarse = np.random.RandomState(0).randint(0, 256, (9, 12, 3)).astype(np.uint8)
    image = CameraImage(cv2.resize(  # type: ignore[arg-type]
        coarse, tuple(request['size_wh']), interpolation=cv2.INTER_LINEAR))
    with OnnxruntimeBackend(request['onnx_path'], threads=request['threads']) as backend:
        pipeline = our_pipeline('ours', image, backend, ModelSpec(**fields), 'pillow', True,
                                request['threads'])
        pipeline.run()
        # Wall clock: the parent's moment of starting has no other clock in common with ours.
        first_mask = time.time() - request['started']
        for _ in range(FRAMES):
            pipeline.run()
    send(first_mask_s=first_mask, imports_mb=imports / 1e6,
         above_imports_mb=(peak_resident_bytes() - imports) / 1e6)
    return 0


if __name__ == '__main__':
    sys.exit(child_process.serve(_answer, in_background=False))
