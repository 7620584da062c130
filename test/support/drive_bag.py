# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A recorded drive past things that stand and one that moves, for node and evaluation alike."""

import os

import numpy as np
from segformer_ros.costmap.geometry.transforms import mount_pose
from segformer_ros.costmap.geometry.transforms import planar_pose
from support import bags
from support.color_network import write_color_network
from support.plane_scene import Box
from support.plane_scene import Patch
from support.plane_scene import PINHOLE
from support.plane_scene import Scene
from support.tiny_model import BLUE
from support.tiny_model import COLORS
from support.tiny_model import GREEN
from support.tiny_model import RED
from support.tiny_model import WHITE
from support.tiny_model import write_color_costs
from support.tiny_model import write_color_spec

STEP_NS = 230 * 10 ** 6
"""Between images; no decay time of the tests is a multiple of it."""
IMAGE, INFO, DEPTH, RANGE = '/cam/image_raw', '/cam/camera_info', '/cam/depth', '/cam/range'
SIDE_IMAGE, SIDE_INFO = '/side/image_raw', '/side/camera_info'
SIDE_LATE_NS = 90 * 10 ** 6
"""By which the camera to the side comes after the other one."""
SIZE = 320
REMAPS = {'image': IMAGE, 'camera_info': INFO, 'depth': DEPTH, 'range': RANGE}
REMAPS_OF_TWO = {'front/image': IMAGE, 'front/camera_info': INFO, 'front/depth': DEPTH,
                 'side/image': SIDE_IMAGE, 'side/camera_info': SIDE_INFO}


def write_network(folder):
    """Write the network of colours, of which blue is what moves; return the node's parameters."""
    path = write_color_network(os.path.join(str(folder), 'scene.onnx'), SIZE, scale=6.0)
    write_color_spec(folder, 'scene', SIZE)
    costs = write_color_costs(folder)
    for name, old, new in (('colors_classes.yaml', 'name: blue', 'dynamic: true, name: blue'),
                           ('colors_costs.yaml', 'blue: ignore', 'blue: lethal')):
        file = os.path.join(str(folder), name)
        with open(file) as stream:
            text = stream.read()
        assert old in text
        with open(file, 'w') as stream:
            stream.write(text.replace(old, new))
    return dict(costs, model=path, backend='onnxruntime', threads=1)


def pose_at(number):
    """Return odom from the robot at an image: ahead, in a bend."""
    return planar_pose(0.12 * number, 0.02 * number, 0.16 * number)


def scene_at(number):
    """Return the world at an image: the blue box walks across."""
    return Scene(WHITE, (Patch(-9.0, 0.7, 9.0, 9.0, GREEN),), (
        Box(2.6, -0.3, 0.4, 0.6, RED), Box(1.6, 1.5, 0.3, 0.3, RED),
        Box(2.4, -1.4 + 0.25 * number, 0.3, 0.3, BLUE)), WHITE)


class DriveBag(bags.BagWriter):
    """
    The recording under way.

    :param path: of its folder
    :param odom_frame: of the poses
    :param ground_frame: of the robot
    """

    def __init__(self, path, odom_frame, ground_frame):
        super().__init__(path)
        self.odom_frame, self.ground_frame = odom_frame, ground_frame

    def put(self, topic, message, number, delay_ns=0):
        """Write a message as if it was received with an image."""
        self.write(topic, message, 0, number * STEP_NS + delay_ns)

    def stamped(self, number, frame_id, late_ns=0):
        """Return the header of an image, or of what is stamped so much later."""
        return self.header(number * STEP_NS + late_ns, frame_id, 1)

    def transform(self, number, parent, child, matrix, late_ns=0):
        """Return a TransformStamped."""
        from scipy.spatial.transform import Rotation
        x, y, z, w = Rotation.from_matrix(matrix[:3, :3]).as_quat()
        shift = matrix[:3, 3]
        return self.make(
            'geometry_msgs/TransformStamped', header=self.stamped(number, parent, late_ns),
            child_frame_id=child, transform=self.make(
                'geometry_msgs/Transform',
                translation=self.make('geometry_msgs/Vector3', x=shift[0], y=shift[1],
                                      z=shift[2]),
                rotation=self.make('geometry_msgs/Quaternion', x=x, y=y, z=z, w=w)))

    def transforms(self, topic, number, *entries, late_ns=0):
        """Write transforms just before an image."""
        self.put(topic, self.make('tf2_msgs/TFMessage', transforms=list(entries)), number,
                 late_ns - 3)

    def info(self, number, topic=INFO, frame='eye', late_ns=0):
        """Write the CameraInfo of an image."""
        k = np.array([PINHOLE.f, 0, PINHOLE.cx, 0, PINHOLE.f, PINHOLE.cy, 0, 0, 1])
        region = self.make('sensor_msgs/RegionOfInterest', x_offset=0, y_offset=0, height=0,
                           width=0, do_rectify=False)
        # P of other numbers: a rectified image has its focal length there.
        p = np.array([PINHOLE.f, 0, PINHOLE.cx, 0, 0, PINHOLE.f, PINHOLE.cy, 0, 0, 0, 1, 0])
        self.put(topic, self.make(
            'sensor_msgs/CameraInfo', header=self.stamped(number, frame, late_ns),
            height=PINHOLE.height, width=PINHOLE.width, distortion_model='plumb_bob',
            d=np.array([0.1, 0.0, 0.0, 0.0, 0.0]), k=k, r=np.eye(3).reshape(-1), p=p,
            binning_x=0, binning_y=0, roi=region), number, late_ns - 2)

    def picture(self, topic, number, values, encoding, late_ns=0, delay_ns=0, frame='eye'):
        """Write an image or a depth image."""
        data = np.ascontiguousarray(values)
        self.put(topic, self.make(
            'sensor_msgs/Image', header=self.stamped(number, frame, late_ns),
            height=data.shape[0], width=data.shape[1], encoding=encoding, is_bigendian=0,
            step=data[0].nbytes, data=data.view(np.uint8).reshape(-1)), number, delay_ns)


