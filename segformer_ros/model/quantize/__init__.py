# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Eight-bit integers in a network: where, with which scales, and at what loss."""
