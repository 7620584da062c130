# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Which backend serves, why, and when a better one takes over.

The inference thread drives this: ``open()`` serves within seconds, ``poll()`` between two frames
does a little work and sometimes returns a better backend. Every run happens in that thread. An
engine that was built meanwhile is loaded in a thread beside it, so that no frame waits for that;
building and validation happen in another process.
"""

import logging
from typing import Callable, Mapping, Optional, Sequence, Tuple

from segformer_ros.common import arrays
from segformer_ros.common import errors
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.backend import OpenNetwork
from segformer_ros.inference.base.frames import convert_frame
from segformer_ros.inference.base.frames import Frame
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.onnxrt import providers
from segformer_ros.inference.selection import status as selection_status
from segformer_ros.inference.selection.engine_manager import EngineManager
from segformer_ros.inference.selection.ov_choice import NAME as OPENVINO
from segformer_ros.inference.selection.ov_choice import OpenvinoChoice
from segformer_ros.inference.trt.key import wanted_precisions
from segformer_ros.model.optimize import target as optimize_target
from segformer_ros.model.optimize.jobs import OptimizeJobs
from segformer_ros.model.optimize.optimize import UNCHANGED
from segformer_ros.model.spec import ModelSpec

# Seconds that opening waits for a graph: enough for SegFormer-B0 on two cores of a workstation.
# Where preparing takes longer, the model serves as it is until then.
GRAPH_TIMEOUT_S = 10.0
_LOGGER = logging.getLogger(__name__)


class BackendSelector:
    """
    Serves one network with the best backend at hand. One thread calls everything.

    :param model_path: an ONNX file as it was exported or fetched
    :param spec: of that file; :attr:`spec` is that of the graph that serves
    :param settings: what the user chose
    :param bundled_frames: input tensors, as ``spec`` says, of pictures that come with the
        package; called only when there is something to compare
    :param probe: finds the GPU
    :param source: path and specification of the file that graphs are made from, where
        ``model_path`` is itself made from that, for another input size
    :raises ConfigurationError: unknown backend or precision
    """

    def __init__(self, model_path: str, spec: ModelSpec,
                 settings: selection_status.SelectionSettings,
                 bundled_frames: Callable[[], Sequence[Frame]],
                 probe: Callable[[int], GpuInfo] = probe_gpu,
                 source: Optional[Tuple[str, ModelSpec]] = None) -> None:
        if settings.backend not in selection_status.BACKENDS:
            raise errors.ConfigurationError('Unknown backend', got=repr(settings.backend),
                                            expected=' or '.join(selection_status.BACKENDS))
        wanted_precisions(settings.precision)
        self._settings = settings
        self._bundled_frames = bundled_frames
        self._results = selection_status.CheckResults()
        self._graphs = OptimizeJobs(*(source or (model_path, spec)), settings.rewrite,
                                    (model_path, spec))
        self._engines = EngineManager(settings, self._graphs, bundled_frames, probe, self._results)
        self._openvino = OpenvinoChoice(settings, self._graphs, bundled_frames, self._results)
        self._serving: Optional[OpenNetwork] = None

    def open(self) -> Backend:
        """
        Serve, with a cached engine, OpenVINO or onnxruntime; begin to build what is better.

        :raises BackendError: TensorRT was asked for and there is no GPU or no usable TensorRT;
            OpenVINO was asked for and cannot run; or onnxruntime is not installed
        :raises ModelError: the model cannot be loaded
        """
        if self._serving is None:
            try:
                self._engines.detect()
                self._openvino.detect()
                engine = self._engines.load_cached()
                self._serve(engine or self._open_other(
                    min(GRAPH_TIMEOUT_S, self._settings.graph_timeout)))
                self._engines.begin_build()
            except errors.SegformerRosError:
                self.close()
                raise
        return self._network().backend

    def poll(self) -> Optional[Backend]:
        """
        Take the next step towards a better backend; called between two frames.

        :return: the backend for all frames from now on, when it is another one; the one before
            is closed, and :attr:`spec` may have changed
        """
        try:
            better = self._better_network()
        except errors.SegformerRosError as error:
            self._results.warn('better', str(error))
            return None
        if better is None:
            return None
        self._serve(better)
        return better.backend

    def offer_frame(self, inputs: Mapping[str, arrays.Array]) -> None:
        """
        Keep a copy of a live frame for the self-check; free while nothing is being built.

        :param inputs: what the backend was given for it
        """
        self._engines.offer_frame(inputs, self.spec)

    def fall_back(self, reason: str) -> Backend:
        """
        Leave TensorRT or OpenVINO for good, after it failed in a run.

        :param reason: what happened
        :return: another one, open; :attr:`spec` may have changed
        """
        left_openvino = self._serving is not None \
            and self._serving.backend.info.name == OPENVINO
        self.close()
        self._engines.serving = None
        if left_openvino:
            self._openvino.give_up(reason)
        else:
            self._results.warn('run', f'TensorRT was left: {reason}')
        self._serve(self._open_other(0.0))
        return self._network().backend

    @property
    def spec(self) -> ModelSpec:
        """Return what the serving backend takes and returns."""
        return self._network().spec

    @property
    def status(self) -> selection_status.SelectionStatus:
        """Return what serves and why."""
        info = None if self._serving is None else self._serving.backend.info
        job, preparing = self._engines.progress, self._graphs.preparing
        level = errors.WARN if self._results.has_warnings else errors.OK
        if self._settings.backend == 'tensorrt' and self._engines.serving is None and not (
                job or preparing):
            level = errors.ERROR
        if self._settings.backend == OPENVINO and not preparing and (
                info is None or info.name != OPENVINO):
            level = errors.ERROR
        return selection_status.SelectionStatus(
            model=self._graphs.original.path, requested=self._settings.backend,
            backend=info.name if info else 'none', precision=info.precision if info else 'none',
            level=level, why=str(self._results), job=job, check=self._engines.check,
            engine=self._engines.serving, preparing=preparing)

    def close(self) -> None:
        """End what is being optimized or built, close the backend; twice is allowed."""
        self._graphs.close()
        serving, self._serving = self._serving, None
        if serving is not None:
            _close(serving.backend)
        self._engines.close()

    def _network(self) -> OpenNetwork:
        if self._serving is None:
            raise errors.BackendError('Backend selector used while closed',
                                      remedy='Call open() first.')
        return self._serving

    def _better_network(self) -> Optional[OpenNetwork]:
        if not self._graphs.poll():
            return self._engines.poll()
        engine = self._engines.on_optimized()
        if engine is not None or self._network().is_final:
            return engine
        found = self._open_other(0.0)
        if found.is_final:
            return found
        _close(found.backend)
        return None

    def _serve(self, network: OpenNetwork) -> None:
        before, self._serving = self._serving, network
        self._results.record('serving', network.why)
        _LOGGER.info('Serving with %s', network.why)
        if before is not None:
            _close(before.backend)

    def _open_other(self, timeout: float) -> OpenNetwork:
        """Open what serves without an engine: OpenVINO or onnxruntime."""
        _request_optimized(self._graphs, self._settings, self._engines.has_gpu)
        if self._engines.can_build:
            # It serves only until the engine is there: no validation for that.
            self._graphs.wait(timeout)
            return self._open_onnxruntime()
        self._openvino.request()
        self._graphs.wait(timeout)
        return self._openvino.choose(self._open_onnxruntime, [
            list(plan) for plan in _plans(self._settings, self._engines.has_gpu)]
            + [_onnxruntime_version()])

    def _open_onnxruntime(self) -> OpenNetwork:
        network = _open_onnxruntime(self._graphs, self._settings, self._engines.has_gpu,
                                    self._bundled_frames)
        return network._replace(why=f'onnxruntime: {network.why}')


def _close(backend: Backend) -> None:
    try:
        backend.close()
    except errors.SegformerRosError as error:
        # After a fault of the GPU nothing can be freed; the process can still serve.
        _LOGGER.warning('Closing a backend failed: %s', error)


def _request_optimized(graphs: OptimizeJobs, settings: selection_status.SelectionSettings,
                       has_gpu: bool) -> None:
    """Begin to optimize the model for what :func:`_open_onnxruntime` would like to run."""
    for plan in _plans(settings, has_gpu):
        graphs.request(_target(plan))


def _open_onnxruntime(graphs: OptimizeJobs, settings: selection_status.SelectionSettings,
                      has_gpu: bool, bundled_frames: Callable[[], Sequence[Frame]]) -> OpenNetwork:
    """
    Open a model with onnxruntime.

    Until the graphs that were requested are there, the model runs as it is, on the last resort
    among the providers: comparing them takes seconds, and would be in vain.

    :param has_gpu: an NVIDIA GPU was found
    :param bundled_frames: input tensors for the original, to compare providers on; called only
        if there is a choice
    :raises BackendError: onnxruntime is not installed, or a named provider does not start
    :raises ModelError: the model cannot be loaded
    """
    plans = _plans(settings, has_gpu)
    targets = sorted({_target(plan) for plan in plans})
    optimized = [each for each in map(graphs.find, targets) if each is not None]
    if len(optimized) < len(targets):
        last = plans[-1]
        return OpenNetwork(last.open(graphs.original.path), graphs.original.spec,
                           'the model as it is, until its graph is optimized', is_final=False)
    spec = optimized[0].spec
    if any(each.spec != spec for each in optimized) or optimized[0].changes == UNCHANGED:
        return _open_original(graphs, plans, bundled_frames, optimized[0].detail)
    paths = {target: each.path for target, each in zip(targets, optimized)}
    try:
        choice = providers.open_fastest(plans, lambda plan: paths[_target(plan)], spec, [
            convert_frame(frame, graphs.original.spec, spec)
            for frame in (bundled_frames() if len(plans) > 1 else ())])
    except errors.SegformerRosError as error:
        # What was exported always works, or tells better why not.
        return _open_original(graphs, plans, bundled_frames,
                              f'its graph cannot be opened: {error}')
    return OpenNetwork(choice.backend, spec, f'{choice.why}; graph {optimized[0].changes}')


def _open_original(graphs: OptimizeJobs, plans: Sequence[providers.ProviderPlan],
                   bundled_frames: Callable[[], Sequence[Frame]], reason: str) -> OpenNetwork:
    choice = providers.open_fastest(plans, lambda plan: graphs.original.path, graphs.original.spec,
                                    bundled_frames() if len(plans) > 1 else ())
    return OpenNetwork(choice.backend, graphs.original.spec, f'{choice.why}; {reason}')


def _target(plan: providers.ProviderPlan) -> optimize_target.Target:
    return (optimize_target.ONNXRUNTIME if plan.fused_attention
            else optimize_target.ONNXRUNTIME_PORTABLE)


def _plans(settings: selection_status.SelectionSettings,
           has_gpu: bool) -> Tuple[providers.ProviderPlan, ...]:
    if settings.provider:
        return providers.named_plans(settings.provider, settings.threads)
    return providers.provider_plans(_available_providers(), has_gpu, settings.threads)


def _available_providers() -> Tuple[str, ...]:
    try:
        onnxruntime = import_onnxruntime()
    except ImportError:
        # Opening a session tells that it is not installed, and the remedy.
        return ()
    return tuple(onnxruntime.get_available_providers())


def _onnxruntime_version() -> str:
    try:
        return str(import_onnxruntime().__version__)
    except ImportError:
        return 'none'
