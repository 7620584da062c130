# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Build, load and check ``projection.c``; see :mod:`segformer_ros.common.compiled.library`."""

import functools
import os
from typing import Any, List, NamedTuple, Optional

import numpy as np
from segformer_ros.common.compiled import library
from segformer_ros.common.errors import BackendError
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.observation import Projection
from segformer_ros.costmap.projection.depth import DepthProjector
from segformer_ros.costmap.projection.flat_ground import GroundProjector
from segformer_ros.costmap.projection.kernels import ProjectionKernels
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.model.classes import ClassTable

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'projection.c')


# Of the check: small, and with evidence on both sides of the threshold of a mark.
_GRID = costmap_settings.GridSettings(4.0, 0.05, 1.0)
_FUSION = costmap_settings.FusionSettings(mark_threshold=0.5, static_decay_time=1.0)


class Compiled(NamedTuple):
    """The loaded kernels (None: not used), and a line on where they come from."""

    kernels: Optional[ProjectionKernels]
    origin: str


@functools.lru_cache(maxsize=None)
def load_kernels() -> Compiled:
    """Return the compiled kernels of projections; the first call may take seconds to build."""
    return Compiled(*library.load(library.Library('Costmap kernels', SOURCE, __name__,
                                                  "the costmap's projections are")))


def open_kernels(library_of_c: Any) -> ProjectionKernels:
    """
    Return the kernels of a loaded library; see :mod:`segformer_ros.common.compiled.validation`.

    :raises AttributeError: a function is missing
    :raises BackendError: results differ from those of numpy
    """
    kernels = ProjectionKernels(library_of_c)
    width, height = 61, 47
    random = np.random.RandomState(0)
    # Ground, then obstacles, then what is neither, with holes in all of them.
    mask = np.repeat(np.array([2, 1, 0], np.uint8), (10, 12, 25))[:, None].repeat(width, axis=1)
    # What fills the lowest rows, too.
    mask[20:, 44:50] = 1
    mask[random.rand(height, width) < 0.05] = 3
    confidence = random.randint(0, 256, mask.shape).astype(np.uint8)
    ego_mask = np.zeros_like(mask)
    ego_mask[-4:, 20:30] = 255
    costs = CostTable('check', ClassTable('check', ('floor', 'wall', 'sky', 'grass'),
                                          np.zeros((4, 3)), np.zeros(4, np.bool_)),
                      (3, 100, -1, 40))
    settings = costmap_settings.ProjectionSettings()
    limits = costmap_settings.DepthSettings(min_points=1)
    turn = transforms.turn(0.01, -0.02, 0.03)
    for distortion in ((), (-0.2, 0.05, 1e-3, -2e-3, 0.01),
                       (0.1, 0.02, 1e-3, 2e-3, 0.01, 0.12, 0.03, 0.01, 1e-3, 0.0, -1e-3, 0.0)):
        camera = CameraModel(Calibration(
            width, height, 'rational_polynomial' if len(distortion) > 5 else 'plumb_bob',
            distortion, (50.0, 0.0, 30.2, 0.0, 51.0, 22.7, 0.0, 0.0, 1.0),
            tuple(turn.reshape(-1).tolist())))
        view = LabelledView(
            prepared_labels(mask, confidence, ego_mask, 20), confidence.reshape(-1), camera,
            transforms.CameraPose(transforms.planar_pose(0.3, -0.2, 0.7),
                                  transforms.mount_pose(0.5, 0.4, 0.05)))
        grid = CostGrid(_GRID, _FUSION)
        depth = random.uniform(0.0, 3.0, mask.shape).astype(np.float32)
        depth[random.rand(height, width) < 0.1] = np.nan
        found, expected = (
            _values(GroundProjector(settings, ego_mask, each), view, costs, grid)
            + _bits(DepthProjector(settings, limits, ego_mask, each).project(
                view._replace(depth=depth), costs, grid))
            + _fused(GroundProjector(settings, ego_mask).project(view, costs, grid), each)
            for each in (kernels, None))
        if found != expected:
            raise BackendError('The compiled kernels give other results than numpy',
                               remedy='Please report the compiler and the processor.')
    return kernels


def _values(projector: GroundProjector, view: LabelledView, costs: CostTable, grid: CostGrid
            ) -> List[bytes]:
    """Return everything that a projection gives, to the last bit."""
    # A mount's first mask is walked, later ones are read from a table.
    scans = [projector.scan(view, costs) for _ in range(2)]
    table = projector.table(view.camera, view.pose.ground_from_camera)
    # Of walked samples no pixels are kept.
    walked = scans[0].table.samples._replace(pixels=table.pixels[:0])
    values = walked + scans[0][1:] + table.samples + scans[1][1:]
    return [np.asarray(each).tobytes() for each in values] + _bits(
        projector.project(view, costs, grid))


def _bits(projection: Projection) -> List[bytes]:
    seen = projection.observation
    return [np.asarray(each).tobytes() for part in (
        projection.obstacles, projection.ground_points, seen.ground, seen.static, seen.dynamic,
        (seen.ground_costs,)) for each in part]


def _fused(projection: Projection, kernels: Optional[ProjectionKernels]) -> List[bytes]:
    """Return a grid's values while it takes a frame in, and then fades."""
    grid = CostGrid(_GRID, _FUSION, kernels)
    moving = projection.observation._replace(static=projection.observation.dynamic,
                                             dynamic=projection.observation.static)
    values = []
    for stamp, seen in ((1.0, projection.observation), (1.4, moving),
                        (1.9, projection.observation._replace(
                            ground_costs=projection.observation.ground_costs + np.float32(0.7)))):
        grid.fuse(seen, stamp)
        values += [grid.to_occupancy(stamp + later).tobytes() for later in (0.0, 0.3)]
    return values + [grid.to_occupancy(stamp).tobytes() for stamp in (2.5, 3.1, 40.0)]
