# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images of a world, with the ground truth of every pixel."""

from typing import Any, NamedTuple, Tuple

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.model.classes import UNLABELED
from segformer_ros.simulation.render import sensor as render_sensor
from segformer_ros.simulation.render.ray_casting import cast
from segformer_ros.simulation.render.ray_casting import TiledRays
from segformer_ros.simulation.render.shading import label
from segformer_ros.simulation.render.shading import shade
from segformer_ros.simulation.world.world import KINDS
from segformer_ros.simulation.world.world import World


class RenderedImage(NamedTuple):
    """
    One image and its ground truth.

    ``image``: RGB uint8 (H, W, 3). ``labels``: ADE20K class ids uint8 (H, W), 255 where the
    camera sees nothing. ``depth``: float32 (H, W), metres along the optical axis (REP 118);
    +inf for the sky, NaN where the camera sees nothing or looks backwards.
    ``camera_to_world``: world_from_optical float64 (4, 4). ``time``: seconds. ``rays``:
    directions in the optical frame, float32 (H, W, 3), unit length.
    """

    image: arrays.UInt8
    labels: arrays.UInt8
    depth: arrays.Float32
    camera_to_world: arrays.Float64
    time: float
    rays: arrays.Float32

    def points(self) -> arrays.Float32:
        """Return the seen surface points in the world, (H, W, 3) metres; not finite for sky."""
        with np.errstate(invalid='ignore', divide='ignore'):
            scale = self.depth / self.rays[..., 2]
            local = self.rays * scale[..., None]
            turned = local.dot(self.camera_to_world[:3, :3].T.astype(np.float32))
        return turned + self.camera_to_world[:3, 3].astype(np.float32)


def pinhole_rays(width: int, height: int, fx: float, fy: float, cx: float,
                 cy: float) -> arrays.Float32:
    """
    Return the rays of an ideal camera (no distortion); pixel centres at whole numbers.

    :param width: image width, pixels; ``height`` likewise
    :param fx: focal lengths, pixels; ``fy`` likewise
    :param cx: principal point, pixels; ``cy`` likewise
    :return: directions with z = 1 in the optical frame, (H, W, 3)
    """
    x = (np.arange(width) - cx) / fx
    y = (np.arange(height) - cy) / fy
    rays = np.ones((height, width, 3), np.float32)
    rays[..., 0] = x[None]
    rays[..., 1] = y[:, None]
    return rays


class Renderer:
    """
    A camera.

    :param rays: (H, W, 3) directions in the optical frame (z forward, x right, y down), one
        for each pixel, any length; NaN where the camera sees nothing. Any camera model fits:
        pass the rays of the CameraInfo's
    :param sensor: what the camera does to light
    :raises InvalidInputError: the rays have another shape
    """

    def __init__(self, rays: arrays.Array,
                 sensor: render_sensor.Sensor = render_sensor.USUAL_SENSOR) -> None:
        if rays.ndim != 3 or rays.shape[2] != 3 or 0 in rays.shape:
            raise InvalidInputError('the rays of a camera have the wrong shape', rays.shape,
                                    '(H, W, 3)')
        blind = ~np.isfinite(rays).all(axis=2) | ~(np.abs(rays).max(axis=2) > 0)
        self._blind = blind if blind.any() else None
        self._tiles = TiledRays(np.where(blind[..., None], np.array([0.0, 0.0, 1.0]), rays))
        self._sensor = sensor

    def labels(self, world: World, camera_to_world: arrays.Array, time: float = 0.0
               ) -> arrays.UInt8:
        """
        Return the labels of the image that :meth:`render` gives, in a fraction of its time.

        :param camera_to_world: world_from_optical (4, 4), metres
        :param time: seconds
        :return: ADE20K class ids (H, W)
        """
        pose = np.array(camera_to_world, float)
        return self._labels(world, pose, self._cast(world, pose, time))

    def labels_and_depth(self, world: World, camera_to_world: arrays.Array, time: float = 0.0
                         ) -> Tuple[arrays.UInt8, arrays.Float32]:
        """
        Return labels and depth of the image that :meth:`render` gives, in a fraction of its time.

        :param camera_to_world: world_from_optical (4, 4), metres
        :param time: seconds
        :return: ADE20K class ids (H, W), and metres along the optical axis (H, W), NaN where
            nothing is seen
        """
        pose = np.array(camera_to_world, float)
        met = self._cast(world, pose, time)
        return self._labels(world, pose, met), self._depth(met[2])

    def _labels(self, world: World, pose: arrays.Float64, met: Tuple[Any, Any, Any, Any]
                ) -> arrays.UInt8:
        """Return the classes of what was met, see :meth:`_cast`."""
        primitives, directions, distance, owner = met
        labels = self._tiles.to_image(label(world, primitives, pose[:3, 3], directions, distance,
                                            owner))
        if self._blind is not None:
            labels[self._blind] = UNLABELED
        return labels

    def _depth(self, distance: arrays.Float32) -> arrays.Float32:
        """Return what is seen how far along the optical axis, (H, W) metres."""
        ahead = self._tiles.directions[2]
        with np.errstate(invalid='ignore'):
            depth = np.where(ahead > 1e-6, distance * ahead, np.float32(np.nan))
        image = self._tiles.to_image(depth.astype(np.float32))
        if self._blind is not None:
            image[self._blind] = np.nan
        return image

    def _cast(self, world: World, pose: arrays.Float64, time: float) -> Tuple[Any, Any, Any, Any]:
        """Return shapes, directions of the rays in the world, and what they meet how far away."""
        tiles = self._tiles
        turn = pose[:3, :3].astype(np.float32)
        directions = np.tensordot(turn, tiles.directions, axes=1)
        primitives = world.primitives_around(float(pose[0, 3]), float(pose[1, 3]), time)
        distance, owner = cast(primitives, pose[:3, 3], directions, turn.dot(tiles.axis),
                               tiles.half_angle)
        return primitives, directions, distance, owner

    def render(self, world: World, camera_to_world: arrays.Array, time: float = 0.0,
               motion: Tuple[float, float] = (0.0, 0.0)) -> RenderedImage:
        """
        Render one image; the same arguments give the same bytes.

        :param camera_to_world: world_from_optical (4, 4), metres
        :param time: seconds
        :param motion: pixels right and down that the scene moves while the shutter is open
            (motion blur); the ground truth is that of the middle of the exposure
        """
        pose = np.array(camera_to_world, float)
        tiles = self._tiles
        primitives, directions, distance, owner = self._cast(world, pose, time)
        shaded = shade(world, primitives, pose[:3, 3], directions, distance, owner,
                       tiles.pixel_angle)
        light = tiles.to_image(shaded.color)
        labels = tiles.to_image(shaded.labels)
        depth = self._depth(distance)
        if self._blind is not None:
            light[self._blind] = 0
            labels[self._blind] = UNLABELED
        noise = np.random.RandomState([world.seed, KINDS.index(world.kind),
                                       int(time * 1e6 + 0.5) & 0xffffffff])
        image = render_sensor.expose(light, self._sensor, noise, motion)
        if self._blind is not None:
            image[self._blind] = 0
        rays = tiles.to_image(np.moveaxis(tiles.directions, 0, -1))
        return RenderedImage(image, labels, depth, pose, float(time), rays)
