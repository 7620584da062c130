# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``segformer_ros``, where its script is not installed: ``python -m``."""

from segformer_ros.cli.main import main

if __name__ == '__main__':
    raise SystemExit(main())
