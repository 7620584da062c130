# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Import runtimes that would report home, so that they do not.

onnxruntime's Linux wheels from 1.29 on keep a database below the cache folder and look up their
vendor's collector from a thread of their own. ``disable_telemetry_events()`` comes too late: only
the environment before the import counts.
"""

import os
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
