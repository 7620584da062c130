# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What messages say about a drive beside its images: transforms, odometry, calibrations."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from segformer_ros.calibration.trajectory import Trajectory
from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import stamp_to_seconds
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.transform_buffer import TransformBuffer

# Seconds that are kept: a whole drive. The buffer bounds the number of transforms.
_WHOLE_DRIVE = 1e6
# Seconds between poses that are taken of transforms: 200 a second are enough for any robot.
_LEAST_PAUSE = 0.004
GROUND_FRAMES = ('base_footprint', 'base_link')
"""Frames on the ground that are tried where none was named, the best first."""


class Joint(NamedTuple):
    """The transform that places a camera: ``parent_from_child`` (4, 4) by the calibration."""

    parent: str
    child: str
    parent_from_child: arrays.Float64


class MotionLog:
    """
    Transforms, odometry and CameraInfo messages of a drive.

    :param odom_frame: fixed frame in which the robot moves
    :param ground_frame: of the robot on the ground; empty for the first of
        :data:`GROUND_FRAMES` that transforms name
    """

    def __init__(self, odom_frame: str = 'odom', ground_frame: str = '') -> None:
        self.odom_frame = odom_frame
        self.buffer = TransformBuffer(_WHOLE_DRIVE)
        self.camera_infos: Dict[str, Any] = {}
        self._ground_frame = ground_frame
        self._stamps: List[float] = []
        self._odometry: List[Tuple[float, arrays.Float64, str]] = []
        self._parents: Dict[str, str] = {}

    @property
    def ground_frame(self) -> str:
        """Return the frame whose plane z = 0 is the ground."""
        if self._ground_frame:
            return self._ground_frame
        known = [frame for frame in GROUND_FRAMES if self.buffer.knows(frame)]
        return known[0] if known else GROUND_FRAMES[0]

    @property
    def has_odometry(self) -> bool:
        """Return whether a nav_msgs/Odometry was taken in."""
        return bool(self._odometry)

    def add_transforms(self, message: Any, static: bool) -> None:
        """
        Take in a tf2_msgs/TFMessage.

        :raises InvalidInputError: a transform cannot be used
        """
        for entry in message.transforms:
            self.buffer.insert_message(entry, static)
            self._parents[entry.child_frame_id.lstrip('/')] = entry.header.frame_id.lstrip('/')
            if not static:
                self._stamps.append(stamp_to_seconds(entry.header.stamp))

    def add_odometry(self, message: Any) -> None:
        """
        Take in a nav_msgs/Odometry.

        :raises InvalidInputError: the pose cannot be used
        """
        place, turn = message.pose.pose.position, message.pose.pose.orientation
        pose = transforms.pose_matrix((place.x, place.y, place.z),
                                      (turn.x, turn.y, turn.z, turn.w))
        self._odometry.append((stamp_to_seconds(message.header.stamp), pose,
                               message.child_frame_id.lstrip('/')))

    def trajectory(self) -> Trajectory:
        """
        Return the drive; odometry messages where there are any, else transforms.

        :raises InvalidInputError: neither of them tells two poses
        :raises TransformError: odometry of a frame that has no transform to the ground frame
        """
        stamps, poses = [], []
        if self._odometry:
            ground_from_child: Dict[str, arrays.Float64] = {}
            for stamp, pose, child in self._odometry:
                if child not in ground_from_child:
                    ground_from_child[child] = self._ground_from(child)
                stamps.append(stamp)
                poses.append(pose.dot(transforms.inverse(ground_from_child[child])))
            return Trajectory(stamps, poses)
        last = None
        for stamp in sorted(set(self._stamps)):
            if last is not None and stamp < last + _LEAST_PAUSE:
                continue
            try:
                poses.append(self.buffer.lookup(self.odom_frame, self.ground_frame, stamp))
            except TransformError:
                # Before or after the odometry: another frame's stamp.
                continue
            stamps.append(stamp)
            last = stamp
        if len(stamps) < 2:
            # Says which frame is missing; where both are there, the trajectory says the rest.
            self.buffer.lookup(self.odom_frame, self.ground_frame)
        return Trajectory(stamps, poses)

    def newest_pose(self) -> Optional[arrays.Float64]:
        """Return odom_from_ground of the last message, None where nothing is known yet."""
        if self._odometry:
            return self._odometry[-1][1]
        try:
            return self.buffer.lookup(self.odom_frame, self.ground_frame)
        except TransformError:
            return None

    def mount_of(self, frame: str) -> Optional[arrays.Float64]:
        """
        Return ground_from_camera by the transforms; None where they do not tell.

        :param frame: optical frame of the images
        """
        try:
            return self.buffer.lookup(self.ground_frame, frame)
        except TransformError:
            return None

    def joint_of(self, frame: str, ground_from_camera: arrays.Float64) -> Joint:
        """
        Return the transform to change so that the camera is where the calibration says.

        It is the first one below the robot's own frames: that of the camera's housing, where
        the driver places the optical frame in it.

        :param frame: optical frame of the images
        """
        ground, frame = self.ground_frame, frame.lstrip('/')
        if self.mount_of(frame) is None:
            return Joint(ground, frame or 'camera_optical_frame', ground_from_camera)
        chain = [frame]
        while chain[-1] in self._parents and chain[-1] != ground:
            chain.append(self._parents[chain[-1]])
        own = [place for place, name in enumerate(chain)
               if name in GROUND_FRAMES + (ground, self.odom_frame)]
        if not own or not own[0]:
            return Joint(ground, frame, ground_from_camera)
        child, parent = chain[own[0] - 1], chain[own[0]]
        ground_from_parent = self.buffer.lookup(ground, parent)
        child_from_camera = self.buffer.lookup(child, frame)
        return Joint(parent, child, transforms.inverse(ground_from_parent).dot(
            ground_from_camera).dot(transforms.inverse(child_from_camera)))

    def camera_info(self, topic: str) -> Any:
        """
        Return the CameraInfo of a topic.

        :raises ConfigurationError: there was none
        """
        if topic not in self.camera_infos:
            raise ConfigurationError('No CameraInfo for the images', expected='a message on '
                                     + topic, remedy='Name its topic with --camera-info.')
        return self.camera_infos[topic]

    def _ground_from(self, child: str) -> arrays.Float64:
        if not child or child == self.ground_frame or not self.buffer.knows(child):
            return transforms.pose_matrix((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        return self.buffer.lookup(self.ground_frame, child)
