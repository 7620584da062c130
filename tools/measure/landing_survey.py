# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Landing sites over simulated lands: how many are wholly free, by the lands' own truth."""

from typing import Callable, Dict, NamedTuple, Optional, Tuple, TYPE_CHECKING

import cv2
import numpy as np
from segformer_ros.costmap.cost_table import CostTable
from segformer_ros.costmap.cost_table import GROUND
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.geometry.transforms import pose_above_ground
from segformer_ros.costmap.landing import LandingSite
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.simulation.render.ground_truth import ground_classes
from segformer_ros.simulation.render.ground_truth import NONE
from segformer_ros.simulation.render.ground_truth import obstacle_classes
from segformer_ros.simulation.render.renderer import Frame as Picture
from segformer_ros.simulation.render.renderer import pinhole_rays
from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.world.trajectory import camera_mount
from segformer_ros.simulation.world.world import World

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT, FOCAL = 320, 240, 250.0
# Spacing of the places that are asked for the truth, metres; obstacles are larger.
SPACING = 0.1
# Half the side of the square below the drone that is searched for the truth, metres.
REACH = 25.0
# What hangs over a site makes it unfree, however high; metres.
SKYWARD = 1000.0
# Of each land: so many frames.
FRAMES = 4

MaskAndConfidence = Tuple['npt.NDArray[np.uint8]', Optional['npt.NDArray[np.uint8]']]
LabelsOf = Callable[[Picture], MaskAndConfidence]


class LandingFigures(NamedTuple):
    """
    Counts of frames.

    ``reported``: with a site, and of those ``free`` (nothing but cheap ground in the whole disc,
    nothing above it). ``possible``: a free disc of the least radius is in view, and of those
    ``found`` (with a site).
    """

    reported: int
    free: int
    possible: int
    found: int

    def shares(self) -> Dict[str, float]:
        """Return free of reported and found of possible, 0..1; NaN of nothing."""
        return {name: part / float(whole) if whole else float('nan') for name, part, whole in (
            ('free', self.free, self.reported), ('found', self.found, self.possible))}


def survey(settings: CostmapSettings, costs: CostTable, count: int, first_seed: int,
           labels_of: Optional[LabelsOf] = None,
           tell: Callable[[int], None] = lambda done: None) -> LandingFigures:
    """
    Look down on lands from 5 to 25 m, tilted by up to 0.2 rad, one frame at a time.

    :param settings: with ``projection.mode`` overhead
    :param costs: the profile
    :param count: frames
    :param first_seed: of the first land, and of heights and places
    :param labels_of: picture to ADE20K mask (H, W) and confidence 0..255 or None; None takes the
        true labels
    :param tell: called with the number of frames done
    """
    center = 0.5 * (WIDTH - 1), 0.5 * (HEIGHT - 1)
    camera = CameraModel(Calibration(WIDTH, HEIGHT, 'none', (), (
        FOCAL, 0.0, center[0], 0.0, FOCAL, center[1], 0.0, 0.0, 1.0)))
    renderer = Renderer(pinhole_rays(WIDTH, HEIGHT, FOCAL, FOCAL, *center))
    random = np.random.RandomState(first_seed)
    counts = np.zeros(len(LandingFigures._fields), np.int64)
    for number in range(count):
        world = World('aerial', first_seed + number // FRAMES)
        pose = camera_mount(random.uniform(5.0, 25.0), np.pi / 2 - random.uniform(-0.2, 0.2),
                            random.uniform(-3.1, 3.1), random.uniform(-0.2, 0.2))
        pose[:2, 3] = random.uniform(-25.0, 25.0), random.uniform(-15.0, 15.0)
        picture = renderer.render(world, pose, random.uniform(0.0, 60.0))
        mask, confidence = (picture.labels, None) if labels_of is None else labels_of(picture)
        stage = CostmapPipeline(settings, costs)
        # Stamps of zero are refused.
        stage.process('down', CameraView(mask, confidence, camera,
                                         pose_above_ground(pose, pose[2, 3]), 1.0))
        site = stage.landing_site(1.0)
        truth = LandingTruth(world, picture, costs, settings)
        possible = truth.largest_radius() >= settings.landing.min_radius
        counts += [site is not None, site is not None and truth.is_free(site), possible,
                   possible and site is not None]
        tell(number + 1)
    return LandingFigures(*[int(value) for value in counts])


class LandingTruth:
    """
    What is truly landable in a land, and what of it one picture shows.

    :param world: the land
    :param picture: of it
    :param costs: the profile
    :param settings: what a site needs
    """

    def __init__(self, world: World, picture: Picture, costs: CostTable,
                 settings: CostmapSettings) -> None:
        self._world, self._picture = world, picture
        self._cheap = (costs.kinds == GROUND) & (costs.costs <= settings.landing.max_cost)

    def free(self, x: 'Floats', y: 'Floats') -> 'npt.NDArray[np.bool_]':
        """Return where the ground is cheap and nothing stands on it or hangs over it."""
        place = tuple(self._picture.camera_to_world[:2, 3])
        standing = obstacle_classes(self._world, x, y, self._picture.time, 0.05, SKYWARD, place)
        return np.asarray(self._cheap[ground_classes(self._world, x, y)] & (standing == NONE))

    def is_free(self, site: LandingSite) -> bool:
        """Tell whether the whole disc of a site is free."""
        side = np.linspace(-site.radius, site.radius, 80)
        dx, dy = (part.reshape(-1) for part in np.meshgrid(side, side))
        disc = np.hypot(dx, dy) <= site.radius
        return bool(self.free(site.x + dx[disc], site.y + dy[disc]).all())

    def largest_radius(self) -> float:
        """Return the radius of the largest free disc of ground that is in view, metres."""
        pose = self._picture.camera_to_world
        reach = np.arange(-REACH, REACH, SPACING)
        x, y = np.meshgrid(pose[0, 3] + reach, pose[1, 3] + reach)
        away = np.stack([x - pose[0, 3], y - pose[1, 3], np.full(x.shape, -pose[2, 3])], axis=-1)
        local = away.dot(pose[:3, :3])
        u = np.rint(FOCAL * local[..., 0] / local[..., 2] + 0.5 * (WIDTH - 1))
        v = np.rint(FOCAL * local[..., 1] / local[..., 2] + 0.5 * (HEIGHT - 1))
        inside = (local[..., 2] > 0) & (u >= 0) & (u < WIDTH) & (v >= 0) & (v < HEIGHT)
        depth = self._picture.depth[np.where(inside, v, 0).astype(int),
                                    np.where(inside, u, 0).astype(int)]
        seen = inside & (np.abs(depth - local[..., 2]) < 0.05 * local[..., 2])
        good = np.zeros(x.shape, np.uint8)
        good[seen] = self.free(x[seen], y[seen])
        return float(cv2.distanceTransform(good, cv2.DIST_L2, 5).max()) * SPACING
