# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the files lie that the package reads: specifications, classes, costs, models."""

import os
from typing import Iterator

from segformer_ros.common.errors import ConfigurationError

PACKAGE_NAME = 'segformer_ros'


def find(relative_path: str) -> str:
    """
    Return the absolute path of a shipped file or folder.

    Works without ament, from a checkout, ``pip install``, ``colcon build`` and
    ``colcon build --symlink-install``: the package's own place on disk leads either to the
    checkout or to ``<prefix>/share/segformer_ros``, the ROS convention for shared files.

    :param relative_path: for example ``config/classes/ade20k.yaml``, with forward slashes
    :raises ConfigurationError: no installed file has that path
    """
    tried = []
    for root in _roots():
        path = os.path.join(root, *relative_path.split('/'))
        if os.path.exists(path):
            return path
        tried.append(root)
    raise ConfigurationError(
        'Shipped file not found', got=relative_path,
        expected=f"it below one of {', '.join(tried) or '(no installed share folder)'}",
        remedy='Install the package again (colcon build, or pip install).')


def _roots() -> Iterator[str]:
    # realpath: with --symlink-install the package is a link into the checkout.
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    checkout = os.path.dirname(package)
    if os.path.isfile(os.path.join(checkout, 'package.xml')):
        yield checkout
    folder = checkout
    while True:
        share = os.path.join(folder, 'share', PACKAGE_NAME)
        if os.path.isdir(share):
            yield share
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent
