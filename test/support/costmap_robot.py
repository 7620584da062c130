# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A robot in a plane with boxes: images, CameraInfo and transforms for a running node."""

import os
import time

from builtin_interfaces.msg import Time
import numpy as np
from rclpy.qos import DurabilityPolicy
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.ros.io.images import byte_array
from segformer_ros.ros.io.images import rgb8_image
from segformer_ros.ros.peers.simulated_camera import DYNAMIC_QOS
from segformer_ros.ros.peers.simulated_camera import STATIC_QOS
from segformer_ros.ros.peers.simulated_camera import transform_message
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from support.color_network import write_color_network
from support.plane_scene import Box
from support.plane_scene import Patch
from support.plane_scene import PINHOLE
from support.plane_scene import Scene
from support.ros_graph import TIMEOUT
from support.ros_graph import wait_until
from support.segformer_peer import SegformerPeer
from support.tiny_model import BLUE
from support.tiny_model import COLORS
from support.tiny_model import GREEN
from support.tiny_model import RED
from support.tiny_model import WHITE
from support.tiny_model import write_color_costs
from support.tiny_model import write_color_spec
from tf2_msgs.msg import TFMessage

MOUNT = mount_pose(0.8, 0.35, x=0.2)
# White ground with a green half, a red box ahead, blue sky; in odom.
SCENE = Scene(WHITE, (Patch(-9.0, 0.6, 9.0, 9.0, GREEN),), (Box(3.0, -0.2, 0.4, 0.6, RED),), BLUE)
SIZE = 320
"""Of the network's input: a logit for each four pixels across, three down."""

# Nav2's own: StaticLayer and the costmap filters; ObservationBuffer and the layer of
# kiwicampus; labels of that layer.
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
SENSOR_DATA_50 = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE_50 = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
"""For what comes once: not Nav2's, but nothing is lost."""
LABELS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE,
                    durability=DurabilityPolicy.TRANSIENT_LOCAL)


def color_parameters(folder, **changes):
    """Return parameters of a node that knows the scene's colours and forgets quickly."""
    path = write_color_network(os.path.join(str(folder), 'scene.onnx'), SIZE)
    write_color_spec(folder, 'scene', SIZE)
    return dict(write_color_costs(folder), **dict({
        'model': path, 'ground_frame': 'base_link', 'costmap_rate': 10.0,
        'transform_tolerance': 1.0, 'fusion.static_decay_time': 1.0,
        'fusion.dynamic_decay_time': 0.5, 'fusion.forget_time': 1.5}, **changes))


