# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How a camera is mounted, found from a drive: ground that moves through the image, odometry."""
