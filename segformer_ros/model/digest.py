# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Digests of files, compared with the published ones."""

import hashlib
import os

from segformer_ros.errors import ModelError
from segformer_ros.model.catalogue import RemoteFile
from segformer_ros.model.onnx_header import read_onnx_header

BLOCK_BYTES = 1 << 20


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return _digest(path, hashlib.sha256())


def model_digest(onnx_path: str) -> str:
    """
    Return a digest of an ONNX file and of the files beside it that hold its weights.

    :return: the file's SHA-256 where it holds all weights itself, or is no ONNX file that could
        name others: whoever runs it tells what is wrong with it
    :raises ModelError: a file of weights is missing
    """
    found = sha256_of(onnx_path)
    try:
        external = read_onnx_header(onnx_path).external_files
    except ModelError:
        return found
    if not external:
        return found
    state = hashlib.sha256(found.encode('ascii'))
    for name in external:
        path = os.path.join(os.path.dirname(os.path.abspath(onnx_path)), name)
        if not os.path.isfile(path):
            raise ModelError('Weights of the model are missing', got=onnx_path, expected=path,
                             remedy='Copy the file beside the model.')
        state.update('{} {}'.format(name, sha256_of(path)).encode('utf-8'))
    return state.hexdigest()


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
