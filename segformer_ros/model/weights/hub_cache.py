# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Files that other programs fetched from the Hugging Face hub before.

Their cache has ``models--ORG--REPO/refs/REVISION``, which holds a commit, and
``snapshots/COMMIT/path``, a link to the file. It is read and never written here.
"""

import contextlib
import os
import re
from typing import Dict, List, Mapping, Optional

from segformer_ros.model.weights.catalogue import PATH
from segformer_ros.model.weights.hub_name import HubName

_COMMIT = re.compile('[0-9a-f]{40}')
_MOST_FILES = 10000


def cache_folder(environ: Optional[Mapping[str, str]] = None) -> str:
    """Return the hub's cache: ``HF_HUB_CACHE``, or ``hub`` in ``HF_HOME`` or its default."""
    variables = os.environ if environ is None else environ
    chosen = variables.get('HF_HUB_CACHE', '')
    if chosen:
        return os.path.expanduser(chosen)
    home = variables.get('HF_HOME', '')
    if not home:
        xdg = variables.get('XDG_CACHE_HOME', '') or os.path.expanduser('~/.cache')
        home = os.path.join(xdg, 'huggingface')
    return os.path.join(os.path.expanduser(home), 'hub')


def commit_of(name: HubName, revision: str) -> Optional[str]:
    """Return the commit that a revision was when it was last fetched, None if it never was."""
    if _COMMIT.fullmatch(revision):
        return revision if os.path.isdir(_snapshot(name, revision)) else None
    try:
        with open(os.path.join(_repository(name), 'refs', *revision.split('/')),
                  encoding='ascii') as stream:
            commit = stream.read(100).strip()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if _COMMIT.fullmatch(commit) else None


def find(name: HubName, commit: str, path: str) -> Optional[str]:
    """Return where a file lies, None where it was not fetched."""
    found = os.path.join(_snapshot(name, commit), *path.split('/'))
    return found if os.path.isfile(found) else None


def files(name: HubName, commit: str) -> Dict[str, str]:
    """Return all files of a commit that were fetched: where they lie, by path."""
    found: Dict[str, str] = {}
    root = _snapshot(name, commit)
    for folder, below, names in os.walk(root):
        below.sort()
        for each in sorted(names):
            place = os.path.join(folder, each)
            path = '/'.join(_parts(os.path.relpath(place, root)))
            if PATH.fullmatch(path) and os.path.isfile(place):
                found[path] = place
            if len(found) >= _MOST_FILES:
                return found
    return found


def size_of(path: str) -> Optional[int]:
    """Return the bytes of a file, None where it cannot be looked at."""
    with contextlib.suppress(OSError):
        return os.path.getsize(path)
    return None


def _repository(name: HubName) -> str:
    return os.path.join(cache_folder(), f'models--{name.folder}')


def _snapshot(name: HubName, commit: str) -> str:
    return os.path.join(_repository(name), 'snapshots', commit)


def _parts(path: str) -> List[str]:
    return path.split(os.sep)
