# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Cameras, neighbours and clocks that misbehave, one after another upon one node."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from support.fault_subject import told
from support.ros_graph import TIMEOUT
from support.ros_graph import wait_until

pytestmark = pytest.mark.slow

OK, WARN, ERROR = range(3)
TEST_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))


@contextlib.contextmanager
def neighbour(subject, *arguments):
    """Run a bad neighbour in the node's domain; it is at work when this is entered."""
    environment = dict(os.environ, ROS_DOMAIN_ID=str(subject.domain), PYTHONPATH=os.pathsep.join(
        [TEST_ROOT, os.environ.get('PYTHONPATH', '')]))
    child = subprocess.Popen(
        [sys.executable, '-m', 'support.bad_neighbour'] + list(arguments), env=environment,
        stdout=subprocess.PIPE)
    try:
        # Fast DDS writes to stdout as well, where killed processes left ports behind.
        assert b'sent\n' in iter(child.stdout.readline, b'')
        yield child
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def assert_told_in_time(subject, after, level):
    """No entry that knew of so long a silence had a lower level."""
    silent = [(found, float(values['since last mask [s]']))
              for found, values in subject.entries('camera')]
    assert any(seconds > after for _, seconds in silent), silent
    assert all(found >= level for found, seconds in silent if seconds > after), silent


def test_camera_stops_and_comes_back(subject, row):
    """Camera stops for four seconds."""
    begun = subject.begin()
    subject.served_again(begun[0])
    subject.camera.paused = True
    stopped = subject.camera.newest_right
    warned = subject.wait_for_status('camera', lambda level, *_: level == WARN) - stopped
    assert 1.0 < warned + 0.2 < TIMEOUT
    assert_told_in_time(subject, 1.0, WARN)
    time.sleep(max(0.0, 4.0 - (time.monotonic() - stopped)))
    subject.camera.paused = False
    row.back_s = subject.served_again(time.monotonic())
    subject.wait_for_status('camera', lambda level, *_: level == OK)
    lost = subject.finish(begun, refused=0)
    row.did = f'WARN {warned:.1f} s after the last image, served at once'
    row.lost = told(lost)


def test_camera_never_comes_back_turns_to_error(subject, row):
    """Camera stops for longer than error_after."""
    assert subject.peer.set_parameters(error_after=2.0) == ''
    begun = subject.begin()
    subject.camera.disconnect()
    stopped = subject.camera.newest_right
    after = subject.wait_for_status('camera', lambda level, *_: level == ERROR) - stopped
    assert 2.0 < after + 0.2 < TIMEOUT
    assert_told_in_time(subject, 2.0, ERROR)
    subject.camera.reconnect()
    row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun)
    assert subject.peer.set_parameters(error_after=5.0) == ''
    row.did = f'ERROR {after:.1f} s after the last image, with error_after 2 s'
    row.lost = told(lost)


@pytest.mark.parametrize('change', ['size', 'encoding', 'frame', 'reliable'])
def test_camera_comes_back_changed(subject, row, change):
    """Camera goes away and comes back with another ..."""
    names = {'size': 'size', 'encoding': 'encoding', 'frame': 'frame id', 'reliable': 'QoS'}
    row.fault = row.fault.replace('...', names[change])
    begun = subject.begin()
    subject.camera.disconnect()
    time.sleep(0.5)
    if change == 'size':
        subject.camera.size_wh = (120, 90)
    elif change == 'encoding':
        subject.camera.encoding = 'bgr8'
    elif change == 'frame':
        subject.camera.frame_id = 'other'
    subject.camera.reconnect(reliable=change == 'reliable')
    row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun)
    subject.camera.size_wh, subject.camera.encoding = (64, 48), 'rgb8'
    row.did, row.lost = 'served, masks right', f'{lost} images before discovery'


