# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The robot below the simulated camera: commands in; odometry, transform and contacts out."""

import math
import time
from typing import Any, Dict, List, NamedTuple, Optional
from xml.sax.saxutils import escape

from builtin_interfaces.msg import Time
from diagnostic_msgs import msg as diagnostic_msgs
from geometry_msgs.msg import Twist
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from segformer_ros.common import arrays
from segformer_ros.common import time as stamps
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.text import plain
from segformer_ros.costmap.geometry.transforms import components_of
from segformer_ros.costmap.geometry.transforms import pose_matrix
from segformer_ros.ros.io import endpoints
from segformer_ros.ros.io.logging import Throttle
from segformer_ros.ros.io.topics import Topic
from segformer_ros.ros.io.topics import type_name_of
from segformer_ros.ros.parameters.row import Row
from segformer_ros.ros.parameters.row import START
from segformer_ros.simulation.robot import imu
from segformer_ros.simulation.robot import robot
from segformer_ros.simulation.robot.surroundings import Surroundings
from segformer_ros.simulation.robot.uneven import Unevenness
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World
from sensor_msgs.msg import Imu
from std_msgs.msg import Bool
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

ROUTE, COMMANDS, TRANSFORMS = 'route', 'cmd_vel', 'tf'
_DEFAULT = robot.Drive()

ROWS = (
    Row('pose_source', str, ROUTE, START, 'Who moves the robot: route drives along the world\'s '
        'own, cmd_vel obeys commands, tf takes the transform odom_frame to base_frame as another '
        'simulator publishes it.', choices=(ROUTE, COMMANDS, TRANSFORMS)),
    Row('enable_stamped_cmd_vel', bool, False, START, 'cmd_vel is a TwistStamped, as Nav2 sends '
        'it from Kilted on, instead of a Twist.'),
    Row('start_at', float, 0.0, START, 'Metres along the route where a robot that obeys begins.',
        range=(0.0, 10000.0)),
    Row('odometry_rate', float, 20.0, START, 'Odometry and transforms per second of world time.',
        range=(1.0, 200.0)),
    Row('publish_clock', bool, False, START, 'Publish /clock and stamp with it: world time then '
        'waits for the images.'),
    Row('real_time_factor', float, 1.0, START, 'Seconds of world time per second, at most, with '
        'publish_clock.', range=(0.01, 100.0)),
    Row('max_speed', float, _DEFAULT.speed, START, 'Metres per second.', range=(0.01, 20.0)),
    Row('max_reverse_speed', float, _DEFAULT.reverse, START, 'Metres per second.',
        range=(0.0, 20.0)),
    Row('max_turn_rate', float, _DEFAULT.turn_rate, START, 'Radians per second.',
        range=(0.0, 20.0)),
    Row('acceleration', float, _DEFAULT.acceleration, START, 'Metres per second squared.',
        range=(0.01, 100.0)),
    Row('deceleration', float, _DEFAULT.deceleration, START, 'Of braking, metres per second '
        'squared.', range=(0.01, 100.0)),
    Row('turn_acceleration', float, _DEFAULT.turn_acceleration, START,
        'Radians per second squared.', range=(0.01, 100.0)),
    Row('command_latency', float, _DEFAULT.latency, START, 'Seconds until a command acts.',
        range=(0.0, 5.0)),
    Row('command_timeout', float, _DEFAULT.timeout, START, 'Seconds after the last command until '
        'the robot brakes by itself.', range=(0.05, 60.0)),
    Row('odometry_noise', float, _DEFAULT.noise, START, 'Standard deviation of the odometry after '
        'a metre, in metres, and after a radian, in radians.', range=(0.0, 1.0)),
    Row('pitch_on_braking', float, 0.0, START, 'Degrees by which the robot tips forward at '
        '1 m/s^2 of braking; transforms do not tell it.', range=(0.0, 20.0)),
    Row('kerb_height', float, 0.0, START, 'Metres; above 0 the robot rolls over a kerb of 0.5 m '
        'every 3 m, which tips it and is not drawn.', range=(0.0, 0.3)),
    Row('ramp_height', float, 0.0, START, 'Metres; above 0 it rolls over a ramp every 7 m: 0.8 m '
        'up, 0.6 m on top, 0.8 m down; not drawn.', range=(0.0, 0.3)),
    Row('slope', float, 0.0, START, 'Degrees; other than 0 all the ground rises by as much for 8 '
        'of every 24 m, which the IMU alone tells.', range=(-20.0, 20.0)),
    Row('imu', str, 'none', START, 'What imu tells with pose_source cmd_vel, odometry_rate times '
        'a second: nothing, turn rates and acceleration alone, or orientation as well.',
        choices=('none', 'raw', 'orientation')),
    Row('imu_noise', float, 0.1, START, 'Standard deviation of the orientation in degrees, and of '
        'turn rates in degrees per second.', range=(0.0, 10.0)),
    Row('imu_bias', float, 0.2, START, 'Of each axis of the gyroscope, degrees per second.',
        range=(-10.0, 10.0)),
    Row('imu_offset', float, 0.0, START, 'Degrees by which the IMU sits tipped forward on the '
        'robot; transforms do not tell it.', range=(-30.0, 30.0)),
    Row('robot_radius', float, _DEFAULT.radius, START, 'Of the robot, which is round; metres.',
        range=(0.05, 2.0)),
)

