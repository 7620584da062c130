# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What of a command line is the command's own."""

import sys
from typing import List
from typing import Optional


def own_arguments(args: Optional[List[str]]) -> List[str]:
    """
    Return the arguments without those that are ROS's.

    Launch files add ``--ros-args ...`` to the end of whatever they start.

    :param args: of the command line, without the program's name; None takes the process's own
    """
    given = sys.argv[1:] if args is None else args
    return given[:given.index('--ros-args')] if '--ros-args' in given else list(given)
