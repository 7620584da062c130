# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
How unmodified Nav2 (1.3.13, Jazzy) takes what we publish, stated in our own words.

One rule a line; only what our snippets use is here. The rules were read in Nav2's source and
tried with the real costmap node. The planner of the closed loop reads the costmap by them, and
the tests feed them the node's messages with every snippet. What only tests need, such as the
collision monitor, is in ``test/support/nav2_node_rules.py``.
"""

import math
import struct
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import SegformerRosError

FREE, INSCRIBED, LETHAL, NO_INFORMATION = 0, 253, 254, 255


class Nav2Error(SegformerRosError):
    """Something at which Nav2 reports an error, refuses a message or aborts."""


class Grid(NamedTuple):
    """An OccupancyGrid; ``values`` (height, width) int8, origin in metres, axis-aligned."""

    values: arrays.Int8
    origin_x: float
    origin_y: float
    resolution: float


class Costmap:
    """A master costmap: (height, width) uint8 costs, its origin, and the layers' defaults."""

    def __init__(self, size: float, resolution: float,
                 center: Tuple[float, float] = (0.0, 0.0), default: int = FREE) -> None:
        cells = int(round(size / resolution))
        self.resolution = resolution
        # The real rolling window is not centred to the cell either.
        self.origin = (center[0] - 0.5 * size, center[1] - 0.5 * size)
        self.costs = np.full((cells, cells), default, np.uint8)

    def center_of(self, mx: Any, my: Any) -> Tuple[Any, Any]:
        """Return the world point in the middle of a cell."""
        return (self.origin[0] + (mx + 0.5) * self.resolution,
                self.origin[1] + (my + 0.5) * self.resolution)

    def cell_of(self, x: float, y: float) -> Optional[Tuple[int, int]]:
        """Return the cell that holds a world point, or None outside."""
        mx = math.floor((x - self.origin[0]) / self.resolution)
        my = math.floor((y - self.origin[1]) / self.resolution)
        height, width = self.costs.shape
        return (mx, my) if 0 <= mx < width and 0 <= my < height else None

    def cost_at(self, x: float, y: float) -> int:
        """
        Return the cost at a world point.

        :raises Nav2Error: outside
        """
        cell = self.cell_of(x, y)
        if cell is None:
            raise Nav2Error('No such cell', got=f'({x}, {y})', expected='a place on the costmap')
        return int(self.costs[cell[1], cell[0]])


def interpret_value(value: int, parameters: Mapping[str, Any]) -> int:
    """
    Return the cost that StaticLayer makes of one occupancy value.

    :param value: int8
    :param parameters: the costmap's ros__parameters
    """
    byte = value % 256
    if byte == parameters.get('unknown_cost_value', 255):
        return NO_INFORMATION if parameters.get('track_unknown_space', False) else FREE
    threshold = parameters.get('lethal_cost_threshold', 100)
    if byte >= threshold:
        return LETHAL
    if parameters.get('trinary_costmap', True):
        return FREE
    return int(byte / threshold * LETHAL)


def validate_grid(grid: Grid, frame: str = 'odom') -> None:
    """Refuse what StaticLayer calls malformed."""
    height, width = grid.values.shape
    if (not frame or not 0 < width <= 32767 or not 0 < height <= 32767
            or grid.resolution <= 1e-6 or not math.isfinite(grid.origin_x)
            or not math.isfinite(grid.origin_y)):
        raise Nav2Error('malformed. Rejecting')


