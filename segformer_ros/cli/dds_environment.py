# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Environment variables of DDS, to be set before rclpy starts; children inherit them."""

import os

from segformer_ros import resources

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def carry_images() -> None:
    """Choose a transport with room for images, unless the environment names one."""
    for variable in PROFILE_VARIABLES:
        os.environ.setdefault(variable, resources.find('config/fastdds.xml'))


def keep_apart() -> None:
    """Choose a domain of this process's own, unless the environment names one."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
