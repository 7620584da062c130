# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run networks with OpenVINO; not called openvino, which is the runtime's own package."""
