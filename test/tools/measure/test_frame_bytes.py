# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The docs' table of bytes is what the code counts."""

import frame_bytes
import pytest

from segformer_ros.segmentation.kernel_build import load_kernels


def test_the_table_of_the_docs_is_the_one_that_is_counted(project_root):
    if load_kernels().kernels is None:
        pytest.skip('no compiled kernels')
    with open(project_root + '/docs/segmentation.md', encoding='utf-8') as stream:
        page = stream.read()
    assert '\n'.join(frame_bytes.table()) in page
