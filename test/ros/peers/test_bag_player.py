# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The player over real DDS: messages, relative times, clock and latched transforms."""

import os
import signal
import subprocess
import sys
import time

import pytest
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from segformer_ros.evaluation.replay.recording import Stored
from segformer_ros.ros.peers.bag_player import BagPlayer
from segformer_ros.ros.peers.bag_player import message_class
from segformer_ros.ros.peers.bag_player import Pace
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from support import bags
from support.public_scenes import bag_messages
from support.ros_graph import Peer
from support.ros_graph import TIMEOUT
from support.ros_graph import wait_until
from tf2_msgs.msg import TFMessage

pytest.importorskip('rosbags')

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
FRAMES = 12


def player(domain, *arguments):
    """Start the player as a process."""
    return subprocess.Popen(
        [sys.executable, '-m', 'segformer_ros.cli.bag_player'] + list(arguments),
        env=dict(os.environ, ROS_DOMAIN_ID=str(domain)), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, universal_newlines=True)


@pytest.mark.parametrize('bag', ['camvid_mcap', 'camvid_sqlite3'])
def test_recorded_street_is_played_unchanged_with_its_clock(domain, shared, bag):
    path = shared('bags/' + bag)
    with Peer(domain) as peer:
        images = peer.subscribe(Image, '/camera/image_raw', 20)
        infos = peer.subscribe(CameraInfo, '/camera/camera_info', 20)
        clock = peer.subscribe(Clock, '/clock', 1000)
        compressed = peer.subscribe(Image, '/camera/image_raw/compressed', 20)
        # Faster than life; slow enough for a subscriber to be found before the end.
        child = player(domain, path, '--rate', '2', '--clock', '200', '--delay', '5',
                       '--topics', '/camera/image_raw', '/camera/camera_info', '/tf_static')
        # Static transforms are for whoever comes later.
        wait_until(lambda: images.messages, 'the first image')
        static = peer.subscribe(TFMessage, '/tf_static', LATCHED)
        static.wait()
        output = child.communicate(timeout=TIMEOUT)[0]
        assert child.returncode == 0, output
        assert 'Played 25 messages' in output
        wait_until(lambda: len(images.messages) == len(infos.messages) == FRAMES, 'all images')
    for topic, inbox, kind in (('/camera/image_raw', images, Image),
                               ('/camera/camera_info', infos, CameraInfo)):
        stored = [deserialize_message(raw, kind) for raw, _ in bag_messages(path, topic)]
        assert inbox.messages == stored
    assert len(static.messages) == 1
    assert compressed.messages == []
    told = [message.clock.sec + 1e-9 * message.clock.nanosec for message in clock.messages]
    assert told == sorted(told)
    stamps = [message.header.stamp.sec for message in images.messages]
    # From the first image to beyond the last one, at which the clock does not stop.
    assert told[0] == pytest.approx(stamps[0], abs=1.0)
    assert told[-1] > stamps[-1] == stamps[0] + 11


def test_relative_times_are_kept_and_scaled(domain, tmp_path):
    path = tmp_path / 'uneven'
    with bags.BagWriter(path) as bag:
        for number in (0, 5, 6, 20):
            bag.image(number)
    heard = []
    with Peer(domain) as peer:
        peer.node.create_subscription(
            Image, bags.CAMERA, lambda message: heard.append(time.monotonic()), 10)
        started = time.monotonic()
        child = player(domain, str(path), '--rate', '0.25', '--delay', '3')
        output = child.communicate(timeout=TIMEOUT)[0]
        wait_until(lambda: len(heard) == 4, output)
    # Nothing comes too early, also if the first one came late; how late something may come is
    # the machine's business. The last one, after a quarter of the speed, tells rates apart.
    for number, least in ((0, 0.0), (1, 2.0), (2, 2.4), (3, 8.0)):
        assert heard[number] - started > 3.0 + least
    assert heard[3] - started < 3.0 + 3 * 8.0


def test_the_largest_delay_is_told_though_later_messages_were_in_time(domain):
    def stored():
        for time_s, pause in ((0.0, 0.0), (0.1, 0.6), (2.0, 0.0)):
            time.sleep(pause)
            yield Stored('/image', 'sensor_msgs/msg/Image', int(time_s * 1e9),
                         serialize_message(Image()))
    with Peer(domain) as peer:
        played = BagPlayer(peer.node, Pace(clock_hz=0.0)).play(stored())
    assert played.messages == 3
    assert played.late > 0.4


def test_topic_that_was_latched_is_latched_again(domain, tmp_path):
    path = tmp_path / 'latched'
    with bags.BagWriter(path) as bag:
        bag.image(0, topic='/map_picture', is_latched=True)
        bag.image(20)
    with Peer(domain) as peer:
        images = peer.subscribe(Image, bags.CAMERA)
        child = player(domain, str(path), '--rate', '0.4')
        peer.wait_for_publisher('/map_picture')
        picture = peer.subscribe(Image, '/map_picture', LATCHED)
        picture.wait()
        output = child.communicate(timeout=TIMEOUT)[0]
    assert len(picture.messages) == 1, output
    assert images.messages


def test_type_that_is_not_installed_is_left_out_with_a_word(domain, tmp_path):
    path = tmp_path / 'strange'
    with bags.BagWriter(path) as bag:
        bag.image(0)
        bag.write('/goal', bag.make('actionlib_msgs/GoalID', stamp=bag.header(0).stamp, id='a'),
                  0)
    child = player(domain, str(path))
    output = child.communicate(timeout=TIMEOUT)[0]
    assert child.returncode == 0, output
    assert '/goal is not played: actionlib_msgs/msg/GoalID is not installed' in output
    assert 'Played 1 messages' in output


