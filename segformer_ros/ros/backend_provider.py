# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the inference thread gets its network from."""

import abc
import os
from typing import NamedTuple

from segformer_ros.errors import ConfigurationError
from segformer_ros.inference.backend import Backend
from segformer_ros.inference.onnxruntime_backend import OnnxruntimeBackend
from segformer_ros.model import catalogue
from segformer_ros.model.classes import ClassTable
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.resolve import resolve_model
from segformer_ros.model.spec import ModelSpec
from segformer_ros.ros.parameters import NodeParameters


class Model(NamedTuple):
    """A network on disk and what is known about it."""

    path: str
    spec: ModelSpec
    classes: ClassTable


class BackendChoice(NamedTuple):
    """
    An open backend, and why it was taken.

    ``fallback`` is true where something better was asked for.
    """

    backend: Backend
    reason: str
    fallback: bool = False


class BackendProvider(abc.ABC):
    """
    Hands out the backend that is best at the moment.

    Every method is called from the inference thread alone.
    """

    @abc.abstractmethod
    def current(self) -> BackendChoice:
        """
        Return the backend for the next frame: the same object as before, or a better one.

        The first call opens one and may take long; later calls must not.

        :raises SegformerRosError: no backend can be opened
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Close every backend that was handed out."""


class OnnxruntimeProvider(BackendProvider):
    """One onnxruntime session, for as long as the node is configured."""

    def __init__(self, model: Model, threads: int, reason: str) -> None:
        self._choice = BackendChoice(OnnxruntimeBackend(model.path, threads=threads), reason)

    def current(self) -> BackendChoice:
        """Return the session, opened at the first call."""
        self._choice.backend.open()
        return self._choice

    def close(self) -> None:
        """Close the session."""
        self._choice.backend.close()


def find_model(parameters: NodeParameters) -> Model:
    """
    Find the files that the parameters ``model`` and ``model_spec`` name.

    :raises ConfigurationError: no model is named, or its specification is wrong
    :raises ModelError: no such model, or it is not on this machine
    """
    if not parameters.model:
        raise ConfigurationError(
            'No model is set', got='an empty parameter model',
            expected='one of {}, or the path of an ONNX file'.format(
                ', '.join(catalogue.model_names())),
            remedy='Set it in the parameter file, or launch with model:=...')
    found = resolve_model(parameters.model, os.path.expanduser(parameters.model_spec) or None)
    return Model(found.onnx_path, found.spec, load_class_table(found.spec.classes))


def make_provider(parameters: NodeParameters, model: Model) -> BackendProvider:
    """Return the provider that the parameter ``backend`` asks for; opens nothing."""
    reason = 'asked for' if parameters.backend == 'onnxruntime' else \
        'the only backend that this version has'
    return OnnxruntimeProvider(model, parameters.threads, reason)
