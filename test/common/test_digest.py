# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Digests of files agree with git and sha256sum."""

import hashlib
import subprocess

import pytest
from segformer_ros.common import digest


def test_digests_are_those_of_git_and_sha256sum(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'what is up, doc?')
    # The example of git's documentation, "Git Internals - Git Objects".
    assert digest.git_blob_sha1_of(str(path)) == 'bd9dbf5aae1a3862dd1526723246b20206e5fc37'
    path.write_bytes(b'x' * (digest.BLOCK_BYTES + 1))
    assert digest.sha256_of(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_git_blob_digest_agrees_with_git(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(bytes(bytearray(range(256))) * 9000)
    try:
        said = subprocess.check_output(['git', 'hash-object', '--no-filters', str(path)])
    except FileNotFoundError:
        pytest.skip('git is not installed')
    assert digest.git_blob_sha1_of(str(path)) == said.decode().strip()
