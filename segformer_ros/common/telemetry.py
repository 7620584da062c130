# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Import runtimes that would report home, so that they do not.

onnxruntime's Linux wheels from 1.29 on keep a database below the cache folder and look up their
vendor's collector from a thread of their own. ``disable_telemetry_events()`` comes too late: only
the environment before the import counts.

openvino sends an event when it is imported, through the package openvino_telemetry, which pip
installs with it. Without that package it takes a stub of its own.
"""

import os
import sys
from typing import Any

VARIABLES = {'ORT_DISABLE_TELEMETRY': '1', 'HF_HUB_DISABLE_TELEMETRY': '1'}
"""Of onnxruntime and of huggingface_hub, which the export uses."""


def disable_telemetry() -> None:
    """Keep runtimes of this process and its children from reporting; a user's own word counts."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)


def import_onnxruntime() -> Any:
    """
    Return the module onnxruntime with its telemetry off.

    :raises ImportError: it is not installed, or cannot be loaded
    """
    disable_telemetry()
    import onnxruntime
    return onnxruntime


def import_openvino() -> Any:
    """
    Return the module openvino without its telemetry, which no later import in the process finds.

    :raises ImportError: it is not installed, cannot be loaded, or is older than 2023.1
    """
    if 'openvino' not in sys.modules:
        # None in this table makes an import fail, as if the package were not installed.
        sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
    import openvino
    if not hasattr(openvino, 'Core'):
        raise ImportError('openvino has no Core: it is older than 2023.1')
    return openvino
