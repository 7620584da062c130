# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Turn grids, clouds and landing sites into messages."""

import array
from typing import Optional, Sequence, Tuple

from geometry_msgs import msg as geometry_msgs
from nav_msgs.msg import MapMetaData
from nav_msgs.msg import OccupancyGrid
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import points as costmap_points
from segformer_ros.costmap.landing import LandingSite
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.ros.io.images import byte_array
from segformer_ros.ros.io.images import with_data
from sensor_msgs.msg import PointCloud2
from sensor_msgs.msg import PointField
from std_msgs.msg import ColorRGBA
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

LANDING_COLOR = ColorRGBA(r=0.1, g=0.8, b=0.2, a=0.5)
LANDING_THICKNESS = 0.05
"""Metres; RViz cannot draw a flat cylinder."""


def occupancy_grid(header: Header, values: arrays.Int8,
                   geometry: GridGeometry) -> OccupancyGrid:
    """
    Return a grid.

    :param values: (height, width) int8, row 0 at the smallest y
    """
    data = array.array('b')
    data.frombytes(values.view(np.uint8))  # type: ignore[arg-type]
    return with_data(
        OccupancyGrid, data, header=header, info=MapMetaData(
            map_load_time=header.stamp, resolution=geometry.resolution, width=geometry.width,
            height=geometry.height, origin=geometry_msgs.Pose(
                position=geometry_msgs.Point(x=geometry.origin_x, y=geometry.origin_y),
                orientation=geometry_msgs.Quaternion(w=1.0))))


def point_cloud(header: Header, cloud: arrays.Structured) -> PointCloud2:
    """
    Return an unorganised cloud; also an empty one has its fields.

    :param cloud: (N,) records of ``costmap.points.POINT_DTYPE``
    """
    return _cloud(header, cloud.view(np.uint8), (1, len(cloud)), costmap_points.POINT_STEP,
                  costmap_points.POINT_FIELDS)


def organized_point_cloud(header: Header, points: arrays.Float32) -> PointCloud2:
    """
    Return a cloud with the rows of a picture.

    :param points: (H, W, 3) metres, NaN where a pixel has no point
    """
    return _cloud(header, costmap_points.organized_cloud(points).view(np.uint8),
                  points.shape[:2], 12, costmap_points.POINT_FIELDS[:3])


def labelled_point_cloud(header: Header, cloud: arrays.Structured) -> PointCloud2:
    """
    Return a cloud with the rows of a picture, with colours and labels.

    :param cloud: (H, W) records of ``costmap.points.LABELLED_DTYPE``
    """
    return _cloud(header, cloud.view(np.uint8), cloud.shape, costmap_points.LABELLED_STEP,
                  costmap_points.LABELLED_FIELDS)


def _cloud(header: Header, data: arrays.UInt8, shape: Tuple[int, ...], step: int,
           fields: Sequence[costmap_points.PointField]) -> PointCloud2:
    height, width = shape
    return with_data(
        PointCloud2, byte_array(data), header=header, height=height, width=width,
        is_bigendian=False, point_step=step, row_step=step * width, is_dense=height == 1, fields=[
            PointField(name=field.name, offset=field.offset, datatype=field.datatype, count=1)
            for field in fields])


def landing_messages(header: Header, site: Optional[LandingSite]
                     ) -> Tuple[Optional[geometry_msgs.PoseStamped], Marker]:
    """
    Return a landing site as pose and marker.

    :param site: None: no pose, and a marker that takes the last one away
    """
    marker = Marker(header=header, ns='landing_site', id=0, type=Marker.CYLINDER)
    if site is None:
        marker.action = Marker.DELETE
        return None, marker
    pose = geometry_msgs.Pose(position=geometry_msgs.Point(x=site.x, y=site.y, z=site.z),
                              orientation=geometry_msgs.Quaternion(w=1.0))
    diameter = 2.0 * site.radius
    marker.action = Marker.ADD
    marker.pose = pose
    marker.scale = geometry_msgs.Vector3(x=diameter, y=diameter, z=LANDING_THICKNESS)
    marker.color = LANDING_COLOR
    return geometry_msgs.PoseStamped(header=header, pose=pose), marker
