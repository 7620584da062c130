# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run a network with OpenVINO (2023.1 and later)."""

import logging
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import install
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.machine import FastProcessors
from segformer_ros.common.telemetry import import_openvino
from segformer_ros.common.text import one_line
from segformer_ros.inference.base import backend
from segformer_ros.inference.onnxrt.backend import default_threads
from segformer_ros.inference.onnxrt.backend import threads_text
from segformer_ros.inference.ov.cache import CompiledModels
from segformer_ros.inference.ov.cache import StoredModel
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.spec import TensorSpec

INSTALL_OPENVINO = (f'Install it, Python 3.10 or later: '
                    f'{install.into_runtime("openvino==2026.4.1")} (docs/install.md).')
DEVICES = ('CPU', 'GPU', 'NPU')
# Precisions as OpenVINO takes them in a hint, and (below) as devices list them.
_HINTS = {'fp32': 'f32', 'fp16': 'f16', 'bf16': 'bf16'}
PRECISIONS = tuple(_HINTS)
_CAPABILITIES = {'fp32': 'FP32', 'fp16': 'FP16', 'bf16': 'BF16'}
# While one request is computed, the results of the other are still read.
_REQUESTS = 2


class DeviceSettings(NamedTuple):
    """
    Where and how OpenVINO computes.

    ``device`` is one of :data:`DEVICES`, with ``number`` where there are several GPUs;
    ``precision`` is one of :data:`PRECISIONS`; ``threads`` of the CPU, 0 takes
    ``default_threads()``.
    """

    device: str = 'CPU'
    number: int = 0
    precision: str = 'fp32'
    threads: int = 0

    @property
    def full_name(self) -> str:
        """Return the device as OpenVINO calls it."""
        return f'{self.device}.{self.number}' if self.number else self.device


# Those of the first use in this process; no core stands for all of them.
_SEEN_CORES: List[FrozenSet[int]] = []
_LOGGER = logging.getLogger(__name__)
DEFAULT_SETTINGS = DeviceSettings()


