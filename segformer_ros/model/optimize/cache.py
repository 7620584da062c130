# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where optimized models are kept: in the user's cache, whatever folder their original is in."""

import contextlib
import functools
import json
import logging
import os
import shutil
from typing import Any, Dict, List, Optional, Tuple

from segformer_ros.common import private_files
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError
from segformer_ros.common.file_cache import FileCache
from segformer_ros.common.file_cache import StorageError

FOLDER = 'graphs'
KEPT_GRAPHS = 16
"""Entries that stay, the most recently used."""
# Where earlier versions kept them: beside the original, whoever that belonged to.
_FORMER_FOLDER = 'deployed'
# Characters of a key in file names; the sidecar holds the whole key.
_SHORT_KEY = 12
_LOGGER = logging.getLogger(__name__)


class _Folder(FileCache):
    """The optimized models of this user."""

    what = 'The folder of the optimized models'
    payload = '.onnx'


class OptimizedModelCache:
    """
    The entry of one model for one target.

    An entry is a sidecar ``NAME.json`` with metadata and, unless the model is used as it is, a
    graph ``NAME.onnx``. The sidecar is written last, so an entry is whole or absent. A new entry
    replaces those with other keys that were made from a file at the same place for the same
    input size: of an older model or runtime.

    :param model_path: the original ONNX file
    :param target_name: part of the files' names
    :param machine: digest of the machine that the graph is compared on
    :param input_size_wh: (width, height) of the graph's input
    :param key: hexadecimal digest of everything that the graph depends on
    """

    def __init__(self, model_path: str, target_name: str, machine: str,
                 input_size_wh: Tuple[int, int], key: str) -> None:
        stem = os.path.splitext(os.path.basename(model_path))[0]
        self._model_path = os.path.abspath(model_path)
        self._origin = [self._model_path, target_name, machine, list(input_size_wh)]
        self._name = f'{stem}-{target_name}-{key[:_SHORT_KEY]}'
        self._key = key

    def read(self) -> Optional[Dict[str, Any]]:
        """
        Return the metadata of a whole entry, or None.

        ``path`` is the graph's path, or None where the model is used as it is.
        """
        cache = _Folder(os.path.join(private_files.cache_root(), FOLDER))
        try:
            return self._read_from(cache)
        except (FileNotFoundError, NotADirectoryError):
            _tell_of_former(self._model_path)
        except (OSError, ValueError, RecursionError, ModelError) as error:
            _LOGGER.warning('Cached graph is not used, it is made again: %s', error)
        return None

    def write(self, metadata: Dict[str, Any], graph: Optional[str]) -> Dict[str, Any]:
        """
        Keep an entry and return its metadata as :meth:`read` would.

        :param metadata: what JSON can hold
        :param graph: a file to copy into the cache
        :raises ModelError: the cache's folder cannot be used
        """
        cache = _Folder(private_files.private_folder(private_files.cache_root(), FOLDER))
        try:
            return self._write_to(cache, metadata, graph)
        except (OSError, StorageError) as error:
            raise ModelError(
                'Optimized model cannot be kept', got=error, expected='a writable folder',
                remedy=f'Make {cache.folder} writable and free space there, or set '
                       f'{private_files.CACHE_VARIABLE} to another folder.') from error

    def _read_from(self, cache: '_Folder') -> Dict[str, Any]:
        metadata: Any = json.loads(cache.read_sidecar(self._name).decode('utf-8'))
        if not isinstance(metadata, dict) or metadata.get('key') != self._key:
            raise ValueError(f'{self._name} in {cache.folder} belongs to another model')
        sha256 = metadata.get('sha256')
        metadata['path'] = None if sha256 is None else cache.check_payload(self._name, sha256)
        with contextlib.suppress(OSError):
            os.utime(cache.path(self._name, '.json'))
        return dict(metadata)

    def _write_to(self, cache: '_Folder', metadata: Dict[str, Any],
                  graph: Optional[str]) -> Dict[str, Any]:
        metadata = dict(metadata, key=self._key, origin=self._origin,
                        sha256=graph and sha256_of(graph))
        if graph is not None:
            with cache.borrowed('.onnx') as temporary:
                with cache.storage_errors(f'copying {self._name}'):
                    shutil.copyfile(graph, temporary)
                cache.put(temporary, self._name + '.onnx')
        cache.write_sidecar(self._name, metadata)
        self._prune(cache)
        return self._read_from(cache)

    def _prune(self, cache: '_Folder') -> None:
        """Delete what this entry replaces, what was not used for longest, and leftovers."""
        current: List[str] = [stem for stem in cache.entries() if stem != self._name
                              and _origin(cache, stem) != self._origin]
        cache.keep_entries(set(current[:KEPT_GRAPHS - 1]) | {self._name})


def _origin(cache: _Folder, stem: str) -> Any:
    try:
        metadata = json.loads(cache.read_sidecar(stem).decode('utf-8'))
        return metadata.get('origin')
    except (OSError, ValueError, AttributeError, RecursionError, ModelError) as error:
        _LOGGER.debug('%s says not what it was made from: %s', stem, error)
        return None


@functools.lru_cache(maxsize=64)
def _tell_of_former(model_path: str) -> None:
    folder, name = os.path.split(model_path)
    former = os.path.join(folder, _FORMER_FOLDER)
    with contextlib.suppress(OSError):
        if any(each.startswith(os.path.splitext(name)[0] + '-') for each in os.listdir(former)):
            _LOGGER.info('%s is not used any more and can be deleted: optimized models lie in %s',
                         former, os.path.join(private_files.cache_root(), FOLDER))
