# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Tell in a sentence which package is missing, before a traceback would."""

import importlib.util
import os
import sys
from typing import Sequence

REQUIREMENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'requirements.txt')


def check_installed(modules: Sequence[str]) -> None:
    """
    Check that modules can be imported.

    :param modules: their names; ``cv2`` is a module of opencv-python-headless, and so on
    :raises SystemExit: some are missing; the text names them and what installs them
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        program = os.path.basename(sys.argv[0])
        raise SystemExit(
            f'{program}: Python packages are missing: {", ".join(missing)} for {sys.executable}. '
            f'Install them in a virtual environment: pip install -r {REQUIREMENTS}')
