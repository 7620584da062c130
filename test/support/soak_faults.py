# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What happens to the node while it is soaked: one function for each disturbance."""

import itertools
import signal
import time

from nav_msgs.msg import OccupancyGrid
import numpy as np
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger
from support.costmap_robot import LATCHED
from support.ros_graph import TIMEOUT
from support.soak_robot import FORGET

FRAMES = itertools.count()
MARGIN = 1.0
"""Seconds between the stamps of the last image that is used and of the last grid of it."""


def pause(soak, camera):
    """Stop the camera for three seconds."""
    camera.paused = True
    time.sleep(3.0)
    camera.paused = False


def other_size(soak, camera):
    """Change the size of the pictures."""
    camera.size_wh = soak.random.choice([(64, 48), (80, 60), (160, 120), (100, 76)])


def other_encoding(soak, camera):
    """Change the encoding of the pictures."""
    camera.encoding = soak.random.choice(['rgb8', 'bgr8', 'rgba8'])


def other_frame(soak, camera):
    """Change the frame id to one that no camera had: TF would place it where that one is."""
    camera.frame_id = f'camera_{next(FRAMES)}'


def bad_image(soak, camera):
    """Send an image that cannot be read."""
    def short(message):
        message.data = b'abc'

    def unknown(message):
        message.encoding = 'h264'

    def narrow(message):
        message.step = 3
    camera.spoil = soak.random.choice([short, unknown, narrow])


def new_publisher(soak, camera):
    """Take the camera's publisher away and make another one, with another QoS or the same."""
    camera.disconnect()
    time.sleep(soak.random.uniform(0.0, 1.0))
    camera.reconnect(reliable=soak.random.random() < 0.5)


def wrong_parameter(soak, camera):
    """Set parameters to what must be refused."""
    name, value = soak.random.choice([('threshold', 7.0), ('max_rate', -1.0),
                                      ('jpeg_quality', 0), ('resize', 'none')])
    if soak.peer.set_parameters(**{name: value}) == '':
        soak.complaints.append(f'accepted {name} = {value}')


def live_parameter(soak, camera):
    """Set a parameter that leaves the masks as they are."""
    refusal = soak.peer.set_parameters(overlay_alpha=soak.random.random(),
                                       jpeg_quality=soak.random.randint(1, 100))
    if refusal:
        soak.complaints.append(refusal)


def inactive(soak, camera):
    """Deactivate the node for a moment."""
    if not soak.peer.change_state('deactivate'):
        soak.complaints.append('did not deactivate')
    time.sleep(soak.random.uniform(0.0, 1.0))
    if not soak.peer.change_state('activate'):
        soak.complaints.append('did not activate')


def switched_off(soak, camera):
    """Switch the masks off for a moment."""
    for on in (False, True):
        if not soak.peer.call(SetBool, '/segformer/enable', SetBool.Request(data=on)).success:
            soak.complaints.append('~/enable failed')
        time.sleep(0.5)


def viewer(soak, camera):
    """Look at the pictures for three seconds."""
    inboxes = [soak.peer.node.create_subscription(
        Image, soak.peer.output(name), lambda message: None, 1)
        for name in ('overlay', 'color_mask', 'confidence')]
    time.sleep(3.0)
    for inbox in inboxes:
        soak.peer.node.destroy_subscription(inbox)


def clock_back(soak, camera):
    """Stamp pictures an hour ago for a second."""
    camera.shift_s = -3600
    time.sleep(1.0)
    camera.shift_s = 0


def clock_ahead(soak, camera):
    """Stamp pictures far in the future for a second."""
    camera.shift_s = 10 ** 8
    time.sleep(1.0)
    camera.shift_s = 0


def blind(soak, camera):
    """Stop every camera until the grid must know nothing, and see that it does not."""
    cameras = soak.cameras.values()
    for each in cameras:
        each.paused = True
    must_forget(soak, 'image')
    for each in cameras:
        each.paused = False


def without_poses(soak, camera):
    """Say nothing of where the robot is until the grid must know nothing, and see that."""
    soak.robot.poses_on = False
    must_forget(soak, 'pose')
    soak.robot.poses_on = True


def must_forget(soak, what):
    """
    Wait for a grid that is stamped so late that it must know nothing.

    How late a grid comes is the machine's business: what it may know is judged by its stamp.

    :param what: the node has just got the last of
    """
    last = soak.peer.node.get_clock().now().nanoseconds
    late = []

    def judge(grid):
        age = 1e-9 * (grid.header.stamp.sec * 10 ** 9 + grid.header.stamp.nanosec - last)
        if age > FORGET + MARGIN:
            late.append((int(np.count_nonzero(np.frombuffer(grid.data, np.int8) != -1)), age))
    subscription = soak.peer.node.create_subscription(
        OccupancyGrid, '/segformer/costmap', judge, LATCHED)
    deadline = time.monotonic() + TIMEOUT
    while not late and time.monotonic() < deadline:
        time.sleep(0.05)
    soak.peer.node.destroy_subscription(subscription)
    if not late:
        soak.complaints.append(f'no grid for {TIMEOUT} s after the last {what}')
    for known, age in late:
        if known:
            soak.complaints.append(f'{known} cells known {age:.2f} s after the last {what}')


def clear_costmap(soak, camera):
    """Have the grid emptied."""
    soak.peer.call(Trigger, '/segformer/clear_costmap', Trigger.Request())


def other_costmap(soak, camera):
    """Change how the grid is made."""
    refusal = soak.peer.set_parameters(
        projection__max_range=soak.random.uniform(3.0, 6.0),
        fusion__occupied_gain=soak.random.uniform(0.5, 1.0))
    if refusal:
        soak.complaints.append(refusal)


def starved(soak, camera):
    """Give the node no processor for a second."""
    soak.node.signal(signal.SIGSTOP)
    time.sleep(1.0)
    soak.node.signal(signal.SIGCONT)


SWITCHING = ('inactive', 'switched_off')
"""After these one empty cloud of each camera says that nothing is seen."""
FAULTS = (pause, other_size, other_encoding, other_frame, bad_image, new_publisher,
          wrong_parameter, live_parameter, inactive, switched_off, viewer, clock_back,
          clock_ahead, blind, without_poses, clear_costmap, other_costmap, starved)
