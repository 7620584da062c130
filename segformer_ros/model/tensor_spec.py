# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Name, element type and shape of a network's input or output."""

from typing import NamedTuple
from typing import Optional
from typing import Tuple


class TensorSpec(NamedTuple):
    """
    One input or output tensor as the runtime reports it.

    ``dtype`` is a numpy name (``float32``, ``uint8``); a dimension of ``None`` is dynamic.
    """

    name: str
    dtype: str
    shape: Tuple[Optional[int], ...]

    def __str__(self) -> str:
        """Return ``name dtype[1, 3, ?, ?]``."""
        shape = ', '.join('?' if size is None else str(size) for size in self.shape)
        return '{} {}[{}]'.format(self.name, self.dtype, shape)

    def accepts(self, shape: Tuple[int, ...]) -> bool:
        """Tell whether an array of this shape fits, dynamic dimensions being free."""
        return len(shape) == len(self.shape) and all(
            want is None or want == have for want, have in zip(self.shape, shape))
