# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which execution providers of onnxruntime are worth taking on a machine with a GPU."""

from typing import List

CPU = 'CPUExecutionProvider'
# Not TensorrtExecutionProvider: it builds its engines inside the first inference, for minutes,
# in the thread that serves. Who wants it names it in the parameter.
_GPU = ('CUDAExecutionProvider',)


def gpu_providers() -> List[str]:
    """
    Return the GPU providers that this onnxruntime was built with, the CPU after them.

    Empty if there are none, or onnxruntime is not installed: opening it tells then.
    """
    try:
        import onnxruntime
    except ImportError:
        return []
    available = onnxruntime.get_available_providers()
    found = [name for name in _GPU if name in available]
    return found + [CPU] if found else []
