#!/bin/bash
# Run a command with ROS and the package on its paths.
set -e
source "${ROS_ROOT:-/opt/ros/humble}/install/setup.bash"
source /segformer_ws/install/setup.bash
exec "$@"
