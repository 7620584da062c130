# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Names for types of numpy arrays, and arrays that must not change.

``numpy.typing`` needs numpy 1.20, and stock JetPack 4.6 has 1.13; at run time these names are
all ``numpy.ndarray``.
"""

from typing import Any, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    Array = npt.NDArray[Any]
    ArrayLike = npt.ArrayLike
    Bool = npt.NDArray[np.bool_]
    Float32 = npt.NDArray[np.float32]
    Float64 = npt.NDArray[np.float64]
    Index = npt.NDArray[np.intp]
    Int8 = npt.NDArray[np.int8]
    Int16 = npt.NDArray[np.int16]
    Int32 = npt.NDArray[np.int32]
    Int64 = npt.NDArray[np.int64]
    Structured = npt.NDArray[np.void]
    UInt8 = npt.NDArray[np.uint8]
else:
    Array = ArrayLike = Bool = Float32 = Float64 = Index = Int8 = Int16 = Int32 = Int64 = \
        Structured = UInt8 = np.ndarray


def read_only(values: ArrayLike, dtype: Any) -> Array:
    """Return a C-contiguous copy that cannot be written to."""
    array = np.array(values, dtype=dtype, order='C')
    array.setflags(write=False)
    return array
