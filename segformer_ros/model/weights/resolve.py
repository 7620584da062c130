# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From the parameter ``model`` to an ONNX file and what that file takes and returns."""

import logging
import os
from typing import NamedTuple, Optional

from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file import graph_checks
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.weights import catalogue
from segformer_ros.model.weights import hub_store
from segformer_ros.model.weights import store
from segformer_ros.model.weights.hub_name import is_hub_name
from segformer_ros.model.weights.hub_name import parse_hub_name

_LOGGER = logging.getLogger(__name__)


class ResolvedModel(NamedTuple):
    """An ONNX file that exists and its specification."""

    onnx_path: str
    spec: ModelSpec


def resolve_model(model: str, spec_path: Optional[str] = None) -> ResolvedModel:
    """
    Find a model by its name in the catalogue, or by its path.

    A name means the file that ships with the package, else the one in the cache, whose digest
    is compared each time; ``NAME:VARIANT`` means another variant of the catalogue entry. A path
    is anything that ends in ``.onnx`` or has a slash; its specification is the YAML file of the
    same name beside it. ``hf:ORG/REPO`` means what was fetched under that name from the Hugging
    Face hub. Nothing is ever downloaded here.

    :param model: name, ``NAME:VARIANT``, path, or ``hf:ORG/REPO[@REVISION][:path.onnx]``
    :param spec_path: YAML file to use instead of the one that belongs to the model
    :raises ModelError: nothing of that name or path, damaged, or not fetched yet: the message
        holds the command that fetches it
    :raises ConfigurationError: the specification is wrong
    """
    if is_hub_name(model):
        return _by_hub_name(model, spec_path)
    if model.endswith('.onnx') or '/' in model:
        return _by_path(os.path.abspath(os.path.expanduser(model)), spec_path)
    name, _, variant = model.partition(':')
    spec = load_model_spec(spec_path or catalogue.spec_path(name))
    return _fitted(_by_name(name, variant or None), spec)


def _by_hub_name(name: str, spec_path: Optional[str]) -> ResolvedModel:
    found = hub_store.find(parse_hub_name(name))
    if found is None:
        raise ModelError(
            'Model has not been fetched yet', got=name, expected='a model in the cache',
            remedy='Look at its license, and if that fits your use, run: '
                   f'{store.fetch_command(name)}')
    return _fitted(found.onnx_path, load_model_spec(spec_path or found.spec_path))


def _by_name(name: str, variant: Optional[str]) -> str:
    path = store.shipped(name)
    if path is not None and variant is None:
        return path
    source = catalogue.load_download(name)
    if source is None:
        # Nothing to download: returns the shipped file or says what is missing.
        return store.fetch(name, variant)
    command = store.fetch_command(name, variant)
    try:
        path = store.cached(source, source.file(variant))
    except ModelError as error:
        raise ModelError(error.problem, error.got, error.expected,
                         f'{error.remedy} Command: {command}') from error
    if path is None:
        raise ModelError(
            f'Model {name} has not been fetched yet',
            expected=store.cached_path(source, source.file(variant)),
            remedy=f'Its weights are under the {source.license.name} ({source.license.link}). '
                   f'If that fits your use, run: {command}')
    return path


def _by_path(path: str, spec_path: Optional[str]) -> ResolvedModel:
    if not os.path.isfile(path):
        raise ModelError('Model file not found', got=path, expected='an ONNX file')
    beside = os.path.splitext(path)[0] + '.yaml'
    if spec_path is None and not os.path.isfile(beside):
        raise ModelError(
            'Model has no specification', got=path, expected=beside,
            remedy=f'Write one: ros2 run segformer_ros inspect_model {path} --write-spec {beside}')
    return _fitted(path, load_model_spec(spec_path or beside))


def _fitted(path: str, spec: ModelSpec) -> ResolvedModel:
    try:
        header = read_onnx_header(path)
    except ModelError:
        # Whoever opens the file says what is wrong with it.
        return ResolvedModel(path, spec)
    fitted = graph_checks.fitted(header, spec)
    if fitted != spec:
        _LOGGER.warning('%s: the output %r holds %s, as its graph shows; write "output_kind: %s" '
                        'in the specification.', path, spec.output_name, fitted.output_kind,
                        fitted.output_kind)
    return ResolvedModel(path, fitted)
