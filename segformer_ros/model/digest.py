# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Digests of files, compared with the published ones."""

import hashlib
import os

from segformer_ros.errors import ModelError
from segformer_ros.model.catalogue import RemoteFile

BLOCK_BYTES = 1 << 20


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return _digest(path, hashlib.sha256())


def git_blob_sha1_of(path: str) -> str:
    """
    Return the name under which git stores a file's content, in hexadecimal.

    That is SHA-1 over ``blob``, a space, the size in decimal, a zero byte and the content
    (git's documentation, "Git Internals - Git Objects").
    """
    header = 'blob {}\0'.format(os.path.getsize(path)).encode('ascii')
    # Git's choice, not ours. A second file of the same SHA-1 is still out of reach.
    return _digest(path, hashlib.sha1(header))  # noqa: S324


def check_file(path: str, remote: RemoteFile) -> None:
    """
    Compare a file with every fact that is published about it.

    :raises ModelError: size or a digest differs
    """
    size = os.path.getsize(path)
    if remote.size is not None and size != remote.size:
        _differs(path, 'size', '{} bytes'.format(size), '{} bytes'.format(remote.size))
    if remote.sha256 is not None:
        found = sha256_of(path)
        if found != remote.sha256:
            _differs(path, 'SHA-256', found, remote.sha256)
    if remote.git_blob_sha1 is not None:
        found = git_blob_sha1_of(path)
        if found != remote.git_blob_sha1:
            _differs(path, 'git blob SHA-1', found, remote.git_blob_sha1)


def _digest(path: str, state: 'hashlib._Hash') -> str:
    with open(path, 'rb') as stream:
        while True:
            block = stream.read(BLOCK_BYTES)
            if not block:
                return state.hexdigest()
            state.update(block)


def _differs(path: str, what: str, got: str, expected: str) -> None:
    raise ModelError(
        'The {} of {} is wrong'.format(what, path), got=got, expected=expected,
        remedy='The file is damaged or another one: fetch it again.')