def test_what_cannot_be_played_is_told(domain, tmp_path):
    for arguments, text in ((['/no/bag'], 'Input not found'),
                            ([bags.write_bag(tmp_path / 'old.bag', 1, 'ros1')], 'ROS 1 bags'),
                            ([bags.write_bag(tmp_path / 'bag', 1), '--rate', '0'],
                             'Impossible speed')):
        child = player(domain, *arguments)
        output = child.communicate(timeout=TIMEOUT)[0]
        assert child.returncode == 1
        assert text in output


def test_loop_starts_over_under_the_new_name_until_it_is_told_to_end(domain, tmp_path):
    path = tmp_path / 'bag'
    with bags.BagWriter(path) as bag:
        for number in (0, 3):
            bag.image(number)
        bag.image(2, topic='/other')
    with Peer(domain) as peer:
        images = peer.subscribe(Image, '/front/image', 100)
        others = peer.subscribe(Image, '/other', 100)
        old = peer.subscribe(Image, bags.CAMERA, 100)
        clock = peer.subscribe(Clock, '/clock', 1000)
        child = player(domain, str(path), '-l', '--clock', '50', '--delay', '0.5',
                       '-m', bags.CAMERA + ':=/front/image')
        try:
            wait_until(lambda: len(images.messages) >= 5, 'the third round')
            child.send_signal(signal.SIGTERM)
            output = child.communicate(timeout=TIMEOUT)[0]
        finally:
            child.kill()
    assert (child.returncode, 'Traceback' in output) == (130, False), output
    assert 'Interrupted.' in output
    assert others.messages and not old.messages
    stamps = [message.header.stamp.nanosec for message in images.messages]
    assert len(set(stamps)) == 2
    # In turn: each round is whole, though the first may have begun unheard.
    assert all(before != after for before, after in zip(stamps, stamps[1:]))
    told = [message.clock.sec + 1e-9 * message.clock.nanosec for message in clock.messages]
    back = [before - after for before, after in zip(told, told[1:]) if after < before]
    # Each round takes the clock back to the first image, from about the last one.
    assert len(back) >= 2
    assert all(0.2 < step < 0.6 for step in back), back


def test_wrong_remaps_are_told(domain, tmp_path):
    path = bags.write_bag(tmp_path / 'bag', 1)
    for words, text in ((['/a'], 'got /a; expected OLD:=NEW'), (['/a:=/b c'], 'OLD:=NEW'),
                        (['/a:=/b', 'a:=/c'], 'Topic remapped twice')):
        child = player(domain, path, '--remap', *words)
        output = child.communicate(timeout=TIMEOUT)[0]
        assert (child.returncode, text in output) == (1, True), output


@pytest.mark.parametrize('options, text', [
    (['--delay', 'inf'], 'Impossible speed'), (['--rate', 'inf'], 'Impossible speed'),
    (['--clock', 'inf'], 'Impossible speed'),
    (['--topics', '/chat', '--remap', bags.CAMERA + ':=/z'], 'A remapped topic is not played'),
    (['--remap', bags.CAMERA + f':={bags.CAMERA}/compressed'], 'Two types would be published'),
    (['--clock', '--remap', bags.CAMERA + ':=/clock'], 'got sensor_msgs/msg/Image on /clock')])
def test_options_that_cannot_be_followed_are_refused(domain, tmp_path, options, text):
    path = tmp_path / 'bag'
    with bags.BagWriter(path) as bag:
        bag.image(0)
        bag.compressed(0)
    child = player(domain, str(path), *options)
    output = child.communicate(timeout=TIMEOUT)[0]
    assert (child.returncode, 'Traceback' in output, text in output) == (1, False, True), output


def test_subscriber_that_was_stopped_holds_the_end_up_once_not_for_each_topic(domain, tmp_path):
    topics = [f'/camera_{number}' for number in range(15)]
    path = tmp_path / 'many'
    with bags.BagWriter(path) as bag:
        for topic in topics:
            bag.image(0, topic=topic)
            bag.image(1, topic=topic)
    listener = subprocess.Popen(
        [sys.executable, '-m', 'support.bad_neighbour', 'reader'] + topics,
        env=dict(os.environ, ROS_DOMAIN_ID=str(domain), PYTHONPATH=os.pathsep.join(
            [os.path.dirname(os.path.dirname(bags.__file__))] + sys.path)),
        stdout=subprocess.PIPE)
    try:
        assert listener.stdout.readline() == b'sent\n'
        with Peer(domain) as peer:
            child = player(domain, str(path), '--delay', '5')
            wait_until(lambda: all(peer.node.count_publishers(topic) for topic in topics),
                       'all publishers')
            listener.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            output = child.communicate(timeout=TIMEOUT)[0]
            took = time.monotonic() - stopped
    finally:
        listener.kill()
        listener.wait()
    assert child.returncode == 0, output
    assert 'Played 30 messages' in output
    # 5 s until the first message, 1 s of clock, 2 s for what nobody acknowledges; two for each
    # topic would be 36 in all.
    assert took < 30.0


def test_message_classes_are_found_by_name():
    assert message_class('sensor_msgs/msg/Image') is Image
    assert message_class('sensor_msgs/msg/Picture') is None
    assert message_class('no_such_msgs/msg/Image') is None


def test_type_names_without_msg_name_the_same_class():
    assert message_class('sensor_msgs/Image') is message_class('sensor_msgs/msg/Image') is Image
    assert message_class('nothing_msgs/Image') is None
