# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The kernels of projections, where there is a compiler."""

import pytest
from segformer_ros.common.compiled import compiler
from segformer_ros.costmap.projection import kernel_build


@pytest.fixture(scope='session')
def projection_kernels():
    """Return the compiled kernels; a compiler that is there must give some."""
    if compiler.find_compiler().path is None:
        pytest.skip('no C compiler')
    compiled = kernel_build.load_kernels()
    assert compiled.kernels is not None, compiled.origin
    return compiled.kernels
