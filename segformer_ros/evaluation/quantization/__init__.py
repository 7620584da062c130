# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Calibration of a network with 8-bit integers on a user's images, and what it costs in labels."""
