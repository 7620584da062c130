# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Where a lidar contradicts the costmap: what its points measure against what the cells say.

The rule is that of depth images: a class is contradicted by the height that is measured at its
pixel. A lidar sits elsewhere than the camera and sees over what the camera does not, so a point
counts only where nothing that stands lies before it, and where the costmap has followed the class.
"""

import collections
import threading
from typing import Deque, Dict, Generic, List, Optional, Tuple, TypeVar

import cv2
import numpy as np

from segformer_ros.capture.frame import MeasuredView
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap.geometry.registration import nearest_stamp
from segformer_ros.costmap.pipeline import Occupancy
from segformer_ros.costmap.point_cloud import CLOUD_SLOP_NS
from segformer_ros.costmap.projection import measured_height
from segformer_ros.costmap.settings import METRIC

MOST_POINTS = 50000
"""Of a cloud that are looked at: more than a camera sees of any lidar."""
MOST_FIELDS = 64
"""Of a cloud; lidars have a dozen. Each is an object, however short the message."""
CLOUDS_KEPT = 8
"""That wait for a mask: most of a second at 10 Hz, for networks that take as long."""
MOST_BYTES = 64 * 1024 * 1024
"""Of all clouds that wait; a cloud above it is not taken."""
VIEWS_KEPT = 4
"""Of each camera that wait for a cloud, which a lidar sends once its turn is complete."""
VIEWS_APART_NS = 40000000
"""Nanoseconds between two views that wait: every cloud finds one within its tolerance."""
REACH = 2
"""Cells between a point that stands and a lethal cell that counts as its mark; as evaluate."""
# Metres; nearer than any lidar measures.
_NEAREST = 0.05
# Measured points of ground and obstacles, below which a cloud says too little.
_LEAST_MEASURED = 100
# Radians: three steps of a lidar that turns at 10 Hz.
_DIRECTION = 0.01
# Metres that what stands may be deep.
_DEPTH_OF_THINGS = 0.3

Cloud = TypeVar('Cloud')
View = TypeVar('View')


class CloudMatcher(Generic[Cloud, View]):
    """
    Brings clouds and views of one moment together, whichever comes first; for any thread.

    A cloud goes with one view of each camera, so that views are judged at the rate of the lidar.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clouds: 'collections.OrderedDict[int, Tuple[Cloud, int]]' = collections.OrderedDict()
        self._views: Dict[str, Deque[Tuple[int, View]]] = {}
        self._used: Dict[str, int] = {}

    def add_cloud(self, stamp_ns: int, cloud: Cloud, size: int) -> List[View]:
        """
        Take a cloud; return the views that waited for it, one of a camera at most.

        :param size: bytes, :data:`MOST_BYTES` at most
        """
        with self._lock:
            self._clouds.pop(stamp_ns, None)
            self._clouds[stamp_ns] = cloud, size
            while len(self._clouds) > CLOUDS_KEPT or sum(
                    each[1] for each in self._clouds.values()) > MOST_BYTES:
                self._clouds.popitem(last=False)
            found = []
            for camera, views in self._views.items():
                nearest = nearest_stamp((stamp for stamp, _ in views), stamp_ns,
                                        CLOUD_SLOP_NS)
                if nearest is None:
                    continue
                found.append(next(view for stamp, view in views if stamp == nearest))
                self._used[camera] = stamp_ns
                while views and views[0][0] <= nearest:
                    views.popleft()
            return found

    def add_view(self, camera: str, stamp_ns: int, view: View) -> Optional[Cloud]:
        """
        Take a view; return its cloud, None where that has not come, or went with another view.

        :param camera: name
        """
        with self._lock:
            nearest = nearest_stamp(self._clouds, stamp_ns, CLOUD_SLOP_NS)
            if nearest is not None:
                if self._used.get(camera) == nearest:
                    return None
                self._used[camera] = nearest
                return self._clouds[nearest][0]
            views = self._views.setdefault(camera, collections.deque(maxlen=VIEWS_KEPT))
            if not views or abs(stamp_ns - views[-1][0]) >= VIEWS_APART_NS:
                views.append((stamp_ns, view))
            return None

    def clear(self) -> None:
        """Forget all clouds and views."""
        with self._lock:
            self._clouds.clear()
            self._views.clear()
            self._used.clear()


