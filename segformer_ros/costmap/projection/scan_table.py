# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Where to look in a mask for each piece of ground around a camera.

The ground around the camera's foot point is sampled in bins of azimuth and, in each bin, about
once per image row from near to far. A table of pixels holds for as long as the mount stays.
"""

from typing import NamedTuple, Optional, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common.errors import TransformError
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import inverse
from segformer_ros.costmap.projection.kernels import ProjectionKernels
from segformer_ros.costmap.projection.kernels import Samples
from segformer_ros.costmap.settings import ProjectionSettings

# Pixels between the rays that only find out which part of the ground is in view.
_COARSE = 8
# A bin is this many pixels wide: half of what a network's logits resolve (1/4 of the input).
_BIN_PIXELS = 1.5
_MOST_BINS = 4096
# More rows than any picture has, so that few samples are left out, and no gigabytes are laid.
_MOST_SAMPLES = 32768
# Pixels up to here have a number that float32 holds.
_EXACT = 1 << 24
_FINE_STEPS = 20
# Samples that are projected at once: their arrays stay in a core's cache, which halves the time.
_BLOCK = 32768
# The azimuth coordinate runs once around in 8 units; see azimuth().
_FULL_TURN = 8.0
# Cosine to straight down from which the image's up direction serves as heading.
_STEEP = 0.98
# Heights of the camera to the nearest ground in view, above which the mount is doubted: a view
# that begins there looks 6 degrees down at most.
_PLAUSIBLE_REACH = 10.0


class ScanTable(NamedTuple):
    """
    Where the samples lie, on the ground and in the mask; recomputed when the mount moves.

    Coordinates are relative to the camera's foot point, in metres, in the ground frame.

    ``heading`` (2,) is the unit vector that azimuth 0 points to. Bin b covers azimuths from
    ``start + b * step``. ``directions`` (A, 2) are unit vectors of the bins' middles, ``ranges``
    (R,) the samples' distances, rising. ``first`` (A,) int32 is each bin's first sample in view,
    R if there is none, and ``edge_pixels`` (A,) int32 its pixel; ``end`` (A,) float32 is the range
    of the last one, 0 if there is none. ``pixels`` (A, R) int32 index the flattened mask; the
    value H * W stands for "not in view". It is (A, 0) where the samples were looked at once and
    not kept.
    """

    foot: Tuple[float, float]
    height: float
    heading: arrays.Float64
    start: float
    step: float
    directions: arrays.Float32
    ranges: arrays.Float32
    first: arrays.Int32
    end: arrays.Float32
    edge_pixels: arrays.Int32
    pixels: arrays.Int32

    @property
    def samples(self) -> Samples:
        """Return the fields that say what is in view."""
        return Samples(self.first, self.end, self.edge_pixels, self.pixels)

    def bins_of(self, x: arrays.Float32, y: arrays.Float32) -> Tuple[arrays.Index, arrays.Bool]:
        """
        Return the bins that points lie in, and whether they lie in any.

        :param x: along the ground frame's x axis from the foot point, metres, any shape
        :param y: likewise
        :return: bins, 0 where a point lies in none; and whether it lies in one; same shape
        """
        # Plain floats keep the arrays float32.
        ahead_x, ahead_y = self.heading.tolist()
        with np.errstate(invalid='ignore'):
            place = (azimuth(x * ahead_x + y * ahead_y, y * ahead_x - x * ahead_y)
                     - self.start) * (1.0 / self.step)
            inside = (place >= 0.0) & (place < len(self.end))
            return np.where(inside, place, np.float32(0.0)).astype(np.intp), inside


class BinLines(NamedTuple):
    """
    The lines of a ``ScanTable``, with its first fields.

    The optical frame sees a bin's samples at ``ranges * lines[bin] + begin``: ``lines`` (A, 3)
    float32, ``begin`` (3,) float64 metres, the foot point.
    """

    foot: Tuple[float, float]
    height: float
    heading: arrays.Float64
    start: float
    step: float
    directions: arrays.Float32
    ranges: arrays.Float32
    lines: arrays.Float32
    begin: arrays.Float64

    def table(self, samples: Samples) -> ScanTable:
        """Return the table of these lines' samples."""
        return ScanTable(self.foot, self.height, self.heading, self.start, self.step,
                         self.directions, self.ranges, *samples)


