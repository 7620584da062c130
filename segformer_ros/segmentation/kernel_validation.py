# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Load compiled kernels and compare them with their twins: ``python -m`` this module.

A library that the machine cannot run ends the process that loads it. So the first one to load it
is a process of its own.
"""

import ctypes
import sys
from typing import Any, Dict

import numpy as np
from segformer_ros.common import child_process
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.kernels import Kernels
from segformer_ros.segmentation.postprocessing import Postprocessor
from segformer_ros.segmentation.preprocessing import Preprocessor

# numpy and OpenCV take five seconds to import on a slow board, which is busy at its start.
TIMEOUT_S = 120.0


def check(kernels: Kernels) -> None:
    """
    Compare with numpy and Pillow on small inputs: a compiler may be broken, or too clever.

    :raises BackendError: results differ
    """
    random = np.random.RandomState(0)
    logits = random.normal(size=(9, 11, 20)).astype(np.float32)
    image = random.randint(0, 256, (37, 53, 3)).astype(np.uint8)
    for layout in ('nchw', 'nhwc'):
        spec = ModelSpec('check', 'ade20k', 20, input_size_wh=(24, 32), output_layout=layout,
                         output_size_wh=(11, 9))
        given = logits if layout == 'nhwc' else logits.transpose(2, 0, 1).copy()
        (mask, confidence), expected = [
            Postprocessor(spec, each, threads=2).run(
                {'logits': given[np.newaxis]}, (70, 40), 'exact', 0.1, True)
            for each in (kernels, None)]
        same = np.array_equal(mask, expected[0]) and confidence is not None \
            and expected[1] is not None \
            and abs(confidence.astype(int) - expected[1]).max() <= 1
        tensor, plain = [Preprocessor(spec, each, threads=2).run(image, 'pillow')
                         for each in (kernels, None)]
        if not same or not np.array_equal(tensor, plain):
            raise BackendError('The compiled kernels give other results than numpy',
                               remedy='Please report the compiler and the processor.')


def try_in_child(path: str) -> str:
    """
    Try a library in a process of its own.

    :return: what is wrong with it, or nothing
    :raises OSError: the process does not start
    :raises BackendError: it was ended from outside, for want of memory say
    """
    with child_process.WorkerProcess(__name__, {'path': path}, TIMEOUT_S) as child:
        child.wait()
        messages = list(child.messages())
        if child.status == 0 and messages:
            return str(messages[0]['fault'])
        if child.was_killed:
            raise BackendError('The compiled kernels could not be tried',
                               got=f'the process that loaded them {child.ending}',
                               remedy='The next start tries again.')
        lines = child.last_words.splitlines()
        return f'the process that loaded them {child.ending}' + (f': {lines[-1]}' if lines else '')


def _answer(request: Dict[str, Any], send: child_process.Sender) -> int:
    fault = ''
    try:
        check(Kernels(ctypes.CDLL(request['path'])))
    except (OSError, AttributeError, SegformerRosError) as error:
        fault = str(error)
    send(fault=fault)
    return 0


if __name__ == '__main__':
    sys.exit(child_process.serve(_answer, in_background=False))
