# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Capture in the node: its service, its thread, its diagnostics."""
