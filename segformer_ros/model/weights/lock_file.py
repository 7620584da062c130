# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
``models.lock.yaml``: which commit and which bytes a team takes for a name on the hub.

The first who fetches a name trusts what the hub gives. Whoever has the file takes the same, or
nothing.
"""

import json
import os
import re
from typing import Dict, NamedTuple, Optional

from segformer_ros.common import private_files
from segformer_ros.common import strict_yaml
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.weights.catalogue import PATH
from segformer_ros.model.weights.hub_name import HubName
from segformer_ros.model.weights.hub_name import parse_hub_name

LOCK_FILE = 'models.lock.yaml'
_FORMS = {'commit': re.compile('[0-9a-f]{40}'), 'sha256': re.compile('[0-9a-f]{64}')}


class Pin(NamedTuple):
    """The commit of a name, the file that was chosen, and the SHA-256 of each file by path."""

    commit: str
    path: str
    files: Dict[str, str]


def read_lock(path: str) -> Dict[HubName, Pin]:
    """
    Return what a lock file pins; nothing where there is no file yet.

    :raises ConfigurationError: it cannot be read, or an entry is not of its form
    """
    if not os.path.exists(path):
        return {}
    content = strict_yaml.read_mapping(path)
    strict_yaml.check_keys(content, path, ['models'])
    models = strict_yaml.value_of(content, 'models', path, dict, 'names and what they are')
    pins = {}
    for name, entry in models.items():
        # Before its entry, which a comprehension of Python 3.6 would judge first.
        named = _name(name, path)
        pins[named] = _pin(entry, f'{name} in {path}')
    return pins


def write_lock(path: str, pins: Dict[HubName, Pin]) -> None:
    """
    Write a lock file, sorted, so that a difference shows what changed.

    :raises ConfigurationError: it cannot be written
    """
    lines = ['# Commits and SHA-256 digests of models from the Hugging Face hub: fetch_model',
             '# --lock takes these and nothing else. Delete an entry to take a newer one.',
             'models:']
    for name, pin in sorted(pins.items(), key=lambda each: str(each[0])):
        # A quoted JSON string is a YAML one.
        lines += [f'  {json.dumps(str(name))}:', f'    commit: "{pin.commit}"',
                  f'    path: {json.dumps(pin.path)}', '    files:']
        lines += [f'      {json.dumps(each)}: "{sha256}"'
                  for each, sha256 in sorted(pin.files.items())]
    temporary = path + '.part'
    try:
        with open(temporary, 'w', encoding='utf-8') as stream:
            stream.write('\n'.join(lines) + '\n')
        private_files.replace_durably(temporary, path)
    except OSError as error:
        raise ConfigurationError('Lock file cannot be written',
                                 got=f'{path}: {error.strerror}') from error


def check_pinned(pin: Optional[Pin], path: str, sha256: str, lock_path: str) -> None:
    """
    Compare the digest of a file with the pinned one, if there is a pin.

    :param lock_path: of the lock file that has the pin
    :raises ModelError: they differ, or the file is not pinned
    """
    if pin is not None and pin.files.get(path) != sha256:
        raise ModelError(
            f'Not the file that {lock_path} pins: {path}', got=f'SHA-256 {sha256}',
            expected=pin.files.get(path, 'a file that it names'),
            remedy='Somebody gave another file for the same commit. Do not use it before you know '
                   'why; deleting the entry trusts it.')


def _name(name: str, path: str) -> HubName:
    try:
        return parse_hub_name(name)
    except ModelError as error:
        raise ConfigurationError(f'Wrong name in {path}', got=name,
                                 expected=error.expected) from error


def _pin(entry: object, where: str) -> Pin:
    if not isinstance(entry, dict):
        raise ConfigurationError(f'Wrong content of {where}', got=repr(entry),
                                 expected='commit, path and files')
    strict_yaml.check_keys(entry, where, ['commit', 'path', 'files'])
    commit = _text(entry, 'commit', where, _FORMS['commit'])
    path = _text(entry, 'path', where, PATH)
    files = strict_yaml.value_of(entry, 'files', where, dict, 'digests by path')
    for each in files:
        _text(files, each, where, _FORMS['sha256'])
        if not PATH.fullmatch(each):
            raise ConfigurationError(f'Wrong path in {where}', got=repr(each))
    return Pin(commit, path, dict(files))


def _text(entry: 'Dict[str, object]', key: str, where: str, form: 're.Pattern[str]') -> str:
    text = str(strict_yaml.value_of(entry, key, where, str, 'text'))
    if not form.fullmatch(text):
        raise ConfigurationError(f'Wrong value of {key!r} in {where}', got=repr(text),
                                 expected=f'text of the form {form.pattern}')
    return text
