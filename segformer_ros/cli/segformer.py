# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The executable ``segformer``: the node."""

from typing import List, Optional


def main(args: Optional[List[str]] = None) -> int:
    """Run the node until it is shut down."""
    from segformer_ros.ros.node.stop_signal import StopRequest
    stop = StopRequest()
    from segformer_ros.ros.node.process import run_node
    from segformer_ros.ros.node.segformer_node import SegformerNode
    return run_node(lambda: SegformerNode(is_stopping=lambda: stop.requested),
                    SegformerNode.close, args, is_unrecoverable=lambda node: node.is_unrecoverable,
                    stop=stop, leaves_threads=lambda node: node.leaves_threads)


if __name__ == '__main__':
    raise SystemExit(main())
