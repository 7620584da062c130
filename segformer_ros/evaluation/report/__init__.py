# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation: figures, pages, bounds, comparisons."""
