# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A camera on a robot in the simulated world: images, depth, ground truth and transforms."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from builtin_interfaces.msg import Time
from geometry_msgs import msg as geometry_msgs
import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.costmap.geometry.transforms import quaternion_of
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io import images as io_images
from segformer_ros.ros.io import remaps
from segformer_ros.ros.io.clock import create_steady_timer
from segformer_ros.ros.io.topics import Topic
from segformer_ros.ros.parameters import declaration
from segformer_ros.ros.parameters.row import Row
from segformer_ros.ros.parameters.row import START
from segformer_ros.ros.peers import simulated_robot
from segformer_ros.simulation.render.renderer import RenderedImage
from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.world.trajectory import tilted
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import KINDS
from segformer_ros.simulation.world.world import World
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

# Distortion models with coefficients: of an ordinary webcam (plumb_bob: k1, k2, p1, p2, k3), of
# the same as a rational polynomial, and of a moderate fisheye.
DISTORTIONS = {
    'none': ('plumb_bob', (0.0,) * 5),
    'plumb_bob': ('plumb_bob', (-0.18, 0.05, 0.0005, -0.0003, 0.0)),
    'rational_polynomial': ('rational_polynomial',
                            (0.10, 0.02, 0.0005, -0.0003, 0.001, 0.28, 0.06, 0.002)),
    'equidistant': ('equidistant', (-0.02, 0.004, -0.001, 0.0)),
}

ROWS = (
    Row('world', str, 'indoor', START, 'Kind of world.', choices=KINDS),
    Row('seed', int, 7, START, 'The same seed gives the same world and the same bytes.',
        range=(0, 2 ** 32 - 1)),
    Row('textures', str, 'held_out', START, 'Which set of textures the world wears; the shipped '
        'model has never seen held_out.', choices=('train', 'held_out')),
    Row('width', int, 640, START, 'Image width in pixels.', range=(16, 4096)),
    Row('height', int, 480, START, 'Image height in pixels.', range=(16, 4096)),
    Row('field_of_view', float, 75.0, START, 'Horizontal, in degrees, before distortion.',
        range=(20.0, 140.0)),
    Row('lens', str, 'none', START, 'Distortion of the images, given in CameraInfo.',
        choices=tuple(DISTORTIONS)),
    Row('rate', float, 5.0, START, 'Images per second of world time, and per second as far as '
        'the processor renders that fast.', range=(0.1, 200.0)),
    Row('speed', float, 0.8, START, 'Of the robot along its route, in metres per second.',
        range=(0.0, 20.0)),
    Row('cameras', list, [''], START, 'Names, which stand before topics and frames: '
        "front/image_raw, front_camera_optical_frame. [''] is one camera without a name. All sit "
        'above the middle of the robot.'),
    Row('camera_yaws', list, [0.0], START, 'Degrees to the left by which each of them is turned.'),
    Row('camera_height', float, 0.0, START, 'Above the ground, metres; 0 takes what is usual in '
        'the world.', range=(0.0, 100.0)),
    Row('camera_pitch', float, -1.0, START, 'Degrees below the horizon; -1 takes what is usual in '
        'the world.', range=(-1.0, 90.0)),
    Row('mount_error', float, 0.0, START, 'Degrees by which the camera looks higher than its '
        'transform says.', range=(-10.0, 10.0)),
    Row('people', bool, True, START, 'Whether anybody walks in the world.'),
    Row('frames', int, 0, START, 'Images after which it stops; 0 never stops.',
        range=(0, 10 ** 9)),
    Row('wait_for_subscribers', int, 0, START, 'Subscriptions of image_raw without which the '
        'drive does not start; for recorders that need the first image.', range=(0, 100)),
    Row('base_frame', str, 'base_link', START, 'Frame of the robot on the ground.'),
    Row('odom_frame', str, 'odom', START, 'Fixed frame, which is that of the world.'),
    Row('camera_frame', str, 'camera_optical_frame', START, 'Optical frame of the images.'),
) + simulated_robot.ROWS

# Reliable, so that a recorder can have every frame; sensor-data subscribers match as well.
IMAGE = Topic('image_raw', 'sensor_msgs/msg/Image', True, False, 2, 'rgb8.')
CAMERA_INFO = Topic('camera_info', 'sensor_msgs/msg/CameraInfo', True, False, 2,
                    'Of the image, same header.')
DEPTH = Topic('depth/image_raw', 'sensor_msgs/msg/Image', True, False, 2,
              '32FC1, metres along the optical axis; infinite for the sky. Registered.')
LABELS = Topic('labels', 'sensor_msgs/msg/Image', True, False, 2,
               'mono8, the true class id of every pixel.')
OUTPUTS = (IMAGE, CAMERA_INFO, DEPTH, LABELS)
# What tf2_ros uses: broadcaster depth 100; static broadcaster latched.
DYNAMIC_QOS = QoSProfile(depth=100)
STATIC_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class MountedCamera(NamedTuple):
    """
    One camera on the robot.

    ``prefix`` stands before its topics, ``frame`` is its optical frame; ``told`` base_from_optical
    (4, 4) as transforms say it, ``true`` as it is.
    """

    prefix: str
    frame: str
    told: arrays.Float64
    true: arrays.Float64


