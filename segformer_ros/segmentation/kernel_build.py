# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Build and load ``kernels.c``; see :mod:`segformer_ros.common.compiled.library`."""

import functools
import os
from typing import NamedTuple, Optional

from segformer_ros.common.compiled import library
from segformer_ros.segmentation import kernel_validation
from segformer_ros.segmentation.kernels import Kernels

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'kernels.c')


class Compiled(NamedTuple):
    """The loaded kernels (None: not used), and a line on where they come from."""

    kernels: Optional[Kernels]
    origin: str


@functools.lru_cache(maxsize=None)
def load_kernels() -> Compiled:
    """Return the compiled kernels of images; the first call may take seconds to build them."""
    return Compiled(*library.load(library.Library(
        'Image kernels', SOURCE, kernel_validation.__name__,
        'preprocessing and postprocessing are')))