def test_camera_of_200_hz(subject, row):
    """Camera of 200 Hz for four seconds."""
    begun, memory = subject.begin(), subject.process.resident_mb()
    subject.camera.rate = 200.0
    time.sleep(4.0)
    subject.camera.rate = 10.0
    row.back_s = subject.served_again(time.monotonic())
    grown = subject.process.resident_mb() - memory
    assert grown < 20.0
    lost = subject.finish(begun)
    sent = subject.camera.counts['sent'] - begun[1]['sent']
    row.did = f'newest images served, memory grew {grown:.1f} MB'
    row.lost = f'{lost} of {sent} images made way for newer ones'


def test_publisher_killed_in_mid_message(subject, row):
    """Another publisher of 6 MB images on the same topic is killed while it sends."""
    begun = subject.begin()
    for _ in range(3):
        with neighbour(subject, 'images', '/image') as child:
            for _ in range(3):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
    row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun)
    row.did = 'served both, then the one that is left'
    row.lost = f'{max(0, lost)} images beside those of the other'


def test_subscriber_that_never_reads(subject, row):
    """A reliable subscriber of masks and overlay stops reading."""
    begun, memory = subject.begin(), subject.process.resident_mb()
    with neighbour(subject, 'reader', '/segformer/mask', '/segformer/overlay') as child:
        time.sleep(1.0)
        child.send_signal(signal.SIGSTOP)
        time.sleep(4.0)
        row.back_s = subject.served_again(time.monotonic())
        grown = subject.process.resident_mb() - memory
        child.send_signal(signal.SIGCONT)
    lost = subject.finish(begun)
    assert grown < 20.0
    sent = subject.camera.counts['sent'] - begun[1]['sent']
    assert lost < sent // 2
    row.did = f'went on for the others, memory grew {grown:.1f} MB'
    row.lost = f'{lost} of {sent} images made way for newer ones'


def test_domain_flooded(subject, row):
    """DDS domain flooded with other traffic for four seconds."""
    begun = subject.begin()
    with neighbour(subject, 'flood'):
        time.sleep(4.0)
        row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun)
    sent = subject.camera.counts['sent'] - begun[1]['sent']
    assert lost < sent // 2
    row.did, row.lost = 'served on', f'{lost} of {sent} images'


@pytest.mark.parametrize('shift', [-3600, 10 ** 8])
def test_stamps_jump(subject, row, shift):
    """Stamps of images jump ..."""
    row.fault = row.fault.replace('...', 'an hour back' if shift < 0 else 'three years ahead')
    begun = subject.begin()
    subject.camera.shift_s = shift
    time.sleep(1.5)
    subject.camera.shift_s = 0
    row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun, refused=0)
    row.did, row.lost = 'masks with the stamp of their image; counted and logged', told(lost)
    subject.wait_for_status('camera', lambda level, _, values: int(
        values['stamps that went back']) >= 1 and abs(float(values['input age [s]'])) < 60.0)


def test_camera_info_wrong_and_changing(subject, row):
    """CameraInfo wrong and another one with every message."""
    begun = subject.begin()
    publisher = subject.peer.node.create_publisher(
        CameraInfo, '/camera_info', qos_profile_sensor_data)
    for number in range(100):
        info = CameraInfo(width=number * 7, height=2 ** 32 - 1 - number,
                          distortion_model=['', 'plumb_bob', 'nonsense'][number % 3],
                          d=[float('nan')] * (number % 9), k=[float(number)] * 9)
        info.header.frame_id = str(number)
        publisher.publish(info)
        time.sleep(0.02)
    row.back_s = subject.served_again(time.monotonic())
    subject.peer.node.destroy_publisher(publisher)
    lost = subject.finish(begun, refused=0)
    row.did, row.lost = 'masks went on: they need none', told(lost)


def test_bad_images_between_good_ones(subject, row):
    """Every other image unreadable for two seconds."""
    begun = subject.begin()

    def spoil(message):
        message.step = 5
    for _ in range(10):
        subject.camera.spoil = spoil
        wait_until(lambda: subject.camera.spoil is None, 'a spoilt image')
        time.sleep(0.1)
    row.back_s = subject.served_again(time.monotonic())
    lost = subject.finish(begun, refused=10)
    assert lost >= 10
    row.did = 'refused with the reason, the good ones served'
    row.lost = f'{lost} images, 10 of them bad'
