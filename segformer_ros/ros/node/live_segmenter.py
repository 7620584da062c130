# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the inference thread gets its network from."""

import abc
import logging
import math
import os
import time
from typing import Any, Callable, Mapping, NamedTuple, Optional, TYPE_CHECKING

from rclpy.impl.rcutils_logger import RcutilsLogger
from segformer_ros.common import errors
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.selection import status as selection_status
from segformer_ros.inference.selection.selector import BackendSelector
from segformer_ros.inference.trt.backend import DEFAULT_RUNTIME
from segformer_ros.inference.trt.key import DEFAULT_BUILDER
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights import catalogue
from segformer_ros.model.weights.resolve import resolve_model
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.segmentation.segmenter import Segmenter
from segformer_ros.segmentation.self_check_frames import self_check_frames

if TYPE_CHECKING:
    import numpy.typing as npt

Inputs = Mapping[str, 'npt.NDArray[Any]']

PROGRESS_PERIOD = 60.0
"""Seconds between two lines in the log on an engine that is being built."""
_LOGGER = logging.getLogger(__name__)


class Model(NamedTuple):
    """A network on disk and what is known about it."""

    path: str
    spec: ModelSpec
    classes: ClassTable


class BackendChoice(NamedTuple):
    """
    An open backend, and why it was taken.

    ``fallback`` is true where something better was asked for, or could be had. ``spec`` is what
    the backend takes and returns; None: what the model itself does. ``status`` tells more, for
    diagnostics. ``on_input`` is to be given every input tensor.
    """

    backend: Backend
    reason: str
    fallback: bool = False
    spec: Optional[ModelSpec] = None
    status: Optional[selection_status.SelectionStatus] = None
    on_input: Optional[Callable[[Inputs], None]] = None


class BackendProvider(abc.ABC):
    """
    Hands out the backend that is best at the moment.

    Every method is called from the inference thread alone.
    """

    @abc.abstractmethod
    def current(self) -> BackendChoice:
        """
        Return the backend for the next frame.

        The first call opens one and may take long; later calls must not.

        :raises SegformerRosError: no backend can be opened
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Close every backend that was handed out."""

    @property
    def is_busy(self) -> bool:
        """Tell whether :meth:`advance` has something to do."""
        return False

    def advance(self) -> bool:
        """
        Take the next step towards a better backend; called between two frames.

        Now and then it takes long: a backend is opened.

        :return: whether another backend serves from now on
        """
        return False

    def recover(self, reason: str) -> bool:
        """
        Leave a backend that failed in a run for another one, where there is one.

        :return: whether the frame is worth another try
        """
        return False


class SelectingProvider(BackendProvider):
    """
    Hands out what a selector has chosen.

    :param selector: closed
    """

    def __init__(self, selector: BackendSelector) -> None:
        self._selector = selector
        self._choice: Optional[BackendChoice] = None
        self._told = ('', float('-inf'))

    def current(self) -> BackendChoice:
        """Return what serves, opened at the first call."""
        if self._choice is None:
            self._choose(self._selector.open())
        return self._opened()

    @property
    def is_busy(self) -> bool:
        """Tell whether a graph is being prepared, or an engine built."""
        status = None if self._choice is None else self._choice.status
        return status is not None and (bool(status.preparing) or status.job is not None)

    def advance(self) -> bool:
        """Take the next step of what is prepared and built; take over what is better."""
        better = self._selector.poll()
        self._choose(better or self._opened().backend)
        self._tell_progress()
        return better is not None

    def recover(self, reason: str) -> bool:
        """Leave TensorRT for onnxruntime, for good."""
        if self._opened().backend.info.name != 'tensorrt':
            return False
        self._choose(self._selector.fall_back(reason))
        return True

    def close(self) -> None:
        """Close the backend and end what is being built."""
        self._choice = None
        self._selector.close()

    def _opened(self) -> BackendChoice:
        if self._choice is None:
            raise ValueError('current() comes first')
        return self._choice

    def _choose(self, backend: Backend) -> None:
        status = self._selector.status
        self._choice = BackendChoice(backend, status.why, status.level != selection_status.OK,
                                     self._selector.spec, status, self._selector.offer_frame)

    def _tell_progress(self) -> None:
        status = self._opened().status
        if status is None or status.job is None:
            return
        job = status.job
        stage = 'The {} engine is {}'.format(job.precision, {
            'waiting': 'waiting to be built', 'building': 'being built',
            'checking': 'being checked', 'loading': 'being loaded'}.get(job.stage, job.stage))
        now = time.monotonic()
        if stage != self._told[0] or now - self._told[1] >= PROGRESS_PERIOD:
            self._told = (stage, now)
            _LOGGER.info('%s (%.0f s): %s', stage, job.elapsed, job.detail)


