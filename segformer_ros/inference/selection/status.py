# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What may be chosen about backends, and what is reported about the choice."""

import logging
import math
from typing import Dict, NamedTuple, Optional

from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.trt import key as trt_key
from segformer_ros.inference.trt.backend import DEFAULT_RUNTIME
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.inference.trt.build_job import JobProgress

BACKENDS = ('auto', 'tensorrt', 'openvino', 'onnxruntime')

_LOGGER = logging.getLogger(__name__)


class CheckResults:
    """What was found out, by subject; a later result replaces an earlier one."""

    def __init__(self) -> None:
        self._texts: Dict[str, str] = {}
        self.has_warnings = False

    def record(self, subject: str, text: str) -> None:
        """Keep a fact."""
        self._texts[subject] = text

    def warn(self, subject: str, text: str) -> None:
        """Keep a fact that means less than could be had; warn of it once."""
        if self._texts.get(subject) != text:
            _LOGGER.warning('%s', text)
        self._texts[subject] = text
        self.has_warnings = True

    def __str__(self) -> str:
        """Return all of them in one line."""
        return '; '.join(self._texts.values())


class SelectionSettings(NamedTuple):
    """
    What the user may choose.

    ``precision`` is ``fp16`` (mixed, float32 if that fails its check), ``fp32`` or ``int8`` (what
    ``calibrate_int8`` made, then as ``fp16``). ``provider``
    is onnxruntime's execution provider; empty: the fastest that works. ``openvino_device`` and
    ``openvino_precision`` are those of ``DeviceSettings``. ``rewrite`` lets every
    runtime run the graph that was made for it; False runs the file as it is. Opening waits for
    such a graph for ``graph_timeout`` seconds at most: the caller may not wait longer itself.
    """

    backend: str = BACKENDS[0]
    precision: str = trt_key.PRECISIONS[0]
    threads: int = 0
    provider: str = ''
    openvino_device: str = 'CPU'
    openvino_precision: str = 'fp32'
    rewrite: bool = True
    cache_root: str = ''
    runtime: RuntimeSettings = DEFAULT_RUNTIME
    builder: trt_key.BuilderSettings = trt_key.DEFAULT_BUILDER
    graph_timeout: float = math.inf


class SelectionStatus(NamedTuple):
    """
    What serves and why, for diagnostics.

    ``model`` is the file that was chosen. ``level`` is ``errors.OK``, ``errors.WARN`` (less than
    could be had) or ``errors.ERROR`` (not what was asked for). ``job`` is what is being built,
    ``check`` the self-check of the engine in use or of the one that failed last, ``engine`` the
    name of the engine in use, ``preparing`` the name of the target that the model is being
    optimized for.
    """

    model: str
    requested: str
    backend: str
    precision: str
    level: int
    why: str
    job: Optional[JobProgress]
    check: Optional[SelfCheck]
    engine: Optional[str]
    preparing: str
