# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The functions of ``projection.c`` for numpy arrays.

They do what :func:`scan_table.lay_samples`, :func:`contact_scan.scan_bins`,
:func:`flat_ground.ground_cells`, :func:`depth.sort_points` and the passes of a ``CostGrid`` do,
with the same bits. A call lets go of the GIL.
"""

import ctypes
from typing import Any, List, NamedTuple, Optional, Tuple
import weakref

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.grid import GridCells
from segformer_ros.costmap.grid import GridPasses
from segformer_ros.costmap.observation import Evidence
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.model.classes import UNLABELED

# Pixels are numbered in float32, which is exact up to here.
_MOST_PIXELS = 1 << 24


class Samples(NamedTuple):
    """The fields of a ``ScanTable`` that say what is in view."""

    first: arrays.Int32
    end: arrays.Float32
    edge_pixels: arrays.Int32
    pixels: arrays.Int32


class Shown(NamedTuple):
    """The fields of a ``Scan`` that say what a mask shows."""

    contact: arrays.Float32
    contact_pixel: arrays.Int32
    contact_depth: arrays.Int32
    foot_seen: arrays.Bool
    blind: arrays.Bool
    clear: arrays.Float32
    clear_pixel: arrays.Int32
    seen: arrays.Float32


class Reading(NamedTuple):
    """
    How a mask is read.

    ``labels`` (H * W + 1,) uint8, the flattened mask and one UNLABELED after it; ``kinds`` (256,)
    uint8 of a ``CostTable``; ``min_run`` and ``max_gap`` as in the settings; ``edge_rows`` samples
    that a contact may lie behind a neighbour's.
    """

    labels: arrays.UInt8
    kinds: arrays.UInt8
    min_run: int
    max_gap: int
    edge_rows: int


class Measured(NamedTuple):
    """
    Measured points in cells of a grid, all ground or all obstacles, (N,) each.

    ``x``, ``y`` float32 metres in the ground frame; ``sure`` float32 0..1; ``labels`` uint8;
    ``misnamed`` whether the label is of a class that has to stand up: False for obstacles.
    """

    cells: arrays.Index
    x: arrays.Float32
    y: arrays.Float32
    sure: arrays.Float32
    labels: arrays.UInt8
    misnamed: arrays.Bool


class _Lens(ctypes.Structure):
    """``Lens`` of projection.c."""

    _fields_ = [('over', 4 * ctypes.c_float), ('under', 4 * ctypes.c_float),
                ('tangential', 2 * ctypes.c_float), ('prism', 4 * ctypes.c_float),
                ('limit', ctypes.c_float), ('fx', ctypes.c_float), ('fy', ctypes.c_float),
                ('cx', ctypes.c_float), ('cy', ctypes.c_float), ('turn', 9 * ctypes.c_float),
                ('turned', ctypes.c_int32), ('rational', ctypes.c_int32),
                ('width', ctypes.c_int32), ('height', ctypes.c_int32)]


class _Reading(ctypes.Structure):
    """``Reading`` of projection.c."""

    _fields_ = [('labels', ctypes.c_void_p), ('kinds', ctypes.c_void_p),
                ('min_run', ctypes.c_int32), ('max_gap', ctypes.c_int32),
                ('edge_rows', ctypes.c_int32)]


class _Shown(ctypes.Structure):
    """``Shown`` of projection.c."""

    _fields_ = [(name, ctypes.c_void_p) for name in Shown._fields]


class _Bins(ctypes.Structure):
    """``Bins`` of projection.c."""

    _fields_ = [('ahead_x', ctypes.c_float), ('ahead_y', ctypes.c_float),
                ('start', ctypes.c_float), ('per_unit', ctypes.c_float),
                ('bins', ctypes.c_int32)]


class _Cells(ctypes.Structure):
    """``Cells`` of projection.c."""

    _fields_ = [('column_x', ctypes.c_void_p), ('row_x', ctypes.c_void_p),
                ('column_y', ctypes.c_void_p), ('row_y', ctypes.c_void_p),
                ('columns', ctypes.c_int32), ('rows', ctypes.c_int32),
                ('corner', ctypes.c_int32), ('width', ctypes.c_int32),
                ('foot_x', ctypes.c_float), ('foot_y', ctypes.c_float),
                ('from_ground', 12 * ctypes.c_float), ('height_squared', ctypes.c_float),
                ('height_focal', ctypes.c_float), ('resolution', ctypes.c_float)]


class _DepthView(ctypes.Structure):
    """``DepthView`` of projection.c."""

    _fields_ = [('odom', 6 * ctypes.c_double), ('origin_x', ctypes.c_double),
                ('origin_y', ctypes.c_double), ('resolution', ctypes.c_double),
                ('from_camera', 12 * ctypes.c_float), ('nearest', ctypes.c_float),
                ('tolerance', ctypes.c_float), ('slope', ctypes.c_float),
                ('max_height', ctypes.c_float), ('max_range', ctypes.c_float),
                ('width', ctypes.c_int32), ('height', ctypes.c_int32),
                ('overrules', ctypes.c_int32), ('unlabeled', ctypes.c_uint8)]


class _Points(ctypes.Structure):
    """``Points`` of projection.c."""

    _fields_ = [(name, ctypes.c_void_p)
                for name in ('cells', 'x', 'y', 'sure', 'labels', 'misnamed')]


class _Fusion(ctypes.Structure):
    """``Fusion`` of projection.c."""

    _fields_ = [('standing', ctypes.c_void_p), ('moving', ctypes.c_void_p),
                ('costs', ctypes.c_void_p), ('ground_times', ctypes.c_void_p),
                ('stamp', ctypes.c_double), ('forgotten', ctypes.c_double),
                ('free_gain', ctypes.c_float), ('free_limit', ctypes.c_float),
                ('cost_gain', ctypes.c_float)]


class ProjectionKernels(GridPasses):
    """
    A loaded library with the functions of ``projection.c``.

    Arrays must be C-contiguous and of the stated dtypes; nothing is checked here.
    """

    def __init__(self, library: Any) -> None:
        pointer, integer = ctypes.c_void_p, ctypes.c_int32
        lens = ctypes.POINTER(_Lens)
        reading, shown = ctypes.POINTER(_Reading), ctypes.POINTER(_Shown)
        library.lay_samples.argtypes = [
            lens, pointer, integer, pointer, integer, pointer, pointer, pointer, pointer, pointer,
            pointer]
        library.lay_samples.restype = None
        library.scan_bins.argtypes = [
            pointer, integer, integer, pointer, pointer, pointer, reading, pointer, shown]
        library.scan_bins.restype = None
        library.walk_bins.argtypes = [
            lens, pointer, integer, pointer, integer, pointer, pointer, reading, pointer, pointer,
            pointer, pointer, pointer, shown]
        library.walk_bins.restype = None
        library.ground_cells.argtypes = [
            lens, ctypes.POINTER(_Bins), pointer, ctypes.POINTER(_Cells), pointer, pointer,
            pointer, pointer, pointer, pointer, pointer]
        library.depth_points.argtypes = [
            pointer, pointer, integer, pointer, pointer, pointer, pointer, pointer,
            ctypes.POINTER(_DepthView), ctypes.POINTER(_Points), ctypes.POINTER(_Points),
            ctypes.POINTER(ctypes.c_int32)]
        single, double = ctypes.c_float, ctypes.c_double
        library.fade.argtypes = [pointer, pointer, integer, single, single, double]
        library.fade.restype = None
        library.fuse_ground.argtypes = [
            ctypes.POINTER(_Fusion), pointer, pointer, pointer, integer, pointer]
        library.fuse_ground.restype = None
        library.show_cells.argtypes = [
            pointer, pointer, pointer, pointer, integer, double, single, single, ctypes.c_int8,
            ctypes.c_int8, pointer]
        self._library = library
        self._lenses: 'weakref.WeakKeyDictionary[CameraModel, Optional[_Lens]]' = (
            weakref.WeakKeyDictionary())

    def lay_samples(self, camera: CameraModel, lines: arrays.Float32, ranges: arrays.Float32,
                    begin: arrays.Float64, ego_mask: Optional[arrays.UInt8]
                    ) -> Optional[Samples]:
        """Return the pixels of every bin's samples, None for a lens that is not built in."""
        lens = self._make_lens(camera)
        if lens is None:
            return None
        start, hidden = begin.astype(np.float32), _flat(ego_mask)
        samples = _samples(len(lines), len(ranges))
        self._library.lay_samples(
            lens, _address(lines), len(lines), _address(ranges), len(ranges), _address(start),
            _address(hidden), *[_address(each) for each in samples])
        return samples

    def scan_bins(self, samples: Samples, ranges: arrays.Float32, reading: Reading) -> Shown:
        """
        Return what a mask shows, by bin.

        :raises ValueError: the samples have no pixels, as those of :meth:`walk_bins`
        """
        bins, count = samples.pixels.shape
        if count != len(ranges):
            raise ValueError(f'{count} pixels a bin for {len(ranges)} ranges')
        own, shown = _room_for_contacts(bins), _shown(bins)
        self._library.scan_bins(
            _address(samples.pixels), bins, count, _address(samples.first), _address(samples.end),
            _address(ranges), _reading(reading), _address(own),
            _Shown(*[_address(each) for each in shown]))
        return shown

    def walk_bins(self, camera: CameraModel, lines: arrays.Float32, ranges: arrays.Float32,
                  begin: arrays.Float64, ego_mask: Optional[arrays.UInt8], reading: Reading
                  ) -> Optional[Tuple[Samples, Shown]]:
        """
        Return the results of the two above in one go.

        Samples have no pixels: no more are laid than somebody looks at.
        """
        lens = self._make_lens(camera)
        if lens is None:
            return None
        start, hidden, bins = begin.astype(np.float32), _flat(ego_mask), len(lines)
        samples = _samples(bins, 0)
        row = np.empty(len(ranges), np.int32)
        own, shown = _room_for_contacts(bins), _shown(bins)
        self._library.walk_bins(
            lens, _address(lines), bins, _address(ranges), len(ranges), _address(start),
            _address(hidden), _reading(reading), _address(row), _address(own),
            *[_address(each) for each in samples[:3]], _Shown(*[_address(each) for each in shown]))
        return samples, shown

    def ground_cells(self, camera: CameraModel, bins: Tuple[float, float, float, float],
                     seen: arrays.Float32, rectangle: Tuple[Any, ...], foot: Tuple[float, float],
                     camera_from_ground: arrays.Float64, height: float, resolution: float,
                     labels: arrays.UInt8, kinds: arrays.UInt8, costs: arrays.UInt8,
                     confidences: Optional[arrays.UInt8]
                     ) -> Optional[Tuple[arrays.Index, arrays.Float32, arrays.Float32]]:
        """
        Return cells, weights and costs of ground, None for a lens that is not built in.

        :param bins: x and y of the heading, azimuth of the first bin, bins in a unit of azimuth
        :param seen: (A,) range up to which each bin is looked at, metres
        :param rectangle: the fields of a ``CellRectangle``
        """
        lens = self._make_lens(camera)
        if lens is None:
            return None
        corner, width, column_x, row_x, column_y, row_y = rectangle
        number = len(column_x) * len(row_x)
        found = _empty(number, np.int64, np.float32, np.float32)
        count = self._library.ground_cells(
            lens, _Bins(*bins, len(seen)), _address(seen),
            _Cells(_address(column_x), _address(row_x), _address(column_y), _address(row_y),
                   len(column_x), len(row_x), corner, width, foot[0], foot[1],
                   (12 * ctypes.c_float)(*camera_from_ground[:3].reshape(-1).tolist()),
                   height * height, height * camera.fy, resolution),
            _address(labels), _address(kinds), _address(costs), _address(confidences),
            *[_address(each) for each in found])
        cells, weights, values = (each[:count] for each in found)
        return cells.astype(np.intp, copy=False), weights, values

    def sort_points(self, directions: arrays.Float32, pixels: arrays.Int32, depth: arrays.Float32,
                    view: LabelledView, costs: cost_table.CostTable, geometry: GridGeometry,
                    nearest: float, max_range: float,
                    settings: costmap_settings.DepthSettings) -> Tuple[Measured, Measured]:
        """
        Return the ground and the obstacles of a view with its depth image.

        :param directions: (3, N) of the pixels, scaled to 1 along the optical axis
        :param pixels: (N,) indices into the flattened mask
        :param depth: (H * W,) metres
        :param nearest: metres up to which depth does not count
        """
        odom = view.pose.odom_from_ground[:2, [0, 1, 3]].reshape(-1).tolist()
        mount = view.pose.ground_from_camera[:3].reshape(-1).tolist()
        found = [_empty(len(pixels), np.int64, np.float32, np.float32, np.float32, np.uint8,
                        np.bool_) for _ in range(2)]
        blocked = ctypes.c_int32()
        count = self._library.depth_points(
            _address(directions), _address(pixels), len(pixels), _address(depth),
            _address(view.labels), _address(view.confidences), _address(costs.kinds),
            _address(costs.lethal_when_level),
            _DepthView((6 * ctypes.c_double)(*odom), geometry.origin_x, geometry.origin_y,
                       geometry.resolution, (12 * ctypes.c_float)(*mount), nearest,
                       settings.ground_tolerance, settings.tolerance_slope, settings.max_height,
                       max_range, geometry.width, geometry.height,
                       settings.kind == costmap_settings.METRIC, UNLABELED),
            *[_Points(*[_address(each) for each in points]) for points in found], blocked)
        ground, obstacles = (
            Measured(points[0][:number].astype(np.intp, copy=False),
                     *[each[:number] for each in points[1:]])
            for points, number in zip(found, (count, blocked.value)))
        obstacles.misnamed[...] = False
        return ground, obstacles

    def fade(self, evidence: arrays.Float32, times: arrays.Float64, threshold: float, step: float,
             oldest: float) -> None:
        """Let evidence fade in place; see :class:`GridPasses`."""
        self._library.fade(_address(evidence), _address(times), len(evidence), threshold, step,
                           oldest)

    def fuse_ground(self, cells: GridCells, seen: Evidence, costs: arrays.Float32,
                    obstacle: arrays.Bool, stamp: float,
                    settings: costmap_settings.FusionSettings) -> None:
        """Take ground into a grid in place; see :class:`GridPasses`."""
        places = np.ascontiguousarray(seen.cells, np.int64)
        weights, costs = (np.ascontiguousarray(each, np.float32)
                          for each in (seen.weights, costs))
        self._library.fuse_ground(
            _Fusion(_address(cells.standing), _address(cells.moving), _address(cells.costs),
                    _address(cells.ground_times), stamp, stamp - settings.forget_time,
                    settings.free_gain, settings.free_limit, settings.cost_gain),
            _address(places), _address(weights), _address(costs), len(places),
            _address(obstacle))

    def show_cells(self, cells: GridCells, known_from: float, threshold: float
                   ) -> Tuple[arrays.Int8, bool]:
        """Return the values of an OccupancyGrid; see :class:`GridPasses`."""
        values, = _empty(len(cells.costs), np.int8)
        held = self._library.show_cells(
            *[_address(each) for each in cells], len(values), known_from, threshold,
            cost_table.HIGHEST_COST, cost_table.UNKNOWN, cost_table.LETHAL, _address(values))
        return values, bool(held)

    def _make_lens(self, camera: CameraModel) -> Optional[_Lens]:
        if camera not in self._lenses:
            self._lenses[camera] = _lens(camera)
        return self._lenses[camera]