def find_model(parameters: NodeParameters) -> Model:
    """
    Find the files that the parameters ``model`` and ``model_spec`` name.

    :raises ConfigurationError: no model is named, or its specification is wrong
    :raises ModelError: no such model, or it is not on this machine
    """
    if not parameters.model:
        raise errors.ConfigurationError(
            'No model is set', got='an empty parameter model',
            expected='one of {}, or the path of an ONNX file'.format(
                ', '.join(catalogue.model_names())),
            remedy='Set it in the parameter file, or launch with model:=...')
    found = resolve_model(parameters.model, os.path.expanduser(parameters.model_spec) or None)
    return Model(found.onnx_path, found.spec, load_class_table(found.spec.classes))


def make_provider(parameters: NodeParameters, model: Model) -> BackendProvider:
    """Return the provider that the parameters ask for; opens nothing."""
    settings = selection_status.SelectionSettings(
        backend=parameters.backend, precision=parameters.precision, threads=parameters.threads,
        provider=parameters.execution_provider, rewrite=parameters.deployment_graph,
        cache_root=os.path.expanduser(parameters.engine_cache),
        runtime=DEFAULT_RUNTIME._replace(device_index=parameters.device,
                                         cuda_graph=parameters.cuda_graphs),
        builder=DEFAULT_BUILDER._replace(workspace_mib=parameters.workspace_mib),
        # The other half is for opening the backend then.
        graph_timeout=parameters.open_timeout / 2.0 or math.inf)
    return SelectingProvider(BackendSelector(
        model.path, model.spec, settings, lambda: tuple(self_check_frames(model.spec)),
        probe_gpu))


def make_segmenter(choice: BackendChoice, model: Model, threads: int,
                   logger: RcutilsLogger) -> Segmenter:
    """Return the segmenter of an open backend, and say which one it is and why."""
    info = choice.backend.info
    text = f'{info.name} {info.version} {info.precision} on {info.device} runs {info.model_path}: {choice.reason}.'
    if choice.fallback:
        logger.warning(text)
    else:
        logger.info(text)
    return Segmenter(choice.spec or model.spec, choice.backend, on_input=choice.on_input,
                     threads=threads)


MakeSegmenter = Callable[[BackendChoice], Segmenter]


class LiveSegmenter:
    """
    Keeps a segmenter for the backend that the provider hands out.

    All of it is for the inference thread alone, but for ``choice``, which anyone may read.

    :param provider: asked for its backend; closed by :meth:`close`
    :param make_segmenter: called for every new backend
    """

    def __init__(self, provider: BackendProvider, make_segmenter: MakeSegmenter) -> None:
        self._provider = provider
        self._make_segmenter = make_segmenter
        self._segmenter: Optional[Segmenter] = None
        self._asked = 0.0
        self.choice: Optional[BackendChoice] = None
        """What serves at the moment; replaced, never changed."""

    def get(self, may_change: bool = True) -> Segmenter:
        """
        Return the segmenter for the next frame.

        :param may_change: False while a frame runs: the provider might close its backend
        :raises SegformerRosError: as the provider or the segmenter raised it
        """
        if self._segmenter is not None and not may_change:
            return self._segmenter
        self._asked = time.monotonic()
        choice = self._provider.current()
        if self._segmenter is None or self.choice is None or \
                choice.backend is not self.choice.backend:
            self._segmenter = self._make_segmenter(choice)
        self.choice = choice
        return self._segmenter

    @property
    def unasked_for(self) -> float:
        """Return the seconds since the provider could last hand out another backend."""
        return time.monotonic() - self._asked

    @property
    def is_improving(self) -> bool:
        """Tell whether the provider has work to do towards a better backend."""
        return self._provider.is_busy

    @property
    def overlaps(self) -> bool:
        """Tell whether the backend gains by work for other frames beside its run."""
        return self._segmenter is not None and self._segmenter.backend.overlaps

    def improve(self) -> None:
        """Take a step towards a better backend, and take it over once it is there."""
        try:
            if self._provider.advance():
                self.get()
        except errors.SegformerRosError:
            # The next frame meets the same fault and reports it.
            self._segmenter = None

    def is_current(self, segmenter: Segmenter) -> bool:
        """Tell whether a segmenter has not been replaced yet."""
        return segmenter is self._segmenter

    def replace(self, error: errors.BackendError) -> None:
        """
        Give up the backend that failed; :meth:`get` then returns the segmenter of another.

        :raises BackendError: the given one, where the provider has no other
        """
        if not self._provider.recover(str(error)):
            raise error
        self._segmenter = None

    def close(self) -> None:
        """Close every backend that was handed out."""
        self._segmenter = None
        self._provider.close()
