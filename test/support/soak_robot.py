# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The robot that carries the soaked cameras, and a judge of the node's grids and clouds."""

import math
import threading
import time

from builtin_interfaces.msg import Time
from nav_msgs.msg import OccupancyGrid
import numpy as np
from rclpy.qos import qos_profile_sensor_data
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.points import POINT_DTYPE
from segformer_ros.ros.peers.simulated_camera import DYNAMIC_QOS
from segformer_ros.ros.peers.simulated_camera import STATIC_QOS
from segformer_ros.ros.peers.simulated_camera import transform_message
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import PointCloud2
from support.costmap_robot import LATCHED
from support.striped_camera import edges
from support.tiny_model import RED
from tf2_msgs.msg import TFMessage

FORGET = 2.0
"""Seconds, ``fusion.forget_time``; a grid older than that must be unknown."""
POSE_PERIOD = 0.05
RADIUS, SPEED = 2.0, 0.3
"""Of the circle that it drives: metres, metres a second."""
KEPT = 400
BORDER = 6
"""
Pixels beside a stripe in which its points may lie. Stripes of a picture are no upright things: a
camera that looks down sees theirs lean, and what is met there takes the range of a neighbour.
"""
LEGAL = frozenset([-1, 100]) | frozenset(range(99))
PARAMETERS = {'ground_frame': 'base_link', 'costmap_rate': 5.0, 'fusion.forget_time': FORGET,
              'fusion.static_decay_time': 1.5, 'fusion.dynamic_decay_time': 0.5}


