# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The contract of every inference runtime: open, infer, close."""

import abc
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.model import spec as model_spec


class BackendInfo(NamedTuple):
    """
    What runs the network, for logs, diagnostics and reports.

    ``name`` is ``onnxruntime`` or ``tensorrt``; ``precision`` is what was built, never what
    was asked for (``fp32``, ``fp16+fp32``); ``details`` holds further facts as text.
    """

    name: str
    version: str
    device: str
    precision: str
    model_path: str
    details: Dict[str, str]


class Opened(NamedTuple):
    """What an implementation reports once its runtime is ready."""

    inputs: Tuple[model_spec.TensorSpec, ...]
    outputs: Tuple[model_spec.TensorSpec, ...]
    info: BackendInfo


class Backend(abc.ABC):
    """
    A runtime that holds one network.

    An implementation writes ``_open``, ``_infer`` and ``_close``; state and inputs are checked
    here, once for all. Nothing heavy happens before :meth:`open`. All calls must come from one
    thread: a CUDA context belongs to the thread that pushed it.
    """

    def __init__(self) -> None:
        self._opened: Optional[Opened] = None
        self._begun = False

    def open(self) -> 'Backend':
        """
        Load the runtime and the network.

        :raises BackendError: the runtime is not installed or cannot run here
        :raises ModelError: the model file is missing or damaged
        """
        if self._opened is None:
            self._opened = self._open()
        return self

    def close(self) -> None:
        """Release everything; closing twice is allowed."""
        if self._opened is not None:
            self._opened = None
            self._begun = False
            self._close()

    def __enter__(self) -> 'Backend':
        """Open on entering a ``with`` block."""
        return self.open()

    def __exit__(self, *exception: object) -> None:
        """Close on leaving a ``with`` block."""
        self.close()

    @property
    def is_open(self) -> bool:
        """Return whether :meth:`infer` may be called."""
        return self._opened is not None

    @property
    def inputs(self) -> Tuple[model_spec.TensorSpec, ...]:
        """Return the network's inputs. Needs an open backend."""
        return self._state().inputs

    @property
    def outputs(self) -> Tuple[model_spec.TensorSpec, ...]:
        """Return the network's outputs. Needs an open backend."""
        return self._state().outputs

    @property
    def info(self) -> BackendInfo:
        """Return what runs the network. Needs an open backend."""
        return self._state().info

    def infer(self, inputs: Mapping[str, arrays.Array]) -> Dict[str, arrays.Array]:
        """
        Run the network once.

        :param inputs: one array for every input, by name, of its dtype and shape
        :return: one array for every output, by name; the buffers belong to the backend and
            are valid until the next call
        :raises InvalidInputError: an input is missing, unknown, or of another dtype or shape
        :raises BackendError: the backend is closed, or the runtime failed
        """
        self._check_run(inputs)
        return self._infer(inputs)

    @property
    def overlaps(self) -> bool:
        """
        Return whether a run leaves the CPU to others, so that :meth:`begin` is of use.

        On the CPU itself other work would only take the network's cores.
        """
        return False

    def begin(self, inputs: Mapping[str, arrays.Array]) -> None:
        """
        Begin a run that goes on by itself; only where :attr:`overlaps`.

        :param inputs: as for :meth:`infer`; they are copied before this returns
        :raises InvalidInputError: as :meth:`infer`
        :raises BackendError: as :meth:`infer`, or a run was begun and not ended
        """
        self._check_run(inputs)
        self._begin(inputs)
        self._begun = True

    def end(self) -> Dict[str, arrays.Array]:
        """
        Wait for the run that was begun.

        :return: as :meth:`infer`; valid until the next run has ended, so that it may be begun
        :raises BackendError: the runtime failed, or no run was begun
        """
        if not self._begun:
            raise BackendError('No run was begun', got=type(self).__name__)
        self._begun = False
        return self._end()

    def _check_run(self, inputs: Mapping[str, arrays.Array]) -> None:
        state = self._state()
        if self._begun:
            raise BackendError('A run is under way', got=type(self).__name__,
                               remedy='Call end() first.')
        check_inputs(state.inputs, inputs)

    def _state(self) -> Opened:
        if self._opened is None:
            raise BackendError('Backend used while closed', got=type(self).__name__,
                               remedy='Call open() first.')
        return self._opened

    @abc.abstractmethod
    def _open(self) -> Opened:
        """Load runtime and network, run once to warm up, and report them."""

    @abc.abstractmethod
    def _infer(self, inputs: Mapping[str, arrays.Array]) -> Dict[str, arrays.Array]:
        """Run the network on checked inputs."""

    @abc.abstractmethod
    def _close(self) -> None:
        """Release what ``_open`` took."""

    def _begin(self, inputs: Mapping[str, arrays.Array]) -> None:
        raise BackendError('Runs cannot be begun', got=type(self).__name__)

    def _end(self) -> Dict[str, arrays.Array]:
        raise BackendError('Runs cannot be begun', got=type(self).__name__)


def check_inputs(specs: Tuple[model_spec.TensorSpec, ...],
                 inputs: Mapping[str, arrays.Array]) -> None:
    """
    Compare arrays with what the network takes.

    :raises InvalidInputError: a name, dtype or shape differs
    """
    if set(inputs) != {spec.name for spec in specs}:
        raise InvalidInputError('Wrong input names', got=sorted(inputs),
                                expected=model_spec.tensors_text(specs))
    for spec in specs:
        array = inputs[spec.name]
        if array.dtype != np.dtype(spec.dtype) or (
                array.shape != spec.shape and not spec.accepts(array.shape)):
            raise InvalidInputError('Input tensor does not fit',
                                    got=f'{spec.name} {array.dtype}{list(array.shape)}',
                                    expected=model_spec.tensors_text(specs))


class OpenNetwork(NamedTuple):
    """
    An open backend, what it takes and returns, and why it was taken.

    ``is_final`` says that the model is not being optimized for it any more.
    """

    backend: Backend
    spec: model_spec.ModelSpec
    why: str
    is_final: bool = True