class ViewRays(NamedTuple):
    """
    Directions that outline what a camera sees.

    ``coarse`` (N, 3) unit vectors in the optical frame cover the image up to its edges.
    ``column_step`` and ``row_step`` are small angles between pixels, radians, of those through the
    principal point. All depend on the camera alone, so they outlast a moving mount.
    """

    coarse: arrays.Float64
    column_step: float
    row_step: float


def azimuth(x: arrays.Float32, y: arrays.Float32) -> arrays.Float32:
    """
    Return a stand-in for the angle of vectors that needs no arc tangent.

    It is the place where a vector leaves the square |x| = 1, |y| = 1: y / x ahead, as an image
    column has it, and linear on each further side. 0 is ahead, it grows to the left.

    :param x: along the heading, metres
    :param y: to its left
    :return: -4 .. 4, same shape; NaN for a zero vector
    """
    ahead, aside = x + y, y - x
    half = aside / (np.abs(ahead) + np.abs(aside))
    around = np.where(ahead >= 0.0, 2.0 * half + 1.0, -3.0 - 2.0 * half)
    return np.where(around < -0.5 * _FULL_TURN, around + _FULL_TURN, around)


def direction_of(around: arrays.Float64) -> arrays.Float64:
    """
    Return the (N, 2) unit vectors of azimuths, the inverse of :func:`azimuth`.

    :param around: (N,) azimuths, -4 .. 4
    """
    side = np.floor((around + 1.0) / 2.0)
    along = around - 2.0 * side
    # Each side is the front one turned by quarter turns: (x, y) becomes (-y, x).
    turns, one = side.astype(np.intp) % 4, np.ones_like(along)
    vectors = np.stack([np.choose(turns, [one, -along, -one, along]),
                        np.choose(turns, [along, one, -along, -one])], axis=1)
    return vectors / np.hypot(vectors[:, 0], vectors[:, 1])[:, None]


def pixel_indices(camera: CameraModel, camera_from_ground: arrays.Float64,
                  x: arrays.Float32, y: arrays.Float32) -> arrays.Index:
    """
    Return the nearest mask pixel of points on the ground.

    :param camera_from_ground: (4, 4)
    :param x: ground frame, metres, float32 of any shape
    :param y: same shape
    :return: indices into the flattened mask, H * W where a point is not in view
    """
    rows = [[float(value) for value in row] for row in camera_from_ground[:3]]
    return _pixels_in_view(camera, *[row[0] * x + (row[1] * y + row[3]) for row in rows])


def _pixels_in_view(camera: CameraModel, x: arrays.Float32, y: arrays.Float32,
                    z: arrays.Float32) -> arrays.Index:
    u, v = camera.project(x, y, z)
    width, height = camera.size_wh
    np.rint(u, out=u)
    np.rint(v, out=v)
    # Comparisons with NaN are false, which is what is wanted; float32 is exact up to _EXACT.
    with np.errstate(invalid='ignore'):
        seen = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        if width * height > _EXACT:
            u, v = u.astype(np.float64), v.astype(np.float64)
        v *= width
        v += u
        return np.where(seen, v, v.dtype.type(width * height)).astype(np.intp)