class SimulatedCameraNode(declaration.ReloadableNode):
    """
    Publishes what the cameras of a robot see.

    By default the robot drives along the world's route. World time then starts at 0 and advances
    by 1 / rate with each image, so the n-th image of a seed is always the same one; its stamp is
    the node's clock. With another ``pose_source`` the robot goes where it is told to.

    :param command_line: of the process; what it remaps in vain is told
    :param options: of rclpy's ``Node``
    :raises ConfigurationError: a parameter given at start cannot be used
    """

    def __init__(self, command_line: Sequence[str] = (), **options: Any) -> None:
        super().__init__('simulated_camera', **options)
        self._values = {row.name: row.kind(declaration.declare(self, row)) for row in ROWS}
        declaration.warn_of_unknown_names(self, self._values)
        values = self._values
        check_frames(values)
        self._world = World(values['world'], values['seed'], values['textures'])
        if not values['people']:
            self._world.walkers = []
        self._trajectory = Trajectory(
            self._world, values['speed'], values['camera_height'] or None,
            None if values['camera_pitch'] < 0.0 else float(np.radians(values['camera_pitch'])))
        self._info = camera_info(values)
        self._renderer = Renderer(CameraModel(_calibration(self._info)).rays())
        self._cameras = cameras_of(values, self._trajectory.base_from_optical)
        self._publishers_by_topic = {
            name: endpoints.advertise(
                self, CameraInfo if topic is CAMERA_INFO else Image, name, topic.profile())
            for camera in self._cameras
            for topic, name in ((each, camera.prefix + each.name) for each in OUTPUTS)}
        self._transforms = TransformPublisher(self)
        now = self.get_clock().now().to_msg()
        self._transforms.send_static([
            transform_message(now, values['base_frame'], camera.frame, camera.told)
            for camera in self._cameras])
        self.frames_sent = 0
        self._looked = 0.0
        self._motion: Any = None
        if values['pose_source'] == simulated_robot.ROUTE:
            self._timer = create_steady_timer(self, 1.0 / values['rate'], self._on_timer)
        else:
            self._world.personal_space = 0.0
            self._motion = simulated_robot.motion_of(self, values, self._world, self._trajectory)
            self._timer = create_steady_timer(self, self._motion.period, self._on_step)
        names = [*self._publishers_by_topic, *(topic.name for topic in simulated_robot.OUTPUTS)]
        for text in endpoints.idle_overrides(self) + remaps.idle_rules(
                self, remaps.rules_of(command_line), names + list(simulated_robot.OTHER_NAMES)):
            self.get_logger().warning(text)
        self.get_logger().info(f"{values['world']} world, seed {values['seed']}, "
                               f"{values['width']} x {values['height']} pixels, {values['rate']} "
                               'Hz.')

    @property
    def done(self) -> bool:
        """Return whether all images that were asked for are out."""
        return self._timer.is_canceled()

    def close(self) -> None:
        """Wait a moment for slow readers, since what is unread is lost with the node."""
        for publisher in self._publishers_by_topic.values():
            publisher.wait_for_all_acked(Duration(seconds=2))
        self._transforms.wait_for_readers(Duration(seconds=2))

    def _waits(self) -> bool:
        images = self._publishers_by_topic[self._cameras[0].prefix + IMAGE.name]
        return bool(self.frames_sent == 0 and images.get_subscription_count()
                    < self._values['wait_for_subscribers'])

    def _on_timer(self) -> None:
        if self._waits():
            return
        time = self.frames_sent / self._values['rate']
        pose = self._trajectory.base_pose(time)
        self._look(simulated_robot.Moment(time, self.get_clock().now().to_msg(), pose, pose))

    def _on_step(self) -> None:
        if self._waits():
            return
        moment: Optional[simulated_robot.Moment] = self._motion.move()
        if moment is None:
            return
        # By the time of the world, so that no image is left out where rendering is slow.
        if self.frames_sent == 0 or moment.time < self._looked or \
                moment.time - self._looked > 1.0 / self._values['rate'] - 1e-6:
            self._looked = moment.time
            self._look(moment)
        elif moment.told is not None:
            self._send_pose(moment.stamp, moment.told)

    def _send_pose(self, stamp: Time, odom_from_base: arrays.Float64) -> None:
        self._transforms.send([transform_message(
            stamp, self._values['odom_frame'], self._values['base_frame'], odom_from_base)])

    def _look(self, moment: simulated_robot.Moment) -> None:
        rendered = [self._renderer.render(self._world, moment.base.dot(camera.true), moment.time)
                    for camera in self._cameras]
        # The transform first: whoever looks it up at the image's stamp shall find it.
        if moment.told is not None:
            self._send_pose(moment.stamp, moment.told)
        for camera, picture in zip(self._cameras, rendered):
            self._publish(camera.prefix, picture,
                          Header(stamp=moment.stamp, frame_id=camera.frame))
        self.frames_sent += 1
        if self.frames_sent == self._values['frames']:
            self._timer.cancel()
            self.get_logger().info(f'All {self.frames_sent} images are out.')

    def _publish(self, prefix: str, rendered: RenderedImage, header: Header) -> None:
        self._info.header = header
        messages = {
            # The truth first, so that it waits for the mask of its image, not the other way.
            LABELS.name: io_images.mono8_image(header, rendered.labels),
            DEPTH.name: depth_image(header, rendered.depth),
            CAMERA_INFO.name: self._info,
            IMAGE.name: io_images.rgb8_image(header, rendered.image),
        }
        for name, message in messages.items():
            self._publishers_by_topic[prefix + name].publish(message)


