# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every kernel is tested both ways: in numpy, and compiled where there is a compiler."""

import pytest
from segformer_ros.common.compiled import compiler
from segformer_ros.segmentation import kernel_build


@pytest.fixture(scope='session')
def compiled_kernels():
    """Return the compiled kernels; a compiler that is there must give some."""
    if compiler.find_compiler().path is None:
        pytest.skip('no C compiler')
    compiled = kernel_build.load_kernels()
    assert compiled.kernels is not None, compiled.origin
    return compiled


@pytest.fixture(params=['numpy', 'compiled'])
def compiled(request):
    """Return what a Segmenter takes as ``compiled``, once without and once with kernels."""
    if request.param == 'numpy':
        return kernel_build.Compiled(None, 'numpy')
    return request.getfixturevalue('compiled_kernels')


@pytest.fixture
def kernels(compiled):
    """Return None, then the compiled kernels."""
    return compiled.kernels
