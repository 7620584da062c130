# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""TensorRT's side of the choice: cached engines, and the building of missing ones."""

import logging
import threading
import time
from typing import Any, Callable, Mapping, Optional, Sequence, TYPE_CHECKING

from segformer_ros.common import errors
from segformer_ros.common.private_files import EngineStorageError
from segformer_ros.inference.base import frames
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.backend import OpenNetwork
from segformer_ros.inference.base.mask_check import SelfCheck
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.selection.status import CheckResults
from segformer_ros.inference.selection.status import SelectionSettings
from segformer_ros.inference.trt import candidates
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.api import TensorrtApi
from segformer_ros.inference.trt.build_job import EngineJob
from segformer_ros.inference.trt.build_job import JobProgress
from segformer_ros.inference.trt.cache import EngineRecord
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.model.optimize.jobs import OptimizeJobs
from segformer_ros.model.spec import ModelSpec

if TYPE_CHECKING:
    import numpy.typing as npt


class BackgroundLoad:
    """
    An engine on its way.

    :param record: of the engine
    :param load: returns it, open
    """

    def __init__(self, record: EngineRecord, load: Callable[[EngineRecord], Backend]) -> None:
        self.record = record
        self._load = load
        self._began = time.monotonic()
        self._backend: Optional[Backend] = None
        self._error: Optional[BaseException] = None
        # Daemon: a runtime that hangs for ever must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='engine opening', daemon=True)
        self._thread.start()

    @property
    def precision(self) -> str:
        """Return what was built."""
        return str(self.record.key['precision'])

    @property
    def progress(self) -> JobProgress:
        """Return where it is."""
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


OPENING_LIMIT_S = 120.0
"""Seconds after which loading an engine is called hanging; the node serves on without it."""
CLOSING_LIMIT_S = 20.0
"""Seconds that closing waits for an engine that is being loaded; below the node's own limit."""
_LOGGER = logging.getLogger(__name__)


