# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Build and load ``kernels.c``, if this machine has a C compiler.

The kernels are optional: without them numpy, OpenCV and Pillow give the same masks, more slowly.
They are built once, at first use, for the processor at hand, and kept in the private cache
folder. Of the ways to compiled code this one needs the least: no Python headers, no package.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from typing import List, NamedTuple, Optional

import numpy as np
from segformer_ros.common import private_files
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.kernels import Kernels
from segformer_ros.segmentation.postprocessing import Postprocessor
from segformer_ros.segmentation.preprocessing import Preprocessor

LOG = logging.getLogger(__name__)

OFF_VARIABLE = 'SEGFORMER_ROS_COMPILED'
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'kernels.c')
COMPILERS = ('cc', 'gcc', 'clang')
# Fused multiply-add would round otherwise than numpy does. errno and floating-point traps are
# not looked at, and giving them up lets the compiler vectorise comparisons.
FLAGS = ('-std=c99', '-O3', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math',
         '-fopenmp-simd', '-fPIC', '-shared', '-pthread')
NATIVE = {'x86_64': '-march=native', 'aarch64': '-mcpu=native'}
COMPILE_TIMEOUT_S = 120.0


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
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return _without('numpy: no C compiler found; with one (apt install gcc) preprocessing '
                        'and postprocessing are several times faster', logging.WARNING)
    try:
        return _load(compiler)
    except (OSError, subprocess.SubprocessError, SegformerRosError) as error:
        return _without(f'numpy: the compiled kernels cannot be used ({error})',
                        logging.WARNING)


def _without(origin: str, level: int) -> Compiled:
    LOG.log(level, 'Image kernels: %s', origin)
    return Compiled(None, origin)


def _load(compiler: str) -> Compiled:
    version = (_output([compiler, '--version']).splitlines() or ['a nameless compiler'])[0]
    folder = private_files.private_folder(private_files.cache_root(), 'kernels')
    path = os.path.join(folder, f'kernels-{_key(version)}.so')
    with private_files.exclusive_lock(path + '.lock', timeout_s=COMPILE_TIMEOUT_S):
        kernels = Kernels(_library(compiler, path))
    _check(kernels)
    origin = f'compiled by {version}'
    LOG.info('Image kernels: %s', origin)
    return Compiled(kernels, origin)


def _library(compiler: str, path: str) -> ctypes.CDLL:
    """Return the library at that path; build it if it is missing or does not load."""
    if os.path.lexists(path):
        private_files.check_private_file(path)
        try:
            return ctypes.CDLL(path)
        except OSError as error:
            LOG.warning('Image kernels: built again, since the kept ones do not load (%s)', error)
            os.remove(path)
    _build(compiler, path)
    return ctypes.CDLL(path)


def _check(kernels: Kernels) -> None:
    """Compare with numpy and Pillow on small inputs: a compiler may be broken, or too clever."""
    random = np.random.RandomState(0)
    logits = random.normal(size=(9, 11, 20)).astype(np.float32)
    image = random.randint(0, 256, (37, 53, 3)).astype(np.uint8)
    for layout in ('nchw', 'nhwc'):
        spec = ModelSpec('check', 'ade20k', 20, input_size_wh=(24, 32), output_layout=layout,
                         output_size_wh=(11, 9))
        given = logits if layout == 'nhwc' else logits.transpose(2, 0, 1).copy()
        (mask, confidence), expected = [
            Postprocessor(spec, each, threads=2).run(
                {'logits': given[np.newaxis]}, (70, 40), 'exact', 0.1, True)
            for each in (kernels, None)]
        same = np.array_equal(mask, expected[0]) and confidence is not None \
            and expected[1] is not None \
            and abs(confidence.astype(int) - expected[1]).max() <= 1
        tensor, plain = [Preprocessor(spec, each, threads=2).run(image, 'pillow')
                         for each in (kernels, None)]
        if not same or not np.array_equal(tensor, plain):
            raise BackendError('The compiled kernels give other results than numpy',
                               remedy='Please report the compiler and the processor.')


def _key(compiler_version: str) -> str:
    """Hash everything that the built code depends on."""
    digest = hashlib.sha256()
    with open(SOURCE, 'rb') as stream:
        digest.update(stream.read())
    for part in FLAGS + (compiler_version, platform.machine(), _processor()):
        digest.update(part.encode() + b'\0')
    return digest.hexdigest()[:16]


def _processor() -> str:
    """Return what tells processors apart; a home folder may be shared by several machines."""
    try:
        with open('/proc/cpuinfo') as stream:
            lines = {line for line in stream
                     if line.startswith(('flags', 'Features', 'model name', 'CPU part'))}
    except OSError:
        lines = {platform.processor()}
    return ''.join(sorted(lines))


def _build(compiler: str, path: str) -> None:
    descriptor, temporary = tempfile.mkstemp(suffix='.so', dir=os.path.dirname(path))
    os.close(descriptor)
    native: List[str] = [flag for machine, flag in NATIVE.items()
                         if machine == platform.machine()]
    try:
        try:
            _output([compiler] + list(FLAGS) + native + ['-o', temporary, SOURCE])
        except BackendError:
            # Some compilers do not know the processor they run on.
            _output([compiler] + list(FLAGS) + ['-o', temporary, SOURCE])
        os.chmod(temporary, 0o700)
        private_files.replace_durably(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _output(command: List[str]) -> str:
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=COMPILE_TIMEOUT_S)
    text = done.stdout.decode(errors='replace')
    if done.returncode:
        raise BackendError(f'{command[0]} failed',
                           got=f'status {done.returncode}: {text.strip()[:300]}')
    return text
