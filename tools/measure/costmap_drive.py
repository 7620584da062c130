#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure how right the costmap is on drives through simulated worlds, by their ground truth.

Prints a Markdown table: with the true labels, with those that a network could give at best (the
true ones through a grid of a quarter of its input's size), and with its own. The world stands
still: its people are left out, since a place that was right when it was seen is wrong when they
have moved on.

A network's labels count with its confidence, as in the node. Its pictures take the time: --keep
leaves the labels in a folder, and the next run takes them from there.

usage: costmap_drive.py [--model segformer_sim] [--labels true,coarse,network]
                        [--worlds indoor:0,outdoor:0] [--length 20] [--let-down 0]
                        [--power 3] [--keep FOLDER]
"""

import argparse
import os
import sys
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple, TYPE_CHECKING

import cv2
import numpy as np

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.dirname(TOOLS), os.path.join(TOOLS, 'worlds')]

from segformer_ros.costmap import cost_table  # noqa: E402, I100
from segformer_ros.costmap import pipeline as costmap_pipeline  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import Calibration  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import CameraModel  # noqa: E402
from segformer_ros.costmap.geometry.transforms import CameraPose  # noqa: E402
from segformer_ros.costmap.settings import CostmapSettings  # noqa: E402
from segformer_ros.evaluation.metrics.height_agreement import distance_to  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.simulation.render import ground_truth  # noqa: E402
from segformer_ros.simulation.render import renderer  # noqa: E402
from segformer_ros.simulation.world.trajectory import Trajectory  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402
import surfaces  # noqa: E402

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT, FOCAL = 640, 480, 500.0
CAMERA_HEIGHT, CAMERA_PITCH = 0.8, 0.35
# Metres between two frames, metres a second, metres of ground on which contacts are asked for.
STEP, SPEED, NEAR = 0.25, 2.0, 4.0
# Grids are counted every so many frames.
EVERY = 8
# What reaches below this height stands on the ground; metres. Robots are lower than the other.
TOUCHES, LOWEST, TALLEST = 0.03, 0.05, 1.2
# Samples along a ray on the ground and rays through the picture's width: half a cell at most.
_ALONG, _RAYS = 0.0125, 720

COLUMNS = ('world', 'labels', 'contacts', 'marked within 1 cell', 'marks',
           'right within 1 cell', 'beyond 3 cells', 'ground cells', 'right cost')

Seen = Tuple['npt.NDArray[np.uint8]', Optional['npt.NDArray[np.uint8]']]
LabelsOf = Callable[[renderer.RenderedImage], Seen]


class Frame(NamedTuple):
    """Labels and confidence of a picture, and the (N, 2) feet that it shows, metres."""

    mask: 'npt.NDArray[np.uint8]'
    confidence: Optional['npt.NDArray[np.uint8]']
    contacts: 'Floats'


class DriveFigures(NamedTuple):
    """
    Counts over all grids of a drive, in cells.

    ``contacts``: true feet of obstacles that were seen within 4 m, and of those ``marked`` within
    one cell. ``lethal``: marked cells, of those ``right`` (something stands within one cell) and
    ``far_off`` (nothing within three). ``ground``: known cells that are not marked and truly
    free, and of those ``graded`` with the cost of the true class, to within one.
    """

    contacts: int
    marked: int
    lethal: int
    right: int
    far_off: int
    ground: int
    graded: int

    def shares(self) -> Dict[str, float]:
        """Return marked, right, far_off and graded as shares, 0..1; NaN where the whole is 0."""
        pairs = {'marked': (self.marked, self.contacts), 'right': (self.right, self.lethal),
                 'far_off': (self.far_off, self.lethal), 'graded': (self.graded, self.ground)}
        return {name: part / float(whole) if whole else float('nan')
                for name, (part, whole) in pairs.items()}


class Way:
    """
    A drive along a world's route, whose pictures are rendered when they are asked for.

    :param kind: ``indoor`` or ``outdoor``
    :param length: metres
    :param let_down: metres; what hangs lower than that reaches down to the ground
    """

    def __init__(self, kind: str, seed: int, costs: cost_table.CostTable, length: float = 20.0,
                 let_down: float = 0.0) -> None:
        self.world = World(kind, seed)
        surfaces.let_down(self.world, let_down)
        self.world.walkers = []
        self.costs = costs
        self.times = [number * STEP / SPEED for number in range(int(length / STEP) + 1)]
        self._way = Trajectory(self.world, SPEED, CAMERA_HEIGHT, CAMERA_PITCH)

    def pose(self, time: float) -> CameraPose:
        """Return where the camera is at a time, seconds."""
        return CameraPose(self._way.base_pose(time), self._way.base_from_optical)

    def frames(self, labels_of: Optional[LabelsOf]) -> Iterator[Frame]:
        """Render every picture; ``labels_of`` None takes the true labels."""
        camera_renderer = renderer.Renderer(
            renderer.pinhole_rays(WIDTH, HEIGHT, FOCAL, FOCAL, *_center()))
        for time in self.times:
            picture = camera_renderer.render(self.world, self._way.camera_pose(time), time)
            mask, confidence = (picture.labels, None) if labels_of is None else labels_of(picture)
            yield Frame(mask, confidence, seen_contacts(self.world, picture, self.costs))


def kept_frames(way: Way, labels_of: LabelsOf, path: str) -> Iterator[Frame]:
    """Return the frames of a drive from a file, which is made where it is not there."""
    if not os.path.exists(path):
        frames = list(way.frames(labels_of))
        np.savez_compressed(path, mask=[frame.mask for frame in frames],
                            conf=[frame.confidence for frame in frames],
                            ncont=[len(frame.contacts) for frame in frames],
                            contacts=np.concatenate([frame.contacts for frame in frames]))
    with np.load(path) as kept:
        counts = kept['ncont']
        if len(counts) != len(way.times):
            raise SystemExit(f'{path} holds {len(counts)} frames, and this drive has '
                             f'{len(way.times)}: remove it')
        contacts = np.split(kept['contacts'], np.cumsum(counts)[:-1])
        return iter([Frame(*each) for each in zip(kept['mask'], kept['conf'], contacts)])


def drive(way: Way, frames: Iterator[Frame], settings: CostmapSettings) -> DriveFigures:
    """Return the counts of a drive with the given settings."""
    camera = CameraModel(Calibration(WIDTH, HEIGHT, 'none', (), (
        FOCAL, 0.0, _center()[0], 0.0, FOCAL, _center()[1], 0.0, 0.0, 1.0)))
    pipeline = costmap_pipeline.CostmapPipeline(settings, way.costs)
    contacts = np.zeros((0, 2))
    total = np.zeros(len(DriveFigures._fields), np.int64)
    for number, (time, frame) in enumerate(zip(way.times, frames)):
        contacts = np.concatenate([contacts, frame.contacts])
        # Stamps of zero are refused.
        pipeline.process('front', costmap_pipeline.CameraView(
            frame.mask, frame.confidence, camera, way.pose(time), 1.0 + time))
        grid = pipeline.occupancy(1.0 + time)
        # What leaves the grid is forgotten, also if the robot comes back.
        contacts = contacts[grid.geometry.indices(contacts[:, 0], contacts[:, 1])[1]]
        if number % EVERY == EVERY - 1:
            total += count(grid, way.world, contacts, way.costs)
    return DriveFigures(*[int(value) for value in total])


def coarse_labels(picture: renderer.RenderedImage, size_wh: Tuple[int, int]) -> Seen:
    """
    Return the true labels as a network would give them that errs nowhere, and its confidence.

    Each answer is the share of every class in its part of the picture; they are enlarged
    bilinearly, and the largest wins.

    :param size_wh: answers across and down
    """
    labels = picture.labels
    ids = np.unique(labels)
    shares = np.stack([cv2.resize(
        cv2.resize((labels == each).astype(np.float32), size_wh, interpolation=cv2.INTER_AREA),
        labels.shape[::-1], interpolation=cv2.INTER_LINEAR) for each in ids])
    return (np.asarray(ids[shares.argmax(axis=0)], np.uint8),
            np.asarray(np.rint(255.0 * shares.max(axis=0)), np.uint8))


def seen_contacts(world: World, picture: renderer.RenderedImage,
                  costs: cost_table.CostTable) -> 'Floats':
    """
    Return where rays on the ground first meet what stands there, or water, as far as in view.

    :return: (N, 2) metres in the world, within 4 m of the camera
    """
    pose = picture.camera_to_world
    ahead = float(np.arctan2(pose[1, 2], pose[0, 2]))
    half = 1.2 * np.arctan(0.5 * WIDTH / FOCAL)
    angles = ahead + np.linspace(-half, half, _RAYS)
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    along = np.arange(0.2, NEAR, _ALONG)
    places = pose[:2, 3] + unit[:, None] * along[None, :, None]
    standing = _blocked(world, places[..., 0], places[..., 1], picture.time, (0.0, TOUCHES), costs)
    met = standing.any(axis=1)
    points = places[met, standing[met].argmax(axis=1)]
    return points[_in_view(world, picture, points)]


def count(occupancy: costmap_pipeline.Occupancy, world: World, contacts: 'Floats',
          costs: cost_table.CostTable) -> 'npt.NDArray[np.int64]':
    """
    Return the counts of one grid compared with the world, in the order of DriveFigures.

    :param contacts: (N, 2) feet seen so far, metres
    """
    values, geometry = occupancy.values, occupancy.geometry
    feet = np.zeros(values.shape, np.bool_)
    cells, inside = geometry.indices(contacts[:, 0], contacts[:, 1])
    feet.reshape(-1)[cells[inside]] = True
    x, y = np.meshgrid(*geometry.centers())
    filled = _blocked(world, x, y, 0.0, (LOWEST, TALLEST), costs)
    lethal = values == cost_table.LETHAL
    # What stands between two cell centres is known by its feet.
    off = distance_to(filled | feet)[lethal]
    ground = (values >= 0) & (values <= cost_table.HIGHEST_COST) & ~filled
    wanted = costs.costs[ground_truth.ground_classes(world, x, y)[ground]].astype(int)
    return np.array([feet.sum(), (distance_to(lethal)[feet] <= 1).sum(), lethal.sum(),
                     (off <= 1).sum(), (off > 3).sum(), ground.sum(),
                     (np.abs(values[ground] - wanted) <= 1).sum()], np.int64)


def _blocked(world: World, x: 'Floats', y: 'Floats', time: float, band: Tuple[float, float],
             costs: cost_table.CostTable) -> 'npt.NDArray[np.bool_]':
    """Return where something stands within a band of heights, or the ground itself is lethal."""
    standing = ground_truth.obstacle_classes(world, x, y, time, *band) != ground_truth.NONE
    lethal = costs.kinds[ground_truth.ground_classes(world, x, y)] == cost_table.OBSTACLE
    return np.asarray(standing | lethal, np.bool_)


def _in_view(world: World, picture: renderer.RenderedImage,
             points: 'Floats') -> 'npt.NDArray[np.bool_]':
    pose = picture.camera_to_world
    # Two samples before the foot and a centimetre up: the ground itself hides nothing.
    away = points - pose[:2, 3]
    reach = np.hypot(away[:, 0], away[:, 1])
    nearer = pose[:2, 3] + away * (1.0 - 2.0 * _ALONG / reach)[:, None]
    spot = np.concatenate([nearer, np.full((len(points), 1), 0.01)], axis=1) - pose[:3, 3]
    local = spot.dot(pose[:3, :3])
    u = FOCAL * local[:, 0] / local[:, 2] + _center()[0]
    v = FOCAL * local[:, 1] / local[:, 2] + _center()[1]
    seen = ((local[:, 2] > 0) & (u > -0.5) & (u < WIDTH - 0.5) & (v > -0.5) & (v < HEIGHT - 0.5))
    if seen.any():
        distance, _ = surfaces.first_surfaces(world, pose[:3, 3], spot[seen], picture.time)
        seen[seen] = distance > np.linalg.norm(spot[seen], axis=1) - 0.01
    return seen


def _center() -> Tuple[float, float]:
    return 0.5 * (WIDTH - 1), 0.5 * (HEIGHT - 1)


def measure(kind: str, seed: int, labels: str, options: argparse.Namespace,
            network: Any) -> Tuple[Any, ...]:
    """Return one row of the table."""
    way = Way(kind, seed, cost_table.load_cost_table(kind, load_class_table('ade20k')),
              options.length, options.let_down)

    def labels_of(picture: renderer.RenderedImage) -> Seen:
        found = network.segmenter.segment(picture.image)
        return found.mask, found.confidence
    if labels == 'true':
        frames = way.frames(None)
    elif labels == 'coarse':
        width, height = network.spec.input_size_wh
        frames = way.frames(lambda picture: coarse_labels(picture, (width // 4, height // 4)))
    elif options.keep:
        frames = kept_frames(way, labels_of, os.path.join(options.keep, f'{kind}{seed}.npz'))
    else:
        frames = way.frames(labels_of)
    settings = CostmapSettings()
    figures = drive(way, frames, settings._replace(
        projection=settings.projection._replace(confidence_power=options.power)))
    shares = {name: f'{100.0 * share:.2f} %' for name, share in figures.shares().items()}
    return (f'{kind} {seed}', network.spec.name if labels == 'network' else labels,
            figures.contacts, shares['marked'], figures.lethal, shares['right'],
            shares['far_off'], figures.ground, shares['graded'])


def main() -> None:
    """Measure every world with every kind of labels and print the table."""
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default='segformer_sim', help='name or path')
    parser.add_argument('--labels', default='true,network', help='true, coarse, network')
    parser.add_argument('--worlds', default='indoor:0,outdoor:0', help='kind:seed,...')
    parser.add_argument('--length', type=float, default=20.0, help='metres')
    parser.add_argument('--let-down', type=float, default=0.0, metavar='METRES',
                        help='what hangs lower than that reaches down to the ground')
    parser.add_argument('--power', type=float, metavar='EXPONENT',
                        default=CostmapSettings().projection.confidence_power,
                        help='projection.confidence_power; 0 ignores the confidence')
    parser.add_argument('--keep', metavar='FOLDER',
                        help="the network's labels lie there, or are left there")
    options = parser.parse_args()
    print('| {} |\n|{}'.format(' | '.join(COLUMNS), '---|' * len(COLUMNS)), flush=True)
    # onnxruntime needs no samples to check itself with.
    with Network(NetworkChoice(options.model), lambda spec: []) as network:
        for labels in options.labels.split(','):
            for world in options.worlds.split(','):
                kind, seed = world.split(':')
                row = measure(kind, int(seed), labels, options, network)
                print('| {} |'.format(' | '.join(str(value) for value in row)), flush=True)


if __name__ == '__main__':
    main()
