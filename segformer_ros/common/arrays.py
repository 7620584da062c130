# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Arrays that are shared and must not change."""

from typing import Any, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def read_only(values: 'npt.ArrayLike', dtype: Any) -> 'npt.NDArray[Any]':
    """Return a C-contiguous copy that cannot be written to."""
    array = np.array(values, dtype=dtype, order='C')
    array.setflags(write=False)
    return array
