# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which segmenter serves now: made for the backend that the selector has chosen."""

import logging
import math
import os
import time
from typing import Callable, NamedTuple, Optional, Tuple

from segformer_ros.common import errors
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.selection import status as selection_status
from segformer_ros.inference.selection.selector import BackendSelector
from segformer_ros.inference.trt.backend import DEFAULT_RUNTIME
from segformer_ros.inference.trt.key import DEFAULT_BUILDER
from segformer_ros.model import verdicts
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.optimize.resize import at_size
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights import catalogue
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.segmentation.segmenter import NO_CONFIDENCE
from segformer_ros.segmentation.segmenter import Segmenter
from segformer_ros.segmentation.self_check_frames import self_check_frames

PROGRESS_PERIOD = 60.0
"""Seconds between two lines in the log on an engine that is being built."""
POLL_PERIOD = 1.0
"""Seconds after which frames are not overlapped once, so that a better backend may take over."""
_STAGES = {'waiting': 'waiting to be built', 'building': 'being built',
           'checking': 'being checked', 'loading': 'being loaded'}
# Where one of these fails in a run, onnxruntime still serves.
_REPLACEABLE = ('tensorrt', 'openvino')
_LOGGER = logging.getLogger(__name__)


class Model(NamedTuple):
    """
    A network on disk and what is known about it.

    ``source`` holds path and specification that graphs are made from, where ``path`` was itself
    made from that file, for another input size.
    """

    path: str
    spec: ModelSpec
    classes: ClassTable
    source: Optional[Tuple[str, ModelSpec]] = None


class Serving(NamedTuple):
    """The backend that serves and why, for diagnostics."""

    backend: Backend
    status: selection_status.SelectionStatus


def find_model(parameters: NodeParameters,
               is_stopping: Callable[[], bool] = lambda: False) -> Model:
    """
    Find the files that the parameters name, at the size that ``input_size`` says.

    A network that was never run on this machine is run on two pictures first; that, and another
    size than the file's, takes seconds, once.

    :param is_stopping: asked while the network is run; where true nothing is waited for any more
    :raises ConfigurationError: no model is named, its specification is wrong, or the size is
        none that it can have
    :raises ModelError: no such model, it is not on this machine, its values are not what its
        specification says, or it keeps its own size
    :raises BackendError: the process shall stop
    """
    if not parameters.model:
        names = ', '.join(catalogue.model_names())
        raise errors.ConfigurationError(
            'No model is set', got='an empty parameter model',
            expected=f'one of {names}, or the path of an ONNX file',
            remedy='Set it in the parameter file, or launch with model:=...')
    found = verdicts.resolve_judged(
        parameters.model, os.path.expanduser(parameters.model_spec) or None,
        verdicts.Limits(parameters.open_timeout or verdicts.TIMEOUT_S, is_stopping))
    sized = at_size(found.onnx_path, found.spec,
                    parameters.input_size if any(parameters.input_size) else None)
    return Model(sized.path, sized.spec, load_class_table(sized.spec.classes),
                 (sized.source_path, sized.source_spec))


def check_confidence(parameters: NodeParameters, has_confidence: bool) -> None:
    """
    Look for parameters that need a confidence where the network gives none.

    :raises ConfigurationError: there is one
    """
    if has_confidence:
        return
    for name, value in (
            ('threshold', parameters.threshold),
            ('projection.min_confidence',
             parameters.costmap.settings.projection.min_confidence)):
        if value > 0:
            raise errors.ConfigurationError(f'Parameter {name} needs a confidence', got=value,
                                            expected=0, remedy=NO_CONFIDENCE)


def make_selector(parameters: NodeParameters, model: Model) -> BackendSelector:
    """Return the selector that the parameters ask for; open nothing."""
    settings = selection_status.SelectionSettings(
        backend=parameters.backend, precision=parameters.precision, threads=parameters.threads,
        provider=parameters.execution_provider, openvino_device=parameters.openvino_device,
        openvino_precision=parameters.openvino_precision, rewrite=parameters.deployment_graph,
        cache_root=os.path.expanduser(parameters.engine_cache),
        runtime=DEFAULT_RUNTIME._replace(device_index=parameters.device,
                                         cuda_graph=parameters.cuda_graphs),
        builder=DEFAULT_BUILDER._replace(workspace_mib=parameters.workspace_mib),
        # The other half is for opening the backend then.
        graph_timeout=parameters.open_timeout / 2.0 or math.inf)
    return BackendSelector(model.path, model.spec, settings,
                           lambda: tuple(self_check_frames(model.spec)), probe_gpu, model.source)


