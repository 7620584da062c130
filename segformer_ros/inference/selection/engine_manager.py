# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Load cached TensorRT engines, build missing ones and say which is served."""

import logging
import threading
import time
from typing import Callable, Mapping, Optional, Sequence

from segformer_ros.common import arrays
from segformer_ros.common import errors
from segformer_ros.common.file_cache import StorageError
from segformer_ros.inference.base import frames
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.backend import OpenNetwork
from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.cuda.probe import has_nvidia_hardware
from segformer_ros.inference.selection.status import CheckResults
from segformer_ros.inference.selection.status import SelectionSettings
from segformer_ros.inference.trt import calibration
from segformer_ros.inference.trt import candidates
from segformer_ros.inference.trt import key as trt_key
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.api import TensorrtApi
from segformer_ros.inference.trt.build_job import EngineJob
from segformer_ros.inference.trt.build_job import JobProgress
from segformer_ros.inference.trt.cache import EngineRecord
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.model.optimize.jobs import OptimizeJobs
from segformer_ros.model.spec import ModelSpec


class BackgroundLoad:
    """
    The loading of an engine in a thread of its own.

    :param record: of the engine
    :param load: opens it
    """

    def __init__(self, record: EngineRecord, load: Callable[[EngineRecord], Backend]) -> None:
        self.record = record
        self._load = load
        self._began = time.monotonic()
        self._backend: Optional[Backend] = None
        self._error: Optional[BaseException] = None
        # Daemon: a runtime that hangs for ever must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='engine load', daemon=True)
        self._thread.start()

    @property
    def precision(self) -> str:
        """Return what was built."""
        return str(self.record.key['precision'])

    @property
    def progress(self) -> JobProgress:
        """Return how far it is."""
        return JobProgress(self.precision, 'loading', 'while another backend serves',
                           self.elapsed, 0, 0)

    @property
    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._began

    def poll(self) -> Optional[Backend]:
        """
        Return the engine once it is open, None before; from then on it is the caller's.

        :raises BaseException: what ``load`` raised
        """
        if self._thread.is_alive():
            return None
        if self._error is not None:
            raise self._error
        backend, self._backend = self._backend, None
        return backend

    def close(self, timeout: float) -> bool:
        """
        Wait for the end and close what was opened.

        :param timeout: seconds
        :return: whether it ended; else the thread is left behind
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()
        return True

    def _run(self) -> None:
        try:
            self._backend = self._load(self.record)
        except BaseException as error:  # poll() raises it
            self._error = error


LOAD_LIMIT_S = 120.0
"""Seconds after which loading an engine is called hanging; the node serves on without it."""
CLOSING_LIMIT_S = 20.0
"""Seconds that closing waits for an engine that is being loaded; below the node's own limit."""
_LOGGER = logging.getLogger(__name__)


