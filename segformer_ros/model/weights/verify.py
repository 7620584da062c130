# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Digests of files, compared with the published ones."""

import os

from segformer_ros.common.digest import git_blob_sha1_of
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ModelError
from segformer_ros.model.weights.catalogue import RemoteFile


def check_file(path: str, remote: RemoteFile) -> None:
    """
    Compare a file with every fact that is published about it.

    :raises ModelError: size or a digest differs
    """
    size = os.path.getsize(path)
    if remote.size is not None and size != remote.size:
        _differs(path, 'size', f'{size} bytes', f'{remote.size} bytes')
    if remote.sha256 is not None:
        found = sha256_of(path)
        if found != remote.sha256:
            _differs(path, 'SHA-256', found, remote.sha256)
    if remote.git_blob_sha1 is not None:
        found = git_blob_sha1_of(path)
        if found != remote.git_blob_sha1:
            _differs(path, 'git blob SHA-1', found, remote.git_blob_sha1)


def _differs(path: str, what: str, got: str, expected: str) -> None:
    raise ModelError(
        f'The {what} of {path} is wrong', got=got, expected=expected,
        remedy='The file is damaged or another one: fetch it again.')