def view_rays(camera: CameraModel) -> ViewRays:
    """Return the outline of what a camera sees."""
    width, height = camera.size_wh
    # The outermost rays leave through the pixels' outer edges.
    u, v = np.meshgrid(np.linspace(-0.5, width - 0.5, max(2, width // _COARSE)),
                       np.linspace(-0.5, height - 0.5, max(2, height // _COARSE)))
    coarse, column, row = (rays[np.isfinite(rays[:, 0])] for rays in (
        camera.unproject(u, v).reshape(-1, 3),
        camera.unproject(np.full(height, camera.cx), np.arange(height)),
        camera.unproject(np.arange(width), np.full(width, camera.cy))))
    return ViewRays(coarse, _small_step(column, 1.0 / camera.fy),
                    _small_step(row, 1.0 / camera.fx))


def _small_step(line: arrays.Float64, on_axis: float) -> float:
    if len(line) < 2:
        # The principal point lies where the lens has no rays.
        return on_axis
    # Of the angles between pixels a small one: they shrink towards the image's edge.
    return float(np.percentile(np.linalg.norm(np.diff(line, axis=0), axis=1), _FINE_STEPS))


def build_scan_table(camera: CameraModel, outline: ViewRays, ground_from_camera: arrays.Float64,
                     settings: ProjectionSettings,
                     ego_mask: Optional[arrays.UInt8] = None,
                     kernels: Optional[ProjectionKernels] = None) -> ScanTable:
    """
    Lay the samples for a camera at a pose.

    :param ego_mask: (H, W) non-zero where the robot sees itself
    :param kernels: do the same faster
    :raises TransformError: as :func:`lay_lines`, which takes the other parameters
    """
    bins = lay_lines(camera, outline, ground_from_camera, settings)
    samples = None if kernels is None else kernels.lay_samples(camera, bins.lines, bins.ranges,
                                                               bins.begin, ego_mask)
    if samples is None:
        samples = lay_samples(camera, bins.lines, bins.ranges, bins.begin, ego_mask)
    return bins.table(samples)


def lay_lines(camera: CameraModel, outline: ViewRays, ground_from_camera: arrays.Float64,
              settings: ProjectionSettings) -> BinLines:
    """
    Return the bins around a camera's foot point, and where the samples of each lie.

    :param outline: from :func:`view_rays` of the same camera
    :param ground_from_camera: (4, 4) float64
    :raises TransformError: no part of the ground within range is in view
    """
    rotation = ground_from_camera[:3, :3]
    foot = (float(ground_from_camera[0, 3]), float(ground_from_camera[1, 3]))
    height = float(ground_from_camera[2, 3])
    farthest = min(settings.max_range, height * np.sqrt(1.0 / settings.horizon ** 2 - 1.0))
    heading = _heading(rotation)
    rays = outline.coarse.dot(rotation.T)
    rays = rays[rays[:, 2] < -settings.horizon]
    reach = height * np.hypot(rays[:, 0], rays[:, 1]) / -rays[:, 2]
    in_range = reach <= farthest
    if not in_range.any():
        raise TransformError(
            'Camera sees no ground', got='nearest ground in view {}'.format(
                f'{reach.min():.1f} m away' if len(reach) else 'above the horizon'),
            expected=f'some within max_range {settings.max_range:.1f} m',
            remedy=_remedy(reach, height))
    start, step, bins = _bins(camera, rotation, heading, rays[in_range])
    ranges = _ranges(outline, rotation, height, float(reach.min()), farthest)
    if not len(ranges):
        raise TransformError(
            'Camera sees no ground', got=f'{farthest:.1f} m around its foot, {height:.0f} m below',
            expected='a camera less than 1000 times max_range high',
            remedy='Check the height of the mount, in metres, and projection.max_range.')
    middles = direction_of(start + step * (np.arange(bins, dtype=np.float64) + 0.5))
    directions = (middles[:, :1] * heading
                  + middles[:, 1:] * np.array([-heading[1], heading[0]])).astype(np.float32)
    camera_from_ground = inverse(ground_from_camera)
    begin = camera_from_ground[:3, :2].dot(foot) + camera_from_ground[:3, 3]
    lines = directions.dot(camera_from_ground[:3, :2].T.astype(np.float32))
    return BinLines(foot, height, heading, start, step, directions, ranges, lines, begin)


def lay_samples(camera: CameraModel, lines: arrays.Float32, ranges: arrays.Float32,
                begin: arrays.Float64, ego_mask: Optional[arrays.UInt8]) -> Samples:
    """
    Return the pixels of every bin's samples.

    :param lines: (A, 3) directions of the bins in the optical frame
    :param ranges: (R,) float32 metres along them
    :param begin: (3,) the foot point in the optical frame
    :param ego_mask: (H, W) non-zero where the robot sees itself, or None
    """
    bins = len(lines)
    pixels = np.empty((bins, len(ranges)), np.int32)
    block = max(1, _BLOCK // len(ranges))
    start_x, start_y, start_z = begin.tolist()
    for part in (slice(low, low + block) for low in range(0, bins, block)):
        pixels[part] = _pixels_in_view(camera, lines[part, :1] * ranges + start_x,
                                       lines[part, 1:2] * ranges + start_y,
                                       lines[part, 2:] * ranges + start_z)
    in_view = pixels < camera.size_wh[0] * camera.size_wh[1]
    if ego_mask is not None:
        outside = np.concatenate([ego_mask.reshape(-1) != 0, [True]])
        in_view &= ~outside[pixels]
    any_view = in_view.any(axis=1)
    last = len(ranges) - 1 - in_view[:, ::-1].argmax(axis=1)
    first = np.where(any_view, in_view.argmax(axis=1), len(ranges)).astype(np.int32)
    return Samples(first, np.where(any_view, ranges[last], np.float32(0.0)),
                   pixels[np.arange(bins), np.minimum(first, len(ranges) - 1)], pixels)


def _remedy(reach: arrays.Float64, height: float) -> str:
    """Return what to do where no ground is within range; ``reach``: metres to all in view."""
    if len(reach) and reach.min() <= _PLAUSIBLE_REACH * height:
        return (f'Raise projection.max_range well above {reach.min():.1f} m, and grid.size with '
                'it; or pitch the camera down more.')
    return 'Check the pitch of the mount and that the frame is an optical one.'


def _heading(rotation: arrays.Float64) -> arrays.Float64:
    vector = -rotation[:2, 1] if rotation[2, 2] < -_STEEP else rotation[:2, 2]
    return vector / np.hypot(vector[0], vector[1])


def _bins(camera: CameraModel, rotation: arrays.Float64, heading: arrays.Float64,
          rays: arrays.Float64) -> Tuple[float, float, int]:
    ahead = rays[:, 0] * heading[0] + rays[:, 1] * heading[1]
    aside = rays[:, 1] * heading[0] - rays[:, 0] * heading[1]
    around = azimuth(ahead.astype(np.float32), aside.astype(np.float32))
    margin = 2.0 * _COARSE / camera.fx
    start, end = float(np.nanmin(around)) - margin, float(np.nanmax(around)) + margin
    if end - start > _FULL_TURN - 1.0:
        start, end = -0.5 * _FULL_TURN, 0.5 * _FULL_TURN
    # At the horizon a column is cos(pitch) / f wide in azimuth; nearer ground has wider ones.
    cosine = float(np.hypot(rotation[0, 2], rotation[1, 2]))
    step = _BIN_PIXELS * max(cosine, 0.3) / camera.fx
    bins = int(min(_MOST_BINS, max(1.0, np.ceil((end - start) / step))))
    return start, (end - start) / bins, bins


def _ranges(outline: ViewRays, rotation: arrays.Float64, height: float,
            nearest: float, farthest: float) -> arrays.Float32:
    """Return sample ranges at equal steps of depression, about one for each image row."""
    upright = abs(rotation[2, 1]) >= abs(rotation[2, 0])
    step = outline.column_step if upright else outline.row_step
    # CameraInfo may claim any focal length.
    step = max(step, 0.5 * np.pi / _MOST_SAMPLES)
    low, high = np.arctan2(height, farthest), np.arctan2(height, nearest)
    angles = np.arange(low, min(high + step, 0.5 * np.pi - 1e-3), step)
    return (height / np.tan(angles[::-1])).astype(np.float32)
