# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Checks without ROS: model, runtimes, engine cache, memory, clock."""

import os
import shutil
import stat
import time
from typing import List, Mapping, Optional

from segformer_ros.common import errors
from segformer_ros.common import install
from segformer_ros.common import private_files
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.common.telemetry import import_openvino
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.ov import backend as ov_backend
from segformer_ros.inference.trt import memory
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.cache import FOLDER
from segformer_ros.inference.trt.cache import parse_record
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.weights.resolve import resolve_model
from segformer_ros.ros.doctor.check_result import CheckResult
from segformer_ros.ros.doctor.check_result import from_error
from segformer_ros.ros.io import shared_memory

SERVING_MEMORY = 512 * memory.MIB
"""What the node with SegFormer-B0 on a CPU takes, rounded up; below it the kernel may kill it."""
FREE_DISK = 256 * memory.MIB
"""An engine of SegFormer-B0, its temporary copy and a log."""
FETCH = 'ros2 run segformer_ros fetch_model --help tells which models there are.'
RELEASED = 1767225600
"""Seconds of 2026-01-01: no clock that is right stands before the package was written."""


def check_machine(model: str, model_spec: str, backend: str, engine_cache: str,
                  serves: bool) -> List[CheckResult]:
    """
    Run every check that needs no ROS graph.

    :param model: as the node's parameter of that name; the next three likewise
    :param serves: whether a node already serves on this machine
    """
    root = os.path.abspath(os.path.expanduser(engine_cache)) if engine_cache \
        else private_files.cache_root()
    return [check_model(model, model_spec), *check_runtimes(backend), *check_cache(root),
            check_memory(memory.available_memory(), serves), check_clock(time.time()),
            check_shared_memory(os.environ)]


def check_model(model: str, model_spec: str) -> CheckResult:
    """Check that the model exists and fits its specification."""
    if not model:
        return CheckResult(errors.ERROR, 'model', 'No model is set.',
                           'Set the parameter model, or give --model.')
    try:
        found = resolve_model(model, os.path.expanduser(model_spec) or None)
        header = read_onnx_header(found.onnx_path)
        found.spec.check(header.inputs, header.outputs)
        classes = load_class_table(found.spec.classes)
    except SegformerRosError as error:
        result = from_error(errors.ERROR, 'model', error)
        return result._replace(remedy=result.remedy or FETCH)
    width, height = found.spec.input_size_wh
    return CheckResult(
        errors.OK, 'model', f'{found.onnx_path}: {header.file_bytes / 1e6:.1f} MB, {len(classes)} '
        f'classes of {classes.name}, {width} x {height} pixels')


def check_runtimes(backend: str) -> List[CheckResult]:
    """
    Check which runtimes work here.

    :param backend: what is asked for; what it does not need is never an error
    """
    wants_tensorrt = backend == 'tensorrt'
    results = []
    try:
        onnxruntime = import_onnxruntime()
        results.append(CheckResult(errors.OK, 'onnxruntime', '{} with {}'.format(
            onnxruntime.__version__, ', '.join(onnxruntime.get_available_providers()))))
    except ImportError as error:
        results.append(CheckResult(
            errors.WARN if wants_tensorrt else errors.ERROR, 'onnxruntime',
            f'not usable: {error}', install.RUNTIME))
    results.append(_check_openvino(backend == 'openvino'))
    try:
        gpu = probe_gpu()
    except BackendError as error:
        # A machine without a GPU lacks nothing unless TensorRT was asked for.
        results.append(from_error(errors.ERROR, 'gpu', error) if wants_tensorrt else
                       from_error(errors.OK, 'gpu', error)._replace(remedy=''))
        return results
    results.append(CheckResult(errors.OK, 'gpu', f'{gpu}, {gpu.total_memory / 1e9:.1f} GB'))
    try:
        results.append(CheckResult(errors.OK, 'tensorrt', load_tensorrt().version))
    except BackendError as error:
        results.append(from_error(
            errors.ERROR if wants_tensorrt else errors.WARN, 'tensorrt', error))
    return results


def _check_openvino(is_wanted: bool) -> CheckResult:
    if not ov_backend.is_installed() and not is_wanted:
        return CheckResult(errors.OK, 'openvino', 'not installed; it is optional')
    try:
        openvino = import_openvino()
        devices = ', '.join(openvino.Core().available_devices)
    except (ImportError, RuntimeError) as error:
        return CheckResult(errors.ERROR if is_wanted else errors.WARN, 'openvino',
                           f'not usable: {error}', ov_backend.INSTALL_OPENVINO)
    return CheckResult(errors.OK, 'openvino', f'{openvino.__version__} on {devices}')