class EngineManager:
    """
    Gives the best engine there is, and a better one later. One thread calls everything.

    An engine that was built while another backend serves is opened in a thread of its own.

    :param settings: what the user chose
    :param graphs: of the model
    :param bundled_frames: input tensors for the original model
    :param probe: finds the GPU
    :param findings: is told what falls short
    """

    def __init__(self, settings: SelectionSettings, graphs: OptimizeJobs,
                 bundled_frames: Callable[[], Sequence[frames.Frame]],
                 probe: Callable[[int], GpuInfo], findings: CheckResults) -> None:
        self._settings = settings
        self._graphs = graphs
        self._bundled_frames = bundled_frames
        self._probe = probe
        self._findings = findings
        self._gpu: Optional[GpuInfo] = None
        self._api: Optional[TensorrtApi] = None
        self._shelf: Optional[candidates.EngineCandidates] = None
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
        """Tell whether an NVIDIA GPU was found."""
        return self._gpu is not None

    @property
    def progress(self) -> Optional[JobProgress]:
        """Return where the building or loading of an engine is, if there is one."""
        under_way = self._background_load or self._job
        return None if under_way is None else under_way.progress

    def look(self) -> None:
        """
        Look for a GPU and TensorRT.

        :raises BackendError: TensorRT was asked for, and one of them is missing
        """
        if self._settings.backend == 'onnxruntime':
            self._findings.note('request', 'asked for')
            return
        try:
            self._gpu = self._probe(self._settings.runtime.device_index)
            self._api = load_tensorrt(self._settings.runtime.tensorrt_module)
        except errors.BackendError as error:
            if self._settings.backend == 'tensorrt':
                raise
            if self._gpu is None:
                # A machine without a GPU lacks nothing.
                self._findings.note('tensorrt', str(error))
            else:
                self._findings.fall_short('tensorrt', str(error))

    def take_cached(self) -> Optional[OpenNetwork]:
        """
        Return the best cached engine, open, if there is one that passed its self-check.

        :raises ModelError: TensorRT was asked for, and the cache folder cannot be trusted
        :raises EngineStorageError: TensorRT was asked for, and no folder can hold engines
        """
        self._stock()
        if self._shelf is None:
            return None
        try:
            for record in self._shelf.usable():
                try:
                    return self._give(self._shelf.load(record), record)
                except errors.SegformerRosError as error:
                    self._fail(str(record.key['precision']), error)
        except EngineStorageError as error:
            self._leave_cache(error)
        return None

    def begin(self) -> None:
        """Begin to build the best engine that is missing, or first the graph it is made of."""
        self._job = None
        if self._shelf is None:
            if self._api is not None:
                self._graphs.request(candidates.engine_target(self._api))
            return
        try:
            for precision, verdict in self._shelf.rejections(self.serving):
                self._fall_short(precision, verdict)
            task = self._shelf.next_task(self.serving) if self._can_store else None
            if task is not None:
                self._job = EngineJob(self._shelf.cache, task, self._frames, wait_for_memory=True)
        except EngineStorageError as error:
            self._leave_cache(error)

    def on_optimized(self) -> Optional[OpenNetwork]:
        """Take the next step now that a graph has come; return a cached engine made of it."""
        if self._shelf is not None or self._api is None:
            return None
        found = self.take_cached()
        self.begin()
        return found

    def poll(self) -> Optional[OpenNetwork]:
        """Take the next step of the build; return its engine, checked and open, at the end."""
        if self._background_load is not None:
            return self._poll_load(self._background_load)
        if self._job is None or self._shelf is None:
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
            self.begin()
            return None
        self._job = None
        self._background_load = BackgroundLoad(record, self._shelf.load)
        return None

    def offer_frame(self, inputs: Mapping[str, 'npt.NDArray[Any]'], spec: ModelSpec) -> None:
        """Keep a copy of an input tensor of ``spec``; free while nothing is being built."""
        if self._job is None:
            return
        if spec != self._live_spec:
            self._live.clear()
            self._live_spec = spec
        self._live.offer(inputs)

    def close(self) -> None:
        """End what is being built or loaded, close the cache; closing twice is allowed."""
        opening, self._background_load = self._background_load, None
        if opening is not None and not opening.close(CLOSING_LIMIT_S):
            _LOGGER.error('An engine has been loading for %.0f s; its thread is left behind.',
                          opening.elapsed)
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
        shelf, self._shelf = self._shelf, None
        if shelf is not None:
            shelf.close()
        self._api = None
        self._live.clear()

    def _poll_load(self, opening: BackgroundLoad) -> Optional[OpenNetwork]:
        try:
            engine = opening.poll()
        except errors.SegformerRosError as error:
            self._background_load = None
            self._fail(opening.precision, error)
            self.begin()
            return None
        if engine is not None:
            self._background_load = None
            return self._give(engine, opening.record)
        if opening.elapsed > OPENING_LIMIT_S:
            self._fall_short(opening.precision,
                             f'loading it has not ended within {OPENING_LIMIT_S:.0f} s')
        return None

    def _stock(self) -> None:
        """Look what engines there are, once the graph is there that they are built from."""
        if self._api is None or self._gpu is None or self._shelf is not None:
            return
        settings = self._settings
        try:
            prepared = self._graphs.find(candidates.engine_target(self._api))
            if prepared is None:
                return
            tasks = candidates.engine_tasks(candidates.EngineModel(prepared.path, prepared.spec),
                                            settings.precision, self._api, settings.runtime,
                                            settings.builder, self._gpu)
            cache = open_cache(settings.cache_root)
            self._shelf = candidates.EngineCandidates(tasks, cache, prepared.spec)
            self._spec = prepared.spec
            if cache.is_temporary:
                self._findings.fall_short('cache', cache.temporary_because)
        except (errors.ModelError, EngineStorageError) as error:
            self._api = None
            if settings.backend == 'tensorrt':
                raise
            self._findings.fall_short('tensorrt', str(error))

    def _give(self, engine: Backend, record: EngineRecord) -> OpenNetwork:
        self.serving = record.name
        self.check = record.check
        self._live.clear()
        self._look_for_unrecorded()
        return OpenNetwork(engine, self._spec, f'engine {record.name}: {record.verdict}')

    def _frames(self) -> frames.Frames:
        return frames.Frames(
            self._live.frames(self._live_spec, self._spec),
            tuple(frames.convert_frame(frame, self._graphs.original.spec, self._spec)
                  for frame in self._bundled_frames()))

    def _fail(self, precision: str, error: errors.SegformerRosError) -> None:
        self._fall_short(precision, error)
        # Another build would take its minutes and end in the same way.
        self._can_store = self._can_store and not isinstance(error, EngineStorageError)
        self._look_for_unrecorded()

    def _look_for_unrecorded(self) -> None:
        if self._shelf is not None and self._shelf.unrecorded is not None:
            self._leave_cache(self._shelf.unrecorded)

    def _leave_cache(self, error: EngineStorageError) -> None:
        self._can_store = False
        self._findings.fall_short('cache', str(error))

    def _fall_short(self, precision: str, reason: object) -> None:
        self._findings.fall_short(precision, f'no {precision} engine: {reason}')
