#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Drive a robot to goals by the costmap, in many worlds, and count what goes wrong.

The loop of `segformer_ros drive` in one process and without DDS: the costmap's pipeline, the
planner and the robot advance by one simulated clock, and an image's clouds and grid come a fixed
time after it was taken. So a seed gives the same drive on every machine, however slow. Prints a
Markdown table; what was touched is named below it.

usage: closed_loop.py [--model segformer_sim] [--labels true,network]
                      [--worlds indoor:0-4,outdoor:0-4] [--goals 3] [--faults none,stall]
"""

import argparse
import collections
import json
import os
import sys
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.dirname(TOOLS)]

from segformer_ros.costmap import cost_table  # noqa: E402, I100
from segformer_ros.costmap import pipeline as costmap_pipeline  # noqa: E402
from segformer_ros.costmap import settings as costmap_settings  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import Calibration  # noqa: E402
from segformer_ros.costmap.geometry.camera_model import CameraModel  # noqa: E402
from segformer_ros.costmap.geometry.transforms import CameraPose  # noqa: E402
from segformer_ros.evaluation.drive import judge as drive_judge  # noqa: E402
from segformer_ros.evaluation.drive import nav2_rules  # noqa: E402
from segformer_ros.evaluation.drive import navigator as drive_navigator  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.simulation.render import ground_truth  # noqa: E402
from segformer_ros.simulation.render import renderer  # noqa: E402
from segformer_ros.simulation.robot import robot as simulated  # noqa: E402
from segformer_ros.simulation.robot.surroundings import Surroundings  # noqa: E402
from segformer_ros.simulation.world.trajectory import Trajectory  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402

SIZE_WH, FIELD_OF_VIEW = (320, 240), np.radians(75.0)
# Of the simulated clock, seconds: control, images, grids, and an image's age when it counts.
STEP, IMAGES, GRIDS, AGE = 0.05, 0.25, 0.2, 0.25
GRID_SIZE, BLOCK = 16.0, 1.0
FIRST_STAMP = 1.0
# A stall begins so long after a goal was set, and lasts so long; seconds.
STALL_FROM, STALL = 3.0, 2.0

FAULTS = ('none', 'stall', 'mount', 'slow', 'people')
"""stall: no image for 2 s; mount: 1 degree off and not told; slow: 2 Hz; people walk."""
COLUMNS = ('worlds', 'labels', 'fault', 'goals', 'reached', 'contacts', 'stops without cause',
           'least clearance, m', 'way / best, worst', 'driven, m')

LabelsOf = Callable[[renderer.RenderedImage], Tuple[Any, Any]]


class Touch(NamedTuple):
    """What a robot ran into: its class, and the height of its lowest part there, metres."""

    time: float
    x: float
    y: float
    name: str
    bottom: float


class Loop:
    """
    One world with robot, costmap and planner.

    :param labels_of: picture to mask and confidence (H, W), None takes the true labels
    :param fault: one of :data:`FAULTS`
    """

    def __init__(self, kind: str, seed: int, costs: cost_table.CostTable,
                 labels_of: Optional[LabelsOf], fault: str = 'none') -> None:
        self.world = World(kind, seed)
        self.world.personal_space = 0.0
        if fault != 'people':
            self.world.walkers = []
        self._fault = fault
        self._labels_of = labels_of
        self._classes = costs.classes
        self._trajectory = Trajectory(self.world)
        start = self._trajectory.place_at(0.0)
        settings = drive_navigator.NavigatorSettings()
        self.radius = settings.inflation.radius
        around = Surroundings(self.world)
        self.robot = simulated.Robot(
            around, simulated.Drive(speed=settings.pursuit.speed, radius=self.radius),
            simulated.Pose2D(float(start[0, 3]), float(start[1, 3]),
                             float(np.arctan2(start[1, 0], start[0, 0]))))
        self.judge = drive_judge.Judge(around, self.radius)
        self.navigator = drive_navigator.Navigator(settings, GRID_SIZE - 2.0 * BLOCK)
        width, height = SIZE_WH
        focal = 0.5 * width / np.tan(0.5 * FIELD_OF_VIEW)
        cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
        self._renderer = renderer.Renderer(
            renderer.pinhole_rays(width, height, focal, focal, cx, cy))
        self._camera = CameraModel(Calibration(width, height, 'none', (), (
            focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0)))
        defaults = costmap_settings.CostmapSettings()
        self._pipeline = costmap_pipeline.CostmapPipeline(defaults._replace(
            grid=defaults.grid._replace(size=GRID_SIZE, block=BLOCK),
            projection=defaults.projection._replace(robot_radius=self.radius)), costs)
        self._mount = self._trajectory.base_from_optical
        self._looks_along = self._mount.dot(_tilted(np.radians(1.0 if fault == 'mount' else 0.0)))
        self._pending: Deque[Tuple[float, Any]] = collections.deque()
        self._images_every = 0.5 if fault == 'slow' else IMAGES
        self._next_image = self._next_grid = 0.0
        self.touches: List[Touch] = []

    def drive_to(self, goal: Tuple[float, float], best: Optional[float]) -> None:
        """Drive until the goal is reached or given up."""
        began = self.robot.time
        self.judge.begin(goal, best)
        self.navigator.begin(goal, began)
        while True:
            now = self.robot.time + STEP
            self.robot.advance(now)
            if now >= self._next_image - 1e-9:
                self._next_image = now + self._images_every
                if not (self._fault == 'stall' and STALL_FROM <= now - began < STALL_FROM + STALL):
                    self._look(now)
            self._take_in(now)
            place = self.robot.odometry
            if now >= self._next_grid - 1e-9:
                self._next_grid = now + GRIDS
                occupancy = self._pipeline.occupancy(FIRST_STAMP + now)
                geometry = occupancy.geometry
                self.navigator.on_grid(nav2_rules.Grid(
                    occupancy.values, geometry.origin_x, geometry.origin_y,
                    geometry.resolution), place)
            self.robot.command(now, *self.navigator.command(place, now))
            before = len(self.touches)
            if self.robot.contacts > before:
                self.touches.append(self._touched(now))
            self.judge.add(drive_judge.Sample(now, *self.robot.place, self.robot.speed,
                                              self.robot.turn_rate, self.robot.in_contact))
            if self.navigator.has_arrived(place) or self.navigator.gives_up(now):
                self.judge.end(self.navigator.has_arrived(place))
                return

    def _look(self, now: float) -> None:
        base = self.robot.pose()
        picture = self._renderer.render(self.world, base.dot(self._looks_along), now)
        mask, confidence = (picture.labels, None) if self._labels_of is None \
            else self._labels_of(picture)
        pose = CameraPose(simulated.pose_of(self.robot.odometry), self._mount)
        self._pending.append((now + AGE, costmap_pipeline.CameraView(
            mask, confidence, self._camera, pose, FIRST_STAMP + now)))

    def _take_in(self, now: float) -> None:
        while self._pending and self._pending[0][0] <= now + 1e-9:
            self._pipeline.process('front', self._pending.popleft()[1])
            self.navigator.on_cloud(now)

    def _touched(self, now: float) -> Touch:
        place = self.robot.place
        radii, angles = np.meshgrid(np.linspace(self.radius - 0.02, self.radius + 0.05, 8),
                                    np.linspace(-np.pi, np.pi, 180))
        x = place.x + radii * np.cos(angles)
        y = place.y + radii * np.sin(angles)
        for top in (0.05, 0.1, 0.2, 0.4, 0.8, 1.2):
            classes = ground_truth.obstacle_classes(self.world, x, y, now, 0.03, top)
            met = classes[classes != ground_truth.NONE]
            if len(met):
                return Touch(now, place.x, place.y, self._classes.names[int(met[0])],
                             0.0 if top == 0.05 else top)
        return Touch(now, place.x, place.y, 'person', 0.0)


def _tilted(angle: float) -> Any:
    """Return a turn of an optical frame by which it looks higher."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0, 0.0], [0.0, c, -s, 0.0], [0.0, s, c, 0.0],
                     [0.0, 0.0, 0.0, 1.0]])


