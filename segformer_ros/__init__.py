# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation and costmaps for ROS 2 robots, from ordinary cameras."""
