# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Compiled kernels on disk: found by source, flags and machine, loaded only if private and whole.

A library is code. Each one is two files: ``NAME.so``, and ``NAME.json`` with its digest, its
compiler and, if it was given up, the reason. The mark ``NAME.loading`` lies beside a library that
was not tried yet, and beside any while it is being loaded: if the process dies then, the next one
finds it.
"""

import contextlib
import hashlib
import json
import os
from typing import Any, Iterator, NamedTuple, Optional, Sequence

from segformer_ros.common import private_files
from segformer_ros.common.errors import ModelError
from segformer_ros.common.file_cache import FileCache
from segformer_ros.common.machine import machine_identity

FOLDER = 'kernels'
_FORMAT = 1
_MARK = '.loading'
_KEPT = 16
_SHORT_KEY = 16


class Record(NamedTuple):
    """What the sidecar says; ``rejected`` is why the library was given up, or nothing."""

    sha256: Optional[str]
    compiler: str
    rejected: str


class KernelCache(FileCache):
    """
    The compiled kernels of this user.

    :param folder: exists and is private: :func:`open_cache` sees to that
    """

    what = 'The folder of the compiled kernels'
    payload = '.so'

    def name_of(self, source: str, flags: Sequence[str]) -> str:
        """
        Return the entry's name for a source file, compiled with these flags on this machine.

        :raises OSError: the source cannot be read
        """
        digest = hashlib.sha256()
        with open(source, 'rb') as stream:
            digest.update(stream.read())
        for part in tuple(flags) + (machine_identity(),):
            digest.update(part.encode('utf-8', 'surrogateescape') + b'\0')
        return f'kernels-{digest.hexdigest()[:_SHORT_KEY]}'

    def find(self, name: str) -> Optional[Record]:
        """
        Return the record of an entry, None where there is none.

        :raises ModelError: it is damaged, or others may have written to it
        """
        try:
            content: Any = json.loads(self.read_sidecar(name).decode('utf-8'))
            if not isinstance(content, dict) or content.pop('format', None) != _FORMAT:
                raise ValueError('of another format')
            record = Record(**content)
            if not isinstance(record.rejected, str) or not isinstance(record.compiler, str):
                raise TypeError('a field is of the wrong kind')
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise ModelError('Record of compiled kernels is damaged',
                             got=f'{self.path(name, ".json")}: {error}') from error
        return record

    def store(self, name: str, library: str, sha256: str, compiler: str) -> None:
        """
        Move a finished library into the cache, with the mark.

        :param library: a file in the cache's folder
        :raises StorageError: the system refuses
        """
        self._mark(name)
        # A record of an older library must not lie beside the new one for a moment.
        self.delete_file(name + '.json')
        self.put(library, name + '.so')
        self._write(name, Record(sha256, compiler, ''))
        self._prune(name)

    def reject(self, name: str, compiler: str, reason: str) -> None:
        """
        Delete a library for good, and keep why.

        :raises StorageError: the system refuses
        """
        self._write(name, Record(None, compiler, reason))
        self.delete_file(name + '.so')
        self.delete_file(name + _MARK)

    @contextlib.contextmanager
    def loading(self, name: str) -> Iterator[None]:
        """
        Leave a mark for as long as the body runs; it stays if the process dies.

        :raises StorageError: the system refuses
        """
        self._mark(name)
        try:
            yield
        finally:
            self.delete_file(name + _MARK)

    def is_marked(self, name: str) -> bool:
        """Return whether the library must be tried before it is loaded here."""
        return os.path.lexists(self.path(name, _MARK))

    def record_use(self, name: str) -> None:
        """Make the entry the most recently used."""
        with contextlib.suppress(OSError):
            os.utime(self.path(name, '.json'))

    def _mark(self, name: str) -> None:
        # Not durable: it is for the death of a process, not of the machine.
        with self.storage_errors(f'writing {name}{_MARK}'), open(self.path(name, _MARK), 'w'):
            pass

    def _write(self, name: str, record: Record) -> None:
        self.write_sidecar(name, dict(record._asdict(), format=_FORMAT))

    def _prune(self, in_use: str) -> None:
        """Delete what has not been used for longest, and what earlier versions left."""
        self.keep_entries(set(self.entries()[:_KEPT]) | {in_use})


def open_cache() -> KernelCache:
    """
    Return the cache below the user's cache folder, made if need be.

    :raises ModelError: it cannot be made, or others could have written to it
    """
    return KernelCache(private_files.private_folder(private_files.cache_root(), FOLDER))
