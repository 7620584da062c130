# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The functions of ``projection.c`` for numpy arrays.

They do what :func:`scan_table.lay_samples`, :func:`contact_scan.scan_bins`,
:func:`flat_ground.ground_cells` and :func:`depth.sort_points` do, with the same bits. A call lets
go of the GIL.
"""

import ctypes
from typing import Any, List, NamedTuple, Optional, Tuple
import weakref

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.projection.labelled_view import LabelledView
from segformer_ros.costmap.settings import DepthSettings
from segformer_ros.costmap.settings import METRIC
from segformer_ros.model.classes import UNLABELED

# Pixels are numbered in float32, which is exact up to here.
_MOST_PIXELS = 1 << 24


class Samples(NamedTuple):
    """The fields of a ``ScanTable`` that say what is in view."""

    pixels: arrays.Int32
    first: arrays.Int32
    end: arrays.Float32


class BinScan(NamedTuple):
    """
    What each bin shows by itself, (A,) each.

    ``start`` is the first sample of the first obstacle, -1 for none; ``border`` float32 the range
    half-way between it and the ground; ``beside`` whether there is ground; ``blind`` that no
    ground was seen before it; ``last_clear`` the last sample of ground before the first gap, if
    ``has_clear``.
    """

    start: arrays.Int32
    border: arrays.Float32
    beside: arrays.Bool
    blind: arrays.Bool
    last_clear: arrays.Int32
    has_clear: arrays.Bool


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


class ProjectionKernels:
    """
    A loaded library with the functions of ``projection.c``.

    Arrays must be C-contiguous and of the stated dtypes; nothing is checked here.
    """

    def __init__(self, library: Any) -> None:
        pointer, integer = ctypes.c_void_p, ctypes.c_int32
        lens = ctypes.POINTER(_Lens)
        library.lay_samples.argtypes = [
            lens, pointer, integer, pointer, integer, pointer, pointer, pointer, pointer, pointer]
        library.lay_samples.restype = None
        library.scan_bins.argtypes = [
            pointer, integer, integer, pointer, pointer, pointer, pointer, integer, integer,
            pointer, pointer, pointer, pointer, pointer, pointer]
        library.scan_bins.restype = None
        library.ground_cells.argtypes = [
            lens, ctypes.POINTER(_Bins), pointer, ctypes.POINTER(_Cells), pointer, pointer,
            pointer, pointer, pointer, pointer, pointer]
        library.depth_points.argtypes = [
            pointer, pointer, integer, pointer, pointer, pointer, pointer, pointer,
            ctypes.POINTER(_DepthView), ctypes.POINTER(_Points), ctypes.POINTER(_Points),
            ctypes.POINTER(ctypes.c_int32)]
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
        start = begin.astype(np.float32)
        hidden = None if ego_mask is None else np.append(ego_mask.reshape(-1) != 0, False)
        samples = Samples(np.empty((len(lines), len(ranges)), np.int32),
                          np.empty(len(lines), np.int32), np.empty(len(lines), np.float32))
        self._library.lay_samples(
            lens, _address(lines), len(lines), _address(ranges), len(ranges), _address(start),
            _address(hidden), *[_address(each) for each in samples])
        return samples

    def scan_bins(self, pixels: arrays.Int32, first: arrays.Int32, ranges: arrays.Float32,
                  labels: arrays.UInt8, kinds_by_label: arrays.UInt8, min_run: int, max_gap: int
                  ) -> BinScan:
        """Return what each bin shows by itself."""
        bins, count = pixels.shape
        found = BinScan(*_empty(bins, np.int32, np.float32, np.bool_, np.bool_, np.int32,
                                np.bool_))
        self._library.scan_bins(
            _address(pixels), bins, count, _address(first), _address(ranges), _address(labels),
            _address(kinds_by_label), min_run, max_gap, *[_address(each) for each in found])
        return found

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
                    view: LabelledView, costs: CostTable, geometry: GridGeometry,
                    nearest: float, max_range: float,
                    settings: DepthSettings) -> Tuple[Measured, Measured]:
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
                       max_range, geometry.width, geometry.height, settings.kind == METRIC,
                       UNLABELED),
            *[_Points(*[_address(each) for each in points]) for points in found], blocked)
        ground, obstacles = (
            Measured(points[0][:number].astype(np.intp, copy=False),
                     *[each[:number] for each in points[1:]])
            for points, number in zip(found, (count, blocked.value)))
        obstacles.misnamed[...] = False
        return ground, obstacles

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


def _address(array: Optional[arrays.Array]) -> Optional[int]:
    if array is None:
        return None
    if not array.flags.c_contiguous:
        raise ValueError(f'kernels take an address: got strides {array.strides}, expected rows in '
                         'a row')
    return array.ctypes.data
