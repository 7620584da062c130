# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The checks of the command ``doctor``: of this machine and of the ROS graph."""
