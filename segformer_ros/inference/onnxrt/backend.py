# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run a network with onnxruntime (1.10 and later)."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common import install
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.machine import FastProcessors
from segformer_ros.common.machine import usable_processors
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.common.text import one_line
from segformer_ros.inference.base import backend
from segformer_ros.model.onnx_file.header import OnnxHeader
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.spec import TensorSpec

CPU_PROVIDER = 'CPUExecutionProvider'
# What the runtime calls element types, and what numpy does.
_DTYPES = {
    'tensor(float)': 'float32', 'tensor(float16)': 'float16', 'tensor(double)': 'float64',
    'tensor(uint8)': 'uint8', 'tensor(int8)': 'int8', 'tensor(uint16)': 'uint16',
    'tensor(int16)': 'int16', 'tensor(uint32)': 'uint32', 'tensor(int32)': 'int32',
    'tensor(uint64)': 'uint64', 'tensor(int64)': 'int64', 'tensor(bool)': 'bool'}
# The runtime's exceptions share no base class of their own; these speak of the file.
_FILE_FAULTS = ('Fail', 'InvalidGraph', 'InvalidProtobuf', 'NoModel', 'NoSuchFile',
                'NotImplemented')
# Element types of weights, most telling first; index and shape constants are none of these.
_PRECISIONS = {'int8': 'int8', 'uint8': 'int8', 'float16': 'fp16', 'bfloat16': 'bf16',
               'float32': 'fp32', 'float64': 'fp64'}
_ERRORS_ONLY = 3


