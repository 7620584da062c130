# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Get one engine into the cache, built and checked, without ever waiting."""

import contextlib
import logging
import os
import time
from typing import Any, Callable, Dict, Generator, List, NamedTuple, Optional, Tuple

from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.file_cache import StorageError
from segformer_ros.inference.base.frames import Frames
from segformer_ros.inference.base.frames import save_frames
from segformer_ros.inference.base.mask_check import self_check_from_json
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.trt import key as trt_key
from segformer_ros.inference.trt import memory
from segformer_ros.inference.trt import validation
from segformer_ros.inference.trt.api import TensorrtApi
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.inference.trt.builder import BuildRequest
from segformer_ros.inference.trt.cache import EngineCache
from segformer_ros.inference.trt.cache import EngineRecord
from segformer_ros.inference.trt.worker import EngineProcess
from segformer_ros.inference.trt.worker import WorkerOutcome
from segformer_ros.model.spec import TensorSpec

MEMORY_POLL_S = 5.0
FORCE_HINT = 'To try again: ros2 run segformer_ros build_engine --force.'

_log = logging.getLogger(__name__)


class EngineTask(NamedTuple):
    """
    What engine is wanted, and for what.

    It is built from ``build_path`` and compared with ``model_path``, which is another file where
    the former is quantized.
    ``inputs`` have fixed shapes. Class ids are those of ``output_name``, whose channels lie along
    ``class_axis``, by its ``output_kind``.
    """

    model_name: str
    model_path: str
    build_path: str
    inputs: Tuple[TensorSpec, ...]
    output_name: str
    class_axis: int
    output_kind: str
    key: trt_key.EngineKey
    gpu: GpuInfo
    api: TensorrtApi
    runtime: RuntimeSettings
    builder: trt_key.BuilderSettings


class JobProgress(NamedTuple):
    """
    Where a job is.

    ``stage`` is ``waiting``, ``building``, ``checking`` or ``loading``; ``elapsed`` seconds since
    the stage began; ``step`` of ``steps`` where TensorRT tells (10 and later), else 0 of 0.
    """

    precision: str
    stage: str
    detail: str
    elapsed: float
    step: int
    steps: int


_Steps = Generator[None, None, EngineRecord]


