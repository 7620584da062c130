# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of one camera as a variant to time: from a mask to a filled grid."""

import itertools
import math
import time

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import GridSettings
from segformer_ros.evaluation.benchmark.paired_timing import Run
from segformer_ros.evaluation.benchmark.paired_timing import Variant
from segformer_ros.model.classes import load_class_table


FIXED, MOVING = 'fixed mount', 'moving mount'
# A robot at walking pace: metres and seconds between two frames at 10 Hz.
STEP, PERIOD = 0.1, 0.1
CAMERA_HEIGHT, CAMERA_PITCH = 0.8, math.radians(15.0)
# The barrel distortion of a webcam: with a moving mount it counts for every sample.
DISTORTION = (-0.25, 0.06, 0.001, 0.0005, 0.0)
# Amplitude of a mount that gives, radians; any change makes every pixel's ray count anew.
SWAY = math.radians(0.5)


def costmap_variant(mask: arrays.UInt8, mount: str,
                    size: float = GridSettings().size) -> Variant:
    """
    Return the default costmap, at 0.05 m, over a robot that drives ahead.

    :param mask: (H, W) class ids of ADE20K
    :param mount: FIXED, or MOVING for a camera whose pose over the ground changes each frame
    :param size: side of the grid, metres
    """
    height, width = mask.shape
    focal = 500.0 * width / 640.0
    camera = CameraModel(Calibration(width, height, 'plumb_bob', DISTORTION, (
        focal, 0.0, width / 2.0, 0.0, focal, height / 2.0, 0.0, 0.0, 1.0)))
    pipeline = CostmapPipeline(
        CostmapSettings(grid=GridSettings(size=size)),
        load_cost_table('indoor', load_class_table('ade20k')))
    confidence = np.full_like(mask, 200)
    counter = itertools.count(1)

    def run() -> Run:
        number = next(counter)
        sway = SWAY * math.sin(number) if mount == MOVING else 0.0
        pose = transforms.CameraPose(transforms.planar_pose(STEP * number, 0.0, 0.0),
                                     transforms.mount_pose(CAMERA_HEIGHT, CAMERA_PITCH + sway))
        stamp = PERIOD * number
        view = CameraView(mask, confidence, camera, pose, stamp)
        timings = pipeline.process('camera', view).timings
        started = time.perf_counter()
        pipeline.occupancy(stamp)
        return Run({'project': timings.project, 'fuse': timings.fuse,
                    'fill': time.perf_counter() - started})

    return Variant(mount, run)
