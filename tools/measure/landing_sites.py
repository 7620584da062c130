#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure how many landing sites over simulated lands are wholly free, with config/drone.yaml.

Prints a Markdown table: with the true labels, and with those of a network.

usage: landing_sites.py [--model segformer_sim] [--labels true,network]
                        [--min-confidence 77] [--frames 240] [--seed 200]
"""

import argparse
import os
import sys
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple, TYPE_CHECKING

import cv2
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test')]

from segformer_ros.costmap import cost_table  # noqa: E402, I100
from segformer_ros.costmap.geometry.transforms import pose_above_ground  # noqa: E402
from segformer_ros.costmap.landing import LandingSite  # noqa: E402
from segformer_ros.costmap.pipeline import CameraView  # noqa: E402
from segformer_ros.costmap.pipeline import CostmapPipeline  # noqa: E402
from segformer_ros.costmap.settings import CostmapSettings  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.simulation.render import ground_truth  # noqa: E402
from segformer_ros.simulation.render import renderer  # noqa: E402
from segformer_ros.simulation.world.trajectory import camera_mount  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402
import simulated_runs  # noqa: E402

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT, FOCAL = 320, 240, 250.0
# Spacing of the places that are asked for the truth, metres; obstacles are larger.
SPACING = 0.1
# Half the side of the square below the drone that is searched for the truth, metres.
REACH = 25.0
# A site is not free below anything that hangs lower than this; metres.
SKYWARD = 1000.0
# Of each land: so many frames.
FRAMES = 4

COLUMNS = ('labels', 'frames', 'sites reported', 'wholly free', 'site possible', 'site found')

MaskAndConfidence = Tuple['npt.NDArray[np.uint8]', Optional['npt.NDArray[np.uint8]']]
LabelsOf = Callable[[renderer.RenderedImage], MaskAndConfidence]


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
        """Return free of reported and found of possible, 0..1; NaN where the whole is 0."""
        return {name: part / float(whole) if whole else float('nan') for name, part, whole in (
            ('free', self.free, self.reported), ('found', self.found, self.possible))}


def survey(settings: CostmapSettings, costs: cost_table.CostTable, count: int, first_seed: int,
           labels_of: Optional[LabelsOf] = None,
           tell: Callable[[int], None] = lambda done: None) -> LandingFigures:
    """
    Look down on lands from 5 to 25 m, tilted by up to 0.2 rad, one frame at a time.

    :param settings: with ``projection.mode`` overhead
    :param first_seed: of the first land, and of heights and places
    :param labels_of: picture to ADE20K mask (H, W) and confidence 0..255 or None; None takes the
        true labels
    :param tell: called with the number of frames done
    """
    camera_renderer, camera = simulated_runs.pinhole((WIDTH, HEIGHT), FOCAL)
    random = np.random.RandomState(first_seed)
    counts = np.zeros(len(LandingFigures._fields), np.int64)
    for number in range(count):
        world = World('aerial', first_seed + number // FRAMES)
        pose = camera_mount(random.uniform(5.0, 25.0), np.pi / 2 - random.uniform(-0.2, 0.2),
                            random.uniform(-3.1, 3.1), random.uniform(-0.2, 0.2))
        pose[:2, 3] = random.uniform(-25.0, 25.0), random.uniform(-15.0, 15.0)
        picture = camera_renderer.render(world, pose, random.uniform(0.0, 60.0))
        mask, confidence = (picture.labels, None) if labels_of is None else labels_of(picture)
        pipeline = CostmapPipeline(settings, costs)
        # Stamps of zero are refused.
        pipeline.process('down', CameraView(mask, confidence, camera,
                                            pose_above_ground(pose, pose[2, 3]), 1.0))
        site = pipeline.landing_site(1.0)
        truth = LandingTruth(world, picture, costs, settings)
        possible = truth.largest_radius() >= settings.landing.min_radius
        counts += [site is not None, site is not None and truth.is_free(site), possible,
                   possible and site is not None]
        tell(number + 1)
    return LandingFigures(*[int(value) for value in counts])


class LandingTruth:
    """The ground truth of landing sites in a land, as far as one image shows it."""

    def __init__(self, world: World, picture: renderer.RenderedImage, costs: cost_table.CostTable,
                 settings: CostmapSettings) -> None:
        self._world, self._picture = world, picture
        self._cheap = ((costs.kinds == cost_table.GROUND)
                       & (costs.costs <= settings.landing.max_cost))

    def free(self, x: 'Floats', y: 'Floats') -> 'npt.NDArray[np.bool_]':
        """Return where the ground is cheap and nothing stands on it or hangs over it."""
        place = tuple(self._picture.camera_to_world[:2, 3])
        standing = ground_truth.obstacle_classes(
            self._world, x, y, self._picture.time, 0.05, SKYWARD, place)
        return np.asarray(self._cheap[ground_truth.ground_classes(self._world, x, y)]
                          & (standing == ground_truth.NONE))

    def is_free(self, site: LandingSite) -> bool:
        """Return whether the whole disc of a site is free."""
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


def measure(labels: str, options: argparse.Namespace, network: Any) -> Tuple[Any, ...]:
    """Return one row of the table."""
    from segformer_ros.cli.support.progress import FRAMES
    from segformer_ros.cli.support.progress import ProgressLine
    from segformer_ros.ros.parameters.costmap import costmap_parameters
    from support.node_parameters import node_values
    settings = costmap_parameters(node_values(ROOT, 'drone.yaml')).settings
    if options.min_confidence is not None:
        settings = settings._replace(
            projection=settings.projection._replace(min_confidence=options.min_confidence))
    costs = cost_table.load_cost_table('landing', load_class_table('ade20k'))
    labels_of = None if labels == 'true' else (
        lambda picture: network.segmenter.segment(picture.image)[:2])
    line = ProgressLine(labels, FRAMES)
    figures = survey(settings, costs, options.frames, options.seed, labels_of,
                     lambda done: line.update(done, options.frames))
    line.finish()
    shares = {name: f'{100.0 * share:.1f} %' for name, share in figures.shares().items()}
    return (labels if labels == 'true' else network.spec.name, options.frames, figures.reported,
            '{} ({})'.format(figures.free, shares['free']), figures.possible,
            '{} ({})'.format(figures.found, shares['found']))


def main() -> None:
    """Measure with every kind of labels and print the table."""
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default='segformer_sim', help='name or path')
    parser.add_argument('--labels', default='true,network', help='true, network or both')
    parser.add_argument('--min-confidence', type=int,
                        help='0 to 255; by default that of config/drone.yaml')
    parser.add_argument('--frames', type=int, default=240)
    parser.add_argument('--seed', type=int, default=200, help='of the first land')
    options = parser.parse_args()
    print('| {} |\n|{}'.format(' | '.join(COLUMNS), '---|' * len(COLUMNS)), flush=True)
    # onnxruntime needs no samples to check itself with.
    with Network(NetworkChoice(options.model), lambda spec: []) as network:
        for labels in options.labels.split(','):
            row = measure(labels, options, network)
            print('| {} |'.format(' | '.join(str(value) for value in row)), flush=True)


if __name__ == '__main__':
    main()
