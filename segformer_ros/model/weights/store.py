# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where weights come from: shipped with the package, or fetched once into the cache."""

import contextlib
import logging
import os
import shutil
from typing import Optional

from segformer_ros.common import private_files
from segformer_ros.common import resources
from segformer_ros.common.digest import git_blob_sha1_of
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.weights import catalogue
from segformer_ros.model.weights import download

_log = logging.getLogger(__name__)


def shipped(name: str) -> Optional[str]:
    """Return the path of the weights that the package itself brings, ``None`` without."""
    with contextlib.suppress(ConfigurationError):
        return resources.find(f'models/{name}.onnx')
    return None


def cached_path(source: catalogue.Download, remote: catalogue.RemoteFile) -> str:
    """
    Return where a downloaded file lies or will lie.

    The revision is a part of the path: a newer package with a newer revision never meets the
    older file.
    """
    return os.path.join(private_files.cache_root(), 'models', source.model,
                        source.revision[:12], f'{remote.variant}.onnx')


def cached(source: catalogue.Download, remote: catalogue.RemoteFile) -> Optional[str]:
    """
    Return the path of a downloaded file whose digest is right, ``None`` if there is no file.

    :raises ModelError: the file is damaged or not private
    """
    path = cached_path(source, remote)
    try:
        private_files.check_private_file(path)
        check_file(path, remote)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError('Cached model cannot be read', got=f'{path}: {error.strerror}',
                         remedy='Correct owner and mode of the file.') from error
    return path


def check_file(path: str, remote: catalogue.RemoteFile) -> None:
    """
    Compare a file with all that is published about it.

    :raises ModelError: size or a digest differs
    """
    for what, expected, measure in (
            ('size', remote.size, os.path.getsize), ('SHA-256', remote.sha256, sha256_of),
            ('git blob SHA-1', remote.git_blob_sha1, git_blob_sha1_of)):
        found = None if expected is None else measure(path)
        if found != expected:
            unit = ' bytes' if what == 'size' else ''
            raise ModelError(f'The {what} of {path} is wrong', got=f'{found}{unit}',
                             expected=f'{expected}{unit}',
                             remedy='The file is damaged or another one: fetch it again.')


def fetch_command(name: str, variant: Optional[str] = None) -> str:
    """Return the shell command that brings a model into the cache, here and now."""
    program = 'python3 -m segformer_ros.cli.fetch_model' if shutil.which('ros2') is None \
        else 'ros2 run segformer_ros fetch_model'
    chosen = '' if variant is None else f' --variant {variant}'
    return f'{program} {name}{chosen} --accept-license'


def fetch(name: str, variant: Optional[str] = None, accept_license: bool = False,
          from_file: Optional[str] = None,
          on_progress: Optional[download.Progress] = None) -> str:
    """
    Return the path of a model's weights, bringing them into the cache if need be.

    Several processes may do so at once: one works, the others wait and take its result.

    :param name: of the catalogue
    :param variant: which file of it, by default the catalogue's choice
    :param accept_license: the user has read and accepted the license of the weights
    :param from_file: a file to take instead of the network
    :param on_progress: called with the bytes so far and in all (``None``: unknown)
    :raises ModelError: unknown name or variant, license not accepted, no way to get the file,
        or a file with another digest than the published one
    """
    source = catalogue.load_download(name)
    if source is None:
        return _shipped_only(name, variant)
    remote = source.file(variant)
    with contextlib.suppress(ModelError):
        path = cached(source, remote)
        if path is not None:
            return path
    if not accept_license:
        raise ModelError(
            'License of the weights not accepted yet', got=source.license.name,
            remedy=f'Read {source.license.link} and, if it fits your use, run: '
                   f'{fetch_command(name, variant)}')
    folder = private_files.private_folder(private_files.cache_root(), 'models', name,
                                          source.revision[:12])
    target = cached_path(source, remote)
    with private_files.exclusive_lock(target + '.lock', lambda: _log.warning(
            'Another process fetches the same model; waiting for it.')):
        path = _whole_or_removed(source, remote)
        if path is not None:
            return path
        part = target + '.part'
        if from_file is not None:
            _copy(from_file, part)
            _check_or_discard(part, remote)
        else:
            _download(source, remote, part, on_progress)
        _install(part, target, folder, source)
    return target


def _shipped_only(name: str, variant: Optional[str]) -> str:
    path = shipped(name)
    if path is None:
        raise ModelError(f'Weights of {name} are missing', got='no file for it',
                         expected=f'models/{name}.onnx in the package',
                         remedy='Install the package again (colcon build, or pip install).')
    if variant is not None:
        raise ModelError(f'Model {name} has no variants', got=variant,
                         remedy='Leave the variant out.')
    return path


def _whole_or_removed(source: catalogue.Download, remote: catalogue.RemoteFile) -> Optional[str]:
    try:
        return cached(source, remote)
    except ModelError as error:
        path = cached_path(source, remote)
        # Raises again for a file of somebody else: that one is not ours to delete.
        private_files.check_private_file(path)
        _log.warning('%s', error)
        os.remove(path)
        return None


def _download(source: catalogue.Download, remote: catalogue.RemoteFile, part: str,
              on_progress: Optional[download.Progress]) -> None:
    url = source.url_of(remote)
    resumed = os.path.exists(part)
    download.transfer(url, part, remote.size, on_progress)
    if resumed:
        try:
            check_file(part, remote)
            return
        except ModelError as error:
            _log.warning('%s Starting from zero.', error)
            download.discard(part)
            download.transfer(url, part, remote.size, on_progress)
    _check_or_discard(part, remote)


def _check_or_discard(part: str, remote: catalogue.RemoteFile) -> None:
    try:
        check_file(part, remote)
    except ModelError:
        download.discard(part)
        raise


def _copy(from_file: str, part: str) -> None:
    if not os.access(from_file, os.R_OK) or not os.path.isfile(from_file):
        raise ModelError('File cannot be read', got=from_file,
                         expected='the file that was downloaded elsewhere')
    download.discard(part)
    try:
        shutil.copyfile(from_file, part)
        os.chmod(part, 0o600)
    except OSError as error:
        download.discard(part)
        raise download.disk_full(part, error) from error


def _install(part: str, target: str, folder: str, source: catalogue.Download) -> None:
    terms = os.path.join(folder, 'LICENSE.txt')
    try:
        with open(terms + '.part', 'w', encoding='utf-8') as stream:
            stream.write('{}\n{}\n\n{}\n'.format(*source.license))
        private_files.replace_durably(terms + '.part', terms)
        private_files.replace_durably(part, target)
    except OSError as error:
        raise download.disk_full(target, error) from error
    download.discard(part)
