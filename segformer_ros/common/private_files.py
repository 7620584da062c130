# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The user's cache folder, and what makes a file in it trustworthy and whole."""

import contextlib
import fcntl
import grp
import os
import pwd
import stat
import time
from typing import Callable, Iterator, Mapping, Optional

from segformer_ros.common.errors import ModelError

CACHE_VARIABLE = 'SEGFORMER_ROS_CACHE'
LOCK_POLL_S = 0.1


def cache_root(environ: Optional[Mapping[str, str]] = None) -> str:
    """
    Return the folder of everything that this package downloads or builds.

    ``$SEGFORMER_ROS_CACHE`` if set, else ``segformer_ros`` below the XDG cache folder:
    ``$XDG_CACHE_HOME`` if that is an absolute path (the XDG base directory specification
    says to ignore any other), else ``~/.cache``. Nothing is created.

    :param environ: variables to read, by default those of the process
    """
    variables = os.environ if environ is None else environ
    chosen = variables.get(CACHE_VARIABLE, '')
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    xdg = variables.get('XDG_CACHE_HOME', '')
    if not os.path.isabs(xdg):
        xdg = os.path.join(variables.get('HOME') or os.path.expanduser('~'), '.cache')
    return os.path.join(xdg, 'segformer_ros')


def private_folder(root: str, *parts: str) -> str:
    """
    Create (mode 0700) and check ``root`` and each folder of ``parts`` below it.

    :return: the path of the last one
    :raises ModelError: it cannot be created, is a symbolic link or no folder, belongs to
        somebody else, or others may write to it, or could replace it
    """
    path = root
    try:
        above = os.path.dirname(os.path.abspath(root))
        _make_private(above)
        check_parents(above)
        for part in ('',) + parts:
            path = os.path.join(path, part) if part else path
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
            _check(path, stat.S_ISDIR, 'a folder')
    except OSError as error:
        raise ModelError(
            'Cache folder cannot be used', got=f'{path}: {error.strerror}',
            remedy=f'Make it writable, or set {CACHE_VARIABLE} to another folder.') from error
    return path


def _make_private(folder: str) -> None:
    """Make a folder and those above it that are missing, each for this user alone."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each, 0o700)


def check_parents(folder: str) -> None:
    """
    Refuse a folder that somebody else could exchange, itself or one above it.

    Root's and the user's own are fine, also where everybody may add files but not replace those
    of others (/tmp), and where the group that may write holds this user alone.

    :raises ModelError: such a folder
    :raises OSError: as ``stat`` does
    """
    path = os.path.realpath(folder)
    while True:
        status = os.stat(path)
        fault = None
        if status.st_uid not in (os.geteuid(), 0):
            fault = f'one that belongs to user id {status.st_uid}'
        elif not status.st_mode & stat.S_ISVTX and (
                status.st_mode & stat.S_IWOTH
                or (status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid))):
            fault = f'one that others may write to (mode {stat.S_IMODE(status.st_mode):04o})'
        if fault is not None:
            raise ModelError(
                f'Folder can be exchanged by others: {path}', got=fault,
                expected=f'a folder of root or user id {os.geteuid()} that nobody else may '
                         'write to',
                remedy=f'Correct owner and mode (chmod go-w), or set {CACHE_VARIABLE} to another '
                       'folder.')
        if path == os.path.dirname(path):
            return
        path = os.path.dirname(path)


def _is_own_group(group_id: int) -> bool:
    """Return whether a group is the one that many systems make for each user, or root's."""
    try:
        group = grp.getgrgid(group_id)
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group.gr_name in (user, 'root') and set(group.gr_mem) <= {user, 'root'}


def check_private_file(path: str) -> os.stat_result:
    """
    Refuse a cached file that somebody else may have put there or changed.

    :return: its status, from ``lstat``
    :raises ModelError: it is a symbolic link or no regular file, belongs to somebody else, or
        others may write to it
    :raises FileNotFoundError: there is none
    """
    return _check(path, stat.S_ISREG, 'a regular file')


def _check(path: str, is_kind: Callable[[int], bool], kind: str) -> os.stat_result:
    status = os.lstat(path)
    fault = None
    if not is_kind(status.st_mode):
        fault = 'a symbolic link' if stat.S_ISLNK(status.st_mode) else 'something else'
    elif status.st_uid not in (os.geteuid(), 0):
        fault = f'one that belongs to user id {status.st_uid}'
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        fault = f'one that others may write to (mode {stat.S_IMODE(status.st_mode):04o})'
    if fault is not None:
        raise ModelError(
            f'Cached path is not private: {path}', got=fault,
            expected=f'{kind} of user id {os.geteuid()} with no write access for others',
            remedy='Look who made it, then delete it or correct owner and mode '
                   f'(chmod go-w), or set {CACHE_VARIABLE} to another folder.')
    return status


def replace_durably(temporary: str, target: str) -> None:
    """
    Put a finished file in its place, so that a crash leaves the old one or the new one.

    Data first, then the name, then the folder that holds the name.

    :param temporary: a file in the same folder as ``target``
    :raises OSError: as ``fsync`` and ``rename`` do
    """
    with open(temporary, 'rb') as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, target)
    folder = os.open(os.path.dirname(os.path.abspath(target)), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def exclusive_lock(path: str, on_wait: Optional[Callable[[], None]] = None,
                   timeout_s: Optional[float] = None) -> Iterator[None]:
    """
    Hold the lock file ``path`` among the processes and threads of this machine.

    The kernel drops the lock when its holder dies, so none is ever stale. The file stays. Only
    who holds it may delete it: others then find that what they opened is gone, and begin anew.

    :param on_wait: called once if another holder must be waited for
    :param timeout_s: seconds to wait; ``None`` waits as long as the other needs
    :raises ModelError: the lock file cannot be opened, or the time is up
    """
    descriptor = _acquire(path, on_wait, timeout_s)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: str, on_wait: Optional[Callable[[], None]], timeout_s: Optional[float]) -> int:
    give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
    told = False
    while True:
        descriptor = _open_lock(path)
        if _try_lock(descriptor, path):
            return descriptor
        if on_wait is not None and not told:
            on_wait()
            told = True
        if give_up_at is not None and time.monotonic() >= give_up_at:
            raise ModelError('Another process holds the lock', got=path,
                             remedy='Wait for it, or end it.')
        time.sleep(LOCK_POLL_S)


def _open_lock(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ModelError('Lock file cannot be opened', got=f'{path}: {error.strerror}',
                         remedy='Make its folder writable.') from error


def _try_lock(descriptor: int, path: str) -> bool:
    """Lock an open file if it is free and still the one at the path; else close it."""
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(descriptor), os.lstat(path))
        except (BlockingIOError, PermissionError, FileNotFoundError):
            # Held by another, or deleted by the one that held it last.
            return False
        except OSError as error:
            raise ModelError('File lock failed', got=f'{path}: {error.strerror}',
                             remedy='Put the cache on a file system with locks.') from error
        if held:
            closing.pop_all()
        return held


def read_no_follow(path: str) -> bytes:
    """
    Return the content of a file that is not a link.

    :raises OSError: as ``open`` and ``read`` do
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, 'rb') as stream:
        return stream.read()
