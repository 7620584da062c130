# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A world, which a kind, a seed and the time determine."""

import contextlib
from typing import Iterator, List

import numpy as np
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.simulation import shapes
from segformer_ros.simulation.textures.bank import TextureBank
from segformer_ros.simulation.world.indoor import build_indoor
from segformer_ros.simulation.world.outdoor import build_land
from segformer_ros.simulation.world.outdoor import build_street
from segformer_ros.simulation.world.people import walker_pose
from segformer_ros.simulation.world.people import walker_primitives
from segformer_ros.simulation.world.scene import Scene

_BUILDERS = {'indoor': build_indoor, 'outdoor': build_street, 'aerial': build_land}
KINDS = tuple(sorted(_BUILDERS))

# People closer to the camera than this are left out: nobody walks through the robot.
PERSONAL_SPACE = 0.8
"""Metres; the default of ``World.personal_space``."""


class World:
    """
    A generated world. Axes: x and y level, z up, the ground at z = 0; metres, seconds.

    :param kind: ``'indoor'``, ``'outdoor'`` or ``'aerial'``
    :param seed: 0 to 2**32 - 1; the same seed always gives the same world
    :param textures: ``'train'`` or ``'held_out'``, see TextureBank
    :raises ConfigurationError: for another kind, set of textures, or seed
    """

    def __init__(self, kind: str, seed: int, textures: str = 'held_out') -> None:
        if kind not in _BUILDERS:
            raise ConfigurationError('no such kind of world', repr(kind), ', '.join(KINDS))
        if not 0 <= seed < 2 ** 32:
            raise ConfigurationError('the seed of a world is out of range', seed, '0 to 2**32 - 1')
        random = np.random.RandomState([seed, KINDS.index(kind)])
        scene = Scene(TextureBank(textures, seed), random)
        _BUILDERS[kind](scene)
        self.kind = kind
        self.seed = seed
        self.textures = textures
        self.personal_space = PERSONAL_SPACE
        self.materials = scene.materials
        self.ground = scene.ground
        self.lights = scene.lights
        self.walkers = scene.walkers
        self.route = scene.route
        self.route_length = scene.route_length
        self.closed = scene.closed
        self.room = scene.room
        self.static = list(scene.primitives)
        if scene.room is not None:
            half_x, half_y, height = scene.room
            # Materials 0 and 1 of a room are its wall and its ceiling.
            self.static.append(shapes.Primitive(
                shapes.ROOM, np.eye(3), np.array([0.0, 0.0, height / 2]),
                np.array([half_x, half_y, height / 2]), 0))

    @contextlib.contextmanager
    def without_walkers(self) -> Iterator[None]:
        """Leave people out of the world inside of the block."""
        walkers, self.walkers = self.walkers, []
        try:
            yield
        finally:
            self.walkers = walkers

    def primitives(self, time: float) -> List[shapes.Primitive]:
        """
        Return every shape of the world, furniture first, then people.

        :param time: seconds
        :return: primitives; a ROOM is walls (its material) and ceiling (the next material)
        """
        return self.static + [part for walker in self.walkers
                              for part in walker_primitives(walker, time)]

    def primitives_around(self, x: float, y: float, time: float) -> List[shapes.Primitive]:
        """
        Return every shape but the people who stand where the camera is.

        :param x: camera position, metres; ``y`` likewise
        :param time: seconds
        """
        moving: List[shapes.Primitive] = []
        for walker in self.walkers:
            place = walker_pose(walker, time)
            if np.hypot(place[0] - x, place[1] - y) > self.personal_space:
                moving.extend(walker_primitives(walker, time))
        return self.static + moving
