# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Image messages and files to RGB arrays and back; masks as pictures."""
