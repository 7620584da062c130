# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The files in the folder of the engines, and the error for what the operating system refuses."""

import contextlib
import logging
import os
import tempfile
import time
from typing import Iterator
from typing import List

from segformer_ros.errors import BackendError
from segformer_ros.errors import ModelError
from segformer_ros.model import cache_dir

_log = logging.getLogger(__name__)


class EngineStorageError(BackendError):
    """The folder of the engines cannot be read or written; no engine is at fault."""


@contextlib.contextmanager
def storage_errors(folder: str, doing: str) -> Iterator[None]:
    """
    Turn what the operating system refuses, such as a full disk, into an error of this package.

    :param folder: what to name as the place
    :param doing: what was going on, after "while"
    :raises EngineStorageError: the body raised OSError
    """
    try:
        yield
    except OSError as error:
        raise EngineStorageError(
            'The folder of the engines cannot be used',
            got='{}: {} while {}'.format(folder, error.strerror or error, doing),
            expected='a folder with free space that can be written to',
            remedy='Free space there, or set engine_cache (build_engine: --cache) to another '
                   'folder; the next start tries again.') from error


class EngineFiles:
    """
    The files of one private folder.

    Everything raises :class:`EngineStorageError` where the operating system refuses it.

    :param folder: exists
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def path(self, file_name: str) -> str:
        """Return the path of a file."""
        return os.path.join(self.folder, file_name)

    def temporary(self, suffix: str) -> str:
        """Create an empty private file and return its path."""
        with storage_errors(self.folder, 'creating a file'):
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

    @contextlib.contextmanager
    def lock(self, file_name: str) -> Iterator[None]:
        """
        Hold a lock file among all processes, without waiting.

        :raises ModelError: another process holds it
        """
        with contextlib.ExitStack() as held:
            with storage_errors(self.folder, 'locking {}'.format(file_name)):
                try:
                    held.enter_context(cache_dir.exclusive_lock(
                        self.path(file_name), timeout_s=0.0))
                except ModelError as error:
                    # Unlike another holder it does not go away by waiting.
                    if isinstance(error.__cause__, OSError):
                        raise error.__cause__
                    raise
            yield

    def put(self, temporary: str, file_name: str) -> None:
        """Put a finished file of this folder durably in its place."""
        with storage_errors(self.folder, 'storing {}'.format(file_name)):
            os.chmod(temporary, 0o600)
            cache_dir.replace_durably(temporary, self.path(file_name))

    def write(self, file_name: str, content: bytes, doing: str = '') -> None:
        """
        Write a file durably: after a fault or a crash the one before is there, whole.

        :param doing: what for, after "while"; for the error
        """
        doing = doing or 'writing {}'.format(file_name)
        with self.borrowed(os.path.splitext(file_name)[1]) as temporary:
            with storage_errors(self.folder, doing):
                with open(temporary, 'wb') as stream:
                    stream.write(content)
                cache_dir.replace_durably(temporary, self.path(file_name))

    def delete(self, file_name: str) -> None:
        """Delete a file, if it is there."""
        with storage_errors(self.folder, 'deleting {}'.format(file_name)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(file_name))

    def delete_lock(self, file_name: str) -> None:
        """Delete a lock file, unless somebody holds it."""
        try:
            with self.lock(file_name):
                self.delete(file_name)
        except ModelError as error:
            _log.debug('%s stays: %s', file_name, error)

    def discard(self, path: str) -> None:
        """Delete a temporary file, if it is there; what cannot be deleted now is pruned later."""
        try:
            self.delete(os.path.basename(path))
        except EngineStorageError as error:
            # Most likely what is under way has failed for the same reason, and tells more.
            _log.warning('%s', error)

    def names(self) -> List[str]:
        """Return the names of all files."""
        with storage_errors(self.folder, 'listing its files'):
            return os.listdir(self.folder)

    def modified(self, file_name: str) -> float:
        """Return when a file was written, in seconds of the system's clock; 0 if it is gone."""
        with storage_errors(self.folder, 'looking at {}'.format(file_name)):
            try:
                return os.lstat(self.path(file_name)).st_mtime
            except FileNotFoundError:
                return 0.0

    def age(self, file_name: str) -> float:
        """Return the seconds since a file was written; 0 if it is gone."""
        modified = self.modified(file_name)
        return time.time() - modified if modified else 0.0


def read_no_follow(path: str) -> bytes:
    """
    Return the content of a file that is no link.

    :raises OSError: as ``open`` and ``read`` do
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, 'rb') as stream:
        return stream.read()
