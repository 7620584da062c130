# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Parameters: one row each, declared, checked and documented from it."""
