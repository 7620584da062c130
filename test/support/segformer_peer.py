# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A camera, a viewer and an operator for one running node."""

from lifecycle_msgs.srv import ChangeState
from lifecycle_msgs.srv import GetState
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from support.ros_graph import Peer
from support.ros_graph import TIMEOUT
from support.ros_graph import wait_until

TRANSITIONS = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4}


class SegformerPeer(Peer):
    """
    The other side of one ``segformer`` node.

    :param camera: the name of the camera that it plays, empty for the only one
    """

    def __init__(self, domain, camera='', compressed=False):
        super().__init__(domain)
        self._prefix = camera + '/' if camera else ''
        self._compressed = compressed
        self.masks = self.subscribe(Image, self.output('mask'), 50)
        self._publisher = None
        self._stamp = 1000

    def output(self, name):
        """Return the full name of an output."""
        return '/segformer/{}{}'.format(self._prefix, name)

    def wait_for_state(self, label):
        """Wait until the node is in a lifecycle state."""
        wait_until(lambda: self.state() == label, lambda: 'state {}, but it is {}'.format(
            label, self.state()))

    def state(self):
        """Return the node's lifecycle state."""
        return self.call(GetState, '/segformer/get_state',
                         GetState.Request()).current_state.label

    def change_state(self, transition):
        """Ask for a transition and tell whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        return self.call(ChangeState, '/segformer/change_state', request).success

    def set_parameters(self, **values):
        """Set parameters in one go (``__`` stands for a dot); return the refusal or ''."""
        request = SetParametersAtomically.Request()
        request.parameters = [
            Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
            for name, value in values.items()]
        result = self.call(SetParametersAtomically, '/segformer/set_parameters_atomically',
                           request).result
        return '' if result.successful else result.reason

    def connect(self):
        """Publish to the node from now on; waits until both sides have found each other."""
        if self._publisher is None:
            topic = '/{}image{}'.format(self._prefix, '/compressed' if self._compressed else '')
            self._publisher = self.publisher(
                CompressedImage if self._compressed else Image, topic, qos_profile_sensor_data)
            wait_until(lambda: self.node.get_subscriptions_info_by_topic(self.output('mask')) and
                       self.node.count_publishers(self.output('mask')), 'the mask topic')
        wait_until(self._publisher.get_subscription_count, 'the image subscription')
        return self._publisher

    def send(self, message):
        """Publish one message, with a new stamp unless it has one; return its stamp."""
        if message.header.stamp.sec == 0 and message.header.stamp.nanosec == 0:
            self._stamp += 1
            message.header.stamp.sec = self._stamp
        self.connect().publish(message)
        return message.header.stamp

    def mask_of(self, message, timeout=TIMEOUT):
        """Publish one image and return the mask message of that very image."""
        before = len(self.masks.messages)
        stamp = self.send(message)
        return self.masks.wait(lambda mask: mask.header.stamp == stamp, timeout, before)


def rgb_message(image, frame_id='camera'):
    """Return an rgb8 message of an (H, W, 3) array."""
    message = Image(height=image.shape[0], width=image.shape[1], encoding='rgb8',
                    step=3 * image.shape[1], data=image.tobytes())
    message.header.frame_id = frame_id
    return message


def pixels(message):
    """Return the array of a mono8 or rgb8 message without padding."""
    channels = {'mono8': 1, 'rgb8': 3}[message.encoding]
    assert message.step == message.width * channels
    shape = (message.height, message.width) + ((3,) if channels == 3 else ())
    return np.frombuffer(message.data, np.uint8).reshape(shape)