def _lens(camera: CameraModel) -> Optional[_Lens]:
    polynomial, turn = camera.polynomial, camera.lens_turn
    width, height = camera.size_wh
    if polynomial is None or width * height >= _MOST_PIXELS:
        return None
    return _Lens((4 * ctypes.c_float)(*polynomial.over), (4 * ctypes.c_float)(*polynomial.under),
                 (2 * ctypes.c_float)(*polynomial.tangential),
                 (4 * ctypes.c_float)(*polynomial.prism), polynomial.limit, camera.fx, camera.fy,
                 camera.cx, camera.cy,
                 (9 * ctypes.c_float)(*(np.eye(3) if turn is None else turn).reshape(-1).tolist()),
                 turn is not None, any(polynomial.under[:3]) or any(polynomial.prism),
                 width, height)


def _empty(number: int, *dtypes: Any) -> List[Any]:
    return [np.empty(number, dtype) for dtype in dtypes]


def _flat(ego_mask: Optional[arrays.UInt8]) -> Optional[arrays.UInt8]:
    return None if ego_mask is None else np.ascontiguousarray(ego_mask).reshape(-1)


def _samples(bins: int, count: int) -> Samples:
    first, end, edge_pixels = _empty(bins, np.int32, np.float32, np.int32)
    return Samples(first, end, edge_pixels, np.empty((bins, count), np.int32))


def _shown(bins: int) -> Shown:
    return Shown(*_empty(bins, np.float32, np.int32, np.int32, np.bool_, np.bool_, np.float32,
                         np.int32, np.float32))


def _room_for_contacts(bins: int) -> arrays.Int32:
    """Return room for ``bins`` times ``Contact`` of projection.c: six numbers of four bytes."""
    return np.empty((bins, 6), np.int32)


def _reading(reading: Reading) -> _Reading:
    return _Reading(_address(reading.labels), _address(reading.kinds), *reading[2:])


def _address(array: Optional[arrays.Array]) -> Optional[int]:
    if array is None:
        return None
    if not array.flags.c_contiguous:
        raise ValueError(f'kernels take an address: got strides {array.strides}, expected rows in '
                         'a row')
    return array.ctypes.data
