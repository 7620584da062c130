# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The costmap of a recording, and how far it agrees with depth or with a reference grid."""

import math
from typing import Any, NamedTuple, Optional, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.errors import TransformError
from segformer_ros.common.time import stamp_to_nanoseconds
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import pipeline as costmap_pipeline
from segformer_ros.costmap import point_cloud
from segformer_ros.costmap.camera_input import CameraInput
from segformer_ros.costmap.camera_input import is_rectified
from segformer_ros.costmap.geometry import registration
from segformer_ros.costmap.geometry.camera_poses import Frames
from segformer_ros.costmap.geometry.camera_poses import Mount
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.evaluation.metrics import grid_agreement
from segformer_ros.evaluation.metrics import height_agreement
from segformer_ros.evaluation.metrics.totals import Totals
from segformer_ros.evaluation.run.annotated_bag import AnnotatedBag
from segformer_ros.evaluation.run.grid_frames import Contacts
from segformer_ros.evaluation.run.grid_frames import GridFrames
from segformer_ros.evaluation.run.sinks import FrameSink
from segformer_ros.evaluation.sources import bag_scene
from segformer_ros.evaluation.sources.bag_source import RecordedSource
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.topic_choice import camera_info_topic
from segformer_ros.model.classes import ClassTable
from segformer_ros.segmentation.segmenter import Segmentation

CAMERA = 'camera'


class CameraOptions(NamedTuple):
    """
    How one camera serves the costmap.

    ``name``, ``mount``, ``rectified`` and ``self_mask`` are those of the live node's camera.
    ``topic`` is that of its images, empty for an only one. ``camera_info`` is a topic, empty for
    the one beside the image; ``depth_in`` one that the costmap is made of, empty for none.
    """

    name: str = CAMERA
    topic: str = ''
    mount: Mount = Mount()
    rectified: str = 'auto'
    self_mask: str = ''
    camera_info: str = ''
    depth_in: str = ''


class CostmapOptions(NamedTuple):
    """
    How the costmap is made; the numbers are the live node's defaults.

    ``profile`` is a name or path for ``load_cost_table``. ``frames`` has the plane z = 0 of its
    ground frame on the floor; where the other one is the same frame, every image stands for
    itself. ``cameras`` are all that the grid is made of. ``range`` is a topic that the height is
    taken from, empty for none. The grid is compared with the heights in ``depth``, a topic of
    registered depth images, or in ``cloud``, one of a lidar's PointCloud2, or with ``reference``,
    a topic of OccupancyGrids.
    ``by_clock``: the time at which an image was recorded is the clock's, which stamps are
    compared with and by which the grid fades, as in the live node; else its stamp is.
    """

    profile: str
    frames: Frames = Frames()
    settings: CostmapSettings = CostmapSettings()
    cameras: Tuple[CameraOptions, ...] = (CameraOptions(),)
    range: str = ''
    depth: str = ''
    reference: str = ''
    cloud: str = ''
    by_clock: bool = False

    @property
    def compares(self) -> bool:
        """Return whether there is anything to compare with."""
        return bool(self.depth or self.reference or self.cloud)


class _Camera(NamedTuple):
    input: CameraInput
    info_topic: str