class CostmapRobot(SegformerPeer):
    """
    A robot with one pinhole camera.

    :param camera: name, empty for the only one
    :param mount: base_link from the camera's optical frame, (4, 4)
    """

    def __init__(self, domain, camera='', mount=MOUNT):
        super().__init__(domain, camera)
        self.frame_id = (camera or 'front') + '_optical'
        self.mount = mount
        prefix = f'/{camera}/' if camera else '/'
        self._image = self.node.create_publisher(Image, prefix + 'image',
                                                 qos_profile_sensor_data)
        self._info = self.node.create_publisher(CameraInfo, prefix + 'camera_info',
                                                qos_profile_sensor_data)
        self.moving = self.node.create_publisher(TFMessage, '/tf', DYNAMIC_QOS)
        self.fixed = self.node.create_publisher(TFMessage, '/tf_static', STATIC_QOS)
        self.info = CameraInfo(
            width=PINHOLE.width, height=PINHOLE.height, distortion_model='plumb_bob',
            d=[0.0] * 5, k=[PINHOLE.f, 0.0, PINHOLE.cx, 0.0, PINHOLE.f, PINHOLE.cy, 0.0, 0.0, 1.0],
            p=[PINHOLE.f, 0.0, PINHOLE.cx, 0.0, 0.0, PINHOLE.f, PINHOLE.cy, 0.0, 0.0, 0.0, 1.0,
               0.0])
        self.pose = planar_pose(0.4, 0.1, 0.1)
        """odom from base_link."""
        self.sent = []
        """Headers of all images."""
        self._seen = None

    def now(self):
        """Return the machine's time as a stamp."""
        return self.node.get_clock().now().to_msg()

    def camera_pose(self):
        """Return odom from the optical frame."""
        return self.pose.dot(self.mount)

    def send_fixed(self):
        """Say where the camera is mounted."""
        self.fixed.publish(TFMessage(transforms=[
            transform_message(Time(), 'base_link', self.frame_id, self.mount)]))

    def send_pose(self, stamp):
        """Say where the robot is."""
        self.moving.publish(TFMessage(transforms=[
            transform_message(stamp, 'odom', 'base_link', self.pose)]))

    def send_beam(self, base_from_beam):
        """Say where a range finder is mounted, beside the camera."""
        self.fixed.publish(TFMessage(transforms=[
            transform_message(Time(), 'base_link', self.frame_id, self.mount),
            transform_message(Time(), 'base_link', 'beam', base_from_beam)]))

    def look(self, scene=SCENE, stamp=None, with_pose=True, frame_id=None):
        """Publish what the camera sees; return the header."""
        stamp = stamp or self.now()
        if with_pose:
            self.send_fixed()
            self.send_pose(stamp)
        header = Header(stamp=stamp, frame_id=self.frame_id if frame_id is None else frame_id)
        image = self._image_of(scene)
        if self.info is not None:
            self.info.header = header
            self._info.publish(self.info)
        self.sent.append(header)
        self._image.publish(rgb8_image(header, image))
        return header

    def _image_of(self, scene):
        """Return what is seen, (H, W, 3); rendered once while nothing moves."""
        pose = self.camera_pose()
        if self._seen is None or self._seen[0] is not scene or (self._seen[1] != pose).any():
            colors = np.array(list(COLORS.values()), np.uint8)
            self._seen = scene, pose, colors[scene.render(PINHOLE, pose).labels]
        return self._seen[2]

    def look_until(self, condition, what, pause=0.1, **arguments):
        """
        Look again and again until a condition returns something; return that.

        :param arguments: of :meth:`look`; what can be called is called for each look
        """
        deadline = time.monotonic() + TIMEOUT
        while True:
            self.look(**{name: value() if callable(value) else value
                         for name, value in arguments.items()})
            time.sleep(pause)
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, f'not within {TIMEOUT:.0f} s: {what}'

    def look_to_the_end(self, clouds, **arguments):
        """
        Look once more, until no image is in work any more; return the last one's cloud.

        :param clouds: reliable inbox of ``obstacle_points``
        """
        def cloud_of_a_new_look():
            stamp = self.look(**arguments).stamp
            try:
                return clouds.wait(lambda cloud: cloud.header.stamp == stamp, timeout=5.0)
            except AssertionError:  # lost on its way, or too old to be of use when it came
                return None
        # Images come to the costmap in their order.
        return wait_until(cloud_of_a_new_look, 'the cloud of the last image')


def look_with_depth(robot, frame_id, stamp=None, is_blind=False):
    """Send one image and its depth, which says in which frame it was taken."""
    header = robot.look(stamp=stamp)
    depth = SCENE.render(PINHOLE, robot.camera_pose()).depth
    depth[~np.isfinite(depth)] = 0.0
    values = np.round(depth * (0.0 if is_blind else 1000.0)).astype('<u2')
    robot.depth.publish(Image(
        header=Header(stamp=header.stamp, frame_id=frame_id), encoding='16UC1',
        height=values.shape[0], width=values.shape[1], step=2 * values.shape[1],
        data=byte_array(values.view(np.uint8))))


def stamp_seconds(stamp):
    """Return a stamp in seconds."""
    return stamp.sec + 1e-9 * stamp.nanosec


class GridView:
    """An OccupancyGrid message as an array with places."""

    def __init__(self, message):
        info = message.info
        self.message = message
        self.values = np.array(message.data, np.int8).reshape(info.height, info.width)
        self._x = info.origin.position.x + info.resolution * (np.arange(info.width) + 0.5)
        self._y = info.origin.position.y + info.resolution * (np.arange(info.height) + 0.5)

    def at(self, x, y):
        """Return the value of the cell that holds a point."""
        return int(self.values[np.argmin(np.abs(self._y - y)), np.argmin(np.abs(self._x - x))])

    def lethal(self):
        """Return the centres of lethal cells, (N, 2)."""
        rows, columns = np.nonzero(self.values == 100)
        return np.stack([self._x[columns], self._y[rows]], axis=1)

    def known(self):
        """Return the number of cells that are not unknown."""
        return int((self.values != -1).sum())


def distances(points, others):
    """Return the distance of each point to the nearest of some others."""
    return np.hypot(*(points[:, None, :] - others[None, :, :]).T).min(axis=0)


def cloud_points(message):
    """Return x, y, z, cost of an unorganised cloud by the message's own fields."""
    offsets = {field.name: field.offset for field in message.fields}
    data = np.frombuffer(bytes(message.data), np.uint8).reshape(message.width,
                                                                message.point_step)
    xyz = [data[:, offsets[axis]:offsets[axis] + 4].copy().view('<f4')[:, 0] for axis in 'xyz']
    return np.stack(xyz, axis=1), data[:, offsets['cost']]