ODOMETRY = Topic('odom', 'nav_msgs/msg/Odometry', True, False, 10,
                 'By the wheels; with pose_source cmd_vel.')
TRUE_POSE = Topic('true_pose', 'nav_msgs/msg/Odometry', True, False, 10,
                  'Where the robot truly is; in the odometry\'s first frame.')
CONTACT = Topic('contact', 'std_msgs/msg/Bool', True, True, 1,
                'Whether the robot touches something; on change.')
DESCRIPTION = Topic('robot_description', 'std_msgs/msg/String', True, True, 1,
                    'URDF for RViz: one body without joints.')
IMU = Topic('imu', 'sensor_msgs/msg/Imu', True, False, 10,
            'In base_frame; with pose_source cmd_vel and the parameter imu.')
OUTPUTS = (ODOMETRY, TRUE_POSE, CONTACT, DESCRIPTION)
"""Those that are always there; :data:`IMU` is not."""
TYPES = {CONTACT.name: Bool, DESCRIPTION.name: String}
"""Types of those that are not Odometry."""
COMMAND = 'cmd_vel'
RESET_SERVICE = 'reset'
OTHER_NAMES = (IMU.name, COMMAND, RESET_SERVICE)
"""Names of the robot beside :data:`OUTPUTS`, before they are remapped."""
# World time is stamped from here on: stamps of zero mean "no time".
_FIRST_STAMP = 1.0
# Seconds without the robot's transform after which that is told, and other ones that are named.
_PATIENCE, _MOST_NAMED = 3.0, 5


class Moment(NamedTuple):
    """
    Where the robot is at a time.

    ``time`` of the world, seconds; ``stamp`` of the messages; ``base`` world_from_base (4, 4),
    truly; ``told`` odom_from_base (4, 4) as transforms say it, None where others publish them.
    """

    time: float
    stamp: Time
    base: arrays.Float64
    told: Optional[arrays.Float64]


