# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What to do about a package that is missing: one text for errors, logs and the doctor."""

import os
import sys
from typing import List

VARIABLE = 'SEGFORMER_ROS_RUNTIME'
"""Names the virtual environment to run in; tools/install_runtime.sh reads it too."""
COMMAND = 'ros2 run segformer_ros install_runtime'
"""Works from a checkout and from an installed package."""
RUNTIME = (f'Install it: "{COMMAND}" (docs/install.md; JetPack 4 and 5: docs/jetson.md), or in a '
           'virtual environment of your own, from the checkout: "pip install '
           '\'.[onnxruntime]\'".')
"""For onnxruntime and onnx: outside an environment pip replaces what apt installed."""
EXTRAS = {
    'calibration': 'scipy rosbags',
    'distributed': 'distributed',
    'drive': 'scikit-image',
    'evaluation': 'rosbags tqdm Jinja2',
}
"""Packages of each extra in ``setup.py`` that a message names."""


def runtime_folders() -> List[str]:
    """Return where ``install_runtime`` puts the virtual environment: the user's, everybody's."""
    data = os.environ.get('XDG_DATA_HOME') or os.path.join(
        os.path.expanduser('~'), '.local', 'share')
    return [os.path.join(data, 'segformer_ros', 'runtime'), '/opt/segformer_ros/runtime']


def into_runtime(packages: str) -> str:
    """
    Return the command that adds packages to the virtual environment of the node.

    With the numpy that is in use: pip must not put another one before that of apt.

    :param packages: as pip takes them, separated by spaces
    """
    numpy = getattr(sys.modules.get('numpy'), '__version__', '')
    pinned = f'{packages} numpy=={numpy}' if numpy else packages
    if sys.prefix != sys.base_prefix:
        return f'"{sys.executable} -m pip install {pinned}"'
    folder = os.environ.get(VARIABLE) or runtime_folders()[1 if os.getuid() == 0 else 0]
    return f'"{COMMAND}", then "{folder}/bin/python3 -m pip install {pinned}"'


def with_extra(name: str) -> str:
    """
    Return the remedy for a package that only tools of a workstation use.

    :param name: of the extra in ``setup.py``
    """
    return (f'Install it, Python 3.10 or newer: {into_runtime(EXTRAS[name])} '
            '(docs/install.md).')
