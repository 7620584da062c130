# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The costmap as a whole: views of any number of cameras in, one grid out.

A node's callback is: convert the messages, call :meth:`CostmapPipeline.process`, convert the
result. Its timer calls :meth:`CostmapPipeline.occupancy`. Not thread-safe: one thread, or a lock.
"""

import math
import time
from typing import Dict, NamedTuple, Optional, Tuple, Union

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.costmap import landing
from segformer_ros.costmap import observation as costmap_observation
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import check_camera_pose
from segformer_ros.costmap.grid import CostGrid
from segformer_ros.costmap.motion import marks
from segformer_ros.costmap.motion.sightings import shown_places
from segformer_ros.costmap.motion.sightings import sightings_of
from segformer_ros.costmap.motion.tracks import Tracker
from segformer_ros.costmap.points import ground_cloud
from segformer_ros.costmap.points import obstacle_cloud
from segformer_ros.costmap.projection import depth as measured_depth
from segformer_ros.costmap.projection.depth_scale import DepthScaler
from segformer_ros.costmap.projection.depth_scale import UnscaledDepthError
from segformer_ros.costmap.projection.flat_ground import GroundProjector
from segformer_ros.costmap.projection.kernel_build import load_kernels
from segformer_ros.costmap.projection.kernels import ProjectionKernels
from segformer_ros.costmap.projection.labelled_points import labelled_points
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.projection.labelled_view import prepared_labels
from segformer_ros.costmap.projection.nadir import NadirProjector
from segformer_ros.costmap.projection.semantic_layer import SemanticLayerBundle
from segformer_ros.costmap.projection.semantic_layer import SemanticLayerProjector
from segformer_ros.costmap.time_jumps import TimeJumps


class CameraView(NamedTuple):
    """
    What one camera saw at one moment, as plain numbers.

    ``mask`` (H, W) uint8 class ids; ``confidence`` (H, W) uint8 or None; ``camera`` describes
    the mask's pixels and must be the same object until CameraInfo changes; ``stamp`` seconds;
    ``depth`` (H, W) float32 where a depth camera or a depth network is used: metres, or values of
    the setting ``depth.kind``.
    """

    mask: arrays.UInt8
    confidence: Optional[arrays.UInt8]
    camera: CameraModel
    pose: CameraPose
    stamp: float
    depth: Optional[arrays.Float32] = None


class StageTimings(NamedTuple):
    """Seconds of one frame: from pixels to cells, and into the grid (fading included)."""

    project: float
    fuse: float


class FrameResult(NamedTuple):
    """
    What one frame gives beside the grid: clouds in the ground frame, (N,) of POINT_DTYPE.

    ``cleared`` tells that the frame's stamp went back in time, so that the grid was cleared
    first. ``depth_refusal`` says why depth of unknown scale or of a blind camera was not used, or
    nothing: the frame marks by the flat-ground rule then, and clears nothing, since that rule
    sees no overhangs.
    """

    obstacle_points: arrays.Structured
    ground_points: arrays.Structured
    cleared: bool
    timings: StageTimings
    depth_refusal: str = ''


class Occupancy(NamedTuple):
    """The grid at a time; ``values`` (height, width) int8: -1, 0..98 or 100."""

    values: arrays.Int8
    geometry: costmap_observation.GridGeometry


class CostmapPipeline:
    """
    Projection of every camera and the grid that they share.

    :param settings: may be replaced later by :meth:`apply`
    :param costs: may be replaced at any time; the grid keeps what it holds
    :param compiled: use the compiled kernels where there are some; results are the same
    :raises ConfigurationError: settings out of bounds
    """

    def __init__(self, settings: costmap_settings.CostmapSettings, costs: CostTable,
                 compiled: bool = True) -> None:
        costmap_settings.check(settings)
        self._kernels = load_kernels().kernels if compiled else None
        self.costs = costs
        self.settings = settings
        self._grid_settings = settings.grid
        self._grid = CostGrid(settings.grid, settings.fusion, self._kernels)
        self._tracker = Tracker()
        self._time_jumps = TimeJumps(settings.time)
        self._cameras: Dict[str, _Camera] = {}
        self._ego_masks: Dict[str, arrays.UInt8] = {}
        self._latest: Dict[str, Tuple[costmap_observation.Observation, float]] = {}
        self._newest = -math.inf
        self._below = (0.0, 0.0, 0.0)
        self._place = (0.0, 0.0)
        self._told_site: Optional[landing.LandingSite] = None

    def apply(self, settings: costmap_settings.CostmapSettings) -> None:
        """
        Change settings between frames; the grid is kept unless its own shape changes.

        :raises ConfigurationError: out of bounds; nothing has changed then
        """
        costmap_settings.check(settings)
        follows_height = settings.projection.mode == costmap_settings.NADIR
        if settings.grid != self.settings.grid or (
                settings.grid != self._grid_settings and not follows_height):
            self._replace_grid(settings.grid, settings.fusion)
        self._grid.fusion = settings.fusion
        self._time_jumps.settings = settings.time
        self.settings = settings
        self._cameras = {}

    def set_ego_mask(self, camera: str, ego_mask: arrays.UInt8) -> None:
        """
        Set where a camera sees its own robot.

        :param camera: name, as in :meth:`process`
        :param ego_mask: (H, W) uint8 of the mask's size, 255 on the robot, 0 elsewhere
        """
        self._ego_masks[camera] = ego_mask
        self._cameras.pop(camera, None)

    def ego_mask(self, camera: str) -> Optional[arrays.UInt8]:
        """Return what :meth:`set_ego_mask` set, None where that is nothing."""
        return self._ego_masks.get(camera)

    def check_stamp(self, stamp: float, now: Optional[float] = None) -> None:
        """
        Check that an image's stamp can be believed, before its pose is looked for.

        :param stamp: seconds
        :param now: the clock's time in seconds; None where there is no clock
        :raises InvalidInputError: as :meth:`process` for stamps
        """
        self._time_jumps.check_stamp(stamp, now, self.settings.fusion.forget_time)

    def process(self, name: str, view: CameraView, now: Optional[float] = None,
                keep: bool = True) -> FrameResult:
        """
        Take in one view.

        A stamp that lies behind the same camera's last one by more than ``time.jump_back``
        clears the grid first.

        :param name: of the camera
        :param now: the clock's time in seconds; None where there is no clock (bags offline)
        :param keep: False where nobody knows how the robot moves: the grid then holds the newest
            frame of each camera alone
        :raises InvalidInputError: sizes or types that do not fit, a zero stamp, one ahead of the
            clock, or one older than ``fusion.forget_time``; the grid is unchanged
        :raises TransformError: a pose that shows no ground; nothing of the frame is in the grid
        """
        started = time.perf_counter()
        camera, labelled = self._prepare(name, view)
        jumped = self._time_jumps.check_image(name, view.stamp, now,
                                              self.settings.fusion.forget_time)
        if jumped:
            self.clear()
        if not keep:
            self._grid.clear()
        self._follow(view.pose)
        labelled, refusal = camera.with_metric_depth(view, labelled, self.costs)
        too_low = self._is_too_low(view.pose)
        projection = (costmap_observation.nothing_seen() if too_low else
                      camera.projector(labelled).project(labelled, self.costs, self._grid))
        if refusal:
            projection = costmap_observation.without_ground(projection)
        projected = time.perf_counter()
        if keep:
            if projection.doubtful is not None:
                self._grid.doubt(projection.doubtful, view.stamp, self.settings.landing.max_age)
            self._grid.fuse(projection.observation, view.stamp)
        else:
            self._latest[name] = projection.observation, view.stamp
            for observation, stamp in sorted(self._latest.values(), key=lambda kept: kept[1]):
                self._grid.fuse(observation, stamp)
        if self._foretells() and keep:
            self._tracker.take(
                name, sightings_of(projection.obstacles, labelled, self.costs), view.stamp,
                shown_places(labelled, self.settings.projection.max_range))
        else:
            self._tracker.clear()
        if not too_low:
            self._newest = max(self._newest, view.stamp)
        timings = StageTimings(projected - started, time.perf_counter() - projected)
        return FrameResult(
            obstacle_cloud(projection.obstacles, self.costs, self.settings.projection.obstacle_z),
            ground_cloud(projection.ground_points, self.costs), jumped, timings, refusal)

    def semantic_layer(self, name: str, view: CameraView, lookup: arrays.UInt8
                       ) -> SemanticLayerBundle:
        """
        Return the view's bundle for semantic_segmentation_layer.

        :param name: of the camera
        :param lookup: (256,) class id to group id
        :raises InvalidInputError: sizes that differ
        :raises TransformError: a pose that shows no ground
        """
        camera, labelled = self._prepare(name, view)
        labelled, _ = camera.with_metric_depth(view, labelled, self.costs)
        return camera.semantic_layer.project(labelled, self.costs, lookup)

    def labelled_points(self, name: str, view: CameraView, image: arrays.UInt8
                        ) -> Optional[arrays.Structured]:
        """
        Return the view's measured points with colours and labels, (h, w) of LABELLED_DTYPE.

        :param name: of the camera
        :param image: (H, W, 3) uint8 RGB that the mask was made of
        :return: None where there is no depth, or it is refused as in :meth:`process`
        :raises InvalidInputError: sizes that differ
        """
        if image.shape != view.mask.shape + (3,):
            raise InvalidInputError('Image and mask differ in size', got=image.shape,
                                    expected=view.mask.shape + (3,))
        camera, labelled = self._prepare(name, view)
        labelled, _ = camera.with_metric_depth(view, labelled, self.costs)
        return None if labelled.depth is None else labelled_points(
            labelled, image, self.costs, self.settings, self._ego_masks.get(name))

    def occupancy(self, now: float, standing: float = 0.0) -> Occupancy:
        """
        Return the grid at a time; call it at a steady rate, with or without frames.

        A clock that went back clears the grid.

        :param now: seconds, on the clock of the image stamps
        :param standing: seconds for which that clock has stood still; what is too old with them
            is not shown, and comes back if the clock goes on
        """
        if self._time_jumps.check_now(now):
            self.clear()
        return Occupancy(self._values(now, standing), self._grid.geometry)

    def oldest_age(self, now: float, standing: float = 0.0) -> float:
        """Return the age of the stalest known cell, seconds; at most ``fusion.forget_time``."""
        return self._grid.oldest_age(now, standing)

    def landing_site(self, now: float, standing: float = 0.0) -> Optional[landing.LandingSite]:
        """
        Return the best landing site in the grid at a time, or None; see landing.py.

        None too where no image is younger than ``landing.max_age``.
        """
        if now + standing - self._newest > self.settings.landing.max_age:
            self._told_site = None
            return None
        x, y, ground = self._below
        site = landing.find_landing_site(
            self._values(now, standing), self._grid.geometry, self.settings.landing,
            (x, y), self._grid.moving_cells(standing), self._told_site)
        self._told_site = None if site is None else site._replace(z=ground)
        return self._told_site

    def _foretells(self) -> bool:
        return (self.settings.moving.prediction_time > 0.0
                and self.settings.projection.mode == costmap_settings.CONTACT)

    def _values(self, now: float, standing: float) -> arrays.Int8:
        """Return what the grid holds, and where what moves will be."""
        values = self._grid.to_occupancy(now, standing)
        if not self._foretells():
            return values
        seconds = self.settings.moving.prediction_time
        # No way outlives the mark of who walks it.
        motions = self._tracker.motions(now + standing - min(
            seconds, self.settings.fusion.dynamic_decay_time))
        if motions:
            marks.mark_ways(values, self._grid.geometry, self._grid.stands_at, motions,
                            seconds, self._place + (self.settings.projection.robot_radius,))
        return values

    def clear(self) -> None:
        """Forget every cell, as ``~/clear_costmap`` asks."""
        self._grid.clear()
        self._tracker.clear()
        self._latest = {}
        self._newest = -math.inf
        self._told_site = None

    def _replace_grid(self, grid: costmap_settings.GridSettings,
                      fusion: costmap_settings.FusionSettings) -> None:
        self._grid = CostGrid(grid, fusion, self._kernels)
        self._grid_settings = grid
        self._latest = {}

    def _prepare(self, name: str, view: CameraView) -> 'Tuple[_Camera, LabelledView]':
        width, height = view.camera.size_wh
        ego_mask = self._ego_masks.get(name)
        for what, image in (('Mask', view.mask), ('Confidence', view.confidence),
                            ('Ego mask', ego_mask)):
            if image is not None and (image.shape != (height, width) or image.dtype != np.uint8):
                raise InvalidInputError(f'{what} of camera {name!r} has a wrong size or type',
                                        got=f'{image.dtype} {image.shape}',
                                        expected=f'uint8 ({height}, {width})',
                                        remedy='Make the camera model for the size of the mask.')
        check_camera_pose(view.pose)
        if name not in self._cameras:
            self._cameras[name] = _Camera(self.settings, ego_mask, self._kernels)
        return self._cameras[name], LabelledView(
            prepared_labels(view.mask, view.confidence, ego_mask,
                            self.settings.projection.min_confidence),
            None if view.confidence is None else np.ascontiguousarray(view.confidence).reshape(-1),
            view.camera, view.pose, view.depth)

    def _is_too_low(self, pose: CameraPose) -> bool:
        projection = self.settings.projection
        return bool(projection.mode == costmap_settings.NADIR
                    and pose.ground_from_camera[2, 3] < projection.min_height)

    def _follow(self, pose: CameraPose) -> None:
        x, y = float(pose.odom_from_ground[0, 3]), float(pose.odom_from_ground[1, 3])
        self._place = x, y
        odom_from_camera = pose.odom_from_ground.dot(pose.ground_from_camera)
        self._below = (float(odom_from_camera[0, 3]), float(odom_from_camera[1, 3]),
                       float(pose.odom_from_ground[2, 3]))
        if self.settings.projection.mode == costmap_settings.NADIR:
            fitting = landing.grid_for_height(self.settings.grid,
                                              float(pose.ground_from_camera[2, 3]),
                                              self._grid_settings)
            if fitting != self._grid_settings:
                before = self._grid
                self._replace_grid(fitting, self.settings.fusion)
                if before.geometry.resolution > fitting.resolution:
                    # A drone that comes down would see too little of its landing site by now.
                    self._grid.recenter(x, y)
                    self._grid.take_over(before)
        self._grid.recenter(x, y)


class _Camera:
    """The projectors of one camera, each with its own tables."""

    def __init__(self, settings: costmap_settings.CostmapSettings,
                 ego_mask: Optional[arrays.UInt8],
                 kernels: Optional[ProjectionKernels]) -> None:
        ground = GroundProjector(settings.projection, ego_mask, kernels)
        is_nadir = settings.projection.mode == costmap_settings.NADIR
        self._flat: Union[GroundProjector, NadirProjector] = (
            NadirProjector(settings.projection, ego_mask) if is_nadir else ground)
        self._depth = measured_depth.DepthProjector(settings.projection, settings.depth,
                                                    ego_mask, kernels)
        self.semantic_layer = SemanticLayerProjector(settings, ground)
        self._blind = measured_depth.BlindDepthCheck(settings.projection.max_range, ego_mask)
        self._scaler: Optional[DepthScaler] = None
        if settings.depth.kind != costmap_settings.METRIC:
            self._scaler = DepthScaler(settings.depth.kind, settings.projection.max_range)
        self._scaled: Optional[Tuple[CameraView, Optional[arrays.Float32], str]] = None

    def with_metric_depth(self, view: CameraView, labelled: LabelledView, costs: CostTable
                          ) -> Tuple[LabelledView, str]:
        """Return a view with depth in metres, or without depth and with the reason."""
        if view.depth is None:
            return labelled, ''
        # The grid and the clouds of one view are asked for one after the other.
        if self._scaled is None or self._scaled[0] is not view:
            try:
                self._scaled = view, self._in_meters(labelled, costs), ''
            except (measured_depth.BlindDepthError, UnscaledDepthError) as error:
                self._scaled = view, None, str(error)
        return labelled._replace(depth=self._scaled[1]), self._scaled[2]

    def _in_meters(self, labelled: LabelledView, costs: CostTable) -> Optional[arrays.Float32]:
        if self._scaler is not None:
            return self._scaler.to_meters(labelled, costs).depth
        self._blind.check(labelled)
        return labelled.depth

    def projector(self, view: LabelledView
                  ) -> Union[GroundProjector, NadirProjector, measured_depth.DepthProjector]:
        return self._flat if view.depth is None else self._depth