def check_cache(root: str) -> List[CheckResult]:
    """
    Check that the cache can be used, and which engines it holds; change nothing.

    :param root: folder that holds the folder of engines
    """
    folder = os.path.join(root, FOLDER)
    existing = root
    while not os.path.lexists(existing) and os.path.dirname(existing) != existing:
        existing = os.path.dirname(existing)
    results = [_check_disk(existing)]
    if not os.access(existing, os.W_OK):
        results.append(CheckResult(
            errors.WARN, 'cache', f'{existing} cannot be written to', 'Make it writable, or set '
            f'engine_cache or {private_files.CACHE_VARIABLE} to another folder.'))
    for path in (root, folder):
        fault = _not_private(path)
        if fault:
            return results + [CheckResult(
                errors.ERROR, 'cache', f'{path} is {fault}',
                'Look who made it, then delete it, or correct owner and mode (chmod go-w).')]
    if not os.path.isdir(folder):
        return results + [CheckResult(errors.OK, 'engines', f'none yet below {root}')]
    return results + _check_engines(folder)


def check_memory(free: int, serves: bool) -> CheckResult:
    """
    Check that the free memory lets the node start, and engines be built.

    :param free: bytes
    :param serves: whether a node serves already, which then has its memory
    """
    text = f'{free / 1e6:.0f} MB can be had'
    if free < SERVING_MEMORY and not serves:
        return CheckResult(errors.ERROR, 'memory',
                           f'{text}, the node needs about {SERVING_MEMORY / 1e6:.0f} MB',
                           'End other programs, or add swap (zram).')
    if free < memory.MINIMUM_FREE:
        return CheckResult(
            errors.WARN, 'memory',
            f'{text}: no engine is built below {memory.MINIMUM_FREE / 1e6:.0f} MB',
            'End other programs while an engine is built.')
    return CheckResult(errors.OK, 'memory', text)


def check_shared_memory(environ: Mapping[str, str]) -> CheckResult:
    """
    Check that shared memory has room for the profile of Fast DDS.

    :param environ: names the profile
    """
    trouble = shared_memory.shared_memory_trouble(environ)
    if trouble:
        return CheckResult(errors.WARN, 'shared memory', trouble, shared_memory.REMEDY)
    return CheckResult(errors.OK, 'shared memory', 'enough for the DDS profile, if any')


def check_clock(now: float) -> CheckResult:
    """
    Check that the clock was ever set.

    :param now: seconds since 1970
    """
    text = time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(now))
    if now < RELEASED:
        return CheckResult(
            errors.ERROR, 'clock', f'{text} lies before this package was written',
            'Set the clock (timedatectl, chrony); a Jetson without a battery forgets it.')
    return CheckResult(errors.OK, 'clock', text)


def _check_disk(folder: str) -> CheckResult:
    free = shutil.disk_usage(folder).free
    text = f'{free / 1e6:.0f} MB free for {folder}'
    if free < FREE_DISK:
        return CheckResult(errors.WARN, 'disk', text,
                           f'Free some: an engine needs about {FREE_DISK / 1e6:.0f} MB.')
    return CheckResult(errors.OK, 'disk', text)


def _not_private(path: str) -> Optional[str]:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return 'no folder'
    if found.st_uid not in (os.geteuid(), 0):
        return f'of user id {found.st_uid}'
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return 'writable for others'
    return None


def _check_engines(folder: str) -> List[CheckResult]:
    results = []
    for name in sorted(os.listdir(folder)):
        stem, suffix = os.path.splitext(name)
        if suffix != '.json':
            continue
        path = os.path.join(folder, name)
        try:
            private_files.check_private_file(path)
            with open(path, 'rb') as stream:
                record = parse_record(stem, stream.read())
        except (SegformerRosError, OSError, ValueError, TypeError, KeyError,
                RecursionError) as error:
            results.append(CheckResult(
                errors.WARN, 'engine', f'{name}: not usable: {error}',
                'Nothing to do: the node deletes it and builds another.'))
            continue
        results.append(CheckResult(
            errors.WARN if record.rejected else errors.OK, 'engine', f'{stem}: {record.verdict}',
            'Look at why, then: ros2 run segformer_ros build_engine --force'
            if record.rejected else ''))
    return results or [CheckResult(errors.OK, 'engines', f'none in {folder}')]
