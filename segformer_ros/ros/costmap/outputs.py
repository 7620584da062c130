# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The publishers of the costmap: clouds of each camera, and one grid with its masks."""

from typing import Any, Callable, Dict, Optional, TYPE_CHECKING

import numpy as np
from rclpy.node import Node
from segformer_ros.common import arrays
from segformer_ros.costmap import filter_masks
from segformer_ros.costmap.landing import LandingSite
from segformer_ros.costmap.pipeline import FrameResult
from segformer_ros.costmap.pipeline import Occupancy
from segformer_ros.costmap.points import POINT_DTYPE
from segformer_ros.costmap.projection.semantic_layer import SemanticLayerBundle
from segformer_ros.ros.costmap import messages as costmap_messages
from segformer_ros.ros.io import images as image_messages
from segformer_ros.ros.io import topics
from segformer_ros.ros.io.label_info import label_info_message
from segformer_ros.ros.io.publishers import Publishers
from segformer_ros.ros.parameters.costmap import CostmapParameters
from std_msgs.msg import Header

if TYPE_CHECKING:
    from segformer_ros.model.classes import ClassTable

MASK_PERIOD = 1.0
"""Seconds between two filter masks: Nav2 logs a warning for each."""
BUNDLE = (topics.CATEGORY_MASK, topics.CATEGORY_CONFIDENCE, topics.POINTS)


class CloudOutputs:
    """
    Publish what one camera's frames give beside the grid.

    :param node: owns the publishers
    :param camera: name, empty for the only one
    """

    def __init__(self, node: Node, camera: str) -> None:
        self._publishers = Publishers(node, camera, topics.CLOUD_OUTPUTS)

    def publish_clouds(self, header: Header, result: FrameResult) -> None:
        """
        Publish marking and clearing points; ground first, so that a mark has the last word.

        :param header: stamp of the image, frame of the points
        """
        self._publishers.publish(topics.GROUND_POINTS, costmap_messages.point_cloud(
            header, result.ground_points))
        self._publishers.publish(topics.OBSTACLE_POINTS, costmap_messages.point_cloud(
            header, result.obstacle_points))

    def publish_nothing_seen(self, header: Header) -> None:
        """Publish an empty obstacle cloud: Nav2 would mark the last one again for ever."""
        self._publishers.publish(topics.OBSTACLE_POINTS, costmap_messages.point_cloud(
            header, np.zeros(0, POINT_DTYPE)))

    def bundle_wanted(self) -> bool:
        """Return whether somebody subscribes to the category mask, its confidence or points."""
        return any(self._publishers.is_wanted(topic) for topic in BUNDLE)

    def publish_bundle(self, header: Header, bundle: SemanticLayerBundle) -> None:
        """
        Publish the three pictures of semantic_segmentation_layer under one header.

        :param header: of the image
        """
        messages = (image_messages.mono8_image(header, bundle.mask),
                    image_messages.mono8_image(header, bundle.confidence),
                    costmap_messages.organized_point_cloud(header, bundle.points))
        for topic, message in zip(BUNDLE, messages):
            self._publishers.publish(topic, message)

    def labelled_points_wanted(self) -> bool:
        """Return whether somebody subscribes to the labelled points."""
        return self._publishers.is_wanted(topics.LABELLED_POINTS)

    def publish_labelled_points(self, header: Header, cloud: arrays.Structured) -> None:
        """
        Publish the measured points with colours and labels.

        :param header: of the image
        """
        self._publishers.publish(topics.LABELLED_POINTS,
                                 costmap_messages.labelled_point_cloud(header, cloud))

    def publish_label_info(self, stamp: Any, groups: 'ClassTable', threshold: float) -> None:
        """Publish the names of the groups, latched; nothing where vision_msgs is absent."""
        if self._publishers.has(topics.CATEGORY_LABEL_INFO):
            self._publishers.publish(topics.CATEGORY_LABEL_INFO,
                                     label_info_message(stamp, groups, threshold))

    def destroy(self) -> None:
        """Destroy the publishers; no other thread may publish any more."""
        self._publishers.destroy()


class GridOutputs:
    """
    Publish the grid, the masks of Nav2's filters and the landing site.

    :param node: owns the publishers
    """

    def __init__(self, node: Node) -> None:
        self._publishers = Publishers(node, '', topics.GRID_OUTPUTS)
        self._masks: Dict[topics.Topic, filter_masks.FilterMask] = {}
        self._next_masks = float('-inf')

    def publish(self, header: Header, occupancy: Occupancy, parameters: CostmapParameters,
                find_landing_site: Callable[[], Optional[LandingSite]], now: float,
                with_masks: bool = False) -> None:
        """
        Publish one grid and what is made of it.

        :param header: frame of the grid
        :param find_landing_site: called only where somebody wants to know
        :param now: seconds of a clock that never goes back
        :param with_masks: whether the filter masks follow at once, though it is not their time
        """
        self._publishers.publish(topics.COSTMAP, costmap_messages.occupancy_grid(
            header, occupancy.values, occupancy.geometry))
        if with_masks or now >= self._next_masks:
            self._next_masks = now + MASK_PERIOD
            self._publish_masks(header, occupancy, parameters)
        if self._publishers.is_wanted(topics.LANDING_SITE) or \
                self._publishers.is_wanted(topics.LANDING_SITE_MARKER):
            pose, marker = costmap_messages.landing_messages(header, find_landing_site())
            if pose is not None:
                self._publishers.publish(topics.LANDING_SITE, pose)
            self._publishers.publish(topics.LANDING_SITE_MARKER, marker)

    def destroy(self) -> None:
        """Destroy the publishers; no other thread may publish any more."""
        self._publishers.destroy()

    def _publish_masks(self, header: Header, occupancy: Occupancy,
                       parameters: CostmapParameters) -> None:
        for topic in (topics.KEEPOUT_MASK, topics.SPEED_MASK):
            # One that was published is latched: whoever comes later gets it, so it is kept right.
            if topic not in self._masks and not self._publishers.is_wanted(topic):
                continue
            if topic is topics.KEEPOUT_MASK:
                mask = filter_masks.keepout_mask(occupancy.values, occupancy.geometry,
                                                 parameters.keepout_cost)
            else:
                mask = filter_masks.speed_mask(occupancy.values, occupancy.geometry,
                                               parameters.slowest_speed)
            if mask.differs(self._masks.get(topic)):
                self._masks[topic] = mask
                self._publishers.publish(topic, costmap_messages.occupancy_grid(
                    header, mask.values, mask.geometry))
