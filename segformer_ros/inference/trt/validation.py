# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Load a cached engine, run it beside the float32 network, time it; in its own process."""

import time
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.common.time import percentile
from segformer_ros.inference.base import mask_check
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.frames import Frame
from segformer_ros.inference.base.frames import load_frames
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.inference.trt import backend as trt_backend
from segformer_ros.inference.trt.builder import ProgressCallback
from segformer_ros.inference.trt.cache import EngineCache
from segformer_ros.inference.trt.cache import EngineRecord

LOADING = 'loading the engine'
RUNNING = 'running the engine'
# A process that crashes in one of these was ended by the engine.
ENGINE_PHASES = (LOADING, RUNNING)
TIMED_RUNS = 40


class ValidationRequest(NamedTuple):
    """
    What to validate.

    ``frames`` is a file that :func:`save_frames` wrote. Class ids are those of the output
    ``output_name``, whose channels lie along ``class_axis``, by its ``output_kind``.
    """

    cache_folder: str
    record: Dict[str, Any]
    model_path: str
    frames: str
    output_name: str
    class_axis: int
    output_kind: str
    tensorrt_module: str
    device_index: int
    buffers: str
    cuda_graph: bool
    probe_gpu: bool


def engine_file(cache: EngineCache, record: EngineRecord) -> trt_backend.EngineFile:
    """Return what the backend needs to load a cached engine."""
    built = record.built
    details = {'engine': record.name}
    if built.get('fp32_parts'):
        details['fp32_parts'] = f"{built['fp32_parts']} of {built['parts']}"
    return trt_backend.EngineFile(
        path=cache.path(record.name, '.plan'), precision=str(built['precision']),
        read=lambda: cache.read_plan(record), details=details)


def run_validation(request: ValidationRequest, on_progress: ProgressCallback) -> Dict[str, Any]:
    """
    Load an engine and judge it.

    The engine is closed before the float32 network is opened: a small Jetson has no memory for
    both.

    :return: ``check`` (fields of ``mask_check.SelfCheck``), ``latency_p50_ms``,
        ``latency_p95_ms``, ``device_memory_mib``
    :raises EngineLoadError: TensorRT does not take the plan
    """
    frames = load_frames(request.frames)
    everything = frames.live + frames.bundled
    if not everything:
        raise BackendError('The self-check has no frames', expected='at least one')
    cache = EngineCache(request.cache_folder)
    record = EngineRecord(**request.record)
    on_progress(LOADING, 0, 0)
    engine = trt_backend.TensorrtBackend(engine_file(cache, record), trt_backend.RuntimeSettings(
        tensorrt_module=request.tensorrt_module, device_index=request.device_index,
        buffers=request.buffers, cuda_graph=request.cuda_graph, probe=request.probe_gpu))
    with engine:
        on_progress(RUNNING, 0, len(everything))
        candidate, finite = _masks(engine, everything, request)
        latencies = sorted(_latencies(engine, everything[0]))
        memory = engine.info.details['device_memory_mib']
    on_progress('running onnxruntime', 0, len(everything))
    with OnnxruntimeBackend(request.model_path) as network:
        reference, reference_finite = _masks(network, everything, request)
    if not reference_finite:
        raise BackendError('The float32 network itself returns values that are not finite',
                           got=request.model_path)
    check = mask_check.compare_masks(reference, candidate, finite, len(frames.live),
                                     len(frames.bundled))
    return {'check': check._asdict(), 'device_memory_mib': float(memory),
            'latency_p50_ms': 1000.0 * percentile(latencies, 0.5),
            'latency_p95_ms': 1000.0 * percentile(latencies, 0.95)}


def _masks(backend: Backend, frames: Sequence[Frame], request: ValidationRequest) -> Tuple[
        List[arrays.Int64], bool]:
    masks = []
    finite = True
    for frame in frames:
        outputs = backend.infer(frame)
        finite = finite and all(bool(np.isfinite(values).all()) for values in outputs.values())
        masks.append(mask_check.class_ids(outputs[request.output_name], request.output_kind,
                                          request.class_axis).copy())
    return masks, finite


def _latencies(engine: Backend, frame: Frame) -> Iterator[float]:
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        engine.infer(frame)
        yield time.perf_counter() - started
