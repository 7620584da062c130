# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The publishers of one camera: what is made of a segmentation, and for whom."""

from typing import Any, Dict, Optional, TYPE_CHECKING

from rclpy.node import Node
from rclpy.publisher import Publisher
from segformer_ros.ros.io import images as image_messages
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.label_info import label_info_message
from segformer_ros.ros.io.label_info import label_info_type
from segformer_ros.ros.io.publishers import create_output
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.segmentation.images import palette as pictures
from segformer_ros.segmentation.images.compressed import encode_jpeg
from segformer_ros.segmentation.images.compressed import encode_png
from segformer_ros.segmentation.segmenter import Segmentation
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import Header

if TYPE_CHECKING:
    import numpy.typing as npt

    from segformer_ros.model.classes import ClassTable

TYPES = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage,
         'sensor_msgs/msg/CameraInfo': CameraInfo}


class Outputs:
    """
    Publish one camera's results.

    :param node: owns the publishers
    :param camera: name, empty for the only one
    :param classes: of the network
    """

    def __init__(self, node: Node, camera: str, classes: 'ClassTable') -> None:
        self._node = node
        self._camera = camera
        self._classes = classes
        self._palette = classes.palette()
        self._publishers: Dict[topics.Topic, Publisher] = {}
        for topic in topics.OUTPUTS:
            message_type = label_info_type() if topic is topics.LABEL_INFO \
                else TYPES[topic.type_name]
            if message_type is not None:
                self._publishers[topic] = create_output(
                    node, message_type, topics.output_name(camera, topic), topic)

    def wanted(self, topic: topics.Topic) -> bool:
        """Tell whether somebody subscribes."""
        return self._publishers[topic].get_subscription_count() > 0

    def publish_label_info(self, threshold: float) -> None:
        """Publish the class names, latched; nothing where vision_msgs is absent."""
        publisher = self._publishers.get(topics.LABEL_INFO)
        if publisher is not None:
            publisher.publish(label_info_message(
                self._node.get_clock().now().to_msg(), self._classes, threshold))

    def publish(self, header: Header, image: 'npt.NDArray[Any]', segmentation: Segmentation,
                camera_info: Optional[CameraInfo], parameters: NodeParameters) -> None:
        """
        Publish everything that is made of one frame; the mask last but for pictures.

        :param header: of the input
        :param image: (H, W, 3) RGB of the input
        :param segmentation: of that image
        :param camera_info: the newest one of that camera, None where there was none
        """
        if segmentation.confidence is not None and self.wanted(topics.CONFIDENCE):
            self._publishers[topics.CONFIDENCE].publish(
                image_messages.mono8_image(header, segmentation.confidence))
        if camera_info is not None:
            self._publishers[topics.CAMERA_INFO_OUT].publish(
                image_messages.camera_info_like(camera_info, header))
        self._publishers[topics.MASK].publish(
            image_messages.mono8_image(header, segmentation.mask))
        self._publish_color_mask(header, segmentation.mask)
        self._publish_overlay(header, image, segmentation.mask, parameters)

    def destroy(self) -> None:
        """Destroy the publishers; no other thread may publish any more."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def _publish_color_mask(self, header: Header, mask: 'npt.NDArray[Any]') -> None:
        raw, compressed = topics.COLOR_MASK, topics.COLOR_MASK_COMPRESSED
        if not (self.wanted(raw) or self.wanted(compressed)):
            return
        colors = pictures.colorize(mask, self._palette)
        if self.wanted(raw):
            self._publishers[raw].publish(image_messages.rgb8_image(header, colors))
        if self.wanted(compressed):
            self._publishers[compressed].publish(
                image_messages.compressed_image(header, encode_png(colors), 'png'))

    def _publish_overlay(self, header: Header, image: 'npt.NDArray[Any]',
                         mask: 'npt.NDArray[Any]', parameters: NodeParameters) -> None:
        raw, compressed = topics.OVERLAY, topics.OVERLAY_COMPRESSED
        if not (self.wanted(raw) or self.wanted(compressed)):
            return
        blended = pictures.overlay(image, mask, self._palette, parameters.overlay_alpha)
        if self.wanted(raw):
            self._publishers[raw].publish(image_messages.rgb8_image(header, blended))
        if self.wanted(compressed):
            self._publishers[compressed].publish(image_messages.compressed_image(
                header, encode_jpeg(blended, parameters.jpeg_quality), 'jpeg'))
