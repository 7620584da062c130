# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Build and load a file of C, if this machine has a C compiler.

Kernels are optional: without them numpy, OpenCV and Pillow give the same results, more slowly.
They are built once, at first use, for the processor at hand, and kept in the private cache
folder. Of the ways to compiled code this one needs the least: no Python headers, no package.
A new library is tried in a process of its own; one that ends its process is given up.
"""

import contextlib
import logging
import os
import platform
from typing import Any, List, NamedTuple

import numpy as np
from segformer_ros.common import errors
from segformer_ros.common import private_files
from segformer_ros.common.compiled import compiler
from segformer_ros.common.compiled import kernel_cache
from segformer_ros.common.compiled import validation
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.file_cache import StorageError

LOG = logging.getLogger(__name__)

OFF_VARIABLE = 'SEGFORMER_ROS_COMPILED'
# Fused multiply-add would round otherwise than numpy does; ARM compilers fuse by default. A plain
# char is signed on x86 and not on ARM: alike on both. errno and floating-point traps are not
# looked at, and giving them up lets the compiler vectorise comparisons.
FLAGS = ('-std=c99', '-O3', '-ffp-contract=off', '-fsigned-char', '-fno-math-errno',
         '-fno-trapping-math', '-fopenmp-simd', '-fPIC', '-shared', '-pthread')
NATIVE = {'x86_64': '-march=native', 'aarch64': '-mcpu=native'}
_NO_COMPILER = 'numpy: no C compiler found; with one (apt install gcc) {} several times faster'


class Library(NamedTuple):
    """
    A file of C and what is made of it.

    ``name`` begins its lines in the log; ``source`` is the file's path; ``module`` the dotted
    name of the module whose ``open_kernels`` wraps the library, as of :func:`validation.opened`;
    ``gain`` says what is faster with it, with its verb.
    """

    name: str
    source: str
    module: str
    gain: str


class Compiled(NamedTuple):
    """What ``open_kernels`` gave (None: not used), and a line on where it comes from."""

    kernels: Any
    origin: str


def load(library: Library) -> Compiled:
    """
    Return the compiled kernels of a library, building it if need be, which may take seconds.

    ``SEGFORMER_ROS_COMPILED=0`` turns them off. Nothing is raised: what is wrong is logged
    and told in ``origin``.
    """
    if os.environ.get(OFF_VARIABLE) == '0':
        return _without(library, f'numpy: turned off by {OFF_VARIABLE}=0', logging.INFO)
    try:
        cache = kernel_cache.open_cache()
        # What was given up for another numpy's answers is tried again with a new one.
        entry = cache.name_of(library.source, FLAGS + ('numpy ' + np.__version__,))
        with private_files.exclusive_lock(cache.path(entry, '.lock'),
                                          timeout_s=compiler.TIMEOUT_S):
            return _load(library, cache, entry)
    except Exception as error:  # told, and numpy does the same: never a reason not to start
        return _without(library, f'numpy: the compiled kernels cannot be used ({error})',
                        logging.WARNING)


def _without(library: Library, origin: str, level: int) -> Compiled:
    LOG.log(level, '%s: %s', library.name, origin)
    return Compiled(None, origin)


def _load(library: Library, cache: kernel_cache.KernelCache, name: str) -> Compiled:
    """Return the kept kernels if they are whole, else new ones; the entry's lock is held."""
    damage = ''
    found = compiler.find_compiler()
    try:
        record = cache.find(name)
        if record is not None and not record.rejected:
            return _loaded(library, cache, name, cache.check_payload(name, record.sha256),
                           record.compiler)
        if record is not None and (
                found.path is None or _version(found.path, cache.folder) == record.compiler):
            return _without(
                library, f'numpy: the compiled kernels were given up, {record.rejected} (built by '
                f'{record.compiler}; to try again delete {cache.path(name, ".json")})',
                logging.WARNING)
    except (OSError, errors.ModelError) as error:
        for suffix in ('.json', '.so'):
            with contextlib.suppress(FileNotFoundError):
                # What is not private is somebody else's: told, and not replaced.
                private_files.check_private_file(cache.path(name, suffix))
        damage = f'the kept ones cannot be used: {error}'
    if found.path is None:
        return _without(library, '; '.join(filter(None, (
            _NO_COMPILER.format(library.gain), damage) + tuple(
                f'not trusted: {each}' for each in found.passed_over))), logging.WARNING)
    if damage:
        LOG.warning('%s: built again, since %s', library.name, damage)
    version = _version(found.path, cache.folder)
    built = _build(library.source, cache, name, found.path, version)
    return _loaded(library, cache, name, built, version)


def _loaded(library: Library, cache: kernel_cache.KernelCache, name: str, path: str,
            version: str) -> Compiled:
    """Load a library whose digest is right, so that none ends more than one process."""
    try:
        if cache.is_marked(name):
            fault = validation.try_in_child(path, library.module)
            if fault:
                cache.reject(name, version, fault)
                return _without(library, f'numpy: the compiled kernels are given up, {fault}',
                                logging.WARNING)
        with cache.loading(name):
            kernels = validation.opened(path, library.module)
    except StorageError as error:
        LOG.debug('Without a mark: %s', error)
        fault = validation.try_in_child(path, library.module)
        if fault:
            raise errors.BackendError('The kept library is faulty', got=fault) from error
        kernels = validation.opened(path, library.module)
    cache.record_use(name)
    origin = f'compiled by {version}'
    LOG.info('%s: %s', library.name, origin)
    return Compiled(kernels, origin)


def _version(path: str, folder: str) -> str:
    lines = compiler.run_compiler(path, ['--version'], folder).splitlines()
    return (lines or ['a nameless compiler'])[0]


def _build(source: str, cache: kernel_cache.KernelCache, name: str, path: str,
           version: str) -> str:
    """Compile a source into the cache; return the library's path."""
    native: List[str] = [flag for machine, flag in NATIVE.items()
                         if machine == platform.machine()]
    with cache.borrowed('.so') as temporary:
        try:
            compiler.run_compiler(path, list(FLAGS) + native + ['-o', temporary, source],
                                  cache.folder)
        except errors.BackendError:
            # Some compilers do not know the processor they run on.
            compiler.run_compiler(path, list(FLAGS) + ['-o', temporary, source], cache.folder)
        cache.store(name, temporary, sha256_of(temporary), version)
    return cache.path(name, '.so')
