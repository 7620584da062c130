# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Weights: which there are, where they lie, how they are fetched."""
