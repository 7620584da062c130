# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a user's board is and does, as a report that can be attached to an issue."""
