# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
TensorRT's Python module: imported safely, refused by name where too old, asked what it can.

Features are found by attribute, not by version: NVIDIA's lines (8, 10, 11, RTX 1.x) number
differently but share one vocabulary.
"""

import importlib
import re
from typing import Any, Dict, NamedTuple, Tuple

from segformer_ros.common.errors import BackendError

MODULE = 'tensorrt'

INSTALL_TENSORRT = (
    'TensorRT is a part of JetPack; in a container, use one made for your L4T release. '
    'docs/jetson.md names one for each JetPack.')

_MINIMUM = '8.2 (JetPack 4.6.1)'


class TensorrtApi(NamedTuple):
    """
    An imported TensorRT module.

    ``strongly_typed``: precision is what the ONNX file says (10 and later); else precision is
    a permission given by builder flags (8.2 to 8.6). ``named_tensors``: 8.5 and later.
    """

    module: Any
    name: str
    version: str
    strongly_typed: bool
    named_tensors: bool

    def dtypes(self) -> Dict[Any, str]:
        """
        Return numpy's name of each element type of this version.

        ``trt.nptype`` is not used: in 8.2 to 8.5 it needs ``np.bool``, which numpy 1.24 removed.
        """
        names = (('FLOAT', 'float32'), ('HALF', 'float16'), ('INT8', 'int8'),
                 ('INT32', 'int32'), ('BOOL', 'bool'), ('UINT8', 'uint8'), ('INT64', 'int64'))
        kinds = self.module.DataType
        return {getattr(kinds, name): dtype for name, dtype in names if hasattr(kinds, name)}


def load_tensorrt(name: str = MODULE) -> TensorrtApi:
    """
    Import TensorRT. Probe the GPU before: some builds kill a process without a driver.

    :param name: of the module; another one than ``tensorrt`` is for TensorRT for RTX
        (``tensorrt_rtx``) and for tests
    :raises BackendError: it is not installed, does not load, or is older than 8.2
    """
    try:
        module = importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise BackendError(f'{name} cannot be imported', got=error,
                           remedy=INSTALL_TENSORRT) from error
    version = str(getattr(module, '__version__', 'unknown'))
    creation = getattr(module, 'NetworkDefinitionCreationFlag', None)
    strongly_typed = hasattr(creation, 'STRONGLY_TYPED')
    # 8.2 brought the flag that makes precision pins binding; 8.0 had hints only.
    if not strongly_typed and not hasattr(
            getattr(module, 'BuilderFlag', None), 'OBEY_PRECISION_CONSTRAINTS'):
        raise _too_old(version)
    return TensorrtApi(module, name, version, strongly_typed,
                       named_tensors=hasattr(module.ICudaEngine, 'num_io_tensors'))


def version_key(version: str) -> Tuple[int, ...]:
    """Return the numbers of a version for comparison: ``10.3.0.26`` is (10, 3, 0, 26)."""
    return tuple(int(number) for number in re.findall(r'\d+', version))


def _too_old(version: str) -> BackendError:
    if version_key(version)[:2] == (8, 0):
        return BackendError(
            f'TensorRT {version} of JetPack 4.6.0 is not supported', got=version,
            expected=f'{_MINIMUM} or later',
            remedy='Upgrade the Jetson to JetPack 4.6.1 or later of the 4.6 line (L4T r32.7): '
                   'set r32.7 in /etc/apt/sources.list.d/nvidia-l4t-apt-source.list, then '
                   '"sudo apt update && sudo apt dist-upgrade". Until then use '
                   'backend: onnxruntime.')
    return BackendError('This TensorRT is not supported', got=version,
                        expected=f'{_MINIMUM} or later', remedy=INSTALL_TENSORRT)
