# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds without ROS: model, runtimes, engine cache, memory, clock."""

import os
import shutil
import stat
import time
from typing import List, Optional

from segformer_ros.common import private_files as cache_dir
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.trt import memory
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.cache import FOLDER
from segformer_ros.inference.trt.cache import parse_record
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.weights.resolve import resolve_model
from segformer_ros.ros.doctor import finding

SERVING_MEMORY = 512 * memory.MIB
"""What the node with SegFormer-B0 on a CPU takes, rounded up; below it the kernel may kill it."""
FREE_DISK = 256 * memory.MIB
"""An engine of SegFormer-B0, its temporary copy and a log."""
FETCH = 'ros2 run segformer_ros fetch_model --help tells which models there are.'
RELEASED = 1767225600
"""Seconds of 2026-01-01: no clock that is right stands before the package was written."""


def machine_findings(model: str, model_spec: str, backend: str, engine_cache: str,
                     serves: bool) -> List[finding.CheckResult]:
    """
    Return everything that can be looked at without ROS.

    :param model: as the parameter of that name
    :param model_spec: as the parameter of that name
    :param backend: as the parameter of that name
    :param engine_cache: as the parameter of that name
    :param serves: whether a node serves on this machine already
    """
    root = os.path.abspath(os.path.expanduser(engine_cache)) if engine_cache \
        else cache_dir.cache_root()
    return (model_findings(model, model_spec) + runtime_findings(backend) +
            cache_findings(root) + memory_findings(memory.available_memory(), serves) +
            clock_findings(time.time()))


def model_findings(model: str, model_spec: str) -> List[finding.CheckResult]:
    """Tell whether the model is there and fits its specification."""
    if not model:
        return [finding.CheckResult(finding.ERROR, 'model', 'No model is set.',
                        'Set the parameter model, or give --model.')]
    try:
        found = resolve_model(model, os.path.expanduser(model_spec) or None)
        header = read_onnx_header(found.onnx_path)
        found.spec.check(header.inputs, header.outputs)
        classes = load_class_table(found.spec.classes)
    except SegformerRosError as error:
        found_error = finding.check_result_of(finding.ERROR, 'model', error)
        return [found_error._replace(remedy=found_error.remedy or FETCH)]
    return [
        finding.CheckResult(
            finding.OK, 'model',
            '{}: {:.1f} MB, {} classes of {}, {} x {} pixels'.format(found.onnx_path,
                                                                     header.file_bytes / 1e6,
                                                                     len(classes), classes.name,
                                                                     *found.spec.input_size_wh))
    ]


def runtime_findings(backend: str) -> List[finding.CheckResult]:
    """
    Tell which runtimes work here.

    :param backend: what is asked for; what is not needed for it is no error
    """
    findings = []
    try:
        import onnxruntime
        findings.append(finding.CheckResult(finding.OK, 'onnxruntime', '{} with {}'.format(
            onnxruntime.__version__, ', '.join(onnxruntime.get_available_providers()))))
    except ImportError as error:
        findings.append(finding.CheckResult(
            finding.WARN if backend == 'tensorrt' else finding.ERROR, 'onnxruntime',
            f'not usable: {error}', 'Install it: python3 -m pip install onnxruntime'))
    level = finding.ERROR if backend == 'tensorrt' else finding.OK
    try:
        gpu = probe_gpu()
    except BackendError as error:
        # A machine without a GPU lacks nothing unless TensorRT was asked for.
        findings.append(finding.check_result_of(level, 'gpu', error)._replace(
            **({} if level == finding.ERROR else {'remedy': ''})))
        return findings
    findings.append(
        finding.CheckResult(finding.OK, 'gpu', f'{gpu}, {gpu.total_memory / 1e9:.1f} GB'))
    try:
        api = load_tensorrt()
        findings.append(finding.CheckResult(finding.OK, 'tensorrt', api.version))
    except BackendError as error:
        findings.append(finding.check_result_of(
            finding.ERROR if backend == 'tensorrt' else finding.WARN, 'tensorrt', error))
    return findings


