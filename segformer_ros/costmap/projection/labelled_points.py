# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Every measured point with its colour, label, cost and confidence, for maps in three dimensions.

Voxel layers, OctoMap and rtabmap take it as the cloud of a depth camera. What stands and what
it costs is decided as for the grid: by height first, then by label.
"""

from typing import Optional

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import points as costmap_points
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.cost_table import LETHAL
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import thinned_pixels
from segformer_ros.costmap.projection.measured_height import ground_costs
from segformer_ros.costmap.projection.measured_height import sort_by_height
from segformer_ros.costmap.settings import CostmapSettings

# Metres; nearer than any depth camera measures.
_NEAREST = 0.05


def labelled_points(view: LabelledView, image: arrays.UInt8, costs: CostTable,
                    settings: CostmapSettings, ego_mask: Optional[arrays.UInt8] = None
                    ) -> arrays.Structured:
    """
    Return the points of a view with depth in metres, as rows of a picture.

    :param view: with its depth image
    :param image: (H, W, 3) uint8 RGB of the mask's size
    :param settings: ``category_width``, the picture's width in points, and height gates
    :param ego_mask: (H, W) uint8, 255 where the camera sees its own robot
    :return: (h, w) of LABELLED_DTYPE in the optical frame. x, y and z are NaN where nothing was
        measured or the robot is seen; ``label`` 255 is none; ``cost`` is 0 to 98 of ground, 100
        of an obstacle, UNKNOWN_COST of what is neither
    :raises InvalidInputError: depth and mask differ in size
    """
    pixels = thinned_pixels(view.camera.size_wh, settings.category_width)
    shown = view.labels[pixels]
    rays = view.camera.rays().reshape(-1, 3)[pixels]
    distance = view.flat_depth()[pixels].astype(np.float32)
    mount = view.pose.ground_from_camera.astype(np.float32)
    with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
        places = rays * (distance / rays[..., 2])[..., None]
        told = ((distance > _NEAREST) & (rays[..., 2] > 0.0) & np.isfinite(places).all(axis=-1))
        if ego_mask is not None:
            told &= ego_mask.reshape(-1)[pixels] == 0
        places[~told] = np.nan
        turned = places.dot(mount[:3, :3].T)
    kinds = sort_by_height(turned[..., 2] + mount[2, 3], np.hypot(turned[..., 0], turned[..., 1]),
                           shown, costs, settings.depth)
    cloud = np.zeros(pixels.shape, costmap_points.LABELLED_DTYPE)
    for axis, name in enumerate('xyz'):
        cloud[name] = places[..., axis]
    color = image.reshape(-1, 3)[pixels].astype(np.uint32)
    cloud['rgb'] = (color[..., 0] << 16 | color[..., 1] << 8 | color[..., 2]).view(np.float32)
    cloud['label'] = shown
    cloud['cost'] = costmap_points.UNKNOWN_COST
    cloud['cost'][kinds.ground] = np.rint(
        ground_costs(shown[kinds.ground], kinds.misnamed[kinds.ground], costs))
    cloud['cost'][kinds.obstacle] = LETHAL
    cloud['confidence'] = view.confidence_at(pixels.reshape(-1)).reshape(pixels.shape)
    return cloud
