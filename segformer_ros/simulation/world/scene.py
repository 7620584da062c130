# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A world under construction: materials, shapes, ground, lights, people and a route."""

from typing import Callable, List, NamedTuple, Optional, Tuple

import numpy as np

from segformer_ros.common import arrays
from segformer_ros.simulation.shapes import Primitive
from segformer_ros.simulation.shapes import rotation_z
from segformer_ros.simulation.textures.bank import TextureBank
from segformer_ros.simulation.textures.patterns import Material
from segformer_ros.simulation.world.ground import Ground

Color = Tuple[float, float, float]


class Lights(NamedTuple):
    """
    The light of a world; colours are linear.

    ``sun`` is the unit vector towards a distant light; ``lamp``, if given, is the position of
    a near light (metres) that replaces it. ``direct`` is the colour of either. ``above`` and
    ``below`` are the ambient colours that upward and downward faces get. ``zenith`` and
    ``horizon`` colour the sky; haze fades to ``horizon`` with the range ``haze`` (metres).
    """

    sun: Tuple[float, float, float]
    direct: Color
    above: Color
    below: Color
    zenith: Color = (0.0, 0.0, 0.0)
    horizon: Color = (0.0, 0.0, 0.0)
    clouds: float = 0.0
    haze: float = 0.0
    lamp: Optional[Tuple[float, float, float]] = None


class Walker(NamedTuple):
    """A person who walks to and fro between two points; metres, metres per second."""

    start: Tuple[float, float]
    end: Tuple[float, float]
    speed: float
    phase: float
    height: float
    materials: Tuple[int, int, int, int]


class Scene:
    """
    A world under construction.

    :param bank: where its materials come from
    :param random: its random numbers
    """

    def __init__(self, bank: TextureBank, random: np.random.RandomState) -> None:
        self.bank = bank
        self.random = random
        self.materials: List[Material] = []
        self.primitives: List[Primitive] = []
        self.walkers: List[Walker] = []
        self.ground = Ground()
        self.lights = Lights((0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (0.3, 0.3, 0.3), (0.1, 0.1, 0.1))
        self.room: Optional[Tuple[float, float, float]] = None
        self.route: Callable[[float], Tuple[float, float]] = lambda s: (s, 0.0)
        self.route_length = 20.0
        self.closed = False
        self._taken: List[Tuple[float, float, float]] = []

    def material(self, name: str) -> int:
        """Draw a material and return its index in this world."""
        self.materials.append(self.bank.draw(name, self.random))
        return len(self.materials) - 1

    def assembly(self, x: float, y: float, yaw: float, z: float = 0.0) -> 'Assembly':
        """Start an object at a place, metres and radians."""
        return Assembly(self.primitives, x, y, yaw, z)

    def claim(self, x: float, y: float, radius: float) -> bool:
        """Reserve a disc of floor; False, and nothing reserved, where it is taken."""
        if any(np.hypot(x - other_x, y - other_y) < radius + other_radius
               for other_x, other_y, other_radius in self._taken):
            return False
        self.reserve(x, y, radius)
        return True

    def reserve(self, x: float, y: float, radius: float) -> None:
        """Keep a disc free of what is claimed later, whatever stands there now."""
        self._taken.append((x, y, radius))

    def claim_route(self, clearance: float) -> None:
        """Keep the robot's way free by a clearance in metres."""
        for s in np.arange(0.0, self.route_length, max(0.5, clearance)):
            x, y = self.route(float(s))
            self.reserve(x, y, clearance)


class Assembly:
    """
    An object made of primitives, placed by its own frame (x forward, y left, z up).

    :param target: list that receives the primitives
    """

    def __init__(self, target: List[Primitive], x: float, y: float, yaw: float,
                 z: float = 0.0) -> None:
        self._target = target
        self._origin = np.array([x, y, z])
        self._rotation = rotation_z(yaw)

    def put(self, kind: int, center: Tuple[float, float, float],
            half: Tuple[float, float, float], material: int, holes: float = 0.0,
            turn: Optional[arrays.Array] = None) -> None:
        """
        Add a primitive.

        :param kind: BOX, CYLINDER or ELLIPSOID
        :param center: in the object's frame, metres
        :param half: half sizes, metres
        :param material: index in the scene
        :param holes: see Primitive
        :param turn: object_from_local rotation (3, 3), if turned against the object
        """
        rotation = self._rotation if turn is None else self._rotation.dot(turn)
        self._target.append(Primitive(
            kind, rotation, self._origin + self._rotation.dot(np.array(center)),
            np.array(half, float), material, holes))
