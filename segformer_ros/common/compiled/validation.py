# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Load a compiled library and compare it with its twins: ``python -m`` this module.

A library that the machine cannot run ends the process that loads it. So the first one to load it
is a process of its own.
"""

import ctypes
import importlib
import sys
from typing import Any, Dict

from segformer_ros.common import child_process
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import SegformerRosError

# numpy and OpenCV take five seconds to import on a slow board, which is busy at its start.
TIMEOUT_S = 120.0


def opened(path: str, module: str) -> Any:
    """
    Load a library and return the kernels that a module makes of it.

    :param path: of the library
    :param module: dotted name; its ``open_kernels(library)`` checks and wraps a ctypes library
    :raises OSError: it cannot be loaded
    :raises AttributeError: a function is missing
    :raises BackendError: results differ from those of the twins
    """
    return importlib.import_module(module).open_kernels(ctypes.CDLL(path))


def try_in_child(path: str, module: str) -> str:
    """
    Try a library in a process of its own.

    :param path: of the library
    :param module: as of :func:`opened`
    :return: what is wrong with it, or nothing
    :raises OSError: the process does not start
    :raises BackendError: it was ended from outside, for want of memory say
    """
    with child_process.WorkerProcess(__name__, {'path': path, 'module': module},
                                     TIMEOUT_S) as child:
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
        opened(request['path'], request['module'])
    except (OSError, AttributeError, SegformerRosError) as error:
        fault = str(error)
    send(fault=fault)
    return 0


if __name__ == '__main__':
    sys.exit(child_process.serve(_answer, in_background=False))
