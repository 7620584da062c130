#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Project a mask of class ids to a grid of costs around the robot, and save it as a picture.

    python3 examples/project_mask.py mask.png grid.png --height 0.8 --pitch 20 --view 70

No calibration, TF or ROS is needed: the camera is given by three numbers.
"""

import argparse
import math

import numpy as np
from PIL import Image
from segformer_ros import CostmapPipeline
from segformer_ros.costmap import pipeline as costmap_pipeline
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.model.classes import load_class_table


def main():
    """Project one mask."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('mask', help='grey PNG of ADE20K class ids')
    parser.add_argument('output')
    parser.add_argument('--height', type=float, default=0.8, help='of the lens, metres')
    parser.add_argument('--pitch', type=float, default=20.0, help='downwards, degrees')
    parser.add_argument('--view', type=float, default=70.0, help='from left to right, degrees')
    parser.add_argument('--costs', default='indoor', help='cost profile: name or path')
    options = parser.parse_args()

    mask = np.array(Image.open(options.mask))
    height, width = mask.shape
    focal = width / 2.0 / math.tan(math.radians(options.view) / 2.0)
    camera = camera_model.CameraModel(camera_model.Calibration(
        width, height, 'none', (),
        (focal, 0.0, (width - 1) / 2.0, 0.0, focal, (height - 1) / 2.0, 0.0, 0.0, 1.0)))
    # The robot stands at the origin and looks along x; y is to its left.
    pose = transforms.CameraPose(
        np.eye(4), transforms.mount_pose(options.height, math.radians(options.pitch)))

    pipeline = CostmapPipeline(
        CostmapSettings(), load_cost_table(options.costs, load_class_table('ade20k')))
    stamp = 1.0    # seconds
    pipeline.process('camera', costmap_pipeline.CameraView(mask, None, camera, pose, stamp))
    # (rows along y, columns along x): -1 unknown, 0 free to 98 dear, 100 an obstacle.
    values = pipeline.occupancy(stamp).values

    print(f'{(values == 100).sum()} cells are obstacles, {(values == 0).sum()} are free, '
          f'{(values == -1).mean():.0%} of the grid is unknown')
    grey = np.where(values < 0, 128, 255 - np.minimum(values, 100) * 2.55).astype(np.uint8)
    # Ahead is up and left is left, as on a map.
    Image.fromarray(np.ascontiguousarray(grey.T[::-1, ::-1])).save(options.output)


if __name__ == '__main__':
    main()
