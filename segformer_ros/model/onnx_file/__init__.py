# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""ONNX files read without the onnx package."""