def write_drive(path, images, mount=None, odom_frame='world', ground_frame='floor', tf_mount=True,
                depth=None, height=None, side=None):
    """
    Write a drive.

    :param mount: arguments of ``mount_pose``
    :param tf_mount: whether transforms tell the mount
    :param depth: function from metres to (values, encoding) of depth images, of which each image
        has one 15 ms before it and one 8 ms after it, which is received later
    :param side: arguments of ``mount_pose`` of a second camera, which transforms do not tell
    :param height: of a drone, whose range finder tells it; its odometry is wrong about it
    """
    mount = mount_pose(**dict({'height': 0.8, 'pitch': 0.5, 'x': 0.2}, **(mount or {})))
    with DriveBag(path, odom_frame, ground_frame) as bag:
        for number in range(images):
            pose = pose_at(number)
            entries = [bag.transform(number, odom_frame, ground_frame, pose)] * (
                odom_frame != ground_frame)
            if height is not None:
                told = pose.copy()
                told[2, 3] = height + 3.0
                entries = [bag.transform(number, odom_frame, ground_frame, told)]
                beam = np.eye(4)
                beam[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
                bag.put(RANGE, bag.make(
                    'sensor_msgs/Range', header=bag.stamped(number, 'beam'), radiation_type=1,
                    field_of_view=0.1, min_range=0.1, max_range=30.0, range=height,
                    **({'variance': 0.0} if 'variance' in _fields(bag, 'sensor_msgs/Range')
                       else {})), number, -2)
                if not number:
                    bag.transforms('/tf_static', 0, bag.transform(0, ground_frame, 'eye', mount),
                                   bag.transform(0, ground_frame, 'beam', beam))
                pose = pose.copy()
                pose[2, 3] = height
            elif tf_mount and not number:
                bag.transforms('/tf_static', 0, bag.transform(0, ground_frame, 'eye', mount))
            if entries:
                bag.transforms('/tf', number, *entries)
            bag.info(number)
            seen = scene_at(number).render(PINHOLE, pose.dot(mount))
            if depth is not None:
                # The one of another moment would be a wall before the camera.
                bag.picture(DEPTH, number, *depth(np.full_like(seen.depth, 0.7)), -15 * 10 ** 6,
                            -1)
            bag.picture(IMAGE, number, np.array(list(COLORS.values()), np.uint8)[seen.labels],
                        'rgb8')
            if depth is not None:
                bag.picture(DEPTH, number, *depth(seen.depth), 8 * 10 ** 6, 1)
            if side is not None:
                later = number + SIDE_LATE_NS / STEP_NS
                bag.transforms('/tf', number, bag.transform(
                    number, odom_frame, ground_frame, pose_at(later), SIDE_LATE_NS),
                    late_ns=SIDE_LATE_NS)
                bag.info(number, SIDE_INFO, 'side_eye', SIDE_LATE_NS)
                seen = scene_at(later).render(PINHOLE, pose_at(later).dot(mount_pose(**side)))
                bag.picture(SIDE_IMAGE, number, np.array(
                    list(COLORS.values()), np.uint8)[seen.labels], 'rgb8', SIDE_LATE_NS,
                    SIDE_LATE_NS, 'side_eye')
    return str(path)


def _fields(bag, name):
    return bag._types.types[
        name.replace('/', '/msg/')].__dataclass_fields__
