# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Look at a network's values before it serves, once on each machine: ``python -m`` this module.

It runs in a process of its own, as a node has no use for its memory afterwards. What was found
is kept in the private cache, so that later starts run nothing.
"""

import importlib.util
import json
import logging
import os
import sys
import time
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from segformer_ros.common import child_process
from segformer_ros.common import errors
from segformer_ros.common import install
from segformer_ros.common import private_files
from segformer_ros.common.digest import sha256_of_values
from segformer_ros.common.file_cache import FileCache
from segformer_ros.common.file_cache import StorageError
from segformer_ros.common.machine import machine_identity
from segformer_ros.model import probe
from segformer_ros.model import spec as model_spec
from segformer_ros.model.onnx_file import header as onnx_header
from segformer_ros.model.weights import resolve
from segformer_ros.model.weights import store
from segformer_ros.model.weights.hub_name import is_hub_name

# Raised with every change of what is judged, so that networks are looked at again.
REVISION = 3
FOLDER = 'verdicts'
KEPT = 64
"""Verdicts that stay, the newest."""
TIMEOUT_S = 900.0
"""Tens of times what a SegFormer-B5 takes on the slowest board."""
_SHORT_KEY = 32
_POLL_S = 0.02
# What names a network and its classes, and changes nothing of its values.
_NAMES = ('name', 'classes')
_LOGGER = logging.getLogger(__name__)


class Limits(NamedTuple):
    """
    How long a network that was never run here may be looked at.

    ``is_stopping`` is asked meanwhile; where true nothing is waited for any more.
    """

    seconds: float = TIMEOUT_S
    is_stopping: Callable[[], bool] = lambda: False


class _Folder(FileCache):
    what = 'The folder of what was found in networks'


def resolve_judged(model: str, spec_path: Optional[str] = None,
                   limits: Optional[Limits] = None) -> resolve.ResolvedModel:
    """
    Find a model as :func:`resolve.resolve_model` does, and judge its values.

    The shipped network is not run: it was judged when it was made.

    :raises ModelError: as there, or its values are not what its specification says
    :raises ConfigurationError: as there
    :raises BackendError: there is no time for it any more
    """
    found = resolve.resolve_model(model, spec_path)
    if spec_path is None and store.shipped(model) == found.onnx_path:
        return found
    # Of a network of the hub the specification is a draft, unless the user has another.
    is_stated = spec_path is not None or not is_hub_name(model)
    return found._replace(spec=judged_spec(found.onnx_path, found.spec, limits, is_stated))


def judged_spec(onnx_path: str, spec: model_spec.ModelSpec,
                limits: Optional[Limits] = None,
                is_stated: bool = True) -> model_spec.ModelSpec:
    """
    Return the specification of a network as its values show it; warn of what they show.

    Where onnxruntime is missing, or cannot run the network, it is returned as it is: whoever
    opens the network says why.

    :param spec: of the file
    :param is_stated: the user, and no draft, says what the output holds
    :raises ModelError: the values are not what it says
    :raises BackendError: there is no time for it any more
    """
    key = _key(onnx_path, spec, is_stated)
    verdict = _read(key)
    if verdict is None:
        if importlib.util.find_spec('onnxruntime') is None:
            _LOGGER.info('The values of %s are not looked at: onnxruntime is not installed. %s',
                         onnx_path, install.RUNTIME)
            return spec
        try:
            # A size that the file fixes is told by whoever opens it, in the same words.
            header = onnx_header.read_onnx_header(onnx_path)
            spec.check(header.inputs, header.outputs)
        except errors.ModelError as error:
            _LOGGER.debug('%s is not run: %s', onnx_path, error)
            return spec
        _LOGGER.info('Looking at the values of %s: once, on two pictures', onnx_path)
        verdict = _judge(onnx_path, spec, limits or Limits(), is_stated)
        if 'unable' in verdict:
            _LOGGER.warning('The values of %s could not be looked at: %s', onnx_path,
                            verdict['unable'])
            return spec
        # The process may have opened another file than the key was made of.
        if _is_same(onnx_path, spec, is_stated, key):
            _keep(key, verdict)
        else:
            _LOGGER.warning('What was found in %s is not kept: it changed meanwhile', onnx_path)
    finding = _finding(spec, verdict)
    for note in finding.notes:
        _LOGGER.warning('%s: %s. Correct its specification.', onnx_path, note)
    return finding.spec


def look(onnx_path: str, draft: model_spec.ModelSpec) -> probe.Finding:
    """
    Judge the values of a network for a draft of its specification; nothing is kept.

    :raises ModelError: the values are not what the draft says
    :raises BackendError: the network cannot be run, crashes, or takes too long
    """
    verdict = _judge(onnx_path, draft, Limits(TIMEOUT_S), is_stated=False)
    if 'unable' in verdict:
        raise errors.BackendError('The values of the network could not be looked at',
                                  got=verdict['unable'])
    return _finding(draft, verdict)


def _key(onnx_path: str, spec: model_spec.ModelSpec, is_stated: bool) -> str:
    fields = {name: value for name, value in spec._asdict().items() if name not in _NAMES}
    return sha256_of_values([REVISION, onnx_header.model_digest(onnx_path), fields, is_stated,
                             machine_identity()])


def _is_same(onnx_path: str, spec: model_spec.ModelSpec, is_stated: bool, key: str) -> bool:
    try:
        return _key(onnx_path, spec, is_stated) == key
    except (OSError, errors.ModelError) as error:
        _LOGGER.debug('%s: %s', onnx_path, error)
        return False


def _judge(onnx_path: str, spec: model_spec.ModelSpec,
           limits: Limits, is_stated: bool) -> Dict[str, Any]:
    """Return what a child finds; where it cannot run the network, why it is ``unable``."""
    started = time.monotonic()
    try:
        with child_process.WorkerProcess(__name__, {
                'onnx_path': os.path.abspath(onnx_path), 'spec': spec._asdict(),
                'is_stated': is_stated}, limits.seconds) as child:
            while not child.has_ended:
                if limits.is_stopping():
                    raise errors.BackendError('The network was not looked at',
                                              got='a node that is stopping')
                time.sleep(_POLL_S)
            found = next(child.messages(), None)
            problem = f'the process {child.account(300)}'
    except OSError as error:
        found, problem = None, f'its process does not start: {error}'
    if found is None:
        found = {'unable': problem}
    _LOGGER.info('%s was looked at within %.1f s', onnx_path, time.monotonic() - started)
    return found


def _finding(spec: model_spec.ModelSpec, verdict: Dict[str, Any]) -> probe.Finding:
    if verdict['refusal'] is not None:
        raise errors.ModelError(*verdict['refusal'])
    return probe.Finding(spec._replace(**_tuples(verdict['changes'])), verdict['notes'])


def _read(key: str) -> Optional[Dict[str, Any]]:
    cache = _Folder(os.path.join(private_files.cache_root(), FOLDER))
    try:
        content: Any = json.loads(cache.read_sidecar(key[:_SHORT_KEY]).decode('utf-8'))
        if not isinstance(content, dict) or content.get('key') != key:
            raise ValueError(f'{cache.path(key[:_SHORT_KEY])} belongs to another network')
        if content.pop('sha256', None) != sha256_of_values(content):
            raise ValueError(f'{cache.path(key[:_SHORT_KEY])} was changed')
        return _checked(content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError, errors.ConfigurationError,
            errors.ModelError) as error:
        _LOGGER.warning('What was found in a network is not used, it is looked at again: %s',
                        error)
        return None


def _checked(content: Dict[str, Any]) -> Dict[str, Any]:
    refusal, notes, changes = [content.get(name) for name in ('refusal', 'notes', 'changes')]
    is_whole = isinstance(notes, list) and all(isinstance(note, str) for note in notes)
    if refusal is not None:
        # A problem stands in every error, the other facts may be missing.
        is_whole = is_whole and isinstance(refusal, list) and len(refusal) == 4 \
            and isinstance(refusal[0], str) \
            and all(fact is None or isinstance(fact, str) for fact in refusal)
    if not is_whole or not isinstance(changes, dict):
        raise ValueError('a verdict without what it needs')
    for key, value in changes.items():
        model_spec.check_value(key, value, 'a verdict')
    return content


def _keep(key: str, verdict: Dict[str, Any]) -> None:
    try:
        cache = _Folder(private_files.private_folder(private_files.cache_root(), FOLDER))
        content = dict(verdict, key=key)
        cache.write_sidecar(key[:_SHORT_KEY], dict(content, sha256=sha256_of_values(content)))
        cache.keep_entries(cache.entries()[:KEPT])
    except (StorageError, errors.ModelError) as error:
        _LOGGER.warning('What was found in a network is not kept: %s', error)


def _tuples(fields: Dict[str, Any]) -> Dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value
            for key, value in fields.items()}


def _answer(request: Dict[str, Any], send: child_process.Sender) -> int:
    spec = model_spec.ModelSpec(**_tuples(request['spec']))
    try:
        finding = probe.probe(request['onnx_path'], spec, request['is_stated'])
    except errors.ModelError as error:
        facts: Tuple[Any, ...] = error.__reduce__()[1]
        send(refusal=list(facts), notes=[], changes={})
    except errors.SegformerRosError as error:
        send(unable=str(error))
    else:
        send(refusal=None, notes=list(finding.notes), changes={
            name: value for name, value in finding.spec._asdict().items()
            if value != getattr(spec, name)})
    return 0


if __name__ == '__main__':
    sys.exit(child_process.serve(_answer))