class BagCostmap(FrameSink):
    """
    Makes the grid of the cameras in one file.

    ``bag`` is what the grids are written into, if anything; it must get each frame first.

    :param options: how
    :param source: of the frames
    :param classes: of the masks
    :raises ConfigurationError: no such cost profile, or classes that it does not know
    """

    def __init__(self, options: CostmapOptions, source: RecordedSource,
                 classes: ClassTable) -> None:
        self.options = options
        self.bag: Optional[AnnotatedBag] = None
        self.counts = grid_agreement.GridCounts()
        self._settings = options.settings
        self._pipeline = costmap_pipeline.CostmapPipeline(
            options.settings, cost_table.load_cost_table(options.profile, classes))
        # Nothing is waited for here: what comes with an image is read before it.
        self._frames = options.frames._replace(transform_tolerance=0.0)
        by_topic = {each.topic: each for each in options.cameras}
        cameras = {topic: by_topic.get(topic, options.cameras[0]) for topic in source.cameras}
        infos = {topic: each.camera_info or camera_info_topic(topic)
                 for topic, each in cameras.items()}
        topics = bag_scene.SceneTopics(
            tuple(infos.values()), options.depth, options.reference, options.cloud,
            tuple(each.depth_in for each in cameras.values() if each.depth_in), options.range)
        self._scene = bag_scene.BagScene(
            source.part, source.all_parts, topics,
            max(bag_scene.LOOK_AHEAD, options.frames.transform_tolerance))
        self._cameras = {topic: _Camera(CameraInput(
            each.name, each.mount, is_rectified(each.rectified, topic), each.self_mask,
            self._scene.depths_in.get(each.depth_in), infos[topic]), infos[topic])
            for topic, each in cameras.items()}
        self._last_time = -math.inf
        self._frames_kept = GridFrames(source.name, classes.palette())

    def add(self, frame: Frame, segmentation: Segmentation) -> None:
        """Take one frame."""
        grid = self.grid(frame, segmentation)
        if grid is not None and self.bag is not None:
            self.bag.add_grid(frame, grid, self.options.frames.odom_frame)

    def grid(self, frame: Frame,
             segmentation: Segmentation) -> Optional[costmap_pipeline.Occupancy]:
        """
        Take one frame in and return the grid after it.

        :param frame: of a recording
        :param segmentation: its mask and confidence
        :return: the grid at its stamp, or None where the frame has no pose or calibration;
            ``counts`` keeps the reason
        """
        try:
            told, occupancy = self._process(frame, segmentation)
        except (InvalidInputError, TransformError) as error:
            self.counts.missing += 1
            causes = '; '.join(filter(None, (str(error), self._scene.problem)))
            self.counts.first_problem = self.counts.first_problem or f'{frame.name}: {causes}'
            return None
        self.counts.grids += 1
        contacts = None
        if self.options.compares:
            try:
                contacts = self._compare(told, frame, occupancy)
            except (InvalidInputError, TransformError) as error:
                self.counts.first_gap = self.counts.first_gap or f'{frame.name}: {error}'
        if contacts is not None or not self.options.compares:
            self._frames_kept.offer(frame.name, frame.image, told, occupancy, contacts)
        return occupancy

    def _process(self, frame: Frame, segmentation: Segmentation
                 ) -> Tuple[costmap_pipeline.CameraView, costmap_pipeline.Occupancy]:
        """
        Return what the pipeline took of a frame, and the grid after it.

        :raises InvalidInputError: calibration or depth is missing, or the stamp is not believed
        :raises TransformError: the pose is missing, or shows no ground
        """
        stamp_ns = frame.stamp_ns or 0
        received_ns = frame.received_ns or stamp_ns
        clock = bag_scene.seconds_of(received_ns) if self.options.by_clock else None
        self._scene.advance(received_ns)
        self._pipeline.check_stamp(bag_scene.seconds_of(stamp_ns), clock)
        camera, info_topic = self._cameras[frame.topic]
        located = camera.locate(frame.frame_id, stamp_ns, self._scene.camera_poses, self._frames)
        view = camera.view(segmentation.mask, segmentation.confidence,
                           self._scene.camera_infos.get(info_topic), stamp_ns, located,
                           self._pipeline)
        now = view.stamp if clock is None else clock
        if now < self._last_time:
            # Time that goes back clears what was seen before it, and not this frame too.
            self._pipeline.occupancy(now)
        self._last_time = now
        refusal = self._pipeline.process(camera.name, view, clock,
                                         located.frames.has_odometry).depth_refusal
        if refusal:
            self.counts.depth_refused += 1
            self.counts.first_refusal = self.counts.first_refusal or f'{frame.name}: {refusal}'
        return view, self._pipeline.occupancy(now)

    def count(self, totals: Totals) -> None:
        """Add the cells that were compared, and the pictures."""
        totals.grids.merge(self.counts)
        totals.grids.pictures = self._frames_kept.pictures()

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._scene.close()

    def _compare(self, told: costmap_pipeline.CameraView, frame: Frame,
                 occupancy: costmap_pipeline.Occupancy) -> Optional[Contacts]:
        """
        Count the cells that agree with the reference; return its contacts where it has heights.

        :raises InvalidInputError: there is none for this frame, or it cannot be used
        :raises TransformError: it lies in a frame that is not known
        """
        contacts = None
        if self.options.depth or self.options.cloud:
            view = self._heights(told, frame)
            depth, max_range = self._settings.depth, self._settings.projection.max_range
            reference, cells = height_agreement.height_grid(view, occupancy.geometry, depth,
                                                            max_range)
            if (reference == grid_agreement.UNKNOWN).all():
                raise InvalidInputError(
                    'Reference judges nothing of the costmap',
                    got=f'{len(view.points):,} points in view, none of them on the grid within '
                        f'projection.max_range of {max_range:g} m and below depth.max_height',
                    expected='ground, or what stands on it',
                    remedy='Look for a sensor that is blind, for millimetres in a 32FC1 image, or '
                           'for a max_range that is too short.')
            contacts = Contacts(*height_agreement.split_contacts(occupancy.values, cells))
            self.counts.add_heights(height_agreement.compare_with_heights(
                occupancy.values, occupancy.geometry, view, depth, max_range))
            # Heights know no costs: ground is ground.
            values = np.where((occupancy.values > 0) & (occupancy.values < cost_table.LETHAL),
                              np.int8(height_agreement.FREE), occupancy.values)
        else:
            told_grid = self._scene.grid()
            if told_grid is None:
                raise InvalidInputError('No reference grid yet',
                                        expected=f'a message on {self.options.reference}')
            reference = sampled_grid(told_grid, occupancy.geometry,
                                     self.options.frames.odom_frame)
            if (reference == grid_agreement.UNKNOWN).all():
                raise InvalidInputError(
                    'Reference grid knows no cell of the costmap', got='unknown cells alone',
                    expected='some that are free, graded or lethal where the robot is',
                    remedy='Look whether the map covers the drive.')
            values = occupancy.values
        self.counts.compared += 1
        self.counts.agreement = self.counts.agreement.merge(
            grid_agreement.compare_grids(values, reference))
        return contacts

    def _heights(self, told: costmap_pipeline.CameraView, frame: Frame
                 ) -> height_agreement.HeightView:
        """Return the measured points in view of the camera, in the ground frame."""
        stamp_ns = frame.stamp_ns or 0
        mount = told.pose.ground_from_camera
        width, height = told.camera.size_wh
        if self.options.depth:
            depth = self._scene.depth_at(stamp_ns, frame.frame_id)
            if depth is None:
                raise InvalidInputError(
                    'No depth image for the image', expected=f'one on {self.options.depth} within '
                    f'{1e-6 * registration.DEPTH_SLOP_NS:.0f} ms')
            if depth.shape != (height, width):
                raise InvalidInputError(
                    'Depth image and mask differ in size', got=depth.shape,
                    expected=(height, width), remedy='Record depth registered to the image.')
            rays = told.camera.rays()
            with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
                points = (rays * (depth / rays[..., 2])[..., None]).reshape(-1, 3)
            points = points[np.isfinite(points).all(axis=1) & (depth.reshape(-1) > 0.0)]
        else:
            points = self._points_of_cloud(told.pose, stamp_ns)
            with np.errstate(invalid='ignore', divide='ignore'):
                u, v = told.camera.project(*points.T)
                points = points[(points[:, 2] > 0.0) & (u >= -0.5) & (u < width - 0.5)
                                & (v >= -0.5) & (v < height - 0.5)]
        points = points.astype(np.float64).dot(mount[:3, :3].T) + mount[:3, 3]
        return height_agreement.HeightView(
            points, (float(mount[0, 3]), float(mount[1, 3])), told.pose.odom_from_ground,
            self._settings.depth.min_points if self.options.depth else 1)

    def _points_of_cloud(self, pose: CameraPose, stamp_ns: int) -> arrays.Float64:
        """Return the points of the lidar in the optical frame, moved to the image's moment."""
        message = self._scene.cloud_at(stamp_ns)
        if message is None:
            raise InvalidInputError(
                'No cloud for the image', expected=f'one on {self.options.cloud} within '
                f'{1e-6 * point_cloud.CLOUD_SLOP_NS:.0f} ms')
        odom_from_cloud = self._scene.poses.lookup(
            self.options.frames.odom_frame, message.header.frame_id,
            bag_scene.seconds_of(stamp_to_nanoseconds(message.header.stamp)))
        matrix = inverse(pose.odom_from_ground.dot(pose.ground_from_camera)).dot(odom_from_cloud)
        return point_cloud.points_of_cloud(message).dot(matrix[:3, :3].T) + matrix[:3, 3]


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
