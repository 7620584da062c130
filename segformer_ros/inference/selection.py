# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Which backend serves, why, and when a better one takes over.

The inference thread drives this: ``open()`` serves within seconds, ``poll()`` between two frames
does a little work and sometimes returns a better backend. Everything of CUDA happens in that
thread; building and the first trial happen in another process.
"""

import logging
from typing import Any
from typing import Callable
from typing import Dict
from typing import Mapping
from typing import Optional
from typing import Sequence
from typing import TYPE_CHECKING

from segformer_ros.errors import BackendError
from segformer_ros.errors import ConfigurationError
from segformer_ros.errors import ModelError
from segformer_ros.errors import SegformerRosError
from segformer_ros.inference.backend import Backend
from segformer_ros.inference.cuda_probe import GpuInfo
from segformer_ros.inference.cuda_probe import probe_gpu
from segformer_ros.inference.engine_builder import EngineJob
from segformer_ros.inference.engine_cache import open_cache
from segformer_ros.inference.engine_record import EngineRecord
from segformer_ros.inference.engine_shelf import EngineShelf
from segformer_ros.inference.engine_tasks import engine_tasks
from segformer_ros.inference.engine_tasks import EngineModel
from segformer_ros.inference.engine_trial import Frame
from segformer_ros.inference.engine_trial import Frames
from segformer_ros.inference.live_frames import convert_frame
from segformer_ros.inference.live_frames import LiveFrames
from segformer_ros.inference.onnxruntime_serving import open_onnxruntime
from segformer_ros.inference.onnxruntime_serving import OpenNetwork
from segformer_ros.inference.selection_status import BACKENDS
from segformer_ros.inference.selection_status import ERROR
from segformer_ros.inference.selection_status import OK
from segformer_ros.inference.selection_status import SelectionSettings
from segformer_ros.inference.selection_status import SelectionStatus
from segformer_ros.inference.selection_status import WARN
from segformer_ros.inference.self_check import SelfCheck
from segformer_ros.inference.tensorrt_api import load_tensorrt
from segformer_ros.inference.tensorrt_api import TensorrtApi
from segformer_ros.model.spec import ModelSpec

if TYPE_CHECKING:
    import numpy.typing as npt

_log = logging.getLogger(__name__)


class BackendSelector:
    """
    Serves one network with the best backend at hand. One thread calls everything.

    :param model_path: an ONNX file
    :param spec: of the network
    :param settings: what the user chose
    :param bundled_frames: input tensors, as ``spec`` says, of pictures that come with the
        package; called only when there is something to compare
    :param probe: finds the GPU
    :param open_network: opens onnxruntime, if it shall serve another graph of the same network;
        is told whether there is a GPU
    :param engine_model: returns the file that engines are built from, if another one; is told
        which TensorRT there is
    :raises ConfigurationError: unknown backend
    """

    def __init__(self, model_path: str, spec: ModelSpec, settings: SelectionSettings,
                 bundled_frames: Callable[[], Sequence[Frame]],
                 probe: Callable[[int], GpuInfo] = probe_gpu,
                 open_network: Optional[Callable[[bool], OpenNetwork]] = None,
                 engine_model: Optional[Callable[[TensorrtApi], EngineModel]] = None) -> None:
        if settings.backend not in BACKENDS:
            raise ConfigurationError('Unknown backend', got=repr(settings.backend),
                                     expected=' or '.join(BACKENDS))
        self._original = EngineModel(model_path, spec)
        self._settings = settings
        self._bundled_frames = bundled_frames
        self._probe = probe
        self._open_network = open_network or self._open_original
        self._engine_model = engine_model or (lambda api: self._original)
        self._engine_spec = spec
        self._gpu: Optional[GpuInfo] = None
        self._shelf: Optional[EngineShelf] = None
        self._job: Optional[EngineJob] = None
        self._serving: Optional[OpenNetwork] = None
        self._engine: Optional[str] = None
        self._check: Optional[SelfCheck] = None
        self._less_than_wanted = False
        # By subject, so that a later finding replaces an earlier one.
        self._why: Dict[str, str] = {}
        self._live = LiveFrames()

    def open(self) -> Backend:
        """
        Serve, with a cached engine or with onnxruntime, and begin to build what is better.

        :raises BackendError: TensorRT was asked for and there is no GPU or no usable TensorRT;
            or onnxruntime is not installed
        :raises ModelError: the model cannot be loaded
        """
        if self._serving is None:
            try:
                self._look_for_tensorrt()
                self._take_cached_engine()
                if self._serving is None:
                    self._serve_onnxruntime()
                self._begin_next_job()
            except SegformerRosError:
                self.close()
                raise
        return self._network().backend

    def poll(self) -> Optional[Backend]:
        """
        Take the next step towards a better backend; called between two frames.

        :return: the backend for all frames from now on, when it is another one; the one before
            is closed, and :attr:`spec` may have changed
        """
        if self._job is None or self._shelf is None:
            return None
        precision = self._job.progress.precision
        try:
            record = self._job.poll()
            if record is None:
                return None
            self._check = record.check or self._check
            if not record.usable:
                raise BackendError('The self-check failed', got=record.verdict)
            engine = self._shelf.load(record)
        except SegformerRosError as error:
            self._fall_short(precision, 'no {} engine: {}'.format(precision, error))
            self._begin_next_job()
            return None
        self._job = None
        self._live.clear()
        self._serve_engine(engine, record)
        return engine

    def offer_frame(self, inputs: Mapping[str, 'npt.NDArray[Any]']) -> None:
        """
        Keep a copy of a live frame for the self-check; free while nothing is being built.

        :param inputs: what the backend was given for it
        """
        if self._job is not None:
            self._live.offer(inputs)

    def fall_back(self, reason: str) -> Backend:
        """
        Leave TensorRT for good, after it failed in a run.

        :param reason: what happened
        :return: onnxruntime, open; :attr:`spec` may have changed
        """
        self.close()
        self._engine = None
        self._fall_short('run', 'TensorRT was left: {}'.format(reason))
        self._serve_onnxruntime()
        return self._network().backend

    @property
    def spec(self) -> ModelSpec:
        """Return what the serving backend takes and returns."""
        return self._network().spec

    @property
    def status(self) -> SelectionStatus:
        """Return what serves and why."""
        info = None if self._serving is None else self._serving.backend.info
        level = WARN if self._less_than_wanted else OK
        if self._settings.backend == 'tensorrt' and self._engine is None and self._job is None:
            level = ERROR
        return SelectionStatus(
            requested=self._settings.backend, backend=info.name if info else 'none',
            precision=info.precision if info else 'none', level=level,
            why='; '.join(self._why.values()), job=self._job.progress if self._job else None,
            check=self._check, engine=self._engine)

    def close(self) -> None:
        """End the build, close the backend; closing twice is allowed."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
        serving, self._serving = self._serving, None
        shelf, self._shelf = self._shelf, None
        if serving is not None:
            _close(serving.backend)
        if shelf is not None:
            shelf.close()

    def _network(self) -> OpenNetwork:
        if self._serving is None:
            raise BackendError('Backend selector used while closed', remedy='Call open() first.')
        return self._serving

    def _look_for_tensorrt(self) -> None:
        settings = self._settings
        if settings.backend == 'onnxruntime':
            self._why['request'] = 'asked for'
            return
        try:
            self._gpu = self._probe(settings.runtime.device_index)
            api = load_tensorrt(settings.runtime.tensorrt_module)
            model = self._engine_model(api)
            self._engine_spec = model.spec
            tasks = engine_tasks(model, settings.precision, api, settings.runtime,
                                 settings.builder, self._gpu)
            self._shelf = EngineShelf(tasks, open_cache(settings.cache_root), model.spec)
        except (BackendError, ModelError) as error:
            if settings.backend == 'tensorrt':
                raise
            if self._gpu is None:
                # A machine without a GPU lacks nothing.
                self._why['tensorrt'] = str(error)
            else:
                self._fall_short('tensorrt', str(error))

    def _take_cached_engine(self) -> None:
        if self._shelf is None:
            return
        for record in self._shelf.usable():
            precision = str(record.key['precision'])
            try:
                engine = self._shelf.load(record)
            except SegformerRosError as error:
                self._fall_short(precision, 'no {} engine: {}'.format(precision, error))
                continue
            self._serve_engine(engine, record)
            return

    def _serve_engine(self, engine: Backend, record: EngineRecord) -> None:
        before, self._serving = self._serving, OpenNetwork(
            engine, self._engine_spec, 'engine {}: {}'.format(record.name, record.verdict))
        self._engine = record.name
        self._check = record.check
        self._why['serving'] = self._serving.why
        _log.info('Serving with TensorRT: %s', self._serving.why)
        if before is not None:
            _close(before.backend)

    def _serve_onnxruntime(self) -> None:
        self._serving = self._open_network(self._gpu is not None)
        self._why['serving'] = 'onnxruntime: {}'.format(self._serving.why)

    def _open_original(self, has_gpu: bool) -> OpenNetwork:
        return open_onnxruntime(
            lambda plan: self._original.path, self._original.spec, self._settings.threads,
            self._settings.providers, has_gpu, self._bundled_frames)

    def _begin_next_job(self) -> None:
        self._job = None
        if self._shelf is None:
            return
        task = self._shelf.next_task(self._engine)
        if task is not None:
            self._job = EngineJob(self._shelf.cache, task, self._frames, wait_for_memory=True)
        for precision, verdict in self._shelf.rejections(self._engine):
            self._fall_short(precision, 'no {} engine: {}'.format(precision, verdict))

    def _frames(self) -> Frames:
        return Frames(
            self._live.frames(self.spec, self._engine_spec),
            tuple(convert_frame(frame, self._original.spec, self._engine_spec)
                  for frame in self._bundled_frames()))

    def _fall_short(self, subject: str, text: str) -> None:
        if self._why.get(subject) != text:
            _log.warning('%s', text)
        self._why[subject] = text
        self._less_than_wanted = True


def _close(backend: Backend) -> None:
    try:
        backend.close()
    except SegformerRosError as error:
        # After a fault of the GPU nothing can be freed; the process can still serve.
        _log.warning('Closing a backend failed: %s', error)
