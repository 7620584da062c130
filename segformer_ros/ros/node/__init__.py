# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node: cameras, inference thread, supervisor and lifecycle."""
