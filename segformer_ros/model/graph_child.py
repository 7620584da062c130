# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Prepare a graph in a process of its own: ``python -m`` this module.

Rewriting and comparing take several hundred megabytes for a few seconds. A node that runs for
weeks has no use for them, so only a graph that is not cached yet costs it a child process.
"""

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
from typing import Any
from typing import Dict

from segformer_ros.errors import SegformerRosError
from segformer_ros.model import graph
from segformer_ros.model.graph_target import ONNXRUNTIME
from segformer_ros.model.graph_target import Target
from segformer_ros.model.spec import ModelSpec

# Tens of times what a SegFormer-B5 takes on the slowest board.
TIMEOUT_S = 900.0
_LAST_WORDS = 500
# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_NICENESS = 10
_LOGGER = logging.getLogger(__name__)


def prepare_in_child(onnx_path: str, spec: ModelSpec,
                     target: Target = ONNXRUNTIME) -> graph.Prepared:
    """
    Do what :func:`graph.prepare` does without its memory.

    A child that fails leaves the model as it is.

    :raises ModelError: the file is missing
    """
    cache = graph.open_cache(onnx_path, spec, target)
    facts = cache.read()
    if facts is None:
        _LOGGER.info('Preparing %s for %s in a child process: once, a few seconds', onnx_path,
                     target.name)
        problem = _run_child(onnx_path, spec, target)
        facts = cache.read()
        if facts is None:
            return graph.left_alone(onnx_path, spec, problem or 'its graph was not cached')
    return graph.from_facts(onnx_path, spec, target, facts)


def _run_child(onnx_path: str, spec: ModelSpec, target: Target) -> str:
    """Return what went wrong, or nothing."""
    environment = dict(os.environ)
    # The same modules as here, wherever they were found, and none from the working directory.
    environment['PYTHONPATH'] = os.pathsep.join(
        os.path.abspath(path) for path in sys.path if path)
    request = json.dumps({'onnx_path': os.path.abspath(onnx_path), 'spec': spec._asdict(),
                          'target': target._asdict()})
    try:
        child = subprocess.run(
            [sys.executable, '-m', 'segformer_ros.model.graph_child'], cwd='/', check=False,
            env=environment, input=request.encode('utf-8'), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 'the child process failed: {}'.format(error)
    words = child.stderr.decode('utf-8', 'replace').strip()[-_LAST_WORDS:]
    if child.returncode:
        return 'the child process ended with status {}: {}'.format(child.returncode, words)
    return str(json.loads(child.stdout.decode('utf-8'))['detail'])


def main() -> int:
    """Prepare the graph that stdin asks for and write the outcome to stdout."""
    # A node that is ended must not leave this behind.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.nice(_NICENESS)
    request = json.load(sys.stdin)
    fields: Dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                              for key, value in request['spec'].items()}
    try:
        prepared = graph.prepare(request['onnx_path'], ModelSpec(**fields),
                                 Target(**request['target']))
    except SegformerRosError as error:
        sys.stderr.write('{}\n'.format(error))
        return 1
    json.dump({'changes': prepared.changes, 'detail': prepared.detail}, sys.stdout)
    return 0


if __name__ == '__main__':
    sys.exit(main())
