# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where deployment graphs are kept: beside their model, or in the user's cache."""

import json
import logging
import os
import tempfile
from typing import Any, Dict, Iterator, Optional

from segformer_ros.common import private_files
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError

BESIDE = 'deployed'
BELOW_CACHE_ROOT = 'graphs'
# Characters of a key in file names; the sidecar holds the whole key.
SHORT_KEY = 12
_LOGGER = logging.getLogger(__name__)


class OptimizedModelCache:
    """
    The entries of one model for one target.

    An entry is a sidecar ``NAME.json`` with facts and, unless the model is used as it is, a
    graph ``NAME.onnx``. The sidecar is written last, so an entry is whole or absent. An entry
    with another key, of an older model or runtime, is deleted when a new one is written.

    :param model_path: the original ONNX file
    :param target_name: part of the files' names
    :param key: hexadecimal digest of everything that the graph depends on
    """

    def __init__(self, model_path: str, target_name: str, key: str) -> None:
        stem = os.path.splitext(os.path.basename(model_path))[0]
        self._model_folder = os.path.dirname(os.path.abspath(model_path))
        self._prefix = f'{stem}-{target_name}-'
        self._key = key

    def read(self) -> Optional[Dict[str, Any]]:
        """
        Return the facts of a whole entry, or None.

        ``path`` is the graph's path, or None where the model is used as it is.
        """
        for folder in self._folders(create=False):
            try:
                facts = self._read_from(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError, RecursionError, ModelError) as error:
                _LOGGER.warning('Cached graph is not used, it is made again: %s', error)
                continue
            return facts
        return None

    def write(self, facts: Dict[str, Any], graph: Optional[str]) -> Dict[str, Any]:
        """
        Keep an entry and return its facts as :meth:`read` would.

        :param facts: what JSON can hold
        :param graph: a file to move into the cache
        :raises ModelError: no folder can be written
        """
        last_error: Optional[Exception] = None
        for folder in self._folders(create=True):
            try:
                return self._write_to(folder, facts, graph)
            except OSError as error:
                last_error = error
        raise ModelError(
            'Deployment graph cannot be kept', got=last_error, expected='a writable folder',
            remedy=f'Make {self._model_folder} or {private_files.cache_root()} writable.')

    def _folders(self, create: bool) -> Iterator[str]:
        beside = os.path.join(self._model_folder, BESIDE)
        if os.path.isdir(beside):
            yield beside
        elif create and _is_meant_to_be_written(self._model_folder):
            try:
                os.mkdir(beside, 0o755)
            except OSError as error:
                _LOGGER.info('%s cannot be made: %s', beside, error)
            else:
                yield beside
        if create:
            yield private_files.private_folder(private_files.cache_root(), BELOW_CACHE_ROOT)
        else:
            yield os.path.join(private_files.cache_root(), BELOW_CACHE_ROOT)

    def _name(self) -> str:
        return self._prefix + self._key[:SHORT_KEY]

    def _read_from(self, folder: str) -> Dict[str, Any]:
        sidecar = os.path.join(folder, self._name() + '.json')
        private_files.check_private_file(sidecar)
        with open(sidecar, encoding='utf-8') as stream:
            facts: Any = json.load(stream)
        if not isinstance(facts, dict) or facts.get('key') != self._key:
            raise ValueError(f'{sidecar} belongs to another model')
        facts['path'] = None
        if facts.get('sha256') is not None:
            facts['path'] = os.path.join(folder, self._name() + '.onnx')
            private_files.check_private_file(facts['path'])
            if sha256_of(facts['path']) != facts['sha256']:
                raise ValueError('{} is damaged'.format(facts['path']))
        return dict(facts)

    def _write_to(self, folder: str, facts: Dict[str, Any],
                  graph: Optional[str]) -> Dict[str, Any]:
        facts = dict(facts, key=self._key, sha256=graph and sha256_of(graph))
        if graph is not None:
            with open(graph, 'rb') as stream:
                _put(folder, self._name() + '.onnx', stream.read())
        _put(folder, self._name() + '.json',
             json.dumps(facts, indent=2, sort_keys=True).encode('utf-8'))
        for name in os.listdir(folder):
            if name.startswith(self._prefix) and not name.startswith(self._name()):
                os.unlink(os.path.join(folder, name))
        return self._read_from(folder)


def _is_meant_to_be_written(folder: str) -> bool:
    # Root may write anywhere; a folder without any permission to write is no place all the same.
    return bool(os.stat(folder).st_mode & 0o222) and os.access(folder, os.W_OK)


def _put(folder: str, name: str, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix='.' + name)
    try:
        with os.fdopen(descriptor, 'wb') as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)
        private_files.replace_durably(temporary, os.path.join(folder, name))
    except BaseException:
        os.unlink(temporary)
        raise