class OnnxruntimeBackend(backend.Backend):
    """
    One onnxruntime session.

    Outputs lie in buffers that every run fills anew: the copy that ``run`` makes takes 1 to
    5 ms for the logits of ADE20K in onnxruntime 1.10.

    :param model_path: an ONNX file
    :param threads: of the session; 0 takes :func:`default_threads`
    :param spinning: let threads that wait for work spin. A frame is 3 to 9 % faster, and costs
        about 20 % more CPU time
    :param providers: execution providers by preference; all of them must start
    :param provider_options: of each provider, in their order; empty for none
    """

    def __init__(self, model_path: str, threads: int = 0, spinning: bool = False,
                 providers: Sequence[str] = (CPU_PROVIDER,),
                 provider_options: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__()
        self._model_path = model_path
        self._threads = threads or default_threads()
        self._spinning = spinning
        self._providers = list(providers)
        self._provider_options = [dict(options) for options in provider_options]
        self._processors = FastProcessors(self._threads)
        self._session: Any = None
        self._binding: Any = None
        self._output_names: List[str] = []
        self._shapes: Dict[str, Tuple[int, ...]] = {}
        self._buffers: Dict[str, arrays.Array] = {}

    def _open(self) -> backend.Opened:
        with self._processors:
            return self._open_session()

    def _open_session(self) -> backend.Opened:
        try:
            onnxruntime = import_onnxruntime()
        except ImportError as error:
            raise BackendError('onnxruntime cannot be imported', got=error,
                               remedy=install.RUNTIME) from error
        self._check_providers(onnxruntime.get_available_providers())
        # Tells a missing, damaged or foreign file more plainly than the runtime does.
        header = read_onnx_header(self._model_path)
        session = self._start(onnxruntime, header)
        inputs = tuple(_tensor_spec(entry) for entry in session.get_inputs())
        outputs = tuple(_tensor_spec(entry) for entry in session.get_outputs())
        self._session = session
        self._binding = session.io_binding()
        self._output_names = [spec.name for spec in outputs]
        if all(size is not None for spec in inputs for size in spec.shape):
            # The first run allocates and packs weights; no camera frame shall wait for that.
            self._run({spec.name: np.zeros([size or 0 for size in spec.shape], spec.dtype)
                       for spec in inputs})
        return backend.Opened(inputs, outputs, self._describe(onnxruntime.__version__, header))

    def _check_providers(self, available: Sequence[str]) -> None:
        for provider in self._providers:
            if provider not in available:
                raise BackendError('Execution provider is not in this build of onnxruntime',
                                   got=provider, expected=f"one of {', '.join(available)}",
                                   remedy='Install a build that has it, or choose another.')

    def _start(self, onnxruntime: Any, header: OnnxHeader) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _ERRORS_ONLY
        options.add_session_config_entry(
            'session.intra_op.allow_spinning', '1' if self._spinning else '0')
        try:
            session = onnxruntime.InferenceSession(
                self._model_path, options, providers=self._providers,
                provider_options=self._provider_options or None)
        except Exception as error:
            if type(error).__name__ in _FILE_FAULTS:
                raise ModelError(
                    f'onnxruntime {onnxruntime.__version__} cannot load the model',
                    got=f'{self._model_path} (opset {header.opset}, IR version '
                        f'{header.ir_version}): {one_line(error)}',
                    remedy='If the file is newer than the runtime, update onnxruntime or export '
                    'with opset 13; if it is damaged, fetch or export it again.') from error
            raise BackendError('onnxruntime cannot start', got=one_line(error)) from error
        missing = [name for name in self._providers if name not in session.get_providers()]
        if missing:
            # The runtime itself only prints a warning and goes on without.
            raise BackendError('Execution provider did not start', got=', '.join(missing),
                               expected=', '.join(self._providers),
                               remedy='See what onnxruntime printed: usually a library that the '
                                      'provider needs is missing or has another version.')
        return session

    def _describe(self, version: str, header: OnnxHeader) -> backend.BackendInfo:
        providers = self._session.get_providers()
        return backend.BackendInfo(
            name='onnxruntime', version=version,
            device='cpu' if providers[0] == CPU_PROVIDER else providers[0],
            precision=_precision(header), model_path=self._model_path,
            details={'providers': ', '.join(providers),
                     'threads': threads_text(self._threads, self._processors),
                     'spinning': 'yes' if self._spinning else 'no',
                     'opset': str(header.opset)})

    def _infer(self, inputs: Mapping[str, arrays.Array]) -> Dict[str, arrays.Array]:
        with self._processors:
            return self._run(inputs)

    def _run(self, inputs: Mapping[str, arrays.Array]) -> Dict[str, arrays.Array]:
        shapes = {name: array.shape for name, array in inputs.items()}
        contiguous = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        try:
            if shapes == self._shapes:
                self._run_bound(contiguous)
            else:
                # Sizes of dynamic outputs are known after a run; its results become the buffers.
                results = self._session.run(self._output_names, contiguous)
                self._buffers = dict(zip(self._output_names, results))
                self._shapes = shapes
        except Exception as error:
            raise BackendError('onnxruntime failed in a run', got=one_line(error)) from error
        return dict(self._buffers)

    def _run_bound(self, inputs: Mapping[str, arrays.Array]) -> None:
        for name, array in inputs.items():
            self._binding.bind_input(name, 'cpu', 0, array.dtype.type, array.shape,
                                     array.ctypes.data)
        for name, buffer in self._buffers.items():
            self._binding.bind_output(name, 'cpu', 0, buffer.dtype.type, buffer.shape,
                                      buffer.ctypes.data)
        self._session.run_with_iobinding(self._binding)

    def _close(self) -> None:
        self._binding = None
        self._session = None
        self._buffers = {}
        self._shapes = {}


def default_threads() -> int:
    """
    Return how many threads a session takes by default.

    All usable cores of a machine with one or two; elsewhere one is left to the rest of the robot.
    """
    cores = usable_processors()
    return cores if cores <= 2 else cores - 1


def threads_text(threads: int, processors: FastProcessors) -> str:
    """Return the number of threads, and the numbers of the cores that they are bound to."""
    numbers = ', '.join(str(number) for number in sorted(processors.numbers))
    return f'{threads} on the fast cores {numbers}' if numbers else str(threads)


def _precision(header: OnnxHeader) -> str:
    """Name the element types of the weights, such as ``fp32`` or ``int8+fp32``."""
    present = [name for dtype, name in _PRECISIONS.items()
               if header.parameters_by_dtype.get(dtype)]
    return '+'.join(sorted(set(present), key=present.index)) or 'fp32'


def _tensor_spec(entry: Any) -> TensorSpec:
    # A dynamic dimension is a name, None or, in files of some exporters, 0 or -1.
    shape: Tuple[Optional[int], ...] = tuple(
        size if isinstance(size, int) and size > 0 else None for size in entry.shape)
    if entry.type not in _DTYPES:
        raise ModelError('The model has an input or output that is not a plain tensor',
                         got=f'{entry.name} {entry.type}',
                         expected=f"one of {', '.join(sorted(_DTYPES.values()))}")
    return TensorSpec(entry.name, _DTYPES[entry.type], shape)
