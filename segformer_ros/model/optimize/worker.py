# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Optimize a model in a process of its own: ``python -m`` this module.

Rewriting and comparing take several hundred megabytes for a few seconds. A node that runs for
weeks has no use for them, so only a graph that is not cached yet costs it a child process.
"""

import os
import sys
from typing import Any, Dict, Optional

from segformer_ros.common import child_process
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.model.optimize import optimize
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.target import Target
from segformer_ros.model.spec import ModelSpec

# Tens of times what a SegFormer-B5 takes on the slowest board.
TIMEOUT_S = 900.0
_LAST_WORDS = 500


class OptimizeProcess(child_process.WorkerProcess):
    """
    Optimizes one model for one runtime.

    :param onnx_path: the original
    :param spec: of the original
    :param target: the runtime
    """

    def __init__(self, onnx_path: str, spec: ModelSpec, target: Target) -> None:
        super().__init__(__name__, {
            'onnx_path': os.path.abspath(onnx_path), 'spec': spec._asdict(),
            'target': target._asdict()}, TIMEOUT_S)

    def poll(self) -> Optional[str]:
        """Return what was done or went wrong, once it has ended; None before."""
        if not self.has_ended:
            return None
        details = [str(message['detail']) for message in self.messages()]
        if self.status == 0 and details:
            return details[0]
        lines = self.last_words.splitlines()
        return (f'the child process {self.ending}: '
                f"{lines[-1][-_LAST_WORDS:] if lines else 'without a word'}")


def optimize_in_child(onnx_path: str, spec: ModelSpec,
                      target: Target = ONNXRUNTIME) -> optimize.OptimizedModel:
    """
    Do what :func:`optimize.optimize` does without its memory, and wait for it.

    A child that fails leaves the model as it is.

    :raises ModelError: the file is missing
    """
    cache = optimize.open_cache(onnx_path, spec, target)
    metadata = optimize.usable(cache.read())
    if metadata is None:
        try:
            with OptimizeProcess(onnx_path, spec, target) as child:
                child.wait()
                problem = str(child.poll())
        except OSError as error:
            problem = f'the child process does not start: {error}'
        metadata = cache.read()
        if metadata is None:
            return optimize.passthrough(onnx_path, spec, problem)
    return optimize.from_metadata(onnx_path, spec, target, metadata)


def _answer(request: Dict[str, Any], send: child_process.Sender) -> int:
    fields: Dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                              for key, value in request['spec'].items()}
    try:
        optimized = optimize.optimize(request['onnx_path'], ModelSpec(**fields),
                                      Target(**request['target']))
    except SegformerRosError as error:
        sys.stderr.write(f'{error}\n')
        return 1
    send(changes=optimized.changes, detail=optimized.detail)
    return 0


if __name__ == '__main__':
    sys.exit(child_process.serve(_answer))
