# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From pixels to cells: flat ground, nadir views, depth images, the semantic layer."""
