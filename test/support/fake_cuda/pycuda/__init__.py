# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Stands in for pycuda on a machine without a GPU."""

VERSION_TEXT = '2022.1'
