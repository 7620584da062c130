#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure what depth does for the costmap, image by image, in simulated rooms and in recordings.

Prints a Markdown table. ``rooms`` compares the flat-ground rule, true depth, and depth as a
network gives it (up to scale and shift, with smooth errors) in rooms with tables, beds and open
doors. ``level`` tells how much level floor is lethal, with and without the profile's
``lethal_when_level``, in rooms whose labels call parts of the floor a wall, or in recordings with
registered depth and the labels of a network.

usage: depth_costmap.py rooms|level [--seeds 0,1,2,3] [--model segformer_sim] [BAG ...]
"""

import argparse
import os
import sys
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, TYPE_CHECKING

import cv2
import numpy as np

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.dirname(TOOLS), os.path.join(TOOLS, 'measure')]

from segformer_ros.costmap import cost_table  # noqa: E402, I100
from segformer_ros.costmap import pipeline as costmap_pipeline  # noqa: E402
from segformer_ros.costmap import settings as costmap_settings  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import Calibration  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import CameraModel  # noqa: E402
from segformer_ros.costmap.geometry.transforms import CameraPose  # noqa: E402
from segformer_ros.evaluation.metrics.height_agreement import distance_to  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.simulation import shapes  # noqa: E402
from segformer_ros.simulation.render import ground_truth  # noqa: E402
from segformer_ros.simulation.render import renderer  # noqa: E402
from segformer_ros.simulation.world.scene import Assembly  # noqa: E402
from segformer_ros.simulation.world.trajectory import Trajectory  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402
import simulated_runs  # noqa: E402

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Doubles = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float32]

WIDTH, HEIGHT, FOCAL = 640, 480, 500.0
CAMERA_HEIGHT, CAMERA_PITCH = 0.8, 0.35
# Metres: how far contacts are asked for, and between what heights things stand in the way.
NEAR, LOWEST, TALLEST = 4.0, 0.05, 1.2
# Cells between a true contact and a mark that still are right, and around what stands in which
# floor is not asked for.
CLOSE = 2
# Rays on the ground through the picture's width: one a cell at the farthest.
_RAYS = 100
_STAMP = 1.0


class Counts(NamedTuple):
    """
    Counts over all images, in cells.

    ``contacts``: true ones, the nearest that stands lower than 1.2 m in each direction, and of
    those ``found`` with a mark within two cells. ``floor``: level floor in view with nothing
    within two cells, and of that ``blocked``. ``refused``: images whose depth was not used.
    """

    contacts: int = 0
    found: int = 0
    floor: int = 0
    blocked: int = 0
    images: int = 0
    refused: int = 0

    def plus(self, other: 'Counts') -> 'Counts':
        """Return the sums of two counts."""
        return Counts(*[mine + others for mine, others in zip(self, other)])

    @property
    def found_share(self) -> float:
        """Return the share of true contacts that are marked."""
        return self.found / float(max(self.contacts, 1))

    @property
    def blocked_share(self) -> float:
        """Return the share of level floor that is lethal."""
        return self.blocked / float(max(self.floor, 1))


class Sight(NamedTuple):
    """One image of a room: labels, true depth, pose, and the truth on the ground."""

    picture: renderer.RenderedImage
    pose: CameraPose
    contacts: 'Doubles'
    floor: 'Doubles'
    standing: 'Any'


def furnished_room(seed: int) -> World:
    """Return a room with its furniture, two open doors, and two doors of shelves, open too."""
    world = World('indoor', seed)
    world.walkers = []
    random = np.random.RandomState(seed + 1000)
    material = world.materials.index(next(
        each for each in world.materials if each.class_id == load_class_table('ade20k').id_of(
            'wall')))
    door = world.materials[material]._replace(class_id=load_class_table('ade20k').id_of('door'))
    world.materials.append(door)
    assert world.room is not None
    half_x, half_y, _ = world.room
    for side in range(4):
        # Doors swing into the room, shelf doors hang before the wall.
        along = random.uniform(-0.6, 0.6)
        yaw = side * np.pi / 2.0
        far, wide = (half_x, half_y) if side % 2 == 0 else (half_y, half_x)
        c, s = np.cos(yaw), np.sin(yaw)
        x, y = far - 0.45, along * wide
        place = Assembly(world.static, c * x - s * y, s * x + c * y,
                         yaw + random.uniform(-0.4, 0.4))
        if side < 2:
            place.put(shapes.BOX, (0.0, 0.0, 1.02), (0.43, 0.02, 1.01), len(world.materials) - 1)
        else:
            place.put(shapes.BOX, (0.0, 0.0, 0.8), (0.25, 0.01, 0.35), len(world.materials) - 1)
    return world


def sights(seed: int, images: int) -> Iterator[Sight]:
    """Return images along the way through a room, with their truth."""
    world = furnished_room(seed)
    way = Trajectory(world, 1.0, CAMERA_HEIGHT, CAMERA_PITCH)
    camera_renderer = renderer.Renderer(renderer.pinhole_rays(
        WIDTH, HEIGHT, FOCAL, FOCAL, 0.5 * (WIDTH - 1), 0.5 * (HEIGHT - 1)))
    for number in range(images):
        time = number * world.route_length / images
        picture = camera_renderer.render(world, way.camera_pose(time), 0.0)
        pose = CameraPose(way.base_pose(time), way.base_from_optical)
        yield Sight(picture, pose, *true_places(world, picture))


def true_places(world: World, picture: renderer.RenderedImage
                ) -> 'Tuple[Doubles, Doubles, Any]':
    """
    Return seen contacts (N, 2), seen floor (M, 2), and the function that knows what stands.

    All of it is the renderer's own: surface points, and the shapes on a vertical line.
    """
    points = picture.points().reshape(-1, 3).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    foot = picture.camera_to_world[:2, 3]
    away = points[:, :2] - foot
    reach = np.hypot(away[:, 0], away[:, 1])
    near = reach < NEAR
    points, away, reach = points[near], away[near], reach[near]
    stands = (points[:, 2] > LOWEST) & (points[:, 2] < TALLEST)
    ahead = np.arctan2(picture.camera_to_world[1, 2], picture.camera_to_world[0, 2])
    turned = np.arctan2(away[:, 1], away[:, 0]) - ahead
    turned = (turned + np.pi) % (2.0 * np.pi) - np.pi
    half = np.arctan(0.5 * WIDTH / FOCAL)
    bins = np.floor((turned / half + 1.0) * 0.5 * _RAYS).astype(int)
    stands &= (bins >= 0) & (bins < _RAYS)
    order = np.flatnonzero(stands)[np.lexsort((reach[stands], bins[stands]))]
    contacts = points[order[np.unique(bins[order], return_index=True)[1]], :2]
    floor = points[np.abs(points[:, 2]) < 0.005, :2]

    def standing(x: 'Doubles', y: 'Doubles') -> 'Flags':
        return np.asarray(ground_truth.obstacle_classes(
            world, x, y, 0.0, LOWEST, TALLEST) != ground_truth.NONE, np.bool_)
    return contacts, floor, standing


def grid_of(sight: Sight, costs: cost_table.CostTable, kind: str, labels: 'Bytes',
            depth: 'Optional[Floats]') -> Tuple[costmap_pipeline.Occupancy, bool]:
    """Return the grid of one image alone, as without odometry, and whether depth was refused."""
    defaults = costmap_settings.CostmapSettings()
    pipeline = costmap_pipeline.CostmapPipeline(defaults._replace(
        depth=defaults.depth._replace(kind=kind),
        fusion=defaults.fusion._replace(
            mark_threshold=costmap_settings.bounds_of('fusion.mark_threshold')[0])), costs)
    camera = CameraModel(Calibration(WIDTH, HEIGHT, 'none', (), (
        FOCAL, 0.0, 0.5 * (WIDTH - 1), 0.0, FOCAL, 0.5 * (HEIGHT - 1), 0.0, 0.0, 1.0)))
    result = pipeline.process('front', costmap_pipeline.CameraView(
        labels, None, camera, sight.pose, _STAMP, depth))
    return pipeline.occupancy(_STAMP), bool(result.depth_refusal)


def count(sight: Sight, occupancy: costmap_pipeline.Occupancy, refused: bool) -> Counts:
    """Return the counts of one grid."""
    geometry = occupancy.geometry
    lethal = occupancy.values == cost_table.LETHAL
    apart = distance_to(lethal)
    cells = inside_cells(geometry, sight.contacts)
    x, y = np.meshgrid(*geometry.centers())
    free = distance_to(sight.standing(x, y)).reshape(-1) > CLOSE
    floor = inside_cells(geometry, sight.floor)
    floor = floor[free[floor]]
    return Counts(len(cells), int((apart.reshape(-1)[cells] <= CLOSE).sum()), len(floor),
                  int(lethal.reshape(-1)[floor].sum()), 1, int(refused))


def inside_cells(geometry: Any, places: 'Doubles') -> 'npt.NDArray[np.intp]':
    """Return the cells of a grid that hold places, each once."""
    cells, inside = geometry.indices(places[:, 0], places[:, 1])
    return np.asarray(np.unique(cells[inside]), np.intp)


def compare_rooms(seeds: Sequence[int], images: int, noise: float = 0.05,
                  labels_of: Any = None) -> Dict[str, Counts]:
    """
    Return the counts of every rule over all images of some rooms.

    :param noise: standard deviation of the smooth relative error
    :param labels_of: picture to mask; None takes the true labels
    """
    costs = cost_table.load_cost_table('indoor', load_class_table('ade20k'))
    totals = {rule: Counts() for rule in ('flat', 'inverse', 'scaled', 'metric')}
    for seed in seeds:
        random = np.random.RandomState(seed)
        for sight in sights(seed, images):
            picture = sight.picture
            labels = picture.labels if labels_of is None else labels_of(picture)
            for rule in tuple(totals):
                kind, depth = costmap_settings.METRIC, None
                if rule == 'metric':
                    depth = picture.depth
                elif rule != 'flat':
                    kind, depth = rule, simulated_runs.like_a_network(picture.depth, rule, noise,
                                                                      random)
                totals[rule] = totals[rule].plus(
                    count(sight, *grid_of(sight, costs, kind, labels, depth)))
    return totals


def called_wall(labels: 'Bytes', random: np.random.RandomState) -> 'Bytes':
    """Return labels of a network that calls about half of the floor a wall, in patches."""
    ade20k = load_class_table('ade20k')
    field = cv2.resize(random.standard_normal((6, 8)).astype(np.float32), labels.shape[::-1],
                       interpolation=cv2.INTER_CUBIC)
    wrong = labels.copy()
    ground = np.isin(labels, [ade20k.id_of('floor'), ade20k.id_of('rug')])
    wrong[ground & (field > 0.0)] = ade20k.id_of('wall')
    return wrong


def level_in_rooms(seeds: Sequence[int], images: int, labels_of: Any = None) -> Dict[str, Counts]:
    """Return the counts of depth with and without ``lethal_when_level``, for wrong labels."""
    after = cost_table.load_cost_table('indoor', load_class_table('ade20k'))
    totals = {'before': Counts(), 'after': Counts()}
    for seed in seeds:
        random = np.random.RandomState(seed)
        for sight in sights(seed, images):
            labels = called_wall(sight.picture.labels, random) if labels_of is None \
                else labels_of(sight.picture)
            for name, costs in (('before', all_lethal(after)), ('after', after)):
                grid = grid_of(sight, costs, costmap_settings.METRIC, labels,
                               sight.picture.depth)
                totals[name] = totals[name].plus(count(sight, *grid))
    return totals


def all_lethal(costs: cost_table.CostTable) -> cost_table.CostTable:
    """Return a profile as one without ``lethal_when_level``."""
    return cost_table.CostTable(costs.name, costs.classes, [
        costs.occupancy_of(name) for name in costs.classes.names])


def level_in_bag(path: str, model: str, spec: Optional[str] = None) -> Dict[str, Counts]:
    """
    Return the same counts for a recording with registered depth, by a network's labels.

    True floor and contacts come from depth alone: cells with points on the plane to within 3 cm
    and none from 5 cm to 1.2 m above it, and cells with ten points or more from 15 cm on.
    """
    from segformer_ros.costmap.geometry import camera_model
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    from segformer_ros.evaluation.sources import bag_scene
    from segformer_ros.evaluation.sources.bag_files import find_bags
    from segformer_ros.evaluation.sources.bag_reader import BagPartReader
    from segformer_ros.segmentation.images.decoding import image_to_rgb
    bag, = find_bags(path)
    part = bag.parts[0]
    with BagPartReader(part) as reader:
        names = {connection.topic: connection.msgtype for connection in reader.connections()}
        depth_topic = next(name for name in names if 'depth' in name and 'info' not in name)
        image_topic = next(name for name, kind in sorted(names.items()) if kind.endswith('/Image')
                           and name != depth_topic)
        info_topic = next(name for name, kind in names.items() if kind.endswith('CameraInfo'))
        connection, time_ns, data = next(reader.messages([image_topic]))
        message = reader.deserialize(data, connection.msgtype)
    scene = bag_scene.BagScene(part, bag.parts, bag_scene.SceneTopics((info_topic,), depth_topic))
    scene.advance(time_ns)
    stamp_ns = message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
    depth = scene.depth_at(stamp_ns, message.header.frame_id)
    assert depth is not None
    with Network(NetworkChoice(model, spec), lambda spec: []) as network:
        mask = network.segmenter.segment(image_to_rgb(message), with_confidence=False).mask
        classes = network.spec.classes
    pose = CameraPose(np.eye(4), scene.poses.lookup(
        'base_footprint', message.header.frame_id, bag_scene.seconds_of(stamp_ns)))
    height, width = mask.shape
    camera = CameraModel(camera_model.calibration_of(scene.camera_infos[info_topic]),
                         (width, height), False)
    after = cost_table.load_cost_table('indoor', load_class_table(classes))
    totals = {}
    for name, costs in (('before', all_lethal(after)), ('after', after)):
        pipeline = costmap_pipeline.CostmapPipeline(costmap_settings.CostmapSettings(), costs)
        pipeline.process('front', costmap_pipeline.CameraView(
            mask, None, camera, pose, _STAMP, depth))
        occupancy = pipeline.occupancy(_STAMP)
        rays = camera.rays()
        local = rays / rays[..., 2:] * depth[..., None]
        points = local.reshape(-1, 3).dot(pose.ground_from_camera[:3, :3].T) \
            + pose.ground_from_camera[:3, 3]
        points = points[(depth.reshape(-1) > 0.05) & np.isfinite(points).all(axis=1)
                        & (np.hypot(points[:, 0], points[:, 1]) < NEAR)]
        totals[name] = _count_points(points, occupancy)
    return totals


def _count_points(points: 'Doubles', occupancy: costmap_pipeline.Occupancy) -> Counts:
    cells, inside = occupancy.geometry.indices(points[:, 0], points[:, 1])
    cells, z = cells[inside], points[inside, 2]
    size = occupancy.values.size
    level, upright, tall = (np.bincount(cells[flags], minlength=size) for flags in (
        np.abs(z) < 0.03, (z > LOWEST) & (z < TALLEST), (z > 0.15) & (z < TALLEST)))
    floor = np.flatnonzero((level >= 3) & (upright == 0))
    contacts = np.flatnonzero(tall >= 10)
    lethal = occupancy.values == cost_table.LETHAL
    apart = distance_to(lethal).reshape(-1)
    return Counts(len(contacts), int((apart[contacts] <= 1).sum()), len(floor),
                  int(lethal.reshape(-1)[floor].sum()), 1, 0)


def table_of(rows: Dict[str, Counts]) -> str:
    """Return counts as a Markdown table."""
    lines = ['| rule | true contacts | marked | level floor, cells | blocked | images | refused |',
             '|---|---|---|---|---|---|---|']
    lines += [f'| {name} | {found.contacts} | {100.0 * found.found_share:.1f} % | {found.floor} '
              f'| {100.0 * found.blocked_share:.1f} % | {found.images} | {found.refused} |'
              for name, found in rows.items()]
    return '\n'.join(lines)


def main(arguments: Optional[List[str]] = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('what', choices=('rooms', 'level'))
    parser.add_argument('bags', nargs='*', metavar='BAG', help='with registered depth (level)')
    parser.add_argument('--seeds', default='0,1,2,3,4,5', help='of rooms')
    parser.add_argument('--images', type=int, default=8, help='a room')
    parser.add_argument('--noise', type=float, default=0.05, help='of the network, relative')
    parser.add_argument('--model', default='', help='labels of this network, not the true ones')
    parser.add_argument('--spec', help='YAML file of that network')
    options = parser.parse_args(arguments)
    seeds = [int(seed) for seed in options.seeds.split(',')]
    if options.bags:
        for path in options.bags:
            print(path)
            print(table_of(level_in_bag(path, options.model, options.spec)))
        return
    if not options.model:
        found = compare_rooms(seeds, options.images, options.noise) if options.what == 'rooms' \
            else level_in_rooms(seeds, options.images)
        print(table_of(found))
        return
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    with Network(NetworkChoice(options.model, options.spec), lambda spec: []) as network:
        def labels_of(picture: renderer.RenderedImage) -> 'Bytes':
            return np.asarray(network.segmenter.segment(
                picture.image, with_confidence=False).mask, np.uint8)
        found = compare_rooms(seeds, options.images, options.noise, labels_of) \
            if options.what == 'rooms' else level_in_rooms(seeds, options.images, labels_of)
    print(table_of(found))


if __name__ == '__main__':
    main()
