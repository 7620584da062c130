# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What may be chosen about backends, and what is told about the choice made."""

from typing import NamedTuple
from typing import Optional
from typing import Tuple

from segformer_ros.inference.engine_builder import JobProgress
from segformer_ros.inference.engine_key import BuilderSettings
from segformer_ros.inference.engine_key import DEFAULT_BUILDER
from segformer_ros.inference.self_check import SelfCheck
from segformer_ros.inference.tensorrt_backend import DEFAULT_RUNTIME
from segformer_ros.inference.tensorrt_backend import RuntimeSettings

BACKENDS = ('auto', 'tensorrt', 'onnxruntime')

OK = 'ok'
WARN = 'warn'
ERROR = 'error'


class SelectionSettings(NamedTuple):
    """
    What the user may choose.

    ``precision`` is ``fp16`` (mixed, float32 if that fails its check) or ``fp32``. ``providers``
    are onnxruntime's execution providers by preference; empty: the fastest that works.
    """

    backend: str = 'auto'
    precision: str = 'fp16'
    threads: int = 0
    providers: Tuple[str, ...] = ()
    cache_root: str = ''
    runtime: RuntimeSettings = DEFAULT_RUNTIME
    builder: BuilderSettings = DEFAULT_BUILDER


class SelectionStatus(NamedTuple):
    """
    What serves and why, for diagnostics.

    ``level`` is ``ok``, ``warn`` (less than could be had) or ``error`` (not what was asked
    for). ``job`` is what is being built, ``check`` the self-check of the engine in use or of
    the one that failed last, ``engine`` the name of the engine in use.
    """

    requested: str
    backend: str
    precision: str
    level: str
    why: str
    job: Optional[JobProgress]
    check: Optional[SelfCheck]
    engine: Optional[str]
