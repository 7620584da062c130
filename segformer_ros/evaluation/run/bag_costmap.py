# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of a recording, and how far it agrees with depth or with a reference grid."""

from typing import Any, NamedTuple, Optional, Sequence

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap import pipeline as costmap_pipeline
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry import camera_model
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import ProjectionSettings
from segformer_ros.evaluation.metrics import grid_agreement
from segformer_ros.evaluation.metrics.totals import Totals
from segformer_ros.evaluation.run.annotated_bag import AnnotatedBag
from segformer_ros.evaluation.run.sinks import FrameSink
from segformer_ros.evaluation.sources import bag_scene
from segformer_ros.evaluation.sources.bag_files import BagPart
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.topic_choice import camera_info_topic
from segformer_ros.model.classes import ClassTable
from segformer_ros.segmentation.segmenter import Segmentation

CAMERA = 'camera'


class CostmapOptions(NamedTuple):
    """
    How the costmap is made; the numbers are the live node's defaults.

    ``profile`` is a name or path for ``load_cost_table``. ``ground_frame`` has its plane z = 0
    on the floor; where ``odom_frame`` is the same frame, every image stands for itself.
    ``camera_info`` is a topic, empty for the one beside the image. The grid is compared with
    ``depth``, a topic of registered depth images, or with ``reference``, one of OccupancyGrids.
    ``mode`` is that of ``ProjectionSettings``: a camera that looks ahead, or down.
    """

    profile: str
    odom_frame: str = 'odom'
    ground_frame: str = 'base_footprint'
    camera_info: str = ''
    depth: str = ''
    reference: str = ''
    mode: str = CostmapSettings().projection.mode


