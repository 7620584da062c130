# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The rules of Nav2's VoxelLayer, read in its source, beside those of the other layers."""

import math

import numpy as np
from segformer_ros.evaluation.drive.nav2_rules import FREE
from segformer_ros.evaluation.drive.nav2_rules import LETHAL
from segformer_ros.evaluation.drive.nav2_rules import Nav2Error
from segformer_ros.evaluation.drive.nav2_rules import ObstacleLayer


class VoxelLayer(ObstacleLayer):
    """
    A VoxelLayer: marks and rays in three dimensions, a column is lethal while it holds a mark.

    Unseen voxels are left out: the snippet lets all but one of a column be unseen.
    """

    def __init__(self, layer, costmap):
        super().__init__(layer, costmap)
        self.marks = set()
        if not 1 <= layer['z_voxels'] <= 16:
            raise Nav2Error('The number of voxels in a column is 1 to 16')

    def voxel_of(self, x, y, z):
        """Return the voxel of a point, or None outside."""
        cell = self.own.cell_of(x, y)
        # What lies below the grid counts as its lowest voxel.
        mz = math.floor((max(z, self.layer['origin_z']) - self.layer['origin_z'])
                        / self.layer['z_resolution'])
        return None if cell is None or mz >= self.layer['z_voxels'] else (*cell, mz)

    def voxels_of(self, places):
        """Return the voxels of (N, 3) points as a set; what lies outside has none."""
        cells = np.floor((places[:, :2] - self.own.origin) / self.own.resolution).astype(int)
        mz = np.floor((np.maximum(places[:, 2], self.layer['origin_z']) - self.layer['origin_z'])
                      / self.layer['z_resolution']).astype(int)
        height, width = self.own.costs.shape
        inside = ((cells >= 0) & (cells < [width, height])).all(axis=1) \
            & (mz < self.layer['z_voxels'])
        found = np.unique(np.column_stack([cells, mz])[inside], axis=0)
        return set(map(tuple, found.tolist()))

    def _clear(self, options, points, origin):
        low = self.layer['origin_z']
        high = low + self.layer['z_voxels'] * self.layer['z_resolution']
        if self.own.cell_of(origin[0], origin[1]) is None or not low <= origin[2] < high:
            # "Sensor origin out of map bounds. The costmap can't raytrace for it."
            self._show()
            return
        near, far = options.get('raytrace_min_range', 0.0), options.get('raytrace_max_range', 3.0)
        origin = np.asarray(origin, np.float64)
        ways = np.asarray(points, np.float64).reshape(-1, 3) - origin
        distances = np.sqrt((ways ** 2).sum(axis=1))
        ends = np.minimum(far, distances - 2.0 * self.own.resolution)
        for reached in np.arange(near, far, 0.5 * self.own.resolution):
            going = reached < ends
            self.marks -= self.voxels_of(
                origin + ways[going] * reached / distances[going, None])
        self._show()

    def _mark(self, options, points, origin):
        near = options.get('obstacle_min_range', 0.0)
        far = options.get('obstacle_max_range', 2.5)
        for x, y, z in points:
            voxel = self.voxel_of(x, y, z)
            if voxel is not None and (
                    self.layer.get('min_obstacle_height', 0.0) <= z
                    <= self.layer.get('max_obstacle_height', 2.0)) and (
                    near <= math.sqrt(sum((a - b) ** 2 for a, b in zip((x, y, z), origin)))
                    <= far):
                self.marks.add(voxel)
        self._show()

    def _show(self):
        number = {}
        for mx, my, _ in self.marks:
            number[my, mx] = number.get((my, mx), 0) + 1
        self.own.costs[:] = FREE
        for cell, marks in number.items():
            if marks > self.layer['mark_threshold']:
                self.own.costs[cell] = LETHAL