class LiveSegmenter:
    """
    Keep a segmenter for the backend that serves.

    All of it is for the inference thread alone, but for ``serving``, which anyone may read.

    :param selector: closed; :meth:`close` closes it again
    :param threads: of the segmenter's kernels; 0 takes its default
    """

    def __init__(self, selector: BackendSelector, threads: int = 0) -> None:
        self._selector = selector
        self._threads = threads
        self._segmenter: Optional[Segmenter] = None
        self._polled = 0.0
        self._told = ('', float('-inf'))
        self.serving: Optional[Serving] = None
        """What serves at the moment; replaced, never changed."""

    def get(self) -> Segmenter:
        """
        Return the segmenter for the next frame; the first call opens a backend.

        :raises SegformerRosError: no backend can be opened, or the network does not fit
        """
        if self.serving is None:
            self.serving = Serving(self._selector.open(), self._selector.status)
        if self._segmenter is None:
            self._segmenter = self._make_segmenter(self.serving)
        return self._segmenter

    @property
    def has_confidence(self) -> bool:
        """Return whether the network that serves says how sure it is; one is open."""
        return self._selector.spec.has_confidence

    @property
    def is_improving(self) -> bool:
        """Return whether a graph is being optimized, or an engine built."""
        status = None if self.serving is None else self.serving.status
        return status is not None and (bool(status.preparing) or status.job is not None)

    @property
    def is_poll_due(self) -> bool:
        """Return whether :meth:`improve` was not called for too long."""
        return self.is_improving and time.monotonic() - self._polled > POLL_PERIOD

    @property
    def overlaps(self) -> bool:
        """Return whether the backend gains by work for other frames beside its run."""
        return self._segmenter is not None and self._segmenter.backend.overlaps

    def improve(self) -> None:
        """
        Take a step towards a better backend, and take it over once it is there.

        Called between two frames; now and then it takes long, since a backend is opened.
        """
        if self.serving is None:
            raise ValueError('get() comes first')
        self._polled = time.monotonic()
        better = self._selector.poll()
        self.serving = Serving(better or self.serving.backend, self._selector.status)
        self._tell_progress(self.serving.status)
        if better is not None:
            self._segmenter = None
            try:
                self.get()
            except errors.SegformerRosError:
                pass  # the next frame meets the same fault and reports it

    def is_current(self, segmenter: Segmenter) -> bool:
        """Return whether a segmenter has not been replaced yet."""
        return segmenter is self._segmenter

    def replace(self, error: errors.BackendError) -> None:
        """
        Leave TensorRT or OpenVINO, for good; :meth:`get` then returns another segmenter.

        :raises BackendError: the given one, where there is no other backend
        """
        if self.serving is None or self.serving.backend.info.name not in _REPLACEABLE:
            raise error
        self.serving = Serving(self._selector.fall_back(str(error)), self._selector.status)
        self._segmenter = None

    def close(self) -> None:
        """Close the backend and end what is being built."""
        self._segmenter = None
        self._selector.close()

    def _make_segmenter(self, serving: Serving) -> Segmenter:
        info = serving.backend.info
        level = logging.INFO if serving.status.level == errors.OK else logging.WARNING
        _LOGGER.log(level, '%s %s %s on %s runs %s: %s.', info.name, info.version, info.precision,
                    info.device, info.model_path, serving.status.why)
        # Frames are kept for the check of what is being built, and for nothing else.
        return Segmenter(self._selector.spec, serving.backend,
                         on_input=self._selector.offer_frame if self.is_improving else None,
                         threads=self._threads)

    def _tell_progress(self, status: selection_status.SelectionStatus) -> None:
        job = status.job
        if job is None:
            return
        stage = f'The {job.precision} engine is {_STAGES.get(job.stage, job.stage)}'
        now = time.monotonic()
        if stage != self._told[0] or now - self._told[1] >= PROGRESS_PERIOD:
            self._told = (stage, now)
            _LOGGER.info('%s (%.0f s): %s', stage, job.elapsed, job.detail)