class EngineJob:
    """
    Builds and checks one engine while its caller does other things.

    :param cache: where the engine goes
    :param task: what is wanted
    :param frames: called when the self-check begins; gives the frames to check on
    :param wait_for_memory: wait while free memory is under the minimum, else fail at once
    """

    def __init__(self, cache: EngineCache, task: EngineTask, frames: Callable[[], Frames],
                 wait_for_memory: bool) -> None:
        self._cache = cache
        self._task = task
        self._frames = frames
        self._wait_for_memory = wait_for_memory
        self._worker: Optional[EngineProcess] = None
        self._stage = ('waiting', 'not begun', time.monotonic())
        self._held = contextlib.ExitStack()
        self._done: Optional[EngineRecord] = None
        self._steps = self._run()

    def poll(self) -> Optional[EngineRecord]:
        """
        Take the next step, if there is one to take; returns at once.

        :return: the record, usable or rejected, when the job is done; None before
        :raises BackendError: the engine cannot be built or tried
        :raises StorageError: the cache's folder cannot be used; nothing is counted
        :raises ModelError: TensorRT cannot read the model
        """
        if self._done is None:
            try:
                next(self._steps)
            except StopIteration as end:
                self._done = end.value
                self.cancel()
            except BaseException:
                self.cancel()
                raise
        return self._done

    @property
    def progress(self) -> JobProgress:
        """Return where the job is."""
        stage, detail, since = self._stage
        step = steps = 0
        if self._worker is not None:
            step, steps = self._worker.progress.step, self._worker.progress.steps
            detail = f'{detail}: {self._worker.progress.phase}'
        return JobProgress(self._task.key.precision, stage, detail,
                           time.monotonic() - since, step, steps)

    def cancel(self) -> None:
        """End the worker and let the lock go; safe at any time."""
        self._steps.close()
        self._held.close()

    def _run(self) -> _Steps:
        name = trt_key.entry_name(self._task.model_name, self._task.key)
        yield from self._acquire(name)
        failed_loads = 0
        while True:
            record = self._cache.find(self._task.model_name, self._task.key)
            # What another process finished, while this one waited, is as good.
            if record is not None and (record.usable or record.rejected):
                return record
            if record is None or record.plan_sha256 is None:
                record = yield from self._build()
            outcome = yield from self._validate(record)
            if outcome.result is not None:
                figures = outcome.result
                check = self_check_from_json(figures.pop('check'))
                return self._cache.set_check(record, check, figures)
            if outcome.kind == 'killed':
                # The engine is not to blame: it stays as it is, unchecked.
                raise BackendError(
                    'The self-check was cut short; memory may have run out',
                    got=f'{outcome.problem}\n{memory.available_memory() >> 20} MiB of memory are '
                    'free now',
                    remedy='Free memory on the robot, or add swap; the next start checks this '
                    'engine again.')
            crashed = outcome.kind == 'crash' and outcome.last_phase in validation.ENGINE_PHASES
            if outcome.kind != 'load' and not crashed:
                raise BackendError('The self-check could not be run', got=outcome.problem,
                                   remedy=FORCE_HINT)
            failed_loads += 1
            self._cache.delete(name, outcome.problem)
            if failed_loads == 2:
                problem = f'built again and still not loaded: {outcome.problem}'
                self._cache.record_failure(self._task.model_name, self._task.key, problem, True)
                raise BackendError('The engine cannot be loaded', got=problem,
                                   remedy=FORCE_HINT)

    def _acquire(self, name: str) -> Generator[None, None, None]:
        while True:
            try:
                self._held.enter_context(self._cache.lock(name))
                return
            except ModelError as error:
                self._begin('waiting', str(error), restart=False)
            yield

    def _build(self) -> _Steps:
        problems: List[str] = []
        attempts = yield from self._affordable_attempts()
        for attempt in attempts:
            self._begin('building', 'workspace {} MiB, tactic sources {}'.format(*attempt))
            with self._cache.borrowed('.plan') as plan_path:
                outcome = yield from self._run_worker('build', self._build_request(
                    plan_path, attempt)._asdict())
                if outcome.result is not None:
                    built = outcome.result
                    built['build_seconds'] = round(time.monotonic() - self._stage[2], 1)
                    return self._cache.store(
                        self._task.model_name, self._task.key, plan_path,
                        built.pop('plan_sha256'), built)
            if outcome.kind == 'storage':
                # Less memory would not help, and it is no failure of the engine to be counted.
                raise StorageError('The engine cannot be stored',
                                   got=outcome.problem.rstrip('.'))
            if outcome.kind == 'model':
                raise ModelError('TensorRT cannot build this model', got=outcome.problem)
            problems.append(f'with {attempt}: {outcome.problem}')
            _log.warning('Building an engine failed %s', problems[-1])
        self._cache.record_failure(self._task.model_name, self._task.key,
                                   problems[-1], final=False)
        raise BackendError('The engine cannot be built', got='; '.join(problems),
                           remedy='Free memory on the robot. ' + FORCE_HINT)

    def _affordable_attempts(self) -> Generator[None, None, Tuple[memory.Attempt, ...]]:
        checked_at = -MEMORY_POLL_S
        while True:
            if time.monotonic() - checked_at >= MEMORY_POLL_S:
                checked_at = time.monotonic()
                free = memory.available_memory()
                if free >= memory.MINIMUM_FREE:
                    break
                detail = (f'{free >> 20} MiB of memory are free, '
                          f'{memory.MINIMUM_FREE >> 20} are needed')
                if not self._wait_for_memory:
                    raise BackendError('Too little memory to build an engine', got=detail,
                                       remedy='Stop other programs, or add swap.')
                self._begin('waiting', detail, restart=False)
            yield
        wish = self._task.builder.workspace_mib
        if wish:
            return (memory.Attempt(wish, 'default'),)
        return memory.attempts(memory.build_memory(self._task.gpu, free),
                               with_tactic_sources=not self._task.api.strongly_typed)

    def _validate(self, record: EngineRecord) -> Generator[None, None, WorkerOutcome]:
        self._begin('checking', record.name)
        frames = self._frames()
        with self._cache.borrowed('.frames') as frames_path:
            with self._cache.storage_errors('writing frames for the self-check'):
                save_frames(frames_path, frames)
            values = record._asdict()
            values['check'] = None
            outcome = yield from self._run_worker('try', validation.ValidationRequest(
                cache_folder=self._cache.folder, record=values,
                model_path=self._task.model_path, frames=frames_path,
                output_name=self._task.output_name, class_axis=self._task.class_axis,
                output_kind=self._task.output_kind,
                tensorrt_module=self._task.runtime.tensorrt_module,
                device_index=self._task.runtime.device_index,
                buffers=self._task.runtime.buffers,
                cuda_graph=self._task.runtime.cuda_graph,
                probe_gpu=self._task.runtime.probe)._asdict())
            return outcome

    def _run_worker(self, operation: str,
                    request: Dict[str, Any]) -> Generator[None, None, WorkerOutcome]:
        try:
            worker = self._worker = EngineProcess(operation, request)
        except OSError as error:
            raise BackendError('The process for engines does not start', got=error.strerror,
                               remedy='Free memory on the robot. ' + FORCE_HINT) from error
        try:
            while True:
                outcome = worker.poll()
                if outcome is not None:
                    return outcome
                yield
        finally:
            worker.close()
            self._worker = None

    def _build_request(self, plan_path: str, attempt: memory.Attempt) -> BuildRequest:
        key = self._task.key
        timing_cache = trt_key.timing_cache_name(key.tensorrt_version, key.gpu_name)
        return BuildRequest(
            model_path=self._task.build_path, plan_path=plan_path, precision=key.precision,
            shapes={spec.name: [size or 1 for size in spec.shape]
                    for spec in self._task.inputs},
            tensorrt_module=self._task.runtime.tensorrt_module,
            device_index=self._task.runtime.device_index,
            workspace_mib=attempt.workspace_mib, tactic_sources=attempt.tactic_sources,
            tf32=self._task.builder.tf32,
            optimization_level=self._task.builder.optimization_level,
            timing_cache=os.path.join(self._cache.folder, timing_cache),
            probe_gpu=self._task.runtime.probe)

    def _begin(self, stage: str, detail: str, restart: bool = True) -> None:
        since = time.monotonic() if restart or self._stage[0] != stage else self._stage[2]
        self._stage = (stage, detail, since)
