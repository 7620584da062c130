# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where optimized models are kept: beside their original, or in the user's cache."""

import json
import logging
import os
import shutil
from typing import Any, Dict, Iterator, Optional

from segformer_ros.common import private_files
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError
from segformer_ros.common.file_cache import FileCache
from segformer_ros.common.file_cache import StorageError

BESIDE = 'deployed'
BELOW_CACHE_ROOT = 'graphs'
# Characters of a key in file names; the sidecar holds the whole key.
SHORT_KEY = 12
_LOGGER = logging.getLogger(__name__)


class _Folder(FileCache):
    """A place of optimized models, readable for whoever can read the model."""

    payload = '.onnx'
    mode = 0o644


class OptimizedModelCache:
    """
    The entries of one model for one target.

    An entry is a sidecar ``NAME.json`` with metadata and, unless the model is used as it is, a
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
        self._name = self._prefix + key[:SHORT_KEY]
        self._key = key

    def read(self) -> Optional[Dict[str, Any]]:
        """
        Return the metadata of a whole entry, or None.

        ``path`` is the graph's path, or None where the model is used as it is.
        """
        for folder in self._folders(create=False):
            try:
                return self._read_from(_Folder(folder))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError, RecursionError, ModelError) as error:
                _LOGGER.warning('Cached graph is not used, it is made again: %s', error)
        return None

    def write(self, metadata: Dict[str, Any], graph: Optional[str]) -> Dict[str, Any]:
        """
        Keep an entry and return its metadata as :meth:`read` would.

        :param metadata: what JSON can hold
        :param graph: a file to move into the cache
        :raises ModelError: no folder can be written
        """
        last_error: Optional[Exception] = None
        for folder in self._folders(create=True):
            try:
                return self._write_to(_Folder(folder), metadata, graph)
            except (OSError, StorageError) as error:
                last_error = error
        raise ModelError(
            'Optimized model cannot be kept', got=last_error, expected='a writable folder',
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

    def _read_from(self, cache: '_Folder') -> Dict[str, Any]:
        metadata: Any = json.loads(cache.read_sidecar(self._name).decode('utf-8'))
        if not isinstance(metadata, dict) or metadata.get('key') != self._key:
            raise ValueError(f'{self._name} in {cache.folder} belongs to another model')
        sha256 = metadata.get('sha256')
        metadata['path'] = None if sha256 is None else cache.check_payload(self._name, sha256)
        return dict(metadata)

    def _write_to(self, cache: '_Folder', metadata: Dict[str, Any],
                  graph: Optional[str]) -> Dict[str, Any]:
        metadata = dict(metadata, key=self._key, sha256=graph and sha256_of(graph))
        if graph is not None:
            with cache.borrowed('.onnx') as temporary:
                with cache.storage_errors(f'copying {self._name}'):
                    shutil.copyfile(graph, temporary)
                cache.put(temporary, self._name + '.onnx')
        cache.write(self._name + '.json',
                    json.dumps(metadata, indent=2, sort_keys=True).encode('utf-8'))
        cache.delete_files(lambda file_name: file_name.startswith(self._prefix)
                           and not file_name.startswith(self._name))
        return self._read_from(cache)


def _is_meant_to_be_written(folder: str) -> bool:
    # Root may write anywhere; a folder without any permission to write is no place all the same.
    return bool(os.stat(folder).st_mode & 0o222) and os.access(folder, os.W_OK)