def run_world(kind: str, seed: int, costs: cost_table.CostTable, labels_of: Optional[LabelsOf],
              fault: str, goals: int, spacing: float) -> Loop:
    """Drive to the goals of one world and return the loop with its judge."""
    loop = Loop(kind, seed, costs, labels_of, fault)
    places = drive_judge.goals_along(loop.world.route, loop.world.route_length,
                                     loop.world.closed, goals, spacing)
    truth = drive_judge.true_costmap(loop.world, [loop.world.route(0.0), *places])
    for goal in places:
        place = loop.robot.place
        loop.drive_to(goal, drive_judge.best_length(truth, (place.x, place.y), goal, loop.radius))
    return loop


def row_of(worlds: str, labels: str, fault: str, loops: List[Loop]) -> Tuple[Any, ...]:
    """Return one row of the table."""
    goals = [goal for loop in loops for goal in loop.judge.goals]
    ratios = [ratio for ratio in map(drive_judge.path_ratio, goals) if ratio is not None]
    return (worlds, labels, fault, len(goals), sum(goal.reached for goal in goals),
            sum(goal.contacts for goal in goals), sum(goal.stops for goal in goals),
            f'{min(goal.clearance for goal in goals):.2f}',
            f'{max(ratios):.2f}' if ratios else '-', f'{sum(goal.length for goal in goals):.0f}')


