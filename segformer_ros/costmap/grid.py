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
from typing import NamedTuple, Optional, Tuple, TYPE_CHECKING

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import observation as costmap_observation
from segformer_ros.costmap import settings as costmap_settings

if TYPE_CHECKING:
    # Evidence, times of the last sighting, decay time.
    _Layer = Tuple[arrays.Float32, arrays.Float64, float]

# Share of a block that the robot may be off the centre; above 1/2, so that a robot that stands
# on the line between two blocks does not move the grid to and fro.
_SLACK = 0.75
_NEVER = -math.inf
# What is kept of each cell, and what stands there where nothing was seen.
_BY_CELL = {'_static': 0.0, '_dynamic': 0.0, '_costs': 0.0, '_ground_time': _NEVER,
            '_static_time': _NEVER, '_dynamic_time': _NEVER}
WHOLE: costmap_observation.Window = (slice(None), slice(None))
"""The window of all cells."""


class GridCells(NamedTuple):
    """
    What a grid keeps of its cells, (N,) each, C-contiguous.

    ``standing`` and ``moving`` float32 log-odds of obstacles, ``costs`` float32 of the ground,
    ``ground_times`` float64 seconds of its last sighting.
    """

    standing: arrays.Float32
    moving: arrays.Float32
    costs: arrays.Float32
    ground_times: arrays.Float64


class GridPasses:
    """What a grid does with all of its cells at once; subclasses do the same faster."""

    def fade(self, evidence: arrays.Float32, times: arrays.Float64, threshold: float, step: float,
             oldest: float) -> None:
        """
        Let evidence fade in place, all but marks; those are forgotten.

        :param times: of each cell's last sighting, seconds
        :param threshold: evidence from which a cell is marked
        :param step: what fades
        :param oldest: seconds; marks last seen before it are forgotten
        """
        marked = np.flatnonzero(evidence >= threshold)
        kept = evidence[marked]
        # All but the marks fade: those are put back.
        fading = np.minimum(evidence, np.float32(step))
        np.maximum(fading, np.float32(-step), out=fading)
        np.subtract(evidence, fading, out=evidence)
        kept[times[marked] < oldest] = 0.0
        evidence[marked] = kept

    def fuse_ground(self, cells: GridCells, seen: costmap_observation.Evidence,
                    costs: arrays.Float32, obstacle: arrays.Bool, stamp: float,
                    settings: costmap_settings.FusionSettings) -> None:
        """
        Take ground into a grid in place, where no obstacle is seen.

        :param costs: (N,) of the ground seen
        :param obstacle: by cell of the grid
        :param stamp: of the image, seconds
        """
        free = ~obstacle[seen.cells]
        places, weights = seen.cells[free], seen.weights[free]
        for evidence in (cells.standing, cells.moving):
            lowered = evidence[places] - np.float32(settings.free_gain) * weights
            evidence[places] = np.maximum(lowered, np.minimum(evidence[places],
                                                              np.float32(settings.free_limit)))
        old, times = cells.costs[places], cells.ground_times[places]
        share = np.where(times < stamp - settings.forget_time, np.float32(1.0),
                         np.float32(settings.cost_gain) * weights)
        cells.costs[places] = old + share * (costs[free] - old)
        cells.ground_times[places] = np.maximum(times, stamp)

    def show_cells(self, cells: GridCells, known_from: float, threshold: float
                   ) -> Tuple[arrays.Int8, bool]:
        """
        Return the values of an OccupancyGrid, (N,), and whether any cell holds anything.

        :param known_from: seconds; ground seen before it is forgotten
        :param threshold: evidence from which a cell is lethal
        """
        known = cells.ground_times >= known_from
        costs = np.clip(np.rint(cells.costs), 0, cost_table.HIGHEST_COST).astype(np.int8)
        values = np.where(known, costs, np.int8(cost_table.UNKNOWN))
        values[(cells.standing >= threshold) | (cells.moving >= threshold)] = cost_table.LETHAL
        return values, bool(known.any() or cells.standing.any() or cells.moving.any())


