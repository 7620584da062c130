# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames that are worth labelling: which ones, and the folder that keeps them."""
