# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What all runtimes share: the contract, frames to compare on, the comparison."""