def static_layer(master: Costmap, grid: Grid, parameters: Mapping[str, Any],
                 grid_from_master: Tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
    """
    Write a grid into a rolling costmap, as StaticLayer does in every cycle.

    :param grid_from_master: x, y, yaw of the newest transform between the two frames
    """
    validate_grid(grid)
    cells, inside = cells_below(master, grid, grid_from_master)
    # Every value of a byte is interpreted once.
    by_byte = np.array([interpret_value(byte, parameters) for byte in range(256)], np.uint8)
    costs = by_byte[grid.values.view(np.uint8)[cells]]
    if parameters.get('use_maximum', False):
        costs = np.maximum(costs, master.costs)
    master.costs = np.where(inside, costs, master.costs).astype(np.uint8)


def cells_below(master: Costmap, grid: Grid, grid_from_master: Tuple[float, float, float]
                ) -> Tuple[Any, arrays.Bool]:
    """Return the grid's cell at each centre of a costmap's, and whether there is one."""
    shift_x, shift_y, yaw = grid_from_master
    c, s = math.cos(yaw), math.sin(yaw)
    height, width = grid.values.shape
    rows, columns = master.costs.shape
    x, y = master.center_of(np.arange(columns)[None, :], np.arange(rows)[:, None])
    gx = np.floor((shift_x + c * x - s * y - grid.origin_x) / grid.resolution).astype(int)
    gy = np.floor((shift_y + s * x + c * y - grid.origin_y) / grid.resolution).astype(int)
    inside = (gx >= 0) & (gx < width) & (gy >= 0) & (gy < height)
    return (np.clip(gy, 0, height - 1), np.clip(gx, 0, width - 1)), inside


def read_cloud(fields: Sequence[Any], data: bytes, point_step: int, count: int
               ) -> arrays.Float64:
    """
    Return (N, 3) points as Nav2's iterators read them.

    :param fields: (name, offset, datatype) rows; FLOAT32 is 7
    """
    offsets = []
    for axis in 'xyz':
        found = [field for field in fields if field[0] == axis]
        if not found:
            raise Nav2Error(f'Field {axis} does not exist')
        if found[0][2] != 7:
            raise Nav2Error(f'field {axis} is not FLOAT32')
        offsets.append(found[0][1])
    if len(data) != point_step * count:
        raise Nav2Error('data does not fit width and point_step')
    return np.array([[struct.unpack_from('<f', data, point_step * row + offset)[0]
                      for offset in offsets] for row in range(count)]).reshape(-1, 3)


def bresenham(start: Tuple[int, int], end: Tuple[int, int]) -> Iterator[Tuple[int, int]]:
    """Yield the cells of a line, both ends included."""
    (x, y), (end_x, end_y) = start, end
    dx, dy = abs(end_x - x), abs(end_y - y)
    step_x, step_y = (1 if end_x > x else -1), (1 if end_y > y else -1)
    error = dx - dy
    while True:
        yield x, y
        if (x, y) == (end_x, end_y):
            return
        twice = 2 * error
        if twice > -dy:
            error -= dy
            x += step_x
        if twice < dx:
            error += dx
            y += step_y


class ObstacleLayer:
    """
    An ObstacleLayer with our two sources; it keeps its own costs and its last clouds.

    :param layer: the layer's parameters, as in the snippets
    :param costmap: gives size and place
    """

    def __init__(self, layer: Mapping[str, Any], costmap: Costmap) -> None:
        self.layer = layer
        self.own = Costmap(1.0, costmap.resolution)
        self.own.origin = costmap.origin
        self.own.costs = np.zeros_like(costmap.costs)
        self.clouds: Dict[str, Tuple[List[Any], Any]] = {}
        self.stamps: Dict[str, float] = {}

    def receive(self, source: str, points: Any, frame_origin: Any, stamp: float) -> None:
        """
        Take in a cloud whose points are given in the costmap's frame.

        :param points: (N, 3) x, y, z
        :param frame_origin: x, y, z of the frame that rays start from: ``sensor_frame``, or the
            cloud's own frame where that is empty
        """
        options = self.layer[source]
        low = options.get('min_obstacle_height', 0.0)
        high = options.get('max_obstacle_height', 0.0)
        # NaN fails the comparison and is dropped.
        kept = [point for point in points if low <= point[2] <= high]
        self.clouds[source] = (kept, frame_origin)
        self.stamps[source] = stamp

    def is_current(self, now: float) -> bool:
        """Return whether every source is as fresh as it has to be."""
        for source in self.layer['observation_sources'].split():
            options = self.layer[source]
            # Nav2 asks the buffers of sources that mark or clear, and no others.
            if not options.get('marking', True) and not options.get('clearing', False):
                continue
            limit = options.get('expected_update_rate', 0.0)
            if limit > 0.0 and now - self.stamps.get(source, -math.inf) > limit:
                return False
        return True

    def update(self, master: Costmap) -> None:
        """Clear, then mark, then write into the master with the layer's combination method."""
        for source, (points, origin) in self.clouds.items():
            if self.layer[source].get('clearing', False):
                self._clear(self.layer[source], points, origin)
        for source, (points, origin) in self.clouds.items():
            if self.layer[source].get('marking', True):
                self._mark(self.layer[source], points, origin)
        if self.layer.get('combination_method', 1) == 1:
            master.costs = np.maximum(master.costs, self.own.costs)
        else:
            master.costs = self.own.costs.copy()

    def _clear(self, options: Mapping[str, Any], points: Any, origin: Any) -> None:
        start = self.own.cell_of(origin[0], origin[1])
        if start is None:
            return
        near = options.get('raytrace_min_range', 0.0)
        far = options.get('raytrace_max_range', 3.0)
        for point in points:
            distance = math.hypot(point[0] - origin[0], point[1] - origin[1])
            share = min(1.0, far / distance) if distance else 1.0
            share = min(share, self._share_inside(origin, point))
            end = self.own.cell_of(origin[0] + share * (point[0] - origin[0]),
                                   origin[1] + share * (point[1] - origin[1]))
            if end is None:
                continue
            for mx, my in bresenham(start, end):
                x, y = self.own.center_of(mx, my)
                if math.hypot(x - origin[0], y - origin[1]) >= near:
                    self.own.costs[my, mx] = FREE

    def _share_inside(self, origin: Any, point: Any) -> float:
        """Return how much of a ray lies on the map: rays that leave it are shortened."""
        share = 1.0
        for axis, count in ((0, self.own.costs.shape[1]), (1, self.own.costs.shape[0])):
            low = self.own.origin[axis] + 1e-9
            high = self.own.origin[axis] + count * self.own.resolution - 1e-9
            step = point[axis] - origin[axis]
            if point[axis] > high:
                share = min(share, (high - origin[axis]) / step)
            elif point[axis] < low:
                share = min(share, (low - origin[axis]) / step)
        return share

    def _mark(self, options: Mapping[str, Any], points: Any, origin: Any) -> None:
        near = options.get('obstacle_min_range', 0.0)
        far = options.get('obstacle_max_range', 2.5)
        for x, y, z in points:
            if not (self.layer.get('min_obstacle_height', 0.0) <= z
                    <= self.layer.get('max_obstacle_height', 2.0)):
                continue
            cell = self.own.cell_of(x, y)
            if cell and near <= math.hypot(x - origin[0], y - origin[1]) <= far:
                self.own.costs[cell[1], cell[0]] = LETHAL


def keepout_filter(master: Costmap, mask: Grid, info: Mapping[str, Any]) -> None:
    """Raise the costs of a costmap by a mask, as KeepoutFilter does after the layers."""
    if info['type'] != 0 or (info['base'], info['multiplier']) != (0.0, 1.0):
        raise Nav2Error('Mode is not supported / base and multiplier have no effect')
    cells, inside = cells_below(master, mask, (0.0, 0.0, 0.0))
    values = mask.values[cells].astype(int)
    costs = np.rint(values * 2.54).astype(int)
    raised = inside & (values != -1) & ((costs > master.costs)
                                        | (master.costs == NO_INFORMATION))
    master.costs = np.where(raised, costs, master.costs).astype(np.uint8)


def semantic_layer(costmap: Costmap, bundle: Tuple[Any, Any, Any], label_info: Mapping[int, str],
                   layer: Mapping[str, Any], costmap_from_cloud: arrays.Float64) -> None:
    """
    Write one bundle into a costmap, as semantic_segmentation_layer does.

    :param bundle: mask (h, w), confidence (h, w), points (h, w, 3), all one size
    :param label_info: class id to name, as latched
    :param layer: the source's parameters, as in the snippets
    :param costmap_from_cloud: (4, 4)
    """
    mask, confidence, points = bundle
    if mask.shape != points.shape[:2] or mask.shape != confidence.shape:
        raise Nav2Error('Pointcloud and segmentation have different sizes')
    options = {name: layer[kind] for kind in layer['class_types']
               for name in layer[kind]['classes']}
    missing = [name for name in label_info.values() if name not in options]
    if missing:
        raise Nav2Error(f'CRITICAL ERROR: Class {missing[0]} will be ignored')
    seen: Dict[Any, List[int]] = {}
    flat = mask.reshape(-1)
    for place, point in enumerate(points.reshape(-1, 3).astype(np.float64)):
        distance = math.sqrt(float(point.dot(point)))
        if (not math.isfinite(point[2]) or distance > layer['max_obstacle_distance']
                or distance < layer['min_obstacle_distance']):
            continue
        name = label_info.get(int(flat[place]))
        if name is None:
            continue
        world = costmap_from_cloud.dot(np.append(point, 1.0))
        cell = costmap.cell_of(world[0], world[1])
        if cell:
            seen.setdefault((cell, name), []).append(int(confidence.reshape(-1)[place]))
    for (cell, name), values in seen.items():
        rule = options[name]
        enough = (len(values) >= rule['samples_to_max_cost']
                  and sum(values) / float(len(values)) > rule['mark_confidence'])
        cost = rule['max_cost'] if enough else rule['base_cost']
        costmap.costs[cell[1], cell[0]] = max(costmap.costs[cell[1], cell[0]], cost)
