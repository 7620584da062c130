# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How the network is run: the backend contract and its implementations."""
