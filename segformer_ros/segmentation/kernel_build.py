# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Build and load ``kernels.c``, if this machine has a C compiler.

The kernels are optional: without them numpy, OpenCV and Pillow give the same masks, more slowly.
They are built once, at first use, for the processor at hand, and kept in the private cache
folder. Of the ways to compiled code this one needs the least: no Python headers, no package.
A new library is tried in a process of its own; one that ends its process is given up.
"""

import contextlib
import ctypes
import functools
import logging
import os
import platform
import subprocess
from typing import List, NamedTuple, Optional

from segformer_ros.common import errors
from segformer_ros.common import private_files
from segformer_ros.common.digest import sha256_of
from segformer_ros.common.file_cache import StorageError
from segformer_ros.segmentation import compiler
from segformer_ros.segmentation import kernel_cache
from segformer_ros.segmentation import kernel_validation
from segformer_ros.segmentation.kernels import Kernels

LOG = logging.getLogger(__name__)

OFF_VARIABLE = 'SEGFORMER_ROS_COMPILED'
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'kernels.c')
# Fused multiply-add would round otherwise than numpy does; ARM compilers fuse by default. A plain
# char is signed on x86 and not on ARM: alike on both. errno and floating-point traps are not
# looked at, and giving them up lets the compiler vectorise comparisons.
FLAGS = ('-std=c99', '-O3', '-ffp-contract=off', '-fsigned-char', '-fno-math-errno',
         '-fno-trapping-math', '-fopenmp-simd', '-fPIC', '-shared', '-pthread')
NATIVE = {'x86_64': '-march=native', 'aarch64': '-mcpu=native'}
_NO_COMPILER = ('numpy: no C compiler found; with one (apt install gcc) preprocessing and '
                'postprocessing are several times faster')


class Compiled(NamedTuple):
    """The loaded kernels (None: not used), and a line on where they come from."""

    kernels: Optional[Kernels]
    origin: str


@functools.lru_cache(maxsize=None)
def load_kernels() -> Compiled:
    """
    Return the compiled kernels, building them if need be; the first call may take seconds.

    ``SEGFORMER_ROS_COMPILED=0`` turns them off. Nothing is raised: what is wrong is logged once
    and told in ``origin``.
    """
    if os.environ.get(OFF_VARIABLE) == '0':
        return _without(f'numpy: turned off by {OFF_VARIABLE}=0', logging.INFO)
    try:
        cache = kernel_cache.open_cache()
        name = cache.name_of(SOURCE, FLAGS)
        with private_files.exclusive_lock(cache.path(name, '.lock'),
                                          timeout_s=compiler.TIMEOUT_S):
            return _load(cache, name)
    except (OSError, subprocess.SubprocessError, errors.SegformerRosError) as error:
        return _without(f'numpy: the compiled kernels cannot be used ({error})',
                        logging.WARNING)


def _without(origin: str, level: int) -> Compiled:
    LOG.log(level, 'Image kernels: %s', origin)
    return Compiled(None, origin)


def _load(cache: kernel_cache.KernelCache, name: str) -> Compiled:
    """Return the kept kernels if they are whole, else new ones; the entry's lock is held."""
    damage = ''
    found = compiler.find_compiler()
    try:
        record = cache.find(name)
        if record is not None and not record.rejected:
            return _loaded(cache, name, cache.check_payload(name, record.sha256), record.compiler)
        if record is not None and (
                found.path is None or _version(found.path, cache.folder) == record.compiler):
            return _without(
                f'numpy: the compiled kernels were given up, {record.rejected} (built by '
                f'{record.compiler}; to try again delete {cache.path(name, ".json")})',
                logging.WARNING)
    except (OSError, errors.ModelError) as error:
        for suffix in ('.json', '.so'):
            with contextlib.suppress(FileNotFoundError):
                # What is not private is somebody else's: told, and not replaced.
                private_files.check_private_file(cache.path(name, suffix))
        damage = f'the kept ones cannot be used: {error}'
    if found.path is None:
        return _without('; '.join(filter(None, (_NO_COMPILER, damage) + tuple(
            f'not trusted: {each}' for each in found.passed_over))), logging.WARNING)
    if damage:
        LOG.warning('Image kernels: built again, since %s', damage)
    version = _version(found.path, cache.folder)
    return _loaded(cache, name, _build(cache, name, found.path, version), version)


def _loaded(cache: kernel_cache.KernelCache, name: str, path: str, version: str) -> Compiled:
    """Load a library whose digest is right, so that none ends more than one process."""
    try:
        if cache.is_marked(name):
            fault = kernel_validation.try_in_child(path)
            if fault:
                cache.reject(name, version, fault)
                return _without(f'numpy: the compiled kernels are given up, {fault}',
                                logging.WARNING)
        with cache.loading(name):
            kernels = _checked(path)
    except StorageError as error:
        LOG.debug('Without a mark: %s', error)
        fault = kernel_validation.try_in_child(path)
        if fault:
            raise errors.BackendError('The kept library is faulty', got=fault) from error
        kernels = _checked(path)
    cache.note_use(name)
    origin = f'compiled by {version}'
    LOG.info('Image kernels: %s', origin)
    return Compiled(kernels, origin)


def _checked(path: str) -> Kernels:
    kernels = Kernels(ctypes.CDLL(path))
    kernel_validation.check(kernels)
    return kernels


def _version(path: str, folder: str) -> str:
    lines = compiler.run_compiler(path, ['--version'], folder).splitlines()
    return (lines or ['a nameless compiler'])[0]


def _build(cache: kernel_cache.KernelCache, name: str, path: str, version: str) -> str:
    """Compile the kernels into the cache; return the library's path."""
    native: List[str] = [flag for machine, flag in NATIVE.items()
                         if machine == platform.machine()]
    with cache.borrowed('.so') as temporary:
        try:
            compiler.run_compiler(path, list(FLAGS) + native + ['-o', temporary, SOURCE],
                                  cache.folder)
        except errors.BackendError:
            # Some compilers do not know the processor they run on.
            compiler.run_compiler(path, list(FLAGS) + ['-o', temporary, SOURCE], cache.folder)
        cache.store(name, temporary, sha256_of(temporary), version)
    return cache.path(name, '.so')
