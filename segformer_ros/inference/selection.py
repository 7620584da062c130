# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Which backend serves, why, and when a better one takes over.

The inference thread drives this: ``open()`` serves within seconds, ``poll()`` between two frames
does a little work and sometimes returns a better backend. Everything of CUDA happens in that
thread; building and the first trial happen in another process.
"""

import collections
import logging
from typing import Any
from typing import Callable
from typing import Deque
from typing import Dict
from typing import Mapping
from typing import NamedTuple
from typing import Optional
from typing import Sequence
from typing import Tuple
from typing import TYPE_CHECKING

import numpy as np

from segformer_ros.errors import BackendError
from segformer_ros.errors import ConfigurationError
from segformer_ros.errors import ModelError
from segformer_ros.errors import SegformerRosError
from segformer_ros.inference.backend import Backend
from segformer_ros.inference.cuda_probe import GpuInfo
from segformer_ros.inference.cuda_probe import probe_gpu
from segformer_ros.inference.engine_builder import EngineJob
from segformer_ros.inference.engine_builder import JobProgress
from segformer_ros.inference.engine_cache import open_cache
from segformer_ros.inference.engine_key import BuilderSettings
from segformer_ros.inference.engine_key import DEFAULT_BUILDER
from segformer_ros.inference.engine_record import EngineRecord
from segformer_ros.inference.engine_shelf import EngineShelf
from segformer_ros.inference.engine_tasks import engine_tasks
from segformer_ros.inference.engine_trial import Frame
from segformer_ros.inference.engine_trial import Frames
from segformer_ros.inference.onnxruntime_backend import OnnxruntimeBackend
from segformer_ros.inference.onnxruntime_providers import gpu_providers
from segformer_ros.inference.self_check import SelfCheck
from segformer_ros.inference.tensorrt_backend import DEFAULT_RUNTIME
from segformer_ros.inference.tensorrt_backend import RuntimeSettings
from segformer_ros.model.spec import ModelSpec

if TYPE_CHECKING:
    import numpy.typing as npt

BACKENDS = ('auto', 'tensorrt', 'onnxruntime')
LIVE_FRAMES = 8

OK = 'ok'
WARN = 'warn'
ERROR = 'error'

_log = logging.getLogger(__name__)


class SelectionSettings(NamedTuple):
    """
    What the user may choose.

    ``precision`` is ``fp16`` (mixed, float32 if that fails its check) or ``fp32``. ``providers``
    are onnxruntime's execution providers by preference; empty: CUDA where there is a GPU and
    onnxruntime has it, then the CPU.
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


class BackendSelector:
    """
    Serves one network with the best backend at hand. One thread calls everything.

    :param model_path: an ONNX file
    :param spec: of the network
    :param settings: what the user chose
    :param bundled_frames: input tensors of pictures that come with the package; called only
        when an engine is to be checked
    :param probe: finds the GPU
    :raises ConfigurationError: unknown backend
    """

    def __init__(self, model_path: str, spec: ModelSpec, settings: SelectionSettings,
                 bundled_frames: Callable[[], Sequence[Frame]],
                 probe: Callable[[int], GpuInfo] = probe_gpu) -> None:
        if settings.backend not in BACKENDS:
            raise ConfigurationError('Unknown backend', got=repr(settings.backend),
                                     expected=' or '.join(BACKENDS))
        self._model_path = model_path
        self._spec = spec
        self._settings = settings
        self._bundled_frames = bundled_frames
        self._probe = probe
        self._gpu: Optional[GpuInfo] = None
        self._shelf: Optional[EngineShelf] = None
        self._job: Optional[EngineJob] = None
        self._serving: Optional[Backend] = None
        self._engine: Optional[str] = None
        self._check: Optional[SelfCheck] = None
        self._less_than_wanted = False
        # By subject, so that a later finding replaces an earlier one.
        self._why: Dict[str, str] = {}
        self._live: Deque[Frame] = collections.deque(maxlen=LIVE_FRAMES)

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
                    self._serving = self._open_onnxruntime()
                self._begin_next_job()
            except SegformerRosError:
                self.close()
                raise
        return self._serving

    def poll(self) -> Optional[Backend]:
        """
        Take the next step towards a better backend; called between two frames.

        :return: the backend for all frames from now on, when it is another one; the one before
            is closed
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
        if self._job is None:
            return
        kept = self._live.popleft() if len(self._live) == LIVE_FRAMES else {
            name: np.empty_like(array) for name, array in inputs.items()}
        for name, array in inputs.items():
            np.copyto(kept[name], array)
        self._live.append(kept)

    def fall_back(self, reason: str) -> Backend:
        """
        Leave TensorRT for good, after it failed in a run.

        :param reason: what happened
        :return: onnxruntime, open
        """
        self._end_engines()
        self._engine = None
        self._fall_short('run', 'TensorRT was left: {}'.format(reason))
        self._serving = self._open_onnxruntime()
        return self._serving

    @property
    def status(self) -> SelectionStatus:
        """Return what serves and why."""
        info = None if self._serving is None else self._serving.info
        return SelectionStatus(
            requested=self._settings.backend, backend=info.name if info else 'none',
            precision=info.precision if info else 'none', level=self._level(),
            why='; '.join(self._why.values()), job=self._job.progress if self._job else None,
            check=self._check, engine=self._engine)

    def _level(self) -> str:
        if self._settings.backend == 'tensorrt' and self._engine is None and self._job is None:
            return ERROR
        return WARN if self._less_than_wanted else OK

    def close(self) -> None:
        """End the build, close the backend; closing twice is allowed."""
        self._end_engines()

    def _end_engines(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        serving, self._serving = self._serving, None
        shelf, self._shelf = self._shelf, None
        if serving is not None:
            _close(serving)
        if shelf is not None:
            shelf.close()

    def _look_for_tensorrt(self) -> None:
        if self._settings.backend == 'onnxruntime':
            self._why['request'] = 'asked for'
            return
        try:
            self._gpu = self._probe(self._settings.runtime.device_index)
            tasks = engine_tasks(self._model_path, self._spec, self._settings.precision,
                                 self._settings.runtime, self._settings.builder, self._gpu)
            self._shelf = EngineShelf(tasks, open_cache(self._settings.cache_root), self._spec)
        except (BackendError, ModelError) as error:
            if self._settings.backend == 'tensorrt':
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
        before, self._serving = self._serving, engine
        self._engine = record.name
        self._check = record.check
        self._why['serving'] = 'engine {}: {}'.format(record.name, record.verdict)
        _log.info('Serving with TensorRT: %s', self._why['serving'])
        if before is not None:
            _close(before)

    def _open_onnxruntime(self) -> Backend:
        threads = self._settings.threads
        providers = self._settings.providers
        if not providers and self._gpu is not None:
            providers = tuple(gpu_providers())
        if providers:
            try:
                return OnnxruntimeBackend(
                    self._model_path, threads=threads, providers=providers).open()
            except BackendError as error:
                self._fall_short('providers', str(error))
        return OnnxruntimeBackend(self._model_path, threads=threads).open()

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
        return Frames(tuple(self._live), tuple(self._bundled_frames()))

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