class CostGrid:
    """
    The grid of one robot, axis-aligned in odom, whose origin follows it in whole blocks.

    All times are seconds on one clock. Not thread-safe.

    :param settings: size, resolution and block
    :param fusion: gains and times; may be replaced at any time
    :param passes: a faster way to do the same
    :raises ConfigurationError: settings out of bounds
    """

    def __init__(self, settings: costmap_settings.GridSettings,
                 fusion: costmap_settings.FusionSettings,
                 passes: Optional[GridPasses] = None) -> None:
        costmap_settings.check(settings, fusion)
        self._passes = passes or GridPasses()
        self._fusion = fusion
        self._block = max(1, math.ceil(settings.block / settings.resolution - 1e-6))
        cells = max(1, round(settings.size / settings.resolution))
        self.geometry = costmap_observation.GridGeometry(0.0, 0.0, settings.resolution, cells,
                                                         cells)
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
        for name, blank in _BY_CELL.items():
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
            self._passes.fade(evidence, times, threshold, passed * threshold / decay_time,
                              stamp - decay_time)

    def _layers(self) -> 'Tuple[_Layer, _Layer]':
        return ((self._static, self._static_time, self.fusion.static_decay_time),
                (self._dynamic, self._dynamic_time, self.fusion.dynamic_decay_time))

    def fuse(self, observation: costmap_observation.Observation, stamp: float) -> None:
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
        self._passes.fuse_ground(self._cells(), observation.ground, observation.ground_costs,
                                 obstacle, stamp, fusion)
        for (evidence, times, _), seen, gain, least in zip(
                self._layers(), (observation.static, observation.dynamic),
                (fusion.occupied_gain, fusion.dynamic_gain), (-math.inf, 0.0)):
            # That ground was free says nothing of what moves onto it.
            raised = np.maximum(evidence[seen.cells], np.float32(least)) + (
                np.float32(gain) * seen.weights)
            evidence[seen.cells] = np.minimum(raised, np.float32(fusion.occupied_limit))
            times[seen.cells] = np.maximum(times[seen.cells], stamp)

    def doubt(self, cells: arrays.Index, stamp: float, within: float) -> None:
        """
        Forget ground soon that was looked at and not recognised, unless it is seen again.

        :param cells: indices
        :param stamp: of the image, seconds
        :param within: seconds for which it is still remembered, from the first such image on
        """
        latest = stamp - self.fusion.forget_time + within
        self._ground_time[cells] = np.minimum(self._ground_time[cells], latest)

    def take_over(self, coarser: 'CostGrid') -> None:
        """
        Remember what a grid with larger cells remembers of the same ground.

        :param coarser: its cell size is a whole multiple of this one's
        """
        xs, ys = self.geometry.centers()
        mine = np.arange(self.geometry.width * self.geometry.height).reshape(len(ys), len(xs))
        theirs, inside = coarser.geometry.indices(*np.meshgrid(xs, ys))
        mine, theirs = mine[inside], theirs[inside]
        for name in _BY_CELL:
            getattr(self, name)[mine] = getattr(coarser, name)[theirs]
        self._time = coarser._time
        self._blank = coarser._blank

    def moving_cells(self, standing: float = 0.0) -> arrays.Bool:
        """Return where people, animals and vehicles are marked, (rows, columns), as above."""
        return self._marked(self._layers()[1], standing, WHOLE)

    def _marked(self, layer: '_Layer', standing: float, asked: costmap_observation.Window
                ) -> arrays.Bool:
        evidence, times, decay_time = layer
        marked: arrays.Bool = self._image(evidence)[asked] >= self.fusion.mark_threshold
        if standing > 0.0:
            marked &= self._image(times)[asked] >= self._time + standing - decay_time
        return marked

    def _cells(self) -> GridCells:
        return GridCells(self._static, self._dynamic, self._costs, self._ground_time)

    def lethal_cells(self, standing: float = 0.0, window: costmap_observation.Window = WHOLE
                     ) -> arrays.Bool:
        """
        Return where obstacles are marked, small blobs removed.

        :param standing: as of :meth:`to_occupancy`
        :param window: rows and columns that are asked for
        :return: (rows, columns) of the window
        """
        # A blob may reach out of the window.
        asked = WHOLE if self.fusion.min_blob > 1 else window
        stays, moves = [self._marked(layer, standing, asked) for layer in self._layers()]
        lethal: arrays.Bool = stays | moves
        if self.fusion.min_blob > 1:
            if lethal.any():
                _, blobs, rows, _ = cv2.connectedComponentsWithStats(
                    lethal.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
                large = rows[:, cv2.CC_STAT_AREA] >= self.fusion.min_blob
                lethal &= large[blobs]
            lethal = np.ascontiguousarray(lethal[window])
        return lethal

    def standing_cells(self, window: costmap_observation.Window = WHOLE) -> arrays.Bool:
        """Return where obstacles that stay are marked, as above."""
        standing = self._image(self._static)[window] >= self.fusion.mark_threshold
        return self.lethal_cells(0.0, window) & standing

    def _image(self, values: arrays.Array) -> arrays.Array:
        return values.reshape(self.geometry.height, self.geometry.width)

    def shows_ground(self, cells: arrays.Index) -> arrays.Bool:
        """
        Return in which cells ground was seen and is not forgotten.

        :param cells: indices, any shape
        """
        times = self._ground_time[cells]
        # Before the first image the time itself is minus infinity.
        return np.asarray((times >= self._time - self.fusion.forget_time) & (times > _NEVER),
                          np.bool_)

    def stands_at(self, cells: arrays.Index) -> arrays.Bool:
        """
        Return in which cells there is evidence enough of an obstacle that stays.

        :param cells: indices, any shape
        """
        return np.asarray(self._static[cells] >= self.fusion.mark_threshold, np.bool_)

    def stands_within(self, x: arrays.Float64, y: arrays.Float64) -> bool:
        """
        Return whether an obstacle that stays is marked in the rectangle around points.

        :param x: in the grid's frame, metres
        :param y: same shape
        """
        static = self._image(self._static)[self.geometry.window(x, y)]
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
        # Old marks and small blobs have evidence enough, and are not lethal.
        is_plain = standing <= 0.0 and self.fusion.min_blob <= 1
        values, held = self._passes.show_cells(
            self._cells(), self._time + standing - self.fusion.forget_time,
            self.fusion.mark_threshold if is_plain else math.inf)
        grid = values.reshape(shape)
        if not is_plain:
            grid[self.lethal_cells(standing)] = cost_table.LETHAL
        self._blank = standing <= 0.0 and not held
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
