# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Figures and pictures of the demo in simulated worlds."""
