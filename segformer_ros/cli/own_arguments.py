# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What of a command line is the command's own."""

import sys
from typing import List
from typing import Optional


def own_arguments(args: Optional[List[str]]) -> List[str]:
    """
    Return the arguments without those that are ROS's, which launch files add.

    :param args: of the command line, without the program's name; None takes the process's own
    """
    given = sys.argv[1:] if args is None else args
    try:
        from rclpy.utilities import remove_ros_args
    except ImportError:
        # Without ROS nothing adds any; the command tells what it lacks.
        return list(given)
    # The first one is taken for the program's name.
    return list(remove_ros_args([''] + given)[1:])
