# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A node that shares nothing with others of its process."""

import time
from typing import Any, Callable, List, Optional, TypeVar

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from segformer_ros.common.errors import ConfigurationError

RCLError = rclpy_implementation.RCLError

# Conditions that no callback changes, such as discovery, are looked at this often; seconds.
STEP_S = 0.1

AnyNode = TypeVar('AnyNode', bound='StandaloneNode')


class StandaloneNode:
    """
    A node with a context and an executor of its own; in the graph until its block ends.

    :param name: of the node
    :param args: for ROS; None takes those of the process
    :param options: of ``rclpy.node.Node``
    :raises ConfigurationError: ROS does not start, such as with a ROS_DOMAIN_ID of words
    """

    def __init__(self, name: str, args: Optional[List[str]] = None, **options: Any) -> None:
        self._context = Context()
        try:
            rclpy.init(args=args, context=self._context)
        except RCLError as error:
            raise ConfigurationError(
                'ROS does not start', got=error,
                remedy='Correct the ROS variables of the environment, such as ROS_DOMAIN_ID (0 '
                'to 232) and ROS_LOG_DIR.') from error
        self._node = Node(name, context=self._context, **options)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self: AnyNode) -> AnyNode:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    @property
    def node(self) -> Node:
        """Return the node."""
        return self._node

    def spin_until(self, is_done: Callable[[], Any], timeout: float) -> bool:
        """
        Run callbacks until a condition holds.

        :param timeout: seconds
        :return: whether it holds; False at the timeout
        """
        deadline = time.monotonic() + timeout
        while not is_done():
            left = deadline - time.monotonic()
            if left <= 0.0:
                return False
            self._executor.spin_once(timeout_sec=min(left, STEP_S))
        return True

    def spin(self, seconds: float) -> None:
        """Run callbacks for some time."""
        self.spin_until(lambda: False, seconds)
