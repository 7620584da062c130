# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What tests with ROS share: a domain of their own, transport that loses nothing, a model."""

import os

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'config')
PROFILE = os.path.abspath(os.path.join(CONFIG, 'fastdds.xml'))
# Before the first participant of this process; children inherit them.
for variable in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
    os.environ[variable] = PROFILE
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
