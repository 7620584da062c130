# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What OpenVINO compiled, and how its validation went, in the private cache.

Importing a compiled model runs what is in it, so OpenVINO's own cache folder, which trusts its
files, is not used: a model is private, and its digest is compared before OpenVINO sees a byte.
Each is two files, ``NAME.blob`` and ``NAME.json``; the latter is written last.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
from typing import Any, Callable, Dict, Iterator, List, Optional

from segformer_ros.common import private_files
from segformer_ros.common.digest import sha256_of_values
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.file_cache import FileCache
from segformer_ros.common.file_cache import StorageError
from segformer_ros.common.machine import machine_identity
from segformer_ros.model.onnx_file.header import model_digest

FOLDER = 'openvino'
KEPT = 8
_SHORT_KEY = 16
_LOGGER = logging.getLogger(__name__)


class _Folder(FileCache):
    what = 'The folder of what OpenVINO compiled'
    payload = '.blob'


class StoredModel:
    """
    One compiled model, whether it is there or not.

    :param folder: of the cache
    :param name: of its files
    :param key: everything that it depends on
    """

    def __init__(self, folder: _Folder, name: str, key: str) -> None:
        self._folder = folder
        self._name = name
        self._key = key

    def read(self) -> Optional[bytes]:
        """Return the compiled model, or None where there is none that can be used."""
        try:
            metadata = _read_metadata(self._folder, self._name, self._key)
            return self._folder.read_payload(self._name, metadata.get('sha256'))
        except FileNotFoundError:
            return None
        except (SegformerRosError, OSError, ValueError, RecursionError) as error:
            self.refuse(str(error))
            return None

    def refuse(self, reason: str) -> None:
        """Delete it and say why; the model is compiled again."""
        _LOGGER.warning('Compiled model is not used, it is made again: %s', reason)
        try:
            for suffix in ('.json', '.blob'):
                self._folder.delete_file(self._name + suffix)
        except StorageError as error:
            _LOGGER.warning('%s', error)

    def keep(self, export: Callable[[io.BytesIO], Any]) -> None:
        """
        Store it; where that fails the next opening compiles again.

        :param export: writes it to a stream
        """
        try:
            content = io.BytesIO()
            export(content)
            blob = content.getvalue()
            self._folder.delete_file(self._name + '.json')
            self._folder.write(self._name + '.blob', blob)
            self._folder.write_sidecar(self._name, {
                'key': self._key, 'sha256': hashlib.sha256(blob).hexdigest()})
            _prune(self._folder)
        except (StorageError, RuntimeError) as error:
            # Not every device can export.
            _LOGGER.warning('Compiled model is not kept: %s', error)


class CompiledModels:
    """
    The compiled models and validations of this user.

    :param root: folder of all caches; by default :func:`private_files.cache_root`
    :raises ModelError: the folder cannot be made, or is not private
    """

    def __init__(self, root: str = '') -> None:
        self._folder = _Folder(private_files.private_folder(
            os.path.abspath(os.path.expanduser(root or private_files.cache_root())), FOLDER))

    def find(self, model_path: str, depends_on: List[Any]) -> StoredModel:
        """
        Return where a model is or will be kept.

        :param model_path: an ONNX file
        :param depends_on: what else it depends on, as JSON can hold it
        """
        key = sha256_of_values([model_digest(model_path), machine_identity(), depends_on])
        return StoredModel(self._folder, _name(model_path, 'model', key), key)

    def validation(self, model_path: str, depends_on: List[Any]) -> 'StoredValidation':
        """Return where the outcome of a validation is kept; parameters as of ``find``."""
        key = sha256_of_values([model_digest(model_path), machine_identity(), depends_on])
        return StoredValidation(self._folder, _name(model_path, 'validation', key), key)


class StoredValidation:
    """
    The outcome of a validation, whether there was one or not.

    Where OpenVINO ended the process, :attr:`unfinished` tells it at the next start.
    """

    def __init__(self, folder: _Folder, name: str, key: str) -> None:
        self._folder = folder
        self._name = name
        self._key = key
        self._metadata = self._read()

    @property
    def outcome(self) -> Any:
        """Return what was kept, or None."""
        return self._metadata.get('outcome')

    @property
    def unfinished(self) -> int:
        """Return how often OpenVINO was begun and the process ended in it."""
        count = self._metadata.get('unfinished', 0)
        return count if isinstance(count, int) else 0

    def keep(self, outcome: Any) -> None:
        """Keep an outcome, which JSON can hold."""
        self._write(dict(self._metadata, outcome=outcome))

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Note durably that OpenVINO is at work, until the body has ended in any way."""
        self._write(dict(self._metadata, unfinished=1 + self.unfinished))
        try:
            yield
        finally:
            self._write(dict(self._metadata, unfinished=0))

    def _read(self) -> Dict[str, Any]:
        try:
            return _read_metadata(self._folder, self._name, self._key)
        except FileNotFoundError:
            return {}
        except (SegformerRosError, OSError, ValueError, RecursionError) as error:
            _LOGGER.warning('Outcome of a validation is not used, it is tried again: %s', error)
            return {}

    def _write(self, metadata: Dict[str, Any]) -> None:
        self._metadata = dict(metadata, key=self._key)
        try:
            self._folder.write_sidecar(self._name, self._metadata)
        except StorageError as error:
            _LOGGER.warning('Outcome of a validation is not kept: %s', error)


def _name(model_path: str, what: str, key: str) -> str:
    stem = os.path.splitext(os.path.basename(model_path))[0]
    return f'{stem}-{what}-{key[:_SHORT_KEY]}'


def _read_metadata(folder: _Folder, name: str, key: str) -> Dict[str, Any]:
    metadata: Any = json.loads(folder.read_sidecar(name).decode('utf-8'))
    if not isinstance(metadata, dict) or metadata.get('key') != key:
        raise ValueError(f'{name} in {folder.folder} belongs to another model')
    return metadata


def _prune(folder: _Folder) -> None:
    """Delete all but the newest models; validations are small and stay."""
    newest = sorted((name for name in folder.names() if name.endswith('.blob')),
                    key=lambda name: -folder.modified(name))
    for name in newest[KEPT:]:
        folder.delete_file(os.path.splitext(name)[0] + '.json')
        folder.delete_file(name)
