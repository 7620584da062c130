# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests of commands."""

from support.ros_fixtures import color_model
from support.ros_fixtures import domain
from support.ros_fixtures import use_own_transport

__all__ = ['color_model', 'domain']

use_own_transport()
