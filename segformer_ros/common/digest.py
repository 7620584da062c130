# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""SHA-256 and git digests of files, and SHA-256 of values."""

import hashlib
import json
import os
from typing import Any

BLOCK_BYTES = 1 << 20


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return _digest(path, hashlib.sha256())


def sha256_of_values(values: Any) -> str:
    """
    Return the SHA-256 of values, in hexadecimal; the order of keys is nothing to it.

    :param values: what JSON can hold
    """
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode('utf-8')).hexdigest()


def git_blob_sha1_of(path: str) -> str:
    """
    Return the name under which git stores a file's content, in hexadecimal.

    That is SHA-1 over ``blob``, a space, the size in decimal, a zero byte and the content
    (git's documentation, "Git Internals - Git Objects").
    """
    header = f'blob {os.path.getsize(path)}\0'.encode('ascii')
    # Git's choice, not ours. A second file of the same SHA-1 is still out of reach.
    return _digest(path, hashlib.sha1(header))  # noqa: S324


def _digest(path: str, state: 'hashlib._Hash') -> str:
    with open(path, 'rb') as stream:
        while True:
            block = stream.read(BLOCK_BYTES)
            if not block:
                return state.hexdigest()
            state.update(block)
