# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Folders and files of another user, where the test may make them."""

import os

import pytest

OTHER = 12345
"""A user and group that is nobody's."""


def skip_unless_root():
    """Skip unless files can be given away: by root, and not in a namespace of one user."""
    with open('/proc/self/uid_map', encoding='ascii') as stream:
        known = any(int(first) <= OTHER < int(first) + int(count)
                    for first, _, count in map(str.split, stream))
    if os.geteuid() != 0 or not known:
        pytest.skip('only root can give a folder to another user')
