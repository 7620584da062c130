# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The parts of the hardware report; each runs in a process of its own and returns facts."""

import glob
import os
import platform
import subprocess
import tempfile
import time
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common.errors import BackendError
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.common.telemetry import import_openvino
from segformer_ros.evaluation.hardware import latency
from segformer_ros.evaluation.hardware.scrub import network_name
from segformer_ros.evaluation.metrics.performance import machine_description
from segformer_ros.inference.cuda.buffers import open_buffers
from segformer_ros.inference.cuda.probe import driver_release
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.trt.api import load_tensorrt
from segformer_ros.inference.trt.cache import open_cache
from segformer_ros.model import verdicts
from segformer_ros.model.optimize.optimize import optimize
from segformer_ros.model.optimize.resize import at_size
from segformer_ros.model.optimize.target import ONNXRUNTIME

# Facts by name; a part that cannot be had raises BackendError or its like.
Facts = Dict[str, str]
Fact = Tuple[str, str]

SIZES = ((192, 144), (256, 192), (320, 240), (384, 288), (512, 384))
BUILD_TIMEOUT_S = 240.0
LIMITS = {'board': 30.0, 'gpu': 30.0, 'tensorrt': 40.0, 'buffers-pycuda': 40.0,
          'buffers-ctypes': 40.0, 'onnxruntime': 240.0, 'openvino': 100.0}
"""
Seconds that a part gets at most; engines get what is left.

onnxruntime's makes the graphs of all sizes, which OpenVINO's finds in the cache: on a machine of
two cores with ten processes that wanted them, 120 s were enough for three of five sizes.
"""
_MIB = 1 << 20
# More than any GPU has: 2 PiB.
TOO_MUCH = 1 << 51


def board(root: str = '/') -> Facts:
    """
    Return what the machine is and how it is set.

    :param root: of the file system
    """
    facts = dict(machine_description())
    # A kernel's own name may hold the name of who built it.
    facts['system'] = f'{platform.system()} {platform.release()} {platform.machine()}'
    facts['memory'] = _memory(root) or 'unknown'
    facts['JetPack (L4T)'] = _line(root, 'etc/nv_tegra_release') or 'no Jetson'
    facts['driver'] = driver_release() or 'no NVIDIA driver'
    facts['power mode'] = _output(['nvpmodel', '-q']) or 'nvpmodel does not tell'
    facts['clocks'] = '; '.join(_clocks(root)) or 'the kernel does not tell'
    facts['temperature'] = '; '.join(_temperatures(root)) or 'the kernel does not tell'
    return facts


def gpu() -> Facts:
    """
    Return what the CUDA driver says.

    :raises BackendError: there is no driver, or no GPU
    """
    found = probe_gpu()
    return {'GPU': str(found), 'multiprocessors': str(found.multiprocessors),
            'memory': f'{found.total_memory / _MIB:.0f} MiB',
            'shares memory with the CPU': 'yes' if found.integrated else 'no',
            'CUDA of the driver': str(found.driver_version), 'release': found.driver_release}


def tensorrt() -> Facts:
    """
    Return the version of TensorRT.

    :raises BackendError: it cannot be imported
    """
    # Some builds kill a process that has no driver.
    probe_gpu()
    return {'TensorRT': load_tensorrt().version}


def buffers(library: str) -> Facts:
    """
    Try a binding of CUDA: pinned memory, copies on a stream, graphs, an allocation that fails.

    :param library: ``pycuda`` or ``ctypes``
    :raises BackendError: it cannot be used
    """
    probe_gpu()
    cuda = open_buffers(0, library)
    try:
        with cuda.current():
            facts = {'binding': cuda.description}
            sent, received = (cuda.pinned((1 << 20,), 'uint8') for _ in range(2))
            sent[:] = np.arange(sent.size, dtype=np.uint64).astype(np.uint8)
            received.fill(0)
            address = cuda.allocate(sent.nbytes)

            def there_and_back() -> None:
                cuda.copy_to_device(address, sent)
                cuda.copy_to_host(received, address)

            there_and_back()
            cuda.synchronize()
            facts['pinned memory and stream'] = _verdict(bool(np.array_equal(sent, received)))
            facts['graph'] = _graph(cuda.capture, there_and_back, cuda.synchronize)
            try:
                cuda.allocate(TOO_MUCH)
                facts['allocation of 2 PiB'] = 'was granted: wrong'
            except BackendError as error:
                facts['allocation of 2 PiB'] = f'refused: {error.problem}'
            received.fill(0)
            there_and_back()
            cuda.synchronize()
            facts['copies after that'] = _verdict(bool(np.array_equal(sent, received)))
            free, total = cuda.memory()
            facts['free of all memory'] = f'{free / _MIB:.0f} of {total / _MIB:.0f} MiB'
        return facts
    finally:
        cuda.close()


def engine(precision: str, model: str, build: Sequence[str]) -> Facts:
    """
    Build an engine in an empty cache and return how that went.

    :param precision: ``fp16``, ``fp32`` or ``int8``
    :param model: name or path
    :param build: command line of what builds engines, without its arguments
    :raises BackendError: there is no GPU or TensorRT, or no engine came of it
    """
    probe_gpu()
    load_tensorrt()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o700)
        started = time.monotonic()
        output = _output(list(build) + [model, '--precision', precision, '--cache', folder],
                         BUILD_TIMEOUT_S)
        seconds = time.monotonic() - started
        records = open_cache(folder).records()
        if not records:
            raise BackendError('No engine was built', got=output[-300:] or 'no word')
        facts = {'build and check': f'{seconds:.0f} s'}
        for record in records:
            name = str(record.key['precision'])
            facts[f'{name}: size'] = f'{record.plan_bytes / _MIB:.1f} MiB'
            facts[f'{name}: self-check'] = record.verdict
            facts.update((f'{name}: {key}', str(value)) for key, value in record.built.items()
                         if isinstance(value, (int, float, str)))
        return facts


def onnxruntime(model: str) -> Iterator[Fact]:
    """
    Yield onnxruntime's latency by input size.

    :raises BackendError: it is not installed
    """
    try:
        module = import_onnxruntime()
    except ImportError as error:
        raise BackendError('onnxruntime cannot be imported', got=error) from error
    yield 'version', str(module.__version__)
    yield 'providers', ', '.join(module.get_available_providers())
    yield from _latencies(model, 'onnxruntime')


def openvino(model: str) -> Iterator[Fact]:
    """
    Yield OpenVINO's latency by input size, on the CPU.

    :raises BackendError: it is not installed
    """
    try:
        module = import_openvino()
    except ImportError as error:
        raise BackendError('openvino cannot be imported', got=error) from error
    yield 'version', str(module.__version__)
    yield 'devices', ', '.join(module.Core().available_devices)
    yield from _latencies(model, 'openvino')


def all_parts(model: str = '',
              build: Sequence[str] = ()) -> Dict[str, Callable[[], Iterable[Fact]]]:
    """
    Return every part by name, in the order of the report; what comes first is kept in any case.

    :param model: name or path of the network that is run
    :param build: command line of what builds engines, without its arguments
    """
    return {
        'board': lambda: board().items(), 'gpu': lambda: gpu().items(),
        'tensorrt': lambda: tensorrt().items(),
        'buffers-pycuda': lambda: buffers('pycuda').items(),
        'buffers-ctypes': lambda: buffers('ctypes').items(),
        'onnxruntime': lambda: onnxruntime(model), 'openvino': lambda: openvino(model),
        'engine-fp16': lambda: engine('fp16', model, build).items(),
        'engine-fp32': lambda: engine('fp32', model, build).items(),
        # Missing, with the command to type, where nobody calibrated the model.
        'engine-int8': lambda: engine('int8', model, build).items()}


def _latencies(model: str, backend: str) -> Iterator[Fact]:
    yield 'network', network_name(model)
    found = verdicts.resolve_judged(model)
    # Its own size first: the others need graphs that take a while to make.
    own = found.spec.input_size_wh
    for size in (own,) + tuple(each for each in SIZES if each != own):
        try:
            sized = at_size(found.onnx_path, found.spec, size)
            graph = optimize(sized.source_path, sized.source_spec, ONNXRUNTIME)
            text = latency.measure(backend, graph.path, graph.spec.input_tensor())
        except Exception as error:  # one size that fails is a line, whatever it is
            text = f'not run: {error}'
        yield '{} x {}'.format(*size), text


def _graph(capture: Callable[[Callable[[], None]], Callable[[], None]],
           work: Callable[[], None], synchronize: Callable[[], None]) -> str:
    try:
        launch = capture(work)
    except BackendError as error:
        return f'not available: {error.problem}'
    launch()
    synchronize()
    return 'works'


def _verdict(right: bool) -> str:
    return 'works' if right else 'gives other bytes: wrong'


def _output(command: Sequence[str], timeout: float = 10.0) -> str:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        # The name of the program is all that is missing on most machines.
        return '' if isinstance(error, OSError) else f'it had not ended after {timeout:.0f} s'
    return ' '.join(done.stdout.decode('utf-8', 'replace').split())


def _line(root: str, path: str) -> Optional[str]:
    try:
        with open(os.path.join(root, path), encoding='utf-8', errors='replace') as stream:
            return stream.readline().replace('\0', '').strip()
    except OSError:
        return None


def _memory(root: str) -> Optional[str]:
    line = _line(root, 'proc/meminfo')
    words = (line or '').split()
    return f'{int(words[1]) // 1024} MiB' if len(words) > 1 and words[1].isdigit() else None


def _clocks(root: str) -> List[str]:
    found: Dict[Tuple[str, str, str], int] = {}
    pattern = os.path.join(root, 'sys/devices/system/cpu/cpu[0-9]*/cpufreq')
    for folder in sorted(glob.glob(pattern)):
        values = [_line(folder, name) for name in (
            'scaling_governor', 'scaling_max_freq', 'scaling_cur_freq')]
        if all(values):
            key = (str(values[0]), str(values[1]), str(values[2]))
            found[key] = found.get(key, 0) + 1
    return [f'{count} cores: {governor}, {int(now) // 1000} of {int(most) // 1000} MHz'
            for (governor, most, now), count in found.items()
            if now.isdigit() and most.isdigit()]


def _temperatures(root: str) -> List[str]:
    found = []
    for folder in sorted(glob.glob(os.path.join(root, 'sys/class/thermal/thermal_zone[0-9]*'))):
        kind, value = _line(folder, 'type'), _line(folder, 'temp')
        if kind and value and value.lstrip('-').isdigit():
            found.append(f'{kind} {int(value) / 1000:.0f} C')
    return found
