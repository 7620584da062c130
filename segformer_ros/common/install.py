# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What to do about a package that is missing: one text for errors, logs and the doctor."""

COMMAND = 'ros2 run segformer_ros install_runtime'
"""Works from a checkout and from an installed package."""
RUNTIME = (f'Install it: "{COMMAND}" (docs/install.md; JetPack 4 and 5: docs/jetson.md), or in a '
           'virtual environment with pip: "pip install \'segformer_ros[onnxruntime]\'".')
"""For onnxruntime and onnx: outside an environment pip replaces what apt installed."""


def with_extra(name: str) -> str:
    """
    Return the remedy for a package that only tools of a workstation use.

    :param name: of the extra in ``setup.py``
    """
    return ('Install it in a virtual environment, Python 3.10 or newer: '
            f'"pip install \'segformer_ros[{name}]\'" (docs/install.md).')