class CommandedRobot:
    """
    A robot that obeys ``cmd_vel``.

    :param node: owns topics and service
    :param values: of :data:`ROWS`, and ``odom_frame`` and ``base_frame``
    :param world: it drives in
    :param trajectory: it begins on
    """

    def __init__(self, node: Node, values: Dict[str, Any], world: World,
                 trajectory: Trajectory) -> None:
        self._node = node
        self._values = values
        start = trajectory.place_at(values['start_at'])
        self._robot = robot.Robot(
            Surroundings(world), drive_of(values),
            robot.Pose2D(float(start[0, 3]), float(start[1, 3]),
                         math.atan2(start[1, 0], start[0, 0])), values['seed'])
        kind = TwistStamped if values['enable_stamped_cmd_vel'] else Twist
        self._command = type_name_of(kind)
        self._log = Throttle(node.get_logger(), time.monotonic)
        endpoints.subscribe(node, kind, COMMAND, self._on_command, QoSProfile(depth=1))
        self._outputs = {topic.name: endpoints.advertise(
            node, TYPES.get(topic.name, Odometry), topic.name, topic.profile())
            for topic in OUTPUTS}
        self._outputs[DESCRIPTION.name].publish(String(data=urdf(
            values['base_frame'], values['robot_radius'])))
        self._imu = imu.SimulatedImu(imu.ImuErrors(
            orientation=math.radians(values['imu_noise']),
            turn_rate=math.radians(values['imu_noise']), bias=math.radians(values['imu_bias']),
            offset=math.radians(values['imu_offset'])), values['seed'])
        self._imu_output = None if values['imu'] == 'none' else endpoints.advertise(
            node, Imu, IMU.name, IMU.profile())
        self._clock = endpoints.advertise(node, Clock, '/clock', QoSProfile(depth=10)) \
            if values['publish_clock'] else None
        self._diagnostics = endpoints.advertise(node, diagnostic_msgs.DiagnosticArray,
                                                '/diagnostics', QoSProfile(depth=10))
        node.create_service(Trigger, RESET_SERVICE, self._on_reset)
        self._began = time.monotonic()
        self._told_contact: Optional[bool] = None
        self._diagnosed = -math.inf

    @property
    def period(self) -> float:
        """Return the seconds between two calls of :meth:`move`, of the machine's time."""
        seconds = 1.0 / float(self._values['odometry_rate'])
        return seconds if self._clock is None else seconds / self._values['real_time_factor']

    def move(self) -> Moment:
        """Move on to the present and tell where the robot is."""
        if self._clock is None:
            self._robot.advance(time.monotonic() - self._began)
            stamp = self._node.get_clock().now().to_msg()
        else:
            self._robot.advance(self._robot.time + 1.0 / self._values['odometry_rate'])
            stamp = to_stamp(_FIRST_STAMP + self._robot.time)
            self._clock.publish(Clock(clock=stamp))
        self._publish(stamp)
        return Moment(self._robot.time, stamp, self._robot.pose(),
                      robot.pose_of(self._robot.odometry))

    def _on_command(self, message: Any) -> None:
        twist = message.twist if isinstance(message, TwistStamped) else message
        now = self._robot.time if self._clock else time.monotonic() - self._began
        self._robot.command(now, twist.linear.x, twist.angular.z)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._robot.reset(self._robot.time)
        response.success = True
        return response

    def _publish(self, stamp: Time) -> None:
        one, values = self._robot, self._values
        for topic, place in ((ODOMETRY, one.odometry), (TRUE_POSE, one.place)):
            message = Odometry(child_frame_id=values['base_frame'])
            message.header.stamp, message.header.frame_id = stamp, values['odom_frame']
            pose = message.pose.pose
            pose.position.x, pose.position.y = place.x, place.y
            pose.orientation.z, pose.orientation.w = (math.sin(0.5 * place.yaw),
                                                      math.cos(0.5 * place.yaw))
            message.twist.twist.linear.x = one.speed
            message.twist.twist.angular.z = one.turn_rate
            self._outputs[topic.name].publish(message)
        if self._imu_output is not None:
            self._imu_output.publish(imu_message(
                stamp, values['base_frame'], self._imu.measure(one.motion()),
                values['imu'] == 'orientation'))
        if one.in_contact != self._told_contact:
            self._told_contact = one.in_contact
            self._outputs[CONTACT.name].publish(Bool(data=one.in_contact))
        if one.time - self._diagnosed >= 1.0 or one.time < self._diagnosed:
            self._diagnosed = one.time
            self._diagnostics.publish(self._diagnosis(stamp))
            self._look_at_commands()

    def _look_at_commands(self) -> None:
        """Warn of commands of the other type, which DDS matches with nobody."""
        topic = self._node.resolve_topic_name(COMMAND)
        types = {info.topic_type for info in self._node.get_publishers_info_by_topic(topic)}
        if types and self._command not in types:
            self._log.warning('command', 'The robot obeys {} on {}; got {}. Set '
                              'enable_stamped_cmd_vel to {}.'.format(
                                  self._command, topic, ', '.join(sorted(map(plain, types))),
                                  str(not self._values['enable_stamped_cmd_vel']).lower()))

    def _diagnosis(self, stamp: Time) -> diagnostic_msgs.DiagnosticArray:
        one = self._robot
        level, text = diagnostic_msgs.DiagnosticStatus.OK, 'No contact so far'
        if one.contacts:
            level = diagnostic_msgs.DiagnosticStatus.WARN
            text = f'Ran into something {one.contacts} times'
        if one.in_contact:
            level, text = diagnostic_msgs.DiagnosticStatus.ERROR, 'Touches something'
        values = {'contacts': str(one.contacts), 'least clearance, m': f'{one.clearance:.3f}',
                  'speed, m/s': f'{one.speed:.2f}'}
        message = diagnostic_msgs.DiagnosticArray(status=[diagnostic_msgs.DiagnosticStatus(
            level=level, name=f'{self._node.get_name()}: contact', message=text,
            hardware_id='simulated robot',
            values=[diagnostic_msgs.KeyValue(key=key, value=value)
                    for key, value in values.items()])])
        message.header.stamp = stamp
        return message


