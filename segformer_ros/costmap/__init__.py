# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a mask to costs: camera geometry, ground projection, rolling grid."""