class EngineManager:
    """
    Gives the best engine there is, and a better one later. One thread calls everything.

    An engine that was built while another backend serves is loaded in the background.

    :param settings: what the user chose
    :param graphs: of the model
    :param bundled_frames: input tensors for the original model
    :param probe: finds the GPU
    :param results: takes what was found out
    """

    def __init__(self, settings: SelectionSettings, graphs: OptimizeJobs,
                 bundled_frames: Callable[[], Sequence[frames.Frame]],
                 probe: Callable[[int], GpuInfo], results: CheckResults) -> None:
        self._settings = settings
        self._graphs = graphs
        self._bundled_frames = bundled_frames
        self._probe = probe
        self._results = results
        self._gpu: Optional[GpuInfo] = None
        self._api: Optional[TensorrtApi] = None
        self._candidates: Optional[candidates.EngineCandidates] = None
        self._spec = graphs.original.spec
        self._job: Optional[EngineJob] = None
        self._background_load: Optional[BackgroundLoad] = None
        self._live = frames.LiveFrames()
        self._live_spec = self._spec
        self._can_store = True
        self.serving: Optional[str] = None
        """Name of the engine that was given last."""
        self.check: Optional[SelfCheck] = None
        """Self-check of that engine, or of the one that failed last."""

    @property
    def has_gpu(self) -> bool:
        """Return whether an NVIDIA GPU was found."""
        return self._gpu is not None

    @property
    def can_build(self) -> bool:
        """Return whether there are a GPU and a TensorRT, so that engines may come."""
        return self._gpu is not None and self._api is not None

    @property
    def progress(self) -> Optional[JobProgress]:
        """Return where the building or loading of an engine is, if there is one."""
        under_way = self._background_load or self._job
        return None if under_way is None else under_way.progress

    def detect(self) -> None:
        """
        Find the GPU and TensorRT.

        :raises BackendError: TensorRT was asked for, and one of them is missing
        """
        if self._settings.backend in ('onnxruntime', 'openvino'):
            self._results.record('request', 'asked for')
            return
        try:
            self._gpu = self._probe(self._settings.runtime.device_index)
            self._api = load_tensorrt(self._settings.runtime.tensorrt_module)
        except errors.BackendError as error:
            if self._settings.backend == 'tensorrt':
                raise
            if self._gpu is None:
                # A machine without a GPU lacks nothing.
                self._results.record('tensorrt', str(error) if has_nvidia_hardware()
                                     else 'no NVIDIA GPU')
            else:
                self._results.warn('tensorrt', str(error))

    def load_cached(self) -> Optional[OpenNetwork]:
        """
        Return the best cached engine, open, if there is one that passed its self-check.

        :raises ModelError: TensorRT was asked for, and the cache folder cannot be trusted
        :raises StorageError: TensorRT was asked for, and no folder can hold engines
        """
        self._find_candidates()
        if self._candidates is None:
            return None
        try:
            for record in self._candidates.usable():
                try:
                    return self._serve(self._candidates.load(record), record)
                except errors.SegformerRosError as error:
                    self._fail(str(record.key['precision']), error)
        except StorageError as error:
            self._stop_storing(error)
        return None

    def begin_build(self) -> None:
        """Begin to build the best missing engine, or first to optimize the model for it."""
        self._job = None
        if self._candidates is None:
            if self._api is not None:
                self._graphs.request(candidates.engine_target(self._api))
            return
        try:
            for precision, verdict in self._candidates.rejections(self.serving):
                self._warn(precision, verdict)
            task = self._candidates.next_task(self.serving) if self._can_store else None
            if task is not None:
                self._job = EngineJob(self._candidates.cache, task, self._frames,
                                      wait_for_memory=True)
        except StorageError as error:
            self._stop_storing(error)

    def on_optimized(self) -> Optional[OpenNetwork]:
        """Take the next step after a model was optimized; return a cached engine built from it."""
        if self._candidates is not None or self._api is None:
            return None
        found = self.load_cached()
        self.begin_build()
        return found

    def poll(self) -> Optional[OpenNetwork]:
        """Take the next step of the build; return its engine, checked and open, at the end."""
        if self._background_load is not None:
            return self._poll_load(self._background_load)
        if self._job is None or self._candidates is None:
            return None
        precision = self._job.progress.precision
        try:
            record = self._job.poll()
            if record is None:
                return None
            self.check = record.check or self.check
            if not record.usable:
                raise errors.BackendError('The self-check failed', got=record.verdict)
        except errors.SegformerRosError as error:
            self._fail(precision, error)
            self.begin_build()
            return None
        self._job = None
        self._background_load = BackgroundLoad(record, self._candidates.load)
        return None

    def offer_frame(self, inputs: Mapping[str, arrays.Array], spec: ModelSpec) -> None:
        """Keep a copy of an input tensor of ``spec``; free while nothing is being built."""
        if self._job is None:
            return
        if spec != self._live_spec:
            self._live.clear()
            self._live_spec = spec
        self._live.offer(inputs)

    def close(self) -> None:
        """End what is being built or loaded, close the cache; closing twice is allowed."""
        load, self._background_load = self._background_load, None
        if load is not None and not load.close(CLOSING_LIMIT_S):
            _LOGGER.error('An engine has been loading for %.0f s; its thread is left behind.',
                          load.elapsed)
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
        if self._candidates is not None:
            self._candidates.close()
            self._candidates = None
        self._api = None
        self._live.clear()

    def _poll_load(self, load: BackgroundLoad) -> Optional[OpenNetwork]:
        try:
            engine = load.poll()
        except errors.SegformerRosError as error:
            self._background_load = None
            self._fail(load.precision, error)
            self.begin_build()
            return None
        if engine is not None:
            self._background_load = None
            return self._serve(engine, load.record)
        if load.elapsed > LOAD_LIMIT_S:
            self._warn(load.precision, f'loading it has not ended within {LOAD_LIMIT_S:.0f} s')
        return None

    def _find_candidates(self) -> None:
        """Find what engines there are, once there is the model that they are built from."""
        if self._api is None or self._gpu is None or self._candidates is not None:
            return
        settings = self._settings
        try:
            optimized = self._graphs.find(candidates.engine_target(self._api))
            if optimized is None:
                return
            model = candidates.EngineModel(optimized.path, optimized.spec)
            tasks = candidates.engine_tasks(
                model, settings.precision, self._api, settings.runtime, settings.builder,
                self._gpu, self._find_calibration(model, self._gpu))
            cache = open_cache(settings.cache_root)
            self._candidates = candidates.EngineCandidates(tasks, cache, optimized.spec)
            self._spec = optimized.spec
            if cache.is_temporary:
                self._results.warn('cache', cache.temporary_because)
        except (errors.ModelError, errors.BackendError) as error:
            self._api = None
            if settings.backend == 'tensorrt':
                raise
            self._results.warn('tensorrt', str(error))

    def _find_calibration(self, model: candidates.EngineModel,
                          gpu: GpuInfo) -> Optional[calibration.Calibration]:
        """Return what an engine with 8-bit integers is built from, where one may be."""
        if trt_key.INT8 not in trt_key.wanted_precisions(self._settings.precision):
            return None
        try:
            found = calibration.find_calibration(
                model.spec, model.path, gpu, self._graphs.original.path, self._settings.rewrite)
        except (errors.ModelError, errors.BackendError) as error:
            if self._settings.backend == 'tensorrt':
                raise
            self._warn(trt_key.INT8, error)
            return None
        if not found.check.passed:
            self._warn(trt_key.INT8, f'its calibration fails the check: {found.check.reason}')
            return None
        self._results.record('calibration', f'calibration {found.sha256[:12]}: {found.check}')
        return found

    def _serve(self, engine: Backend, record: EngineRecord) -> OpenNetwork:
        self.serving = record.name
        self.check = record.check
        self._live.clear()
        self._check_unrecorded()
        return OpenNetwork(engine, self._spec, f'engine {record.name}: {record.verdict}')

    def _frames(self) -> frames.Frames:
        return frames.Frames(
            self._live.frames(self._live_spec, self._spec),
            tuple(frames.convert_frame(frame, self._graphs.original.spec, self._spec)
                  for frame in self._bundled_frames()))

    def _fail(self, precision: str, error: errors.SegformerRosError) -> None:
        self._warn(precision, error)
        # Another build would take its minutes and end in the same way.
        self._can_store = self._can_store and not isinstance(error, StorageError)
        self._check_unrecorded()

    def _check_unrecorded(self) -> None:
        if self._candidates is not None and self._candidates.unrecorded is not None:
            self._stop_storing(self._candidates.unrecorded)

    def _stop_storing(self, error: StorageError) -> None:
        self._can_store = False
        self._results.warn('cache', str(error))

    def _warn(self, precision: str, reason: object) -> None:
        self._results.warn(precision, f'no {precision} engine: {reason}')
