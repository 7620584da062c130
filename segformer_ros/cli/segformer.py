# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The executable ``segformer``: the node."""

import sys
from typing import List, Optional

DESCRIPTION = """\
Camera images in; semantic masks, a costmap and clouds out, as a ROS 2 lifecycle node.

It reads image and camera_info, and publishes ~/mask, ~/costmap and others: docs/topics.md.
Example:
  ros2 run segformer_ros segformer --ros-args -r image:=/camera/image_raw \\
    -r camera_info:=/camera/camera_info -p model:=segformer_sim
With a launch file: ros2 launch segformer_ros segformer.launch.py --show-args"""


def describe_parameters() -> str:
    """Return the parameters of the node for its help."""
    from segformer_ros.cli.support import node_arguments
    from segformer_ros.ros.parameters.node import CAMERA_ROWS
    from segformer_ros.ros.parameters.node import node_rows
    return node_arguments.describe_parameters(node_rows() + CAMERA_ROWS)


def main(args: Optional[List[str]] = None) -> int:
    """Run the node until it is shut down."""
    from segformer_ros.ros.node.stop_signal import StopRequest
    stop = StopRequest()
    from segformer_ros.common.allocator import no_garbage
    with no_garbage():
        from segformer_ros.cli.support import node_arguments
        node_arguments.check('segformer', DESCRIPTION, args, describe_parameters)
        from segformer_ros.ros.node.process import run_node
        from segformer_ros.ros.node.segformer_node import SegformerNode
    return run_node(lambda: SegformerNode(is_stopping=lambda: stop.requested,
                                          command_line=sys.argv if args is None else args),
                    SegformerNode.close, args, is_unrecoverable=lambda node: node.is_unrecoverable,
                    stop=stop, leaves_threads=lambda node: node.leaves_threads)


if __name__ == '__main__':
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())
