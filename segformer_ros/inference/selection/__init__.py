# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Choose the backend that serves, and exchange it for a better one."""
