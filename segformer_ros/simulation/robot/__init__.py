# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A robot that obeys commands in a world, and what it runs into."""
