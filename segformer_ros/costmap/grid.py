# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A rolling grid that remembers what the cameras saw.

Obstacle evidence is kept as log-odds (Moravec and Elfes, 1985; clamped as in OctoMap, Hornung
et al., 2013), once for things that stay and once for things that move, so that each has a decay
time of its own. A mark stays for exactly that time after its last sighting, however weak, unless
ground is seen in its place; evidence too weak for a mark fades to nothing in the same time. An
exponential would make weak marks short and strong ones long.
"""

import math
from typing import Tuple, TYPE_CHECKING

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.observation import GridGeometry
from segformer_ros.costmap.observation import Observation

if TYPE_CHECKING:
    # Evidence, times of the last sighting, decay time.
    _Layer = Tuple[arrays.Float32, arrays.Float64, float]

# Share of a block that the robot may be off the centre; above 1/2, so that a robot that stands
# on the line between two blocks does not move the grid to and fro.
_SLACK = 0.75
_NEVER = -math.inf


class CostGrid:
    """
    The grid of one robot, axis-aligned in odom, whose origin follows it in whole blocks.

    All times are seconds on one clock. Not thread-safe.

    :param settings: size, resolution and block
    :param fusion: gains and times; may be replaced at any time
    :raises ConfigurationError: settings out of bounds
    """

    def __init__(self, settings: costmap_settings.GridSettings,
                 fusion: costmap_settings.FusionSettings) -> None:
        costmap_settings.check(settings, fusion)
        self._fusion = fusion
        self._block = max(1, math.ceil(settings.block / settings.resolution - 1e-6))
        cells = max(1, round(settings.size / settings.resolution))
        self.geometry = GridGeometry(0.0, 0.0, settings.resolution, cells, cells)
        self._corner = (0, 0)
        self._move_to(-(cells // 2 // self._block) * self._block,
                      -(cells // 2 // self._block) * self._block)
        self.clear()

    @property
    def fusion(self) -> costmap_settings.FusionSettings:
        """Return the gains and times in use."""
        return self._fusion

    @fusion.setter
    def fusion(self, fusion: costmap_settings.FusionSettings) -> None:
        costmap_settings.check(fusion)
        self._fusion = fusion
        # What exceeds a lowered limit would fade for longer than the decay time says.
        for evidence in (self._static, self._dynamic):
            np.minimum(evidence, np.float32(fusion.occupied_limit), out=evidence)

    def clear(self) -> None:
        """Forget every cell and the time; the origin stays."""
        cells = self.geometry.width * self.geometry.height
        self._static = np.zeros(cells, np.float32)
        self._dynamic = np.zeros(cells, np.float32)
        self._costs = np.zeros(cells, np.float32)
        self._ground_time = np.full(cells, _NEVER)
        self._static_time = np.full(cells, _NEVER)
        self._dynamic_time = np.full(cells, _NEVER)
        self._time = _NEVER
        # Nothing is known and nothing fades: an idle grid costs nothing.
        self._blank = True

    def recenter(self, x: float, y: float) -> bool:
        """
        Move the grid if the robot has left its middle; cells keep their place in the world.

        :param x: robot in the grid's frame, metres
        :param y: likewise
        :return: whether the origin moved
        """
        target = []
        for position, corner, count in zip((x, y), self._corner,
                                           (self.geometry.width, self.geometry.height)):
            offset = (position / self.geometry.resolution - corner - 0.5 * count) / self._block
            steps = math.floor(offset + 0.5) if abs(offset) > _SLACK else 0
            target.append(corner + steps * self._block)
        if tuple(target) == self._corner:
            return False
        shift_x, shift_y = target[0] - self._corner[0], target[1] - self._corner[1]
        for name, blank in (('_static', 0.0), ('_dynamic', 0.0), ('_costs', 0.0),
                            ('_ground_time', _NEVER), ('_static_time', _NEVER),
                            ('_dynamic_time', _NEVER)):
            setattr(self, name, self._shifted(getattr(self, name), shift_x, shift_y, blank))
        self._move_to(target[0], target[1])
        return True

    def advance(self, stamp: float) -> None:
        """
        Let evidence fade up to a time; an earlier time than the last changes nothing.

        :param stamp: seconds
        """
        passed = stamp - self._time
        if passed <= 0.0:
            return
        self._time = stamp
        if self._blank or not math.isfinite(passed):
            return
        threshold = self.fusion.mark_threshold
        for evidence, times, decay_time in self._layers():
            step = np.float32(passed * threshold / decay_time)
            marked = np.flatnonzero(evidence >= threshold)
            kept = evidence[marked]
            # All but the marks fade: those are put back.
            fading = np.minimum(evidence, step)
            np.maximum(fading, -step, out=fading)
            np.subtract(evidence, fading, out=evidence)
            kept[times[marked] < stamp - decay_time] = 0.0
            evidence[marked] = kept

    def _layers(self) -> 'Tuple[_Layer, _Layer]':
        return ((self._static, self._static_time, self.fusion.static_decay_time),
                (self._dynamic, self._dynamic_time, self.fusion.dynamic_decay_time))

    def fuse(self, observation: Observation, stamp: float) -> None:
        """
        Take in one frame of any camera.

        :param observation: indices refer to the present ``geometry``
        :param stamp: of the image, seconds
        """
        self.advance(stamp)
        self._blank = False
        fusion = self.fusion
        obstacle = np.zeros(self._static.shape, np.bool_)
        obstacle[observation.static.cells] = True
        obstacle[observation.dynamic.cells] = True
        free = ~obstacle[observation.ground.cells]
        cells = observation.ground.cells[free]
        weights = observation.ground.weights[free]
        for evidence, _, _ in self._layers():
            lowered = evidence[cells] - np.float32(fusion.free_gain) * weights
            evidence[cells] = np.maximum(lowered, np.minimum(evidence[cells],
                                                             np.float32(fusion.free_limit)))
        self._average(cells, weights, observation.ground_costs[free], stamp)
        self._ground_time[cells] = np.maximum(self._ground_time[cells], stamp)
        for (evidence, times, _), seen, gain in zip(
                self._layers(), (observation.static, observation.dynamic),
                (fusion.occupied_gain, fusion.dynamic_gain)):
            raised = evidence[seen.cells] + np.float32(gain) * seen.weights
            evidence[seen.cells] = np.minimum(raised, np.float32(fusion.occupied_limit))
            times[seen.cells] = np.maximum(times[seen.cells], stamp)

    def _average(self, cells: arrays.Index, weights: arrays.Float32,
                 costs: arrays.Float32, stamp: float) -> None:
        old = self._costs[cells]
        forgotten = self._ground_time[cells] < stamp - self.fusion.forget_time
        share = np.where(forgotten, np.float32(1.0), np.float32(self.fusion.cost_gain) * weights)
        self._costs[cells] = old + share * (costs - old)

    def lethal_cells(self, standing: float = 0.0) -> arrays.Bool:
        """
        Return (height, width), true where obstacles are marked, small blobs removed.

        :param standing: as of :meth:`to_occupancy`
        """
        flat = np.zeros(self._static.shape, np.bool_)
        for evidence, times, decay_time in self._layers():
            marked = evidence >= self.fusion.mark_threshold
            if standing > 0.0:
                marked &= times >= self._time + standing - decay_time
            flat |= marked
        lethal = flat.reshape(self.geometry.height, self.geometry.width)
        if self.fusion.min_blob > 1 and lethal.any():
            _, blobs, rows, _ = cv2.connectedComponentsWithStats(
                lethal.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
            large = rows[:, cv2.CC_STAT_AREA] >= self.fusion.min_blob
            lethal &= large[blobs]
        return lethal

    def standing_cells(self) -> arrays.Bool:
        """Return (height, width), true where obstacles that stay are marked, as above."""
        standing = self._static >= self.fusion.mark_threshold
        return self.lethal_cells() & standing.reshape(self.geometry.height, self.geometry.width)

    def shows_ground(self, cells: arrays.Index) -> arrays.Bool:
        """
        Return in which cells ground was seen and is not forgotten.

        :param cells: indices, any shape
        """
        times = self._ground_time[cells]
        # Before the first image the time itself is minus infinity.
        return np.asarray((times >= self._time - self.fusion.forget_time) & (times > _NEVER),
                          np.bool_)

    def stands_within(self, x: arrays.Float64, y: arrays.Float64) -> bool:
        """
        Return whether an obstacle that stays is marked in the rectangle around points.

        :param x: in the grid's frame, metres
        :param y: same shape
        """
        geometry = self.geometry
        part = []
        for points, origin, count in ((y.tolist(), geometry.origin_y, geometry.height),
                                      (x.tolist(), geometry.origin_x, geometry.width)):
            low = int((min(points) - origin) // geometry.resolution)
            high = int((max(points) - origin) // geometry.resolution) + 1
            part.append(slice(min(max(low, 0), count), min(max(high, 0), count)))
        static = self._static.reshape(geometry.height, geometry.width)[part[0], part[1]]
        return bool(static.size and static.max() >= self.fusion.mark_threshold)

    def to_occupancy(self, stamp: float, standing: float = 0.0) -> arrays.Int8:
        """
        Return the grid as OccupancyGrid values at a time.

        :param stamp: seconds; evidence fades up to it
        :param standing: seconds for which the clock of the stamps has stood still. What is older
            with them is not shown, and nothing is forgotten for them: the clock may go on
        :return: (height, width) int8: -1 unknown, 0..98 cost of ground, 100 obstacle
        """
        self.advance(stamp)
        shape = (self.geometry.height, self.geometry.width)
        if self._blank:
            return np.full(shape, cost_table.UNKNOWN, np.int8)
        known = self._ground_time >= self._time + standing - self.fusion.forget_time
        costs = np.clip(np.rint(self._costs), 0, cost_table.HIGHEST_COST).astype(np.int8)
        grid = np.where(known, costs, np.int8(cost_table.UNKNOWN)).reshape(shape)
        grid[self.lethal_cells(standing)] = cost_table.LETHAL
        self._blank = standing <= 0.0 and not (
            known.any() or self._static.any() or self._dynamic.any())
        return grid

    def oldest_age(self, stamp: float, standing: float = 0.0) -> float:
        """
        Return how long ago the stalest known cell was seen, seconds; 0 if none is known.

        Never more than ``forget_time``.

        :param stamp: now, seconds
        :param standing: as of :meth:`to_occupancy`; counts as age
        """
        grid = self.to_occupancy(stamp, standing).reshape(-1)
        if self._blank:
            return 0.0
        seen = np.maximum(self._static_time, self._dynamic_time)
        times = np.where(grid == cost_table.LETHAL, np.maximum(seen, self._ground_time),
                         self._ground_time)[grid != cost_table.UNKNOWN]
        return max(0.0, self._time + standing - float(times.min())) if times.size else 0.0

    def _move_to(self, corner_x: int, corner_y: int) -> None:
        # Kept in whole cells: a sum of metres would drift off the lattice.
        self._corner = (corner_x, corner_y)
        self.geometry = self.geometry._replace(origin_x=corner_x * self.geometry.resolution,
                                               origin_y=corner_y * self.geometry.resolution)

    def _shifted(self, values: arrays.Array, shift_x: int, shift_y: int, blank: float
                 ) -> arrays.Array:
        height, width = self.geometry.height, self.geometry.width
        moved = np.full((height, width), blank, values.dtype)
        if abs(shift_x) < width and abs(shift_y) < height:
            old = values.reshape(height, width)
            moved[max(0, -shift_y):height - max(0, shift_y),
                  max(0, -shift_x):width - max(0, shift_x)] = (
                      old[max(0, shift_y):height - max(0, -shift_y),
                          max(0, shift_x):width - max(0, -shift_x)])
        return moved.reshape(-1)
