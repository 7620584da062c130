# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A camera, a viewer and an operator for one running node."""

from lifecycle_msgs.srv import ChangeState
from lifecycle_msgs.srv import GetState
import numpy as np
from rcl_interfaces.srv import GetParameters
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import qos_profile_sensor_data
from segformer_ros.segmentation.images.compressed import encode_png
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
        self.compressed = compressed
        self.masks = self.subscribe(Image, self.output('mask'), 50)
        self._publisher = None
        self.image_qos = qos_profile_sensor_data
        self._stamp = 1000

    def output(self, name):
        """Return the full name of an output."""
        return f'/segformer/{self._prefix}{name}'

    def wait_for_state(self, label):
        """Wait until the node is in a lifecycle state."""
        wait_until(lambda: self.state() == label,
                   lambda: f'state {label}, but it is {self.state()}')

    def state(self):
        """Return the node's lifecycle state."""
        return self.call(GetState, '/segformer/get_state',
                         GetState.Request()).current_state.label

    def change_state(self, transition, changes=True):
        """
        Ask for a transition and return whether it succeeded.

        :param changes: False for one that has to be refused, which may be asked for again
        """
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        return self.call(ChangeState, '/segformer/change_state', request,
                         changes=changes).success

    def set_parameters(self, **values):
        """Set parameters in one go (``__`` stands for a dot); return the refusal or ''."""
        request = SetParametersAtomically.Request()
        request.parameters = [
            Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
            for name, value in values.items()]
        result = self.call(SetParametersAtomically, '/segformer/set_parameters_atomically',
                           request).result
        return '' if result.successful else result.reason

    def parameter(self, name):
        """Return the value of one parameter."""
        values = self.call(GetParameters, '/segformer/get_parameters',
                           GetParameters.Request(names=[name])).values
        return parameter_value_to_python(values[0])

    def connect(self):
        """
        Return the image publisher of an active node.

        A best-effort image can be lost while the subscriber has not found the publisher yet,
        which the publisher cannot see: so a first image is sent until its mask comes back.
        """
        if self._publisher is None:
            topic = '/{}image{}'.format(self._prefix, '/compressed' if self.compressed else '')
            self._publisher = self.publisher(
                CompressedImage if self.compressed else Image, topic, self.image_qos)
            wait_until(self._is_answered, 'the mask of a first image')
            # Now nothing is lost any more. A last one, so that none is left in the node.
            last = self._send_grey()
            self.masks.wait(lambda mask: mask.header.stamp == last)
        wait_until(self._publisher.get_subscription_count, 'the image subscription')
        return self._publisher

    def _is_answered(self):
        self._send_grey()
        try:
            return self.masks.wait(timeout=0.5)
        except AssertionError:
            return None

    def _send_grey(self):
        grey = np.full((16, 16, 3), 128, np.uint8)
        message = CompressedImage(format='png', data=bytes(encode_png(grey))) \
            if self.compressed else rgb_message(grey, '')
        self._stamp += 1
        message.header.stamp.sec = self._stamp
        self._publisher.publish(message)
        return message.header.stamp

    def send(self, message):
        """Publish one message, with a new stamp unless it has one; return its stamp."""
        publisher = self.connect()
        if message.header.stamp.sec == 0 and message.header.stamp.nanosec == 0:
            self._stamp += 1
            message.header.stamp.sec = self._stamp
        publisher.publish(message)
        return message.header.stamp

    def mask_of(self, message, timeout=TIMEOUT):
        """Publish one image and return the mask message of that very image."""
        self.connect()
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
