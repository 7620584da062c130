# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The closed loop in a simulated world: a small planner, its judge, and what they tell."""
