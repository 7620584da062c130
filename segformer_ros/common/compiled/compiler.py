# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The C compiler: only one that nobody else could have put there."""

import os
import stat
import subprocess
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from segformer_ros.common import private_files
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError

NAMES = ('cc', 'gcc', 'clang')
TIMEOUT_S = 120.0
# What a compiler may learn from its user: nothing that names further programs, headers or
# libraries.
_KEPT_VARIABLES = ('HOME', 'USER', 'LOGNAME')


class Found(NamedTuple):
    """The compiler's absolute path (None: there is none), and what was passed over, and why."""

    path: Optional[str]
    passed_over: Tuple[str, ...]


def find_compiler(environ: Optional[Mapping[str, str]] = None) -> Found:
    """
    Return the first compiler of the search path that can be trusted.

    Relative entries of the path, ``.`` and the empty one among them, are not looked at. Nor is
    a folder or a program that others than root and this user may write to.

    :param environ: variables to read, by default those of the process
    """
    folders = _absolute_folders(os.environ if environ is None else environ)
    passed_over: List[str] = []
    for name in NAMES:
        for folder in folders:
            path = os.path.join(folder, name)
            if not (os.path.isfile(path) and os.access(path, os.X_OK)):
                continue
            fault = _fault_of(path)
            if fault is None:
                return Found(path, tuple(passed_over))
            passed_over.append(f'{path}: {fault}')
    return Found(None, tuple(passed_over))


def run_compiler(path: str, arguments: List[str], folder: str) -> str:
    """
    Run the compiler and return what it printed.

    :param folder: a private one, its working directory and place of temporary files
    :raises BackendError: it ended with an error
    :raises OSError: it cannot be started
    :raises subprocess.SubprocessError: it takes too long
    """
    done = subprocess.run([path] + arguments, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder,
                          env=_environment(folder), timeout=TIMEOUT_S)
    text = done.stdout.decode(errors='replace')
    if done.returncode:
        raise BackendError(f'{path} failed',
                           got=f'status {done.returncode}: {text.strip()[:300]}')
    return text


def _absolute_folders(environ: Mapping[str, str]) -> List[str]:
    return [folder for folder in environ.get('PATH', os.defpath).split(os.pathsep)
            if os.path.isabs(folder)]


def _fault_of(path: str) -> Optional[str]:
    """Return why a program cannot be trusted; links on the way are looked at, too."""
    real = os.path.realpath(path)
    try:
        private_files.check_parents(os.path.dirname(path))
        private_files.check_parents(os.path.dirname(real))
        status = os.stat(real)
    except ModelError as error:
        return f'{error.problem}: {error.got}'
    except OSError as error:
        return str(error.strerror)
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f'{real} could be changed by others'
    return None


def _environment(folder: str) -> Dict[str, str]:
    """Return variables for the compiler, which starts assembler and linker by its path."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    trusted = []
    for each in _absolute_folders(os.environ):
        try:
            private_files.check_parents(each)
        except (ModelError, OSError):
            continue
        trusted.append(each)
    return dict(kept, PATH=os.pathsep.join(trusted), TMPDIR=folder, LC_ALL='C')
