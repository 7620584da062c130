# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How fast a model is beside the common ways to run it."""
