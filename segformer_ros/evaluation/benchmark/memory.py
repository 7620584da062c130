# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Peak memory and time to the first mask, in a fresh process: ``python -m`` this module.

A process's peak cannot be taken back, so each figure needs one of its own.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any, Dict, Tuple

import cv2
import numpy as np

from segformer_ros.common.errors import BackendError
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
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(
        os.path.abspath(path) for path in sys.path if path))
    request = json.dumps({'onnx_path': os.path.abspath(onnx_path), 'spec': spec._asdict(),
                          'size_wh': size_wh, 'threads': threads, 'started': time.time()})
    child = subprocess.run(
        [sys.executable, '-m', 'segformer_ros.evaluation.benchmark.memory'], cwd='/', check=False,
        env=environment, input=request.encode('utf-8'), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=_TIMEOUT_S)
    if child.returncode:
        raise BackendError('The memory of a frame could not be measured',
                           got=child.stderr.decode('utf-8', 'replace').strip()[-500:])
    figures: Dict[str, float] = json.loads(child.stdout.decode('utf-8'))
    return figures


def main() -> int:
    """Measure what stdin asks for and write the figures to stdout."""
    request: Dict[str, Any] = json.load(sys.stdin)
    fields: Dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                              for key, value in request['spec'].items()}
    import onnxruntime  # noqa: F401 (part of what the figures are above)
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
    json.dump({'first_mask_s': first_mask, 'imports_mb': imports / 1e6,
               'above_imports_mb': (peak_resident_bytes() - imports) / 1e6}, sys.stdout)
    return 0


if __name__ == '__main__':
    sys.exit(main())