def cache_findings(root: str) -> List[finding.CheckResult]:
    """
    Tell whether the cache can be used, and what engines lie in it; changes nothing.

    :param root: of the folder of engines
    """
    folder = os.path.join(root, FOLDER)
    existing = root
    while not os.path.lexists(existing) and os.path.dirname(existing) != existing:
        existing = os.path.dirname(existing)
    findings = [_disk_finding(existing)]
    if not os.access(existing, os.W_OK):
        findings.append(
            finding.CheckResult(
                finding.WARN, 'cache', f'{existing} cannot be written to',
                f'Make it writable, or set engine_cache or {cache_dir.CACHE_VARIABLE} to another folder.'
            ))
    for path in (root, folder):
        fault = _not_private(path)
        if fault:
            findings.append(finding.CheckResult(
                finding.ERROR, 'cache', f'{path} is {fault}',
                'Look who made it, then delete it, or correct owner and mode (chmod go-w).'))
            return findings
    if not os.path.isdir(folder):
        return findings + [finding.CheckResult(finding.OK, 'engines', f'none yet below {root}')]
    return findings + _engine_findings(folder)


def memory_findings(free: int, serves: bool) -> List[finding.CheckResult]:
    """
    Tell whether the free memory lets the node start, and engines be built.

    :param free: bytes
    :param serves: whether a node does already, which then has its memory
    """
    text = f'{free / 1e6:.0f} MB can be had'
    if free < SERVING_MEMORY and not serves:
        return [
            finding.CheckResult(finding.ERROR, 'memory',
                            f'{text}, the node needs about {SERVING_MEMORY / 1e6:.0f} MB',
                            'End other programs, or add swap (zram).')
        ]
    if free < memory.MINIMUM_FREE:
        return [
            finding.CheckResult(
                finding.WARN, 'memory',
                f'{text}: no engine is built below {memory.MINIMUM_FREE / 1e6:.0f} MB',
                'End other programs while an engine is built.')
        ]
    return [finding.CheckResult(finding.OK, 'memory', text)]


def clock_findings(now: float) -> List[finding.CheckResult]:
    """
    Tell whether the clock was ever set.

    :param now: seconds since 1970
    """
    text = time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(now))
    if now < RELEASED:
        return [
            finding.CheckResult(
                finding.ERROR, 'clock', f'{text} lies before this package was written',
                'Set the clock (timedatectl, chrony); a Jetson without a battery '
                'forgets it.')
        ]
    return [finding.CheckResult(finding.OK, 'clock', text)]


def _disk_finding(folder: str) -> finding.CheckResult:
    free = shutil.disk_usage(folder).free
    text = f'{free / 1e6:.0f} MB free for {folder}'
    if free < FREE_DISK:
        return finding.CheckResult(finding.WARN, 'disk', text,
                               f'Free some: an engine needs about {FREE_DISK / 1e6:.0f} MB.')
    return finding.CheckResult(finding.OK, 'disk', text)


def _not_private(path: str) -> Optional[str]:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        return 'no folder'
    if status.st_uid not in (os.geteuid(), 0):
        return f'of user id {status.st_uid}'
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return 'writable for others'
    return None


def _engine_findings(folder: str) -> List[finding.CheckResult]:
    findings = []
    for name in sorted(os.listdir(folder)):
        stem, suffix = os.path.splitext(name)
        if suffix != '.json':
            continue
        path = os.path.join(folder, name)
        try:
            cache_dir.check_private_file(path)
            with open(path, 'rb') as stream:
                record = parse_record(stem, stream.read())
        except (SegformerRosError, OSError, ValueError, TypeError, KeyError,
                RecursionError) as error:
            findings.append(
                finding.CheckResult(finding.WARN, 'engine', f'{name}: not usable: {error}',
                                    'Nothing to do: the node deletes it and builds another.'))
            continue
        findings.append(finding.CheckResult(
            finding.WARN if record.rejected else finding.OK, 'engine', f'{stem}: {record.verdict}',
            'Look at why, then: ros2 run segformer_ros build_engine --force'
            if record.rejected else ''))
    return findings or [finding.CheckResult(finding.OK, 'engines', f'none in {folder}')]
