# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages, topics, transforms, diagnostics and log lines: what every ROS part shares."""
