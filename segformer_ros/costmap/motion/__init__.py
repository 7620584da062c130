# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Things that move: their sightings, their tracks, and where they will be."""