def check_frames(values: Dict[str, Any]) -> None:
    """
    Check that each frame has a name of its own.

    :param values: of :data:`ROWS`
    :raises ConfigurationError: one has none, or that of another one
    """
    names = ('odom_frame', 'base_frame', 'camera_frame')
    for index, name in enumerate(names):
        if not values[name] or values[name] in [values[other] for other in names[:index]]:
            raise ConfigurationError(f'Wrong value of {name}', got=repr(values[name]),
                                     expected='a name that no other frame has')


def cameras_of(values: Dict[str, Any], base_from_optical: arrays.Float64) -> List[MountedCamera]:
    """
    Return the cameras that parameters name.

    :param values: of :data:`ROWS`
    :param base_from_optical: (4, 4) of a camera that looks ahead
    :raises ConfigurationError: names and yaws do not fit
    """
    names, yaws = list(values['cameras']), list(values['camera_yaws'])
    if len(names) != len(yaws):
        raise ConfigurationError('Each camera needs a yaw', got=f'cameras {names} and camera_yaws '
                                 f'{yaws}', expected=f'{len(names)} numbers',
                                 remedy='Set camera_yaws, such as [0.0, 180.0] for front and '
                                        'rear.')
    found = []
    for name, yaw in zip(names, yaws):
        told = planar_pose(0.0, 0.0, float(np.radians(yaw))).dot(base_from_optical)
        # A camera that looks higher than its transform says: the truth is that of the images.
        found.append(MountedCamera(
            name + '/' if name else '', '_'.join(filter(None, (name, values['camera_frame']))),
            told, told.dot(tilted(-np.radians(values['mount_error'])))))
    return found


def camera_info(values: Dict[str, Any]) -> CameraInfo:
    """
    Return the CameraInfo of the simulated camera.

    :param values: of :data:`ROWS`
    """
    width, height = values['width'], values['height']
    focal = 0.5 * width / np.tan(np.radians(values['field_of_view']) / 2)
    cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
    model, coefficients = DISTORTIONS[values['lens']]
    return CameraInfo(
        width=width, height=height, distortion_model=model, d=list(coefficients),
        k=[focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0])


def depth_image(header: Header, depth: arrays.Float32) -> Image:
    """
    Return a 32FC1 image.

    :param depth: (H, W) metres along the optical axis
    """
    height, width = depth.shape
    return Image(header=header, height=height, width=width, encoding='32FC1', is_bigendian=0,
                 step=4 * width, data=io_images.byte_array(depth.view(np.uint8)))


def _calibration(info: CameraInfo) -> Calibration:
    floats: Tuple[float, ...] = tuple(info.d)
    return Calibration(info.width, info.height, info.distortion_model, floats, tuple(info.k))


class TransformPublisher:
    """Publishes /tf and /tf_static."""

    def __init__(self, node: Node) -> None:
        self._dynamic = endpoints.advertise(node, TFMessage, '/tf', DYNAMIC_QOS)
        self._static = endpoints.advertise(node, TFMessage, '/tf_static', STATIC_QOS)

    def send(self, transforms: Sequence[geometry_msgs.TransformStamped]) -> None:
        """Publish transforms that hold at their stamps."""
        self._dynamic.publish(TFMessage(transforms=list(transforms)))

    def send_static(self, transforms: Sequence[geometry_msgs.TransformStamped]) -> None:
        """Publish all transforms that always hold; a second call replaces them."""
        self._static.publish(TFMessage(transforms=list(transforms)))

    def wait_for_readers(self, timeout: Duration) -> bool:
        """Return whether every reader has acknowledged everything within the time."""
        dynamic = self._dynamic.wait_for_all_acked(timeout)
        return bool(self._static.wait_for_all_acked(timeout) and dynamic)


def transform_message(stamp: Time, parent: str, child: str,
                      parent_from_child: arrays.Float64) -> geometry_msgs.TransformStamped:
    """
    Return a pose as a message.

    :param parent_from_child: (4, 4), metres
    """
    x, y, z = (float(value) for value in parent_from_child[:3, 3])
    qx, qy, qz, qw = quaternion_of(parent_from_child[:3, :3])
    return geometry_msgs.TransformStamped(
        header=Header(stamp=stamp, frame_id=parent), child_frame_id=child,
        transform=geometry_msgs.Transform(
            translation=geometry_msgs.Vector3(x=x, y=y, z=z),
            rotation=geometry_msgs.Quaternion(x=qx, y=qy, z=qz, w=qw)))