class SoakRobot:
    """
    Drives in a circle; says where it is and what its cameras' intrinsics are.

    A cloud is right if every point in the middle of a stripe lies in a red one, and each red
    stripe has points.

    :param peer: its node publishes and subscribes
    :param cameras: :class:`StripedCamera` by name; each looks another way
    """

    def __init__(self, peer, cameras):
        self._node = peer.node
        self.poses_on = True
        """Whether it says where it is."""
        self.counts = {'grids': 0, 'illegal values': 0, 'clouds': 0, 'points': 0,
                       'wrong points': 0, 'red stripes': 0, 'red stripes without points': 0,
                       'empty for red': 0, 'unknown stamps': 0}
        self.longest_gap = 0.0
        self.known = 0
        """Cells that the newest grid knows."""
        self._last_grid = None
        self._cameras = cameras
        self._mounts = {name: mount_pose(0.5, 0.5, yaw=2.0 * math.pi * number / len(cameras))
                        for number, name in enumerate(cameras)}
        self._sent = {name: {} for name in cameras}
        self._lock = threading.Lock()
        self._moving = self._node.create_publisher(TFMessage, '/tf', DYNAMIC_QOS)
        self._fixed = self._node.create_publisher(TFMessage, '/tf_static', STATIC_QOS)
        self._infos = {}
        for name, camera in cameras.items():
            self._infos[name] = self._node.create_publisher(
                CameraInfo, f'/{name}/camera_info', qos_profile_sensor_data)
            self._node.create_subscription(
                PointCloud2, f'/segformer/{name}/obstacle_points',
                self._judge_cloud(name), 20)
            camera.before_sending = self._describe(name)
        self._node.create_subscription(OccupancyGrid, '/segformer/costmap', self._judge_grid,
                                       LATCHED)
        self._frames = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self):
        """Count from now on."""
        with self._lock:
            self.counts = dict.fromkeys(self.counts, 0)
            self.longest_gap, self._last_grid = 0.0, None

    def stop(self):
        """Drive no more."""
        self._stop.set()
        self._thread.join()

    def report(self):
        """Return the counts."""
        return dict(self.counts, longest_gap_s=round(self.longest_gap, 2))

    def _run(self):
        started = time.monotonic()
        while not self._stop.wait(POSE_PERIOD):
            frames = {name: camera.frame_id for name, camera in self._cameras.items()}
            if frames != self._frames:
                self._frames = frames
                self._fixed.publish(TFMessage(transforms=[
                    transform_message(Time(), 'base_link', frame, self._mounts[name])
                    for name, frame in frames.items()]))
            if self.poses_on:
                angle = SPEED * (time.monotonic() - started) / RADIUS
                self._moving.publish(TFMessage(transforms=[transform_message(
                    self._node.get_clock().now().to_msg(), 'odom', 'base_link',
                    planar_pose(RADIUS * math.sin(angle), -RADIUS * math.cos(angle), angle))]))

    def _describe(self, name):
        def describe(message, codes):
            width, height = message.width, message.height
            with self._lock:
                sent = self._sent[name]
                sent[_key(message)] = (codes, width, height)
                while len(sent) > KEPT:
                    del sent[next(iter(sent))]
            self._infos[name].publish(CameraInfo(
                header=message.header, width=width, height=height, distortion_model='plumb_bob',
                d=[0.0] * 5, k=_intrinsics(width, height).ravel().tolist()))
        return describe

    def _judge_grid(self, message):
        now = time.monotonic()
        values = np.frombuffer(message.data, np.int8)
        with self._lock:
            self.counts['grids'] += 1
            self.counts['illegal values'] += not LEGAL.issuperset(np.unique(values).tolist())
            if self._last_grid is not None:
                self.longest_gap = max(self.longest_gap, now - self._last_grid)
            self._last_grid = now
            self.known = int(np.count_nonzero(values != -1))

    def _judge_cloud(self, name):
        def judge(message):
            points = np.frombuffer(message.data, POINT_DTYPE)
            with self._lock:
                # One that comes twice says that nothing is seen any more.
                truth = self._sent[name].pop(_key(message), None)
                if truth is None:
                    self.counts['unknown stamps'] += bool(len(points))
                    return
                self.counts['clouds'] += 1
                self.counts['points'] += len(points)
                self._compare(points, *truth, self._mounts[name])
        return judge

    def _compare(self, points, codes, width, height, mount):
        if not len(points) and RED in codes:
            self.counts['empty for red'] += 1
            return
        feet = np.stack([points['x'], points['y'], np.zeros(len(points)), np.ones(len(points))])
        seen = _intrinsics(width, height).dot(inverse(mount).dot(feet)[:3])
        column = seen[0] / seen[2]
        # Points of the strip before the bumper lie below the picture, whatever its stripes say.
        in_view = (seen[2] > 0.0) & (seen[1] / seen[2] < height - BORDER)
        at = edges(width)
        for code, start, end in zip(codes, at[:-1], at[1:]):
            margin = max((end - start) // 4, BORDER)
            if code == RED:
                self.counts['red stripes'] += 1
                self.counts['red stripes without points'] += not np.any(
                    (column > start) & (column < end))
            else:
                self.counts['wrong points'] += int(np.count_nonzero(
                    in_view & (column > start + margin) & (column < end - margin - 1)))


def faults_of(counts, excused):
    """
    Return what is wrong with the grids and clouds of a run, as sentences.

    :param counts: from :meth:`SoakRobot.report`
    :param excused: how often the node was switched off, after each of which one cloud of each
        camera says that nothing is seen
    """
    wrong = [f'costmap: {counts[key]} {key}' for key in (
        'illegal values', 'wrong points', 'red stripes without points', 'unknown stamps')
        if counts[key]]
    if counts['empty for red'] > excused:
        wrong.append('costmap: {} empty clouds of pictures with red'.format(
            counts['empty for red']))
    if not counts['grids'] or not counts['red stripes']:
        wrong.append(f'costmap: nothing was judged: {counts}')
    return wrong


def _intrinsics(width, height):
    focal = 0.8 * width
    return np.array([[focal, 0.0, 0.5 * (width - 1)], [0.0, focal, 0.5 * (height - 1)],
                     [0.0, 0.0, 1.0]])


def _key(message):
    return message.header.stamp.sec, message.header.stamp.nanosec
