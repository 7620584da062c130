# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The executable ``simulated_camera``: a camera node in the simulated world."""

from typing import List, Optional


def main(args: Optional[List[str]] = None) -> int:
    """Run the node until it is shut down or has sent the frames asked for."""
    from segformer_ros.cli.support.ros_environment import carry_images
    # Images that do not fit the transport delay the transforms of the same process as well.
    carry_images()
    from segformer_ros.ros.node.process import run_node
    from segformer_ros.ros.peers.simulated_camera import SimulatedCameraNode
    return run_node(SimulatedCameraNode, SimulatedCameraNode.close, args,
                    is_done=lambda node: node.done)


if __name__ == '__main__':
    raise SystemExit(main())
