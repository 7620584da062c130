# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The publishers of one camera: what is made of a segmentation, while somebody subscribes."""

from typing import Callable, List, Optional, TYPE_CHECKING

from rclpy.node import Node
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.ros.io import images as image_messages
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.label_info import label_info_message
from segformer_ros.ros.io.publishers import Publishers
from segformer_ros.ros.parameters.node import NodeParameters
from segformer_ros.segmentation.images import palette as pictures
from segformer_ros.segmentation.images.compressed import encode_jpeg
from segformer_ros.segmentation.images.compressed import encode_png
from segformer_ros.segmentation.images.decoding import Picture
from segformer_ros.segmentation.segmenter import Segmentation
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

if TYPE_CHECKING:
    from segformer_ros.model.classes import ClassTable


class Outputs:
    """
    Publish one camera's results.

    :param node: owns the publishers
    :param camera: name, empty for the only one
    :param classes: of the network
    :param has_confidence: whether the network says how sure it is; else that topic is not there
    """

    def __init__(self, node: Node, camera: str, classes: 'ClassTable',
                 has_confidence: bool = True) -> None:
        self._node = node
        self._classes = classes
        self._palette = classes.palette()
        self.has_confidence = has_confidence
        self._publishers = Publishers(node, camera, _rows(has_confidence))
        self.is_wanted = self._publishers.is_wanted
        self.destroy = self._publishers.destroy

    def replace_classes(self, classes: 'ClassTable', has_confidence: bool) -> None:
        """Publish for another network; no frame may be published meanwhile."""
        self._classes = classes
        self._palette = classes.palette()
        self.has_confidence = has_confidence
        self._publishers.replace(_rows(has_confidence))

    def publish_label_info(self, threshold: float) -> None:
        """Publish the class names, latched; nothing where vision_msgs is absent."""
        if self._publishers.has(topics.LABEL_INFO):
            self._publishers.publish(topics.LABEL_INFO, label_info_message(
                self._node.get_clock().now().to_msg(), self._classes, threshold))

    def publish(self, header: Header, picture: Picture, segmentation: Segmentation,
                camera_info: Optional[CameraInfo], parameters: NodeParameters) -> str:
        """
        Publish everything that is made of one frame; the mask last but for pictures.

        :param header: of the input
        :param picture: the input
        :param segmentation: of that picture
        :param camera_info: the newest one of that camera, None where there was none
        :return: why the camera_info was not published, or nothing
        """
        publish, is_wanted = self._publishers.publish, self._publishers.is_wanted
        if segmentation.confidence is not None and is_wanted(topics.CONFIDENCE):
            publish(topics.CONFIDENCE,
                    image_messages.mono8_image(header, segmentation.confidence))
        trouble = ''
        if camera_info is not None:
            try:
                publish(topics.CAMERA_INFO_OUT, image_messages.camera_info_like(
                    camera_info, header, segmentation.mask.shape[::-1]))
            except InvalidInputError as error:
                trouble = str(error)
        publish(topics.MASK, image_messages.mono8_image(header, segmentation.mask))
        self._publish_picture(
            header, topics.COLOR_MASK, topics.COLOR_MASK_COMPRESSED, 'png',
            lambda: pictures.colorize(segmentation.mask, self._palette), encode_png)
        self._publish_picture(
            header, topics.OVERLAY, topics.OVERLAY_COMPRESSED, 'jpeg',
            lambda: pictures.overlay(picture.rgb, segmentation.mask, self._palette,
                                     parameters.overlay_alpha),
            lambda overlay: encode_jpeg(overlay, parameters.jpeg_quality))
        return trouble

    def _publish_picture(self, header: Header, raw: topics.Topic, compressed: topics.Topic,
                         suffix: str, make: Callable[[], arrays.Array],
                         encode: Callable[[arrays.Array], arrays.Array]) -> None:
        publish, is_wanted = self._publishers.publish, self._publishers.is_wanted
        if not (is_wanted(raw) or is_wanted(compressed)):
            return
        picture = make()
        if is_wanted(raw):
            publish(raw, image_messages.rgb8_image(header, picture))
        if is_wanted(compressed):
            publish(compressed, image_messages.compressed_image(header, encode(picture), suffix))


def _rows(has_confidence: bool) -> 'List[topics.Topic]':
    return [row for row in topics.OUTPUTS if has_confidence or row != topics.CONFIDENCE]