def seeds_of(text: str) -> Tuple[str, List[int]]:
    """Return kind and seeds of ``indoor:0-4`` or ``indoor:3``."""
    kind, _, seeds = text.partition(':')
    first, _, last = seeds.partition('-')
    return kind, list(range(int(first), int(last or first) + 1))


def main() -> None:
    """Drive through all worlds and print the table."""
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default='segformer_sim', help='name or path')
    parser.add_argument('--labels', default='true,network', help='true, network or both')
    parser.add_argument('--worlds', default='indoor:0-4,outdoor:0-4', help='kind:first-last,...')
    parser.add_argument('--faults', default='none', help=', '.join(FAULTS))
    parser.add_argument('--goals', type=int, default=3, help='of each world')
    parser.add_argument('--spacing', type=float, default=4.0, help='metres between them')
    parser.add_argument('--json', metavar='FILE', help='all figures by goal')
    options = parser.parse_args()
    print('| {} |\n|{}'.format(' | '.join(COLUMNS), '---|' * len(COLUMNS)), flush=True)
    told: List[Dict[str, Any]] = []
    notes: List[str] = []
    # onnxruntime needs no samples to check itself with.
    with Network(NetworkChoice(options.model), lambda spec: []) as network:
        def segmented(picture: renderer.RenderedImage) -> Tuple[Any, Any]:
            found = network.segmenter.segment(picture.image)
            return found.mask, found.confidence
        for fault in options.faults.split(','):
            for labels in options.labels.split(','):
                for worlds in options.worlds.split(','):
                    kind, seeds = seeds_of(worlds)
                    costs = cost_table.load_cost_table(kind, load_class_table('ade20k'))
                    loops = []
                    for seed in seeds:
                        loop = run_world(kind, seed, costs,
                                         None if labels == 'true' else segmented, fault,
                                         options.goals, options.spacing)
                        loops.append(loop)
                        for number, goal in enumerate(loop.judge.goals):
                            told.append(dict(goal.as_json(), world=kind, seed=seed, labels=labels,
                                             fault=fault, overdue=loop.navigator.overdue))
                            if not goal.reached or goal.contacts or goal.stops:
                                notes.append(f'- {kind} {seed}, {labels} labels, {fault}, goal '
                                             f'{number + 1}: {goal.as_json()}')
                        notes += [f'- {kind} {seed}, {labels} labels, {fault}: touched '
                                  f'{touch.name} at {touch.time:.1f} s, which begins at '
                                  f'{touch.bottom} m' for touch in loop.touches]
                    name = labels if labels == 'true' else network.spec.name
                    print('| {} |'.format(' | '.join(
                        str(value) for value in row_of(worlds, name, fault, loops))), flush=True)
    print('\n'.join(['', *notes]))
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as stream:
            json.dump(told, stream, indent=2, sort_keys=True)


if __name__ == '__main__':
    main()
