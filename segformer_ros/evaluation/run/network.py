# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Open the network that is evaluated, or the one that it is compared with."""

import time
from types import TracebackType
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple, Type

from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.selection.selector import BackendSelector
from segformer_ros.inference.selection.status import SelectionSettings
from segformer_ros.model import verdicts
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.optimize.resize import at_size
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.segmenter import Segmenter
from segformer_ros.segmentation.segmenter import SegmenterSettings

BACKENDS = ('onnxruntime', 'openvino', 'tensorrt')

# The graph that is optimized for a runtime, as the live node runs it by default, or the file as
# it is.
GRAPHS = ('deployment', 'original')

# Preparing a graph takes seconds, building an engine minutes on a Jetson; how often to look
# whether it is done.
POLL_S = 0.1


class NetworkChoice(NamedTuple):
    """
    Which network to run, and how. Can be pickled.

    ``model`` is a name of the catalogue or a path, ``spec_path`` its specification where it
    does not lie beside it. ``threads`` 0 leaves the number to the backend. ``precision`` is
    fp16, fp32 or int8, for TensorRT. ``graph`` is one of :data:`GRAPHS`. ``input_size_wh`` None
    keeps that of the model.
    """

    model: str
    spec_path: Optional[str] = None
    backend: str = 'onnxruntime'
    threads: int = 0
    precision: str = SelectionSettings().precision
    settings: SegmenterSettings = SegmenterSettings()
    graph: str = GRAPHS[0]
    input_size_wh: Optional[Tuple[int, int]] = None


class Network:
    """
    An open network, for use in a ``with`` block.

    Evaluation never falls back: what the report names is what ran on every frame.

    :param choice: what to open
    :param sample_inputs: gives a few input tensors of real images, to check a new engine with
    :raises ModelError: the model is missing, damaged, or does not fit its specification
    :raises BackendError: the runtime is missing or cannot run the model
    :raises ConfigurationError: a setting is unknown
    """

    def __init__(self, choice: NetworkChoice,
                 sample_inputs: 'Callable[[ModelSpec], Sequence[Dict[str, Any]]]') -> None:
        for value, known, what in ((choice.backend, BACKENDS, 'backend'),
                                   (choice.graph, GRAPHS, 'graph')):
            if value not in known:
                raise ConfigurationError('Unknown ' + what, got=repr(value),
                                         expected=' or '.join(known))
        self.choice = choice
        found = verdicts.resolve_judged(choice.model, choice.spec_path)
        sized = at_size(found.onnx_path, found.spec, choice.input_size_wh)
        self.spec = sized.spec
        self.classes: ClassTable = load_class_table(found.spec.classes)
        self._selector = BackendSelector(
            sized.path, sized.spec, SelectionSettings(
                backend=choice.backend, precision=choice.precision, threads=choice.threads,
                rewrite=choice.graph == GRAPHS[0]),
            lambda: sample_inputs(sized.spec),
            source=(sized.source_path, sized.source_spec))
        try:
            self.backend = self._open()
            self.segmenter = Segmenter(self._selector.spec, self.backend, choice.settings,
                                       threads=choice.threads)
        except BaseException:
            self.close()
            raise
        self._is_rewritten = self._selector.spec != sized.spec

    def __enter__(self) -> 'Network':
        """Return the open network."""
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        """Close the backend."""
        self.close()

    def close(self) -> None:
        """Close the backend; closing twice is allowed."""
        self._selector.close()

    def facts(self) -> Dict[str, Any]:
        """Return what ran, for the report; no path, so that reports of two machines compare."""
        info = self.backend.info
        settings = self.segmenter.settings
        return {
            'model': self.spec.name, 'classes': self.classes.name,
            'backend': info.name, 'backend_version': info.version, 'device': info.device,
            'precision': info.precision, 'graph': GRAPHS[0 if self._is_rewritten else 1],
            'details': dict(info.details),
            'resize': settings.resize, 'postprocess': settings.postprocess,
            'threshold': settings.threshold,
            'input_size': '{} x {}'.format(*self.spec.input_size_wh)}

    def _open(self) -> Backend:
        """Open what serves for good: nothing changes between the first frame and the last."""
        selector = self._selector
        backend = selector.open()
        while selector.status.preparing or selector.status.job is not None:
            time.sleep(POLL_S)
            backend = selector.poll() or backend
        if backend.info.name != self.choice.backend:
            raise BackendError(f'{self.choice.backend} cannot run this model',
                               got=selector.status.why,
                               remedy='Evaluate with onnxruntime; for TensorRT, build the engine '
                                      'first.')
        return backend
