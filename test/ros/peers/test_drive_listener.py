# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A calibration of live topics over real DDS, ended by Ctrl-C."""

import math
import os
import signal
import subprocess
import sys
import time

from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
import pytest
from rclpy.duration import Duration
from segformer_ros.costmap.geometry.camera_poses import Mount
from segformer_ros.ros.io.images import rgb8_image
from segformer_ros.ros.peers.simulated_camera import DYNAMIC_QOS
from segformer_ros.ros.peers.simulated_camera import transform_message
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from support import mount_drives
from support.ros_graph import Peer
from support.ros_graph import TIMEOUT
from tf2_msgs.msg import TFMessage
import yaml

pytest.importorskip('scipy', reason='scipy is not installed for this Python')

TRUE = Mount(0.8, math.radians(22.0), math.radians(1.0), math.radians(-2.0), 0.2, 0.05)
TOLD = Mount(0.86, math.radians(19.0), 0.0, 0.0, 0.2, 0.05)
BASE, OPTICAL = 'base_link', 'camera_optical_frame'


def stamp_of(seconds):
    nanoseconds = int(round(seconds * 1e9))
    return Time(sec=nanoseconds // 10 ** 9, nanosec=nanoseconds % 10 ** 9)


def test_a_robot_that_is_driven_past_is_calibrated_at_ctrl_c(domain, tmp_path):
    drive = mount_drives.simulate('indoor', 3, TRUE, frames=14, step=0.16, noise=0.005,
                                  size=(320, 240))
    calibration = drive.camera.calibration
    info = CameraInfo(width=320, height=240, distortion_model='plumb_bob',
                      d=list(calibration.d), k=list(calibration.k))
    child = subprocess.Popen(
        [sys.executable, '-u', '-m', 'segformer_ros.cli.calibrate_mount', '--topic',
         mount_drives.IMAGE, '-o', str(tmp_path)], env=dict(os.environ, ROS_DOMAIN_ID=str(domain)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    try:
        with Peer(domain) as peer:
            moving = peer.publisher(TFMessage, '/tf', DYNAMIC_QOS)
            fixed = peer.publisher(TFMessage, '/tf_static', 10)
            infos = peer.publisher(CameraInfo, mount_drives.INFO, 10)
            images = peer.publisher(Image, mount_drives.IMAGE, 10)
            told = drive.trajectory
            place = 0
            # What is said once more does not matter; one message may find no reader yet.
            for stamp, image in list(zip(drive.stamps, drive.images)) + [(told.stamps[-1], None)]:
                while place < len(told.stamps) and told.stamps[place] <= stamp + 1e-6:
                    moving.publish(TFMessage(transforms=[transform_message(
                        stamp_of(told.stamps[place]), 'odom', BASE, told.poses[place])]))
                    place += 1
                fixed.publish(TFMessage(transforms=[transform_message(
                    Time(), BASE, OPTICAL, TOLD.matrix())]))
                assert moving.wait_for_all_acked(Duration(seconds=TIMEOUT))
                # A callback of its own takes the pose in before the image.
                time.sleep(0.1)
                header = Header(stamp=stamp_of(stamp), frame_id=OPTICAL)
                info.header = header
                infos.publish(info)
                if image is not None:
                    images.publish(rgb8_image(header, image))
            time.sleep(0.5)
            child.send_signal(signal.SIGINT)
            said = child.communicate(timeout=TIMEOUT)[0]
    finally:
        child.kill()
        child.wait()
    assert 'Calculating.' in said and child.returncode == 0, said
    with open(str(tmp_path / 'front_image_raw.yaml')) as stream:
        found = yaml.safe_load(stream)['segformer']['ros__parameters']
    assert found['mount.height'] == pytest.approx(TRUE.height, rel=0.03)
    assert found['mount.pitch'] == pytest.approx(TRUE.pitch, abs=math.radians(0.5))
    assert f'--frame-id {BASE} --child-frame-id {OPTICAL}' in said


@pytest.mark.parametrize(('extra', 'got'), [
    ([], "unknown frame, 'odom'"),
    (['--odometry', '/nothing'], 'no message on its topic, /nothing'),
])
def test_missing_odometry_is_told_with_the_topic_that_has_it(domain, tmp_path, extra, got):
    child = subprocess.Popen(
        [sys.executable, '-u', '-m', 'segformer_ros.cli.calibrate_mount', '--topic',
         mount_drives.IMAGE, '--seconds', '5', '-o', str(tmp_path)] + extra,
        env=dict(os.environ, ROS_DOMAIN_ID=str(domain)), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, universal_newlines=True)
    try:
        with Peer(domain) as peer:
            peer.publisher(Odometry, mount_drives.ODOMETRY, 10, wait_for_subscriber=False)
            said = child.communicate(timeout=TIMEOUT)[0]
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 1 and 'No odometry of the drive: got ' + got in said, said
    assert 'Give --odometry ' + mount_drives.ODOMETRY + '.' in said and 'No image' not in said
