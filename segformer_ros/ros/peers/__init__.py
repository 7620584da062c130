# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Nodes beside the segformer node: cameras, players and listeners."""
