# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every folder of tests with ROS shares: transport that loses nothing, a domain, a model."""

import os

import pytest
from segformer_ros.cli.support import ros_environment


def use_own_transport():
    """
    Choose the checkout's DDS profile, whatever the environment names, on this machine alone.

    Before the first participant of the process; children inherit it.
    """
    for variable in ros_environment.PROFILE_VARIABLES:
        os.environ.pop(variable, None)
    ros_environment.carry_images()
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')


@pytest.fixture
def domain():
    """Lend a ROS domain to one test."""
    from support.ros_graph import private_domain
    with private_domain() as domain_id:
        yield domain_id


@pytest.fixture(scope='session')
def color_model(tmp_path_factory):
    """Return the path of a network that names colours."""
    from support.tiny_model import write_color_model
    return write_color_model(tmp_path_factory.mktemp('model'))
