# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the rooms without ROS log goes to the node's log."""

import logging
from typing import Any

PACKAGE = 'segformer_ros'


class LogBridge(logging.Handler):
    """
    Passes the records of Python's ``logging`` of this package on to a ROS logger.

    :param logger: of rclpy
    """

    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger
        package = logging.getLogger(PACKAGE)
        self._level_before = package.level
        package.setLevel(logging.INFO)
        package.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        text = record.getMessage()
        # One line for each severity: rclpy allows a place in the code no other.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)

    def remove(self) -> None:
        """Pass nothing on from now on."""
        package = logging.getLogger(PACKAGE)
        package.removeHandler(self)
        package.setLevel(self._level_before)
