# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The executable ``simulated_camera``: a camera node in the simulated world."""

import sys
from typing import List, Optional

DESCRIPTION = """\
A camera on a robot in the simulated world, as a ROS 2 node.

It publishes image_raw, camera_info, depth/image_raw, the true labels, /tf and /tf_static; with
named cameras below each name. With pose_source:=cmd_vel it obeys commands as a robot does.
Example:
  ros2 run segformer_ros simulated_camera --ros-args -p world:=outdoor -r __ns:=/camera"""


def describe_parameters() -> str:
    """Return the parameters of the node for its help."""
    from segformer_ros.cli.support import node_arguments
    from segformer_ros.ros.peers.simulated_camera import ROWS
    return node_arguments.describe_parameters(ROWS)


def main(args: Optional[List[str]] = None) -> int:
    """Run the node until it is shut down or has sent the frames asked for."""
    from segformer_ros.cli.support import node_arguments
    from segformer_ros.cli.support.ros_environment import carry_images
    node_arguments.check('simulated_camera', DESCRIPTION, args, describe_parameters)
    # Images that do not fit the transport delay the transforms of the same process as well.
    carry_images()
    from segformer_ros.common.allocator import no_garbage
    with no_garbage():
        from segformer_ros.ros.node.process import run_node
        from segformer_ros.ros.peers.simulated_camera import SimulatedCameraNode
    return run_node(lambda: SimulatedCameraNode(command_line=sys.argv if args is None else args),
                    SimulatedCameraNode.close, args, is_done=lambda node: node.done,
                    name='simulated_camera')


if __name__ == '__main__':
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())
