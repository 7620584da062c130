# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run a network with onnxruntime (1.10 and later)."""

import os
from typing import Any
from typing import Dict
from typing import Mapping
from typing import Optional
from typing import Sequence
from typing import TYPE_CHECKING

import numpy as np

from segformer_ros.errors import BackendError
from segformer_ros.errors import ModelError
from segformer_ros.inference.backend import Backend
from segformer_ros.inference.backend import BackendInfo
from segformer_ros.inference.backend import Opened
from segformer_ros.model.tensor_spec import TensorSpec

if TYPE_CHECKING:
    import numpy.typing as npt

INSTALL_ONNXRUNTIME = (
    'Install it: "pip install onnxruntime" (Python 3.6: "pip install onnxruntime==1.10.0").')
_DTYPES = {
    'tensor(float)': 'float32', 'tensor(float16)': 'float16', 'tensor(double)': 'float64',
    'tensor(uint8)': 'uint8', 'tensor(int8)': 'int8', 'tensor(int32)': 'int32',
    'tensor(int64)': 'int64', 'tensor(bool)': 'bool'}


class OnnxruntimeBackend(Backend):
    """
    One onnxruntime session.

    :param model_path: an ONNX file
    :param threads: of the session; 0 takes all cores up to two, and leaves one free above that
    :param spinning: let idle threads spin: a few per cent faster, costs CPU between frames
    :param providers: execution providers by preference; by default the CPU alone
    """

    def __init__(self, model_path: str, threads: int = 0, spinning: bool = False,
                 providers: Optional[Sequence[str]] = None) -> None:
        super().__init__()
        self._model_path = model_path
        self._threads = threads or default_threads()
        self._spinning = spinning
        self._providers = list(providers or ['CPUExecutionProvider'])
        self._session: Any = None

    def _open(self) -> Opened:
        try:
            import onnxruntime
        except ImportError as error:
            raise BackendError('onnxruntime cannot be imported', got=error,
                               remedy=INSTALL_ONNXRUNTIME) from error
        if not os.path.isfile(self._model_path):
            raise ModelError('Model file not found', got=self._model_path,
                             expected='an ONNX file',
                             remedy='Check the path, or fetch a model: fetch_model.')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry(
            'session.intra_op.allow_spinning', '1' if self._spinning else '0')
        try:
            self._session = onnxruntime.InferenceSession(
                self._model_path, options, providers=self._providers)
        except Exception as error:
            raise ModelError('Model file cannot be loaded', got='{} ({})'.format(
                self._model_path, error), expected='an ONNX file',
                remedy='Fetch or export the model again.') from error
        inputs = tuple(_tensor_spec(entry) for entry in self._session.get_inputs())
        outputs = tuple(_tensor_spec(entry) for entry in self._session.get_outputs())
        info = BackendInfo(
            name='onnxruntime', version=onnxruntime.__version__, device='cpu', precision='fp32',
            model_path=self._model_path, details={'threads': str(self._threads)})
        return Opened(inputs, outputs, info)

    def _infer(self, inputs: Mapping[str, 'npt.NDArray[Any]']) -> Dict[str, 'npt.NDArray[Any]']:
        names = [entry.name for entry in self._session.get_outputs()]
        try:
            return dict(zip(names, self._session.run(names, dict(inputs))))
        except Exception as error:
            raise BackendError('onnxruntime failed', got=error) from error

    def _close(self) -> None:
        self._session = None


def default_threads() -> int:
    """Return the cores to use: all of one or two, else all but one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') \
        else os.cpu_count() or 1
    return cores if cores <= 2 else cores - 1


def _tensor_spec(entry: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in entry.shape)
    return TensorSpec(entry.name, _DTYPES.get(entry.type, entry.type), shape)