def contradicted_share(measured: MeasuredView) -> Optional[float]:
    """
    Return the share of the measured points whose class the lidar contradicts, and costs follow.

    Those are level ground that is named as something that has to stand up, in cells that are not
    free, with nothing that stands within :data:`REACH`; and what stands up or lies below the
    plane and is named ground, in free cells with no lethal one within :data:`REACH`. Points
    outside the grid, and behind others that stand as the camera sees it, are of no account.

    :return: 0..1; None where too little is measured
    """
    view, points, grid = measured.view, measured.points, measured.grid
    if points is None or grid is None:
        return None
    foot = view.pose.ground_from_camera[:2, 3]
    # First, so that what follows has no huge numbers.
    points = points[(np.abs(points[:, :2] - foot) <= measured.max_range).all(axis=1)]
    pixels, shown = _pixels_of(measured, points)
    points, labels = points[shown], view.mask.reshape(-1)[pixels]
    away = (points[:, :2] - foot).astype(np.float32)
    distance, z = np.hypot(away[:, 0], away[:, 1]), points[:, 2].astype(np.float32)
    settings = measured.settings._replace(kind=METRIC)
    found = measured_height.sort_by_height(z, distance, labels, measured.costs, settings)
    matrix = view.pose.odom_from_ground
    cells, inside = grid.geometry.indices(*(points.dot(matrix[:2, :3].T) + matrix[:2, 3]).T)
    use = inside & (distance <= measured.max_range) & ~_hidden(away, distance, found.stands)
    kinds = measured.costs.kinds[labels]
    use &= (kinds == cost_table.GROUND) | (kinds == cost_table.OBSTACLE)
    judged = int(np.count_nonzero(use))
    if judged < _LEAST_MEASURED:
        return None
    standing = np.zeros(grid.values.size, np.bool_)
    standing[cells[inside & found.stands]] = True
    free = ((grid.values >= 0) & (grid.values < cost_table.LETHAL)).reshape(-1)[cells]
    contradicted = (found.misnamed & ~free & ~_near(standing, cells, grid)) | (
        found.obstacle & (kinds == cost_table.GROUND) & free
        & ~_near((grid.values == cost_table.LETHAL).reshape(-1), cells, grid))
    return int(np.count_nonzero(contradicted & use)) / judged


def _pixels_of(measured: MeasuredView, points: arrays.Float64
               ) -> Tuple[arrays.Index, arrays.Bool]:
    """Return the pixels of those points that are in view and not the robot's, and which are."""
    view = measured.view
    mount, (width, height) = view.pose.ground_from_camera, view.camera.size_wh
    with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
        seen = (points - mount[:3, 3]).dot(mount[:3, :3])
        u, v = view.camera.project(*seen.T)
        shown = (seen[:, 2] > _NEAREST) & (u >= -0.5) & (u < width - 0.5) \
            & (v >= -0.5) & (v < height - 0.5)
    pixels = np.zeros(len(points), np.intp)
    pixels[shown] = np.floor(v[shown] + 0.5) * width + np.floor(u[shown] + 0.5)
    if measured.ego_mask is not None:
        shown &= measured.ego_mask.reshape(-1)[pixels] == 0
    return pixels[shown], np.asarray(shown)


def _hidden(away: arrays.Float32, distance: arrays.Float32, stands: arrays.Bool) -> arrays.Bool:
    """Return which points lie behind one that stands, as seen from the camera's foot point."""
    direction = np.floor((np.arctan2(away[:, 1], away[:, 0]) + np.pi) / _DIRECTION).astype(np.intp)
    first = np.full(int(2.0 * np.pi / _DIRECTION) + 2, np.inf, np.float32)
    np.minimum.at(first, direction[stands], distance[stands])
    return np.asarray(distance > first[direction] + _DEPTH_OF_THINGS)


def _near(flags: arrays.Bool, cells: arrays.Index, grid: Occupancy) -> arrays.Bool:
    """Return which cells have a flagged one within :data:`REACH`, in king's moves."""
    kernel = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    wide = cv2.dilate(flags.reshape(grid.values.shape).astype(np.uint8), kernel)
    return np.asarray(wide.reshape(-1)[cells] > 0)
