#!/bin/bash
# Run a command with ROS and the package on its paths.
set -e
# The Jetson images built ROS from source, below $ROS_ROOT/install; apt puts it into /opt/ros.
setup=${ROS_ROOT:-/opt/ros/${ROS_DISTRO:-humble}}/install/setup.bash
[ -e "$setup" ] || setup=/opt/ros/${ROS_DISTRO:-humble}/setup.bash
source "$setup"
source /segformer_ws/install/setup.bash
exec "$@"
