# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Loops in C: compiled at first use, kept, checked before they are used."""
