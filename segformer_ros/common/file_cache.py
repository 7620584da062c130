# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Entries of a payload and a sidecar in one folder: private, whole, and shared by processes."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import time
from typing import Any, Callable, Collection, ContextManager, Iterator, List, Mapping, Optional

from segformer_ros.common import private_files
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError

STALE_SECONDS = 24 * 3600.0
"""A file that belongs to no entry is left alone for so long: somebody may still be writing it."""
_LOGGER = logging.getLogger(__name__)


class StorageError(BackendError):
    """A cache folder cannot be read or written; nothing that is kept there is at fault."""


class FileCache:
    """
    Entries of one folder, each a payload ``NAME.SUFFIX`` and a sidecar ``NAME.json``.

    The sidecar holds the payload's digest and is written last, so an entry is whole or absent.
    What the operating system refuses, such as writing to a full disk, is a
    :class:`StorageError`, except while an entry is read.

    :param folder: exists
    """

    what = 'The cache folder'
    remedy = 'Free space there.'
    payload = ''
    """Suffix of payloads."""
    mode = 0o600
    """Of every file that is put into the folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def storage_errors(self, doing: str) -> Iterator[None]:
        """
        Turn what the operating system refuses into an error of this package.

        :param doing: what is going on, after "while"
        :raises StorageError: the body raised OSError
        """
        try:
            yield
        except OSError as error:
            raise StorageError(f'{self.what} cannot be used',
                               got=f'{self.folder}: {error.strerror or error} while {doing}',
                               expected='a folder with free space that can be written to',
                               remedy=self.remedy) from error

    def path(self, name: str, suffix: str = '') -> str:
        """Return the path of a file."""
        return os.path.join(self.folder, name + suffix)

    def read_sidecar(self, name: str) -> bytes:
        """
        Return the sidecar of an entry.

        :raises ModelError: others may have written to it
        :raises OSError: it is absent, or cannot be read
        """
        private_files.check_private_file(self.path(name, '.json'))
        return private_files.read_no_follow(self.path(name, '.json'))

    def read_payload(self, name: str, sha256: Optional[str]) -> bytes:
        """
        Return the payload of an entry.

        Its digest is that of the bytes in memory: nobody can change them afterwards.

        :raises ModelError: it is not private, or not the one that was stored
        :raises OSError: it is absent, or cannot be read
        """
        path = self.path(name, self.payload)
        private_files.check_private_file(path)
        content = private_files.read_no_follow(path)
        self._compare(path, hashlib.sha256(content).hexdigest(), sha256)
        return content

    def check_payload(self, name: str, sha256: Optional[str]) -> str:
        """
        Return the path of a payload, which need not fit into memory.

        :raises ModelError: it is not private, or not the one that was stored
        :raises OSError: it is absent, or cannot be read
        """
        path = self.path(name, self.payload)
        private_files.check_private_file(path)
        self._compare(path, sha256_of(path), sha256)
        return path

    @staticmethod
    def _compare(path: str, found: str, expected: Optional[str]) -> None:
        if found != expected:
            raise ModelError('Cached file is damaged or was changed',
                             got=f'{path} with SHA-256 {found}', expected=expected)

    def temporary(self, suffix: str) -> str:
        """Create an empty private file and return its path."""
        with self.storage_errors('creating a file'):
            descriptor, path = tempfile.mkstemp(prefix='.tmp-', suffix=suffix, dir=self.folder)
            os.close(descriptor)
        return path

    @contextlib.contextmanager
    def borrowed(self, suffix: str) -> Iterator[str]:
        """Lend an empty private file; what is not moved elsewhere is deleted at the end."""
        path = self.temporary(suffix)
        try:
            yield path
        finally:
            self.discard(path)

    def lock(self, name: str) -> ContextManager[None]:
        """
        Hold an entry among all processes, without waiting.

        :raises ModelError: another process holds it
        """
        return self._locked(name + '.lock')

    @contextlib.contextmanager
    def _locked(self, file_name: str) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            with self.storage_errors(f'locking {file_name}'):
                try:
                    held.enter_context(private_files.exclusive_lock(
                        self.path(file_name), timeout_s=0.0))
                except ModelError as error:
                    # Unlike another holder it does not go away by waiting.
                    if isinstance(error.__cause__, OSError):
                        raise error.__cause__
                    raise
            yield

    def put(self, temporary: str, file_name: str, doing: str = '') -> None:
        """
        Put a finished file of this folder durably in its place.

        :param doing: what for, after "while"; for the error
        """
        with self.storage_errors(doing or f'storing {file_name}'):
            os.chmod(temporary, self.mode)
            private_files.replace_durably(temporary, self.path(file_name))

    def write(self, file_name: str, content: bytes, doing: str = '') -> None:
        """Write a file durably: after a fault or a crash the one before is there, whole."""
        doing = doing or f'writing {file_name}'
        with self.borrowed(os.path.splitext(file_name)[1]) as temporary:
            with self.storage_errors(doing), open(temporary, 'wb') as stream:
                stream.write(content)
            self.put(temporary, file_name, doing)

    def write_sidecar(self, name: str, values: Mapping[str, Any]) -> None:
        """
        Write the sidecar of an entry, as :meth:`write` does.

        :param values: what JSON can hold
        """
        self.write(name + '.json', json.dumps(values, indent=1, sort_keys=True).encode('utf-8'))

    def delete_file(self, file_name: str) -> None:
        """Delete a file, if it is there."""
        with self.storage_errors(f'deleting {file_name}'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(file_name))

    def delete_files(self, is_unneeded: Callable[[str], bool]) -> None:
        """Delete files by their names; lock files stay while somebody holds them."""
        for file_name in filter(is_unneeded, self.names()):
            if not file_name.endswith('.lock'):
                self.delete_file(file_name)
                continue
            try:
                with self._locked(file_name):
                    self.delete_file(file_name)
            except ModelError as error:
                _LOGGER.debug('%s stays: %s', file_name, error)

    def entries(self) -> List[str]:
        """Return the names of all entries, by their sidecars: the newest first."""
        return sorted((os.path.splitext(name)[0] for name in self.names()
                       if name.endswith('.json')),
                      key=lambda name: self.modified(name + '.json'), reverse=True)

    def keep_entries(self, kept: Collection[str]) -> None:
        """
        Delete all other entries, and what has belonged to none for :data:`STALE_SECONDS`.

        :param kept: names of entries, also of such as are not there yet
        """
        old = set(self.entries()).difference(kept)
        self.delete_files(lambda file_name: os.path.splitext(file_name)[0] in old or (
            os.path.splitext(file_name)[0] not in kept and self.age(file_name) > STALE_SECONDS))

    def discard(self, path: str) -> None:
        """Delete a temporary file, if it is there; what cannot be deleted now is pruned later."""
        try:
            self.delete_file(os.path.basename(path))
        except StorageError as error:
            # Most likely what is under way has failed for the same reason, and tells more.
            _LOGGER.warning('%s', error)

    def names(self) -> List[str]:
        """Return the names of all files."""
        with self.storage_errors('listing its files'):
            return os.listdir(self.folder)

    def modified(self, file_name: str) -> float:
        """Return when a file was written, in seconds of the system's clock; 0 if it is gone."""
        with self.storage_errors(f'looking at {file_name}'):
            try:
                return os.lstat(self.path(file_name)).st_mtime
            except FileNotFoundError:
                return 0.0

    def age(self, file_name: str) -> float:
        """Return the seconds since a file was written; 0 if it is gone."""
        modified = self.modified(file_name)
        return time.time() - modified if modified else 0.0
