# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The engines of one model on this robot: which exist, may be loaded, or are to be built."""

import contextlib
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.errors import ModelError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.file_cache import StorageError
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.mask_check import class_axis_of
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.trt import backend as trt_backend
from segformer_ros.inference.trt import cache as trt_cache
from segformer_ros.inference.trt import key
from segformer_ros.inference.trt.api import TensorrtApi
from segformer_ros.inference.trt.build_job import EngineTask
from segformer_ros.inference.trt.build_job import FORCE_HINT
from segformer_ros.inference.trt.calibration import Calibration
from segformer_ros.inference.trt.validation import engine_file
from segformer_ros.model.onnx_file.header import model_digest
from segformer_ros.model.optimize import target
from segformer_ros.model.optimize.worker import optimize_in_child
from segformer_ros.model.spec import ModelSpec


class EngineCandidates:
    """
    The engines that are worth having for one model, best first, as far as the cache has them.

    :param tasks: best first
    :param cache: closed with the candidates
    :param spec: that an engine must fit
    """

    def __init__(self, tasks: Sequence[EngineTask], cache: trt_cache.EngineCache,
                 spec: ModelSpec) -> None:
        self.cache = cache
        self._tasks = tuple(tasks)
        self._spec = spec
        self._builds: Dict[str, int] = {}
        self._failed_loads: Dict[str, int] = {}
        self.unrecorded: Optional[StorageError] = None
        """Why the end of a load could not be written down, if so."""
        cache.prune(in_use=tuple(_name(task) for task in self._tasks))

    def usable(self) -> Iterator[trt_cache.EngineRecord]:
        """
        Give the engines that passed their self-check and can be loaded now, best first.

        :raises StorageError: the cache's folder cannot be used
        """
        for task in self._tasks:
            record = self.cache.find(task.model_name, task.key)
            if record is None or not record.usable:
                continue
            if record.unfinished_loads >= trt_cache.GIVEN_UP_AFTER:
                self.cache.record_failure(
                    task.model_name, task.key,
                    f'loading it has ended the process {record.unfinished_loads} times',
                    final=True)
            elif record.unfinished_loads > 0:
                # Loading it never reported back: the power went, or TensorRT crashed. It is
                # tried in a process of its own before it comes into this one again.
                self.cache.suspect(record)
            else:
                yield record

    def load(self, record: trt_cache.EngineRecord) -> Backend:
        """
        Open an engine; any thread may, while no other uses the candidates.

        A plan that TensorRT does not take is deleted, so that it is built again; the second
        time it is given up.

        :raises StorageError: it cannot be written down that the load begins, without
            which an engine that kills the process would do so at every start
        :raises BackendError: it cannot be opened here and now
        :raises ModelError: its plan was changed, or does not fit the specification
        """
        record = self.cache.begin_load(record)
        runtime = self._task_of(record).runtime
        backend = trt_backend.TensorrtBackend(engine_file(self.cache, record), runtime)
        try:
            backend.open()
            self._spec.check(backend.inputs, backend.outputs)
        except SegformerRosError as error:
            backend.close()
            with self._recording():
                if isinstance(error, (trt_backend.EngineLoadError, ModelError)):
                    self._drop(record, error)
                else:
                    self.cache.end_load(record)
            raise
        with self._recording():
            self.cache.end_load(record)
        return backend

    def next_task(self, serving: Optional[str]) -> Optional[EngineTask]:
        """
        Return the best engine that is better than the serving one and not yet tried.

        :param serving: name of the engine in use, if one is
        """
        for task in self._tasks:
            name = _name(task)
            if name == serving:
                return None
            record = self.cache.find(task.model_name, task.key)
            allowed = 1 + min(self._failed_loads.get(name, 0), 1)
            if (record is None or not record.rejected) and self._builds.get(name, 0) < allowed:
                self._builds[name] = self._builds.get(name, 0) + 1
                return task
        return None

    def rejections(self, serving: Optional[str]) -> List[Tuple[str, str]]:
        """
        Return precision and reason of the engines that are better and were given up.

        :param serving: name of the engine in use, if one is
        """
        found = []
        for task in self._tasks:
            if _name(task) == serving:
                break
            record = self.cache.find(task.model_name, task.key)
            if record is not None and record.rejected:
                found.append((task.key.precision, f'{record.verdict}. {FORCE_HINT}'))
        return found

    def close(self) -> None:
        """Close the cache."""
        self.cache.close()

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            # What became of the load counts more than its record: without that the next start
            # tries the engine in a process of its own first.
            self.unrecorded = error

    def _drop(self, record: trt_cache.EngineRecord, error: SegformerRosError) -> None:
        failures = self._failed_loads.get(record.name, 0) + 1
        self._failed_loads[record.name] = failures
        if failures == 1:
            self.cache.delete(record.name, str(error))
        else:
            task = self._task_of(record)
            self.cache.record_failure(task.model_name, task.key,
                                      f'built again and still not loaded: {error}', True)

    def _task_of(self, record: trt_cache.EngineRecord) -> EngineTask:
        return next(task for task in self._tasks if _name(task) == record.name)


def _name(task: EngineTask) -> str:
    return key.entry_name(task.model_name, task.key)


class EngineModel(NamedTuple):
    """An ONNX file and what it takes and returns."""

    path: str
    spec: ModelSpec


def engine_tasks(model: EngineModel, wish: str, api: TensorrtApi,
                 runtime: trt_backend.RuntimeSettings, builder: key.BuilderSettings,
                 gpu: GpuInfo, calibration: Optional[Calibration] = None
                 ) -> Tuple[EngineTask, ...]:
    """
    Return what to build for a model.

    :param model: what engines are built from and compared with
    :param wish: ``fp16``, ``fp32`` or ``int8``
    :param calibration: of that model; without one, 8-bit integers are left out
    :raises ConfigurationError: another wish
    """
    digest = model_digest(model.path)
    inputs = (model.spec.input_tensor(),)
    tasks = []
    for precision in key.wanted_precisions(wish):
        build_path, quantized = model.path, ''
        if precision == key.INT8:
            if calibration is None:
                continue
            build_path, quantized = calibration.path, calibration.sha256
        tasks.append(EngineTask(
            model_name=model.spec.name, model_path=model.path, build_path=build_path,
            inputs=inputs, output_name=model.spec.output_name,
            class_axis=class_axis_of(model.spec), output_kind=model.spec.output_kind,
            key=key.engine_key(digest, inputs, api, gpu, precision, builder, quantized),
            gpu=gpu, api=api, runtime=runtime, builder=builder))
    return tuple(tasks)


def engine_target(api: TensorrtApi) -> target.Target:
    """Return the target of optimized models for a version of TensorRT."""
    # uint8 inputs and LayerNormalization both exist from 8.6 on, and so does this.
    modern = hasattr(getattr(api.module, 'BuilderFlag', None), 'VERSION_COMPATIBLE')
    return target.TENSORRT_8_6 if modern else target.TENSORRT_8_2


def optimized_engine_model(model_path: str, spec: ModelSpec, api: TensorrtApi) -> EngineModel:
    """
    Return the file that engines of a model are built from; optimizes it if need be, for seconds.

    :raises ModelError: the model file is missing
    """
    optimized = optimize_in_child(model_path, spec, engine_target(api))
    return EngineModel(optimized.path, optimized.spec)