class FollowedTransforms:
    """
    The pose of a robot that another simulator moves.

    :param node: owns the subscription
    :param values: with ``odom_frame``, ``base_frame`` and ``odometry_rate``
    """

    def __init__(self, node: Node, values: Dict[str, Any]) -> None:
        self._frames = (values['odom_frame'], values['base_frame'])
        self.period = 1.0 / float(values['odometry_rate'])
        """Seconds between two calls of :meth:`move`."""
        self._newest: Optional[Moment] = None
        self._first = 0
        self._log = Throttle(node.get_logger(), time.monotonic)
        self._waits_from = time.monotonic()
        self._others: List[str] = []
        endpoints.subscribe(node, TFMessage, '/tf', self._on_transforms, QoSProfile(depth=100))

    def move(self) -> Optional[Moment]:
        """Return where the newest transform says that the robot is; None before the first."""
        if self._newest is None and time.monotonic() - self._waits_from > _PATIENCE:
            self._log.warning('silence', 'Nobody moves the robot so far: on /tf got {}; expected '
                              '{} to {}. Set base_frame and odom_frame to those of the simulator '
                              'that moves it.'.format(', '.join(self._others) or 'nothing',
                                                      *self._frames))
        return self._newest

    def _on_transforms(self, message: TFMessage) -> None:
        for each in message.transforms:
            names = (each.header.frame_id.lstrip('/'), each.child_frame_id.lstrip('/'))
            if names != self._frames:
                other = plain(' to '.join(names))
                if other not in self._others and len(self._others) < _MOST_NAMED:
                    self._others.append(other)
                continue
            try:
                base = pose_matrix(*components_of(each.transform))
            except InvalidInputError as error:
                self._log.warning('transform', f'A transform is left out: {error}')
                continue
            stamp_ns = stamps.stamp_to_nanoseconds(each.header.stamp)
            # A simulation that starts over begins before the first one.
            self._first = min(self._first or stamp_ns, stamp_ns)
            self._newest = Moment((stamp_ns - self._first) / stamps.NANOSECONDS,
                                  each.header.stamp, base, None)


def motion_of(node: Node, values: Dict[str, Any], world: World, trajectory: Trajectory) -> Any:
    """Return who moves the robot where it does not follow the route."""
    if values['pose_source'] == COMMANDS:
        return CommandedRobot(node, values, world, trajectory)
    return FollowedTransforms(node, values)


def drive_of(values: Dict[str, Any]) -> robot.Drive:
    """Return what the wheels can do by the values of :data:`ROWS`."""
    return robot.Drive(
        speed=values['max_speed'], reverse=values['max_reverse_speed'],
        turn_rate=values['max_turn_rate'], acceleration=values['acceleration'],
        deceleration=values['deceleration'], turn_acceleration=values['turn_acceleration'],
        latency=values['command_latency'], timeout=values['command_timeout'],
        noise=values['odometry_noise'],
        pitch=float(np.radians(values['pitch_on_braking'])), radius=values['robot_radius'],
        uneven=Unevenness(values['kerb_height'], values['ramp_height'],
                          float(np.radians(values['slope']))))


def imu_message(stamp: Time, frame: str, measured: imu.Measured, with_orientation: bool) -> Imu:
    """
    Return a sample as a message.

    :param with_orientation: False marks it as not measured (REP-145)
    """
    message = Imu()
    message.header.stamp, message.header.frame_id = stamp, frame
    for vector, numbers in ((message.angular_velocity, measured.turn_rate),
                            (message.linear_acceleration, measured.acceleration)):
        vector.x, vector.y, vector.z = (float(number) for number in numbers)
    if with_orientation:
        q = message.orientation
        q.x, q.y, q.z, q.w = measured.orientation
    else:
        message.orientation_covariance[0] = -1.0
    return message


def urdf(base_frame: str, radius: float) -> str:
    """
    Return a round body as URDF.

    :param radius: metres
    """
    shape = f'<geometry><cylinder radius="{radius}" length="0.3"/></geometry>'
    place = '<origin xyz="0 0 0.18"/>'
    return (f'<robot name="simulated_robot"><link name="{escape(base_frame)}">'
            f'<visual>{place}{shape}</visual><collision>{place}{shape}</collision>'
            '</link></robot>')


def to_stamp(seconds: float) -> Time:
    """Return seconds as a stamp."""
    whole, rest = stamps.nanoseconds_to_stamp(int(round(seconds * stamps.NANOSECONDS)))
    return Time(sec=whole, nanosec=rest)
