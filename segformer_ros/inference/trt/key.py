# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Everything that decides whether an engine may be used again."""

import hashlib
import json
import re
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.trt.api import TensorrtApi
from segformer_ros.model.optimize import mixed_precision
from segformer_ros.model.quantize import placement
from segformer_ros.model.spec import TensorSpec

FP32 = 'fp32'
PRECISIONS = ('fp16', FP32, 'int8')
"""What may be wished for."""
MIXED = 'fp16+fp32'
INT8 = 'int8+fp16+fp32'
PINS_REVISION = 'pinned-layers-1'


class BuilderSettings(NamedTuple):
    """
    What the user may choose about builds.

    ``workspace_mib`` of 0 chooses by free memory at the time of the build; what was taken
    stands in the engine's record, not in its key, or a busy robot would build again.
    ``optimization_level`` (0 to 5, 8.6 and later): None is TensorRT's default. ``tf32`` permits
    TensorFloat-32 in 32-bit products, and is named in the reported precision.
    """

    workspace_mib: int = 0
    optimization_level: Optional[int] = None
    tf32: bool = False


DEFAULT_BUILDER = BuilderSettings()


class EngineKey(NamedTuple):
    """
    The identity of an engine; engines with equal keys are interchangeable.

    ``precision`` is ``fp32``, ``fp16+fp32`` or ``int8+fp16+fp32``, ``route`` what makes it: of
    8-bit integers that names the calibration. ``tensors`` are the inputs as text. The same compute
    capability is not the same device: the name and the number of multiprocessors belong to it,
    since kernels were timed on one of them.
    """

    model_sha256: str
    tensors: Tuple[str, ...]
    tensorrt_module: str
    tensorrt_version: str
    gpu_name: str
    compute_capability: Tuple[int, int]
    multiprocessors: int
    driver_version: int
    driver_release: str
    precision: str
    route: str
    tf32: bool
    workspace_mib: int
    optimization_level: Optional[int]

    def to_json(self) -> Dict[str, Any]:
        """Return plain values, as JSON gives them back."""
        values: Dict[str, Any] = json.loads(json.dumps(self._asdict()))
        return values

    def digest(self) -> str:
        """Return the SHA-256 of the key's canonical JSON, in hexadecimal."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(',', ':'))
        return hashlib.sha256(text.encode('utf-8')).hexdigest()


def engine_key(model_sha256: str, inputs: Sequence[TensorSpec], api: TensorrtApi, gpu: GpuInfo,
               precision: str, settings: BuilderSettings, calibration: str = '') -> EngineKey:
    """
    Return the key of an engine for this model, device, software and settings.

    :param calibration: digest of the quantized network, where 8-bit integers are used
    """
    return EngineKey(
        model_sha256=model_sha256, tensors=tuple(str(spec) for spec in inputs),
        tensorrt_module=api.name, tensorrt_version=api.version, gpu_name=gpu.name,
        compute_capability=gpu.compute_capability, multiprocessors=gpu.multiprocessors,
        driver_version=gpu.driver_version, driver_release=gpu.driver_release,
        precision=precision, route=precision_route(api, precision, calibration),
        tf32=settings.tf32, workspace_mib=settings.workspace_mib,
        optimization_level=settings.optimization_level)


def timing_cache_name(tensorrt_version: str, gpu_name: str) -> str:
    """Return the name of the file of what one TensorRT measured on one kind of GPU."""
    return 'timing-{}.cache'.format(
        re.sub('[^A-Za-z0-9.]+', '_', f'{tensorrt_version} {gpu_name}'))


def entry_name(model_name: str, key: EngineKey) -> str:
    """
    Return a file name without suffix for an engine.

    Readable parts first; the first 64 bits of the key's digest tell engines apart.

    :param model_name: any text; only letters, digits, ``-`` and ``_`` are kept
    """
    safe = re.sub(r'[^A-Za-z0-9_-]+', '_', model_name)[:64]
    return f"{safe}-{key.precision.replace('+', '_')}-{key.digest()[:16]}"


def wanted_precisions(wish: str) -> Tuple[str, ...]:
    """
    Return the precisions to try, best first.

    :param wish: ``fp32``, ``fp16`` (mixed, then float32 if that fails its check) or ``int8``
        (what was calibrated, then as ``fp16``)
    """
    wishes = {'fp16': (MIXED, FP32), FP32: (FP32,), 'int8': (INT8, MIXED, FP32)}
    if wish not in wishes:
        raise ConfigurationError('Unknown precision', got=repr(wish),
                                 expected=' or '.join(PRECISIONS))
    return wishes[wish]


def precision_route(api: TensorrtApi, precision: str, calibration: str = '') -> str:
    """
    Return what makes an engine of this precision, for its key.

    :param calibration: digest of the quantized network, where 8-bit integers are used
    """
    if precision == FP32:
        return 'as the file'
    mixed = mixed_precision.REVISION if api.strongly_typed else PINS_REVISION
    return f'{placement.REVISION} {calibration} {mixed}' if precision == INT8 else mixed