class BagCostmap(FrameSink):
    """
    Makes the grid of one camera in one file.

    ``bag`` is what the grids are written into, if anything; it must get each frame first.

    :param options: how
    :param part: the file
    :param all_parts: of the recording
    :param topic: of the camera's images
    :param classes: of the masks
    :raises ConfigurationError: no such cost profile, or classes that it does not know
    """

    def __init__(self, options: CostmapOptions, part: BagPart, all_parts: Sequence[BagPart],
                 topic: str, classes: ClassTable) -> None:
        self.options = options
        self.bag: Optional[AnnotatedBag] = None
        self.counts = grid_agreement.GridCounts()
        settings = CostmapSettings(projection=ProjectionSettings(mode=options.mode))
        costs = load_cost_table(options.profile, classes)
        self._pipeline = costmap_pipeline.CostmapPipeline(settings, costs)
        self._truth = costmap_pipeline.CostmapPipeline(settings, costs)
        self._scene = bag_scene.BagScene(part, all_parts, bag_scene.SceneTopics(
            options.camera_info or camera_info_topic(topic), options.depth, options.reference))
        self._is_rectified = camera_model.is_rectified(topic)
        self._camera: Optional[camera_model.CameraModel] = None
        self._camera_key: Any = None

    def add(self, frame: Frame, segmentation: Segmentation) -> None:
        """Take one frame."""
        grid = self.grid(frame, segmentation)
        if grid is not None and self.bag is not None:
            self.bag.add_grid(frame, grid, self.options.odom_frame)

    def grid(self, frame: Frame,
             segmentation: Segmentation) -> Optional[costmap_pipeline.Occupancy]:
        """
        Take one frame in and return the grid after it.

        :param frame: of a recording
        :param segmentation: its mask and confidence
        :return: the grid at its stamp, or None where the frame has no pose or calibration;
            ``counts`` keeps the reason
        """
        stamp_ns = frame.stamp_ns or 0
        try:
            self._scene.advance(frame.received_ns or stamp_ns)
            told = costmap_pipeline.CameraView(
                segmentation.mask, segmentation.confidence, self._camera_model(segmentation),
                self._pose(frame), bag_scene.seconds_of(stamp_ns))
            occupancy = self._grid_of(self._pipeline, told)
            reference = self._reference(told, frame, occupancy.geometry)
        except (InvalidInputError, TransformError) as error:
            self.counts.missing += 1
            causes = '; '.join(filter(None, (str(error), self._scene.problem)))
            self.counts.first_problem = self.counts.first_problem or f'{frame.name}: {causes}'
            return None
        self.counts.grids += 1
        if reference is not None:
            self.counts.compared += 1
            self.counts.agreement = self.counts.agreement.merge(
                grid_agreement.compare_grids(occupancy.values, reference))
        return occupancy

    def count(self, totals: Totals) -> None:
        """Add the cells that were compared."""
        totals.grids.merge(self.counts)

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._scene.close()

    def _grid_of(self, pipeline: costmap_pipeline.CostmapPipeline,
                 told: costmap_pipeline.CameraView) -> costmap_pipeline.Occupancy:
        if self.options.odom_frame == self.options.ground_frame:
            pipeline.clear()
        pipeline.process(CAMERA, told)
        return pipeline.occupancy(told.stamp)

    def _reference(self, told: costmap_pipeline.CameraView, frame: Frame,
                   geometry: GridGeometry) -> Optional[arrays.Int8]:
        if self.options.depth:
            depth = self._scene.depth_at(frame.stamp_ns or 0, frame.frame_id)
            if depth is None:
                return None
            return self._grid_of(self._truth, told._replace(depth=depth)).values
        if self._scene.grid is None:
            return None
        return sampled_grid(self._scene.grid, geometry, self.options.odom_frame)

    def _pose(self, frame: Frame) -> CameraPose:
        poses, options = self._scene.poses, self.options
        stamp = bag_scene.seconds_of(frame.stamp_ns or 0)
        return CameraPose(poses.lookup(options.odom_frame, options.ground_frame, stamp),
                          poses.lookup(options.ground_frame, frame.frame_id, stamp))

    def _camera_model(self, segmentation: Segmentation) -> camera_model.CameraModel:
        if self._scene.camera_info is None:
            raise InvalidInputError('No CameraInfo for the image', expected='a message before it',
                                    remedy='Name its topic, or record it.')
        height, width = segmentation.mask.shape
        key = (camera_model.calibration_of(self._scene.camera_info), width, height)
        if self._camera is None or key != self._camera_key:
            self._camera = camera_model.CameraModel(key[0], (width, height), self._is_rectified)
            self._camera_key = key
        return self._camera


def sampled_grid(message: Any, geometry: GridGeometry, frame_id: str) -> arrays.Int8:
    """
    Return an OccupancyGrid message in the cells of another grid, by their centres.

    :param message: of the same frame, not turned in it
    :param geometry: of the wanted cells
    :param frame_id: of both
    :return: (height, width) int8, unknown outside the message's grid
    :raises InvalidInputError: another frame, a turned grid, or data that do not fit
    """
    info = message.info
    if message.header.frame_id.lstrip('/') != frame_id.lstrip('/'):
        raise InvalidInputError('Reference grid is in another frame',
                                got=message.header.frame_id, expected=frame_id)
    turn = info.origin.orientation
    if max(abs(turn.x), abs(turn.y), abs(turn.z)) > 1e-6:
        raise InvalidInputError('Reference grid is turned',
                                got=(turn.x, turn.y, turn.z, turn.w), expected='no rotation')
    if len(message.data) != info.width * info.height:
        raise InvalidInputError('Reference grid does not fit', got=len(message.data),
                                expected=f'{info.width} x {info.height} cells')
    other = GridGeometry(info.origin.position.x, info.origin.position.y, info.resolution,
                         info.width, info.height)
    x, y = geometry.centers()
    columns, rows = np.meshgrid(x, y)
    cells, inside = other.indices(columns, rows)
    values = np.asarray(message.data, np.int8)
    return np.where(inside, values[cells], np.int8(grid_agreement.UNKNOWN))
