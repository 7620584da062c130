# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A copy of the checkout that faults are planted in, so that the checkout is never changed."""

import contextlib
import os
import shutil
import tempfile
from typing import Iterator

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LEFT_OUT = ('.git', '.hypothesis', 'deployed', '__pycache__')


def _is_left_out(name: str) -> bool:
    return name in _LEFT_OUT or name.startswith('.venv') or name.endswith('_output')


@contextlib.contextmanager
def checkout_copy() -> Iterator[str]:
    """Give the path of a copy without environments and results; it is deleted at the end."""
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, 'copy')
        shutil.copytree(ROOT, copy, symlinks=True, ignore=lambda _, names: [
            name for name in names if _is_left_out(name)])
        yield copy