class OpenvinoBackend(backend.Backend):
    """
    A network that OpenVINO has compiled for one device.

    Results lie in the request's own memory and are not copied.

    :param model_path: an ONNX file
    :param settings: device and precision
    :param cache: keeps what was compiled; None compiles at each opening
    """

    def __init__(self, model_path: str, settings: DeviceSettings = DEFAULT_SETTINGS,
                 cache: Optional[CompiledModels] = None) -> None:
        super().__init__()
        self._model_path = model_path
        self._settings = settings
        self._cache = cache
        self._processors = FastProcessors(self._threads)
        self._openvino: Any = None
        self._compiled: Any = None
        self._requests: List[Any] = []
        self._next = 0
        self._is_fixed: Dict[str, bool] = {}
        self._output_names: List[str] = []

    @property
    def overlaps(self) -> bool:
        """Return whether a run leaves the CPU to others."""
        return self._settings.device != 'CPU'

    def _open(self) -> backend.Opened:
        if self.overlaps:
            return self._open_compiled()
        if not _sees_only(self._processors.numbers):
            self._processors.release()
        with self._processors:
            return self._open_compiled()

    def _open_compiled(self) -> backend.Opened:
        try:
            openvino = import_openvino()
        except ImportError as error:
            raise BackendError('openvino cannot be imported', got=error,
                               remedy=INSTALL_OPENVINO) from error
        # Tells a missing, damaged or foreign file more plainly than the runtime does.
        header = read_onnx_header(self._model_path)
        core = openvino.Core()
        chip = self._check_device(core)
        self._openvino = openvino
        self._compiled, source = self._compile(core, chip)
        inputs = tuple(_tensor_spec(port) for port in self._compiled.inputs)
        outputs = tuple(_tensor_spec(port) for port in self._compiled.outputs)
        self._is_fixed = {spec.name: None not in spec.shape for spec in inputs}
        self._output_names = [spec.name for spec in outputs]
        self._requests = [self._compiled.create_infer_request()
                          for _ in range(_REQUESTS if self.overlaps else 1)]
        if all(self._is_fixed.values()):
            # The first run takes longer; no camera frame shall wait for that.
            self._infer({spec.name: np.zeros([size or 0 for size in spec.shape], spec.dtype)
                         for spec in inputs})
        return backend.Opened(inputs, outputs, backend.BackendInfo(
            name='openvino', version=_short_version(openvino),
            device=self._settings.full_name, precision=self._used_precision(),
            model_path=self._model_path,
            details={'chip': chip, 'compiled': source, 'opset': str(header.opset),
                     **({} if self.overlaps else {
                         'threads': threads_text(self._threads, self._processors)})}))

    @property
    def _threads(self) -> int:
        return self._settings.threads or default_threads()

    def _check_device(self, core: Any) -> str:
        """Return the chip's name where the device is there and computes as is asked for."""
        settings = self._settings
        if settings.precision not in _HINTS:
            raise BackendError('Unknown precision of OpenVINO', got=settings.precision,
                               expected=' or '.join(PRECISIONS))
        available = list(core.available_devices)
        names = (settings.full_name, f'{settings.device}.{settings.number}')
        if not any(name in available for name in names):
            raise BackendError('OpenVINO does not find the device', got=settings.full_name,
                               expected=f"one of {', '.join(available) or 'none'}",
                               remedy='Install its driver, or set openvino_device: CPU.')
        capabilities = list(core.get_property(settings.full_name, 'OPTIMIZATION_CAPABILITIES'))
        if _CAPABILITIES[settings.precision] not in capabilities:
            offered = [name for name, text in _CAPABILITIES.items() if text in capabilities]
            raise BackendError(f'{settings.full_name} does not compute in this precision',
                               got=settings.precision, expected=' or '.join(offered),
                               remedy='Set openvino_precision to one of them.')
        return str(core.get_property(settings.full_name, 'FULL_DEVICE_NAME'))

    def _options(self) -> Dict[str, Any]:
        # float32 must be asked for: GPUs take float16 by themselves, new CPUs bfloat16.
        options: Dict[str, Any] = {'INFERENCE_PRECISION_HINT': _HINTS[self._settings.precision],
                                   'PERFORMANCE_HINT': 'LATENCY'}
        if not self.overlaps:
            # A pinned thread waits for its core where another process of the robot holds it. Of
            # slow and fast cores it is the only way to have the fast ones: TBB gives its threads
            # the mask of the process again and again.
            options.update(INFERENCE_NUM_THREADS=self._threads, NUM_STREAMS=1,
                           ENABLE_CPU_PINNING=bool(self._processors.numbers))
        return options

    def _compile(self, core: Any, chip: str) -> Tuple[Any, str]:
        """Return the compiled model and where it comes from."""
        stored = None if self._cache is None else self._cache.find(
            self._model_path, [_full_version(self._openvino), chip, self._settings.full_name,
                               sorted(self._options().items())])
        if stored is not None:
            compiled = self._import(core, stored)
            if compiled is not None:
                return compiled, 'from the cache'
        try:
            model = core.read_model(self._model_path)
        except Exception as error:
            raise ModelError('OpenVINO cannot load the model',
                             got=f'{self._model_path}: {one_line(error)}',
                             remedy='If the file is newer than the runtime, update openvino or '
                             'export with opset 13; if it is damaged, fetch or export it again.'
                             ) from error
        try:
            compiled = core.compile_model(model, self._settings.full_name, self._options())
        except Exception as error:
            raise BackendError('OpenVINO cannot compile the model', got=one_line(error)
                               ) from error
        if stored is not None:
            stored.keep(compiled.export_model)
        return compiled, 'now'

    def _import(self, core: Any, stored: StoredModel) -> Any:
        blob = stored.read()
        if blob is None:
            return None
        try:
            return core.import_model(blob, self._settings.full_name, self._options())
        except Exception as error:  # the runtime raises RuntimeError and its own types alike
            stored.refuse(one_line(error))
            return None

    def _used_precision(self) -> str:
        used = self._compiled.get_property('INFERENCE_PRECISION_HINT')
        text = used.to_string() if hasattr(used, 'to_string') else str(used)
        return {hint: name for name, hint in _HINTS.items()}.get(text, text)

    def _infer(self, inputs: Mapping[str, arrays.Array]) -> Dict[str, arrays.Array]:
        self._begin(inputs)
        return self._end()

    def _begin(self, inputs: Mapping[str, arrays.Array]) -> None:
        request = self._requests[self._next]
        try:
            for name, array in inputs.items():
                if self._is_fixed[name]:
                    np.copyto(request.get_tensor(name).data, array)
                else:
                    request.set_tensor(name, self._openvino.Tensor(np.ascontiguousarray(array)))
            request.start_async()
        except Exception as error:
            raise BackendError('OpenVINO does not begin a run', got=one_line(error)) from error

    def _end(self) -> Dict[str, arrays.Array]:
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        try:
            request.wait()
            return {name: request.get_tensor(name).data for name in self._output_names}
        except Exception as error:
            raise BackendError('OpenVINO failed in a run', got=one_line(error)) from error

    def _close(self) -> None:
        for request in self._requests:
            # A run that was begun reads memory that is about to go.
            request.cancel()
        self._requests = []
        self._next = 0
        self._compiled = None
        self._openvino = None


def _sees_only(cores: FrozenSet[int]) -> bool:
    """
    Return whether OpenVINO chooses among these cores alone.

    It looks once in a process at those that the thread may run on by which it is used first.
    """
    if not _SEEN_CORES:
        _SEEN_CORES.append(frozenset() if cores and _was_used() else cores)
    if not cores or _SEEN_CORES[0] == cores:
        return True
    _LOGGER.info('OpenVINO is not kept on the fast cores: this process used it without that')
    return False


def _was_used() -> bool:
    """Return whether a device of OpenVINO was loaded by somebody else."""
    with open('/proc/self/maps', encoding='utf-8', errors='replace') as stream:
        return any('libopenvino_' in line and '_plugin' in line for line in stream)


def is_installed() -> bool:
    """Return whether the package is there; it is not loaded."""
    import importlib.util
    return importlib.util.find_spec('openvino') is not None


def runtime_version() -> str:
    """
    Return the full version of the installed runtime.

    :raises BackendError: it cannot be imported
    """
    try:
        return _full_version(import_openvino())
    except ImportError as error:
        raise BackendError('openvino cannot be imported', got=error,
                           remedy=INSTALL_OPENVINO) from error


def _full_version(openvino: Any) -> str:
    return str(openvino.__version__)


def _short_version(openvino: Any) -> str:
    # 2026.4.1-22982-e213a147257-releases/2026/4
    return _full_version(openvino).split('-')[0]


def _tensor_spec(port: Any) -> TensorSpec:
    shape: Tuple[Optional[int], ...] = tuple(
        size.get_length() if size.is_static else None for size in port.partial_shape)
    return TensorSpec(port.any_name, np.dtype(port.element_type.to_dtype()).name, shape)
