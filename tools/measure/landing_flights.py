#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Land a drone in simulated lands where the costmap says that there is room, and count what it hits.

The costmap's pipeline with config/drone.yaml, a small landing control and a drone in wind with a
noisy pose advance by one simulated clock; an image's labels count a fixed time after it was
taken. So a seed gives the same flight on every machine. What is touched is judged by the shapes
of the world. Prints a Markdown table, and with --write puts it into docs/drone.md.

usage: landing_flights.py [--model segformer_sim] [--labels true,network] [--seeds 0-19]
                          [--drills none,person,car,unknown,stall] [--drill-seeds 0-9]
                          [--flights LABELS:DRILL:SEEDS,...] [--keep FILE] [--write]
"""

import argparse
import collections
import json
import math
import os
import sys
import time
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test'), os.path.join(ROOT, 'tools', 'docs')]

import marked  # noqa: E402, I100
from segformer_ros.common.errors import SegformerRosError  # noqa: E402
from segformer_ros.costmap import cost_table  # noqa: E402
from segformer_ros.costmap.geometry.transforms import pose_above_ground  # noqa: E402
from segformer_ros.costmap.pipeline import CameraView  # noqa: E402
from segformer_ros.costmap.pipeline import CostmapPipeline  # noqa: E402
from segformer_ros.costmap.settings import CostmapSettings  # noqa: E402
from segformer_ros.evaluation.drive import lander as drive_lander  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.model.classes import UNLABELED  # noqa: E402
from segformer_ros.simulation.render import ground_truth  # noqa: E402
from segformer_ros.simulation.render import renderer  # noqa: E402
from segformer_ros.simulation.robot import drone as simulated  # noqa: E402
from segformer_ros.simulation.shapes import Primitive  # noqa: E402
from segformer_ros.simulation.world.people import walker_pose  # noqa: E402
from segformer_ros.simulation.world.trajectory import Trajectory  # noqa: E402
from segformer_ros.simulation.world.world import World  # noqa: E402
import simulated_runs  # noqa: E402

SIZE_WH, FIELD_OF_VIEW = (240, 180), np.radians(75.0)
# Of the simulated clock, seconds: control, images, sites, and an image's age when it counts.
STEP, IMAGES, SITES, AGE = 0.05, 0.4, 0.5, 0.25
FIRST_STAMP = 1.0
# Seconds after which a flight is given up.
LONGEST = 240.0
# Seconds that a drill without labels or images lasts.
BLIND = 8.0
# Metres: at which height of the descent a drill begins, and from where somebody comes.
TRIGGER, PERSON_FROM, CAR_FROM = 5.0, 4.0, 9.0
WALK, DRIVE = 1.4, 3.0
# Shapes of one car of the lands, see simulation/world/outdoor.py.
_CAR_PARTS = 8
# No person reaches farther from its middle, metres.
_PERSON = 0.7

DRILLS = ('none', 'person', 'car', 'unknown', 'stall')
"""person, car: one comes in below 5 m; unknown, stall: no labels, no images for 8 s."""
COLUMNS = ('labels', 'drill', 'flights', 'landed', 'touched only free ground',
           'whole body in the disc', 'aborts', 'off the middle, worst', 'took, median and worst')
MARKS = marked.Marks('<!-- landings: made by tools/measure/landing_flights.py -->',
                     '<!-- end of landings -->')

LabelsOf = Callable[[renderer.RenderedImage], Tuple[Any, Any]]


class FlightFigures(NamedTuple):
    """
    One flight.

    ``landed`` on the ground before it was given up; ``touched`` names what else it hit, or on
    what it stands, empty where that is free ground; ``off`` metres from the middle of the disc
    that was told last, of ``radius``; ``aborts`` times that it climbed again; ``seconds``;
    ``drilled`` whether the drill began; ``refused`` images that the costmap could not use.
    """

    seed: int
    landed: bool
    touched: str
    off: float
    radius: float
    aborts: int
    seconds: float
    drilled: bool
    refused: int

    def in_disc(self, body: float) -> bool:
        """Return whether the whole body stands in the disc."""
        return self.landed and self.off + body <= self.radius


class Flight:
    """
    One land with drone, costmap and landing control.

    :param labels_of: picture to mask and confidence (H, W); None takes the true labels
    :param drill: one of :data:`DRILLS`
    """

    def __init__(self, seed: int, settings: CostmapSettings, costs: cost_table.CostTable,
                 labels_of: Optional[LabelsOf] = None, drill: str = 'none',
                 air: simulated.Air = simulated.BREEZE,
                 errors: simulated.PoseErrors = simulated.USUAL) -> None:
        self.world = World('aerial', seed)
        self.world.personal_space = 0.0
        self._static = list(self.world.static)
        self._seed = seed
        self._random = np.random.RandomState([seed, 91])
        self._drill = drill
        self._drilled: Optional[float] = None
        self._car: Optional[Tuple[Any, Any]] = None
        self._labels_of = labels_of
        self._route = Trajectory(self.world)
        self._along = self._random.uniform(0.0, 0.8) * self.world.route_length
        self._settings = drive_lander.LanderSettings()
        start = self._route.place_at(self._along)[:3, 3]
        start[2] = self._settings.height
        self.airframe = simulated.Airframe()
        self.drone = simulated.Drone(start, self._random.uniform(-math.pi, math.pi),
                                     self.airframe, air, errors, seed)
        self.lander = drive_lander.Lander(self._settings)
        self._renderer, self._camera = simulated_runs.pinhole(
            SIZE_WH, float(0.5 * SIZE_WH[0] / np.tan(0.5 * FIELD_OF_VIEW)))
        self._pipeline = CostmapPipeline(settings, costs)
        self._costs = costs
        self._cheap = ((costs.kinds == cost_table.GROUND)
                       & (costs.costs <= settings.landing.max_cost))
        self._pending: Deque[Tuple[float, CameraView]] = collections.deque()
        self._centers = np.array([part.center for part in self._static])
        self._radii = np.array([part.radius for part in self._static])
        self._refused = 0
        self.told: List[Tuple[float, Any]] = []
        """Time and site of every grid, None where there was none."""

    def fly(self, longest: float = LONGEST) -> FlightFigures:
        """Fly until the drone is down or has been up for too long."""
        next_image = next_site = 0.0
        touched = ''
        site = None
        while self.drone.time < longest and not self.drone.on_ground:
            now = self.drone.time + STEP
            self.drone.advance(now)
            self._move_in(now)
            touched = touched or self.hit(now)
            if now >= next_image - 1e-9:
                next_image = now + IMAGES
                if not (self._drill == 'stall' and self._is_blind(now)):
                    self._look(now)
            self._take_in(now)
            if now >= next_site - 1e-9:
                next_site = now + SITES
                found = self._pipeline.landing_site(FIRST_STAMP + now)
                self.told.append((now, found))
                self.lander.on_site(found, now)
            self._steer(now)
            # One that vanishes in the last moment is what the drone still comes down on.
            site = self.lander.site or site
        if self.drone.on_ground:
            self.lander.landed()
            touched = touched or self.stands_on()
        x, y = self.drone.place[:2]
        return FlightFigures(
            self._seed, self.drone.on_ground, touched,
            math.inf if site is None else math.hypot(x - site.x, y - site.y),
            0.0 if site is None else site.radius, self.lander.aborts, self.drone.time,
            self._drilled is not None, self._refused)

    def _steer(self, now: float) -> None:
        pose = self.drone.told_pose()
        place = pose[:3, 3] - np.array([0.0, 0.0, self.airframe.camera])
        velocity = self.lander.velocity(place, now)
        if self.lander.state == drive_lander.SEARCH:
            # Along the way over the land, there and back.
            length = self.world.route_length
            self._along += STEP
            ahead = self._route.place_at(length - abs(self._along % (2 * length) - length))
            velocity[:2] = np.clip(0.5 * (ahead[:2, 3] - place[:2]), -1.5, 1.5)
        self.drone.command(velocity)
        if (self._drilled is None and self.lander.state == drive_lander.DESCEND
                and place[2] < TRIGGER):
            self._drilled = now
            self._begin_drill(now)

    def _is_blind(self, now: float) -> bool:
        return self._drilled is not None and now - self._drilled < BLIND

    def _begin_drill(self, now: float) -> None:
        site = self.lander.site
        if site is None:
            return
        if self._drill == 'person':
            angle = self._random.uniform(-math.pi, math.pi)
            from_there = PERSON_FROM * np.array([math.cos(angle), math.sin(angle)])
            who = self.world.walkers[0]
            # To and fro over the middle, beginning now.
            self.world.walkers.append(who._replace(
                start=(site.x + from_there[0], site.y + from_there[1]),
                end=(site.x - from_there[0], site.y - from_there[1]), speed=WALK, phase=-now))
        elif self._drill == 'car':
            parts = self._static[:_CAR_PARTS]
            along = parts[0].rotation[:, 0]
            self._car = parts, np.array([site.x, site.y, 0.0]) - CAR_FROM * along

    def _move_in(self, now: float) -> None:
        """Put the car where it is; it stops in the middle of the site."""
        if self._car is None or self._drilled is None:
            return
        parts, start = self._car
        along = parts[0].rotation[:, 0]
        driven = min(CAR_FROM, DRIVE * (now - self._drilled))
        shift = start + driven * along - parts[0].center * np.array([1.0, 1.0, 0.0])
        self.world.static = self._static + [
            part._replace(center=part.center + shift) for part in parts]

    def _look(self, now: float) -> None:
        picture = self._renderer.render(self.world, self.drone.camera_pose(), now)
        if self._drill == 'unknown' and self._is_blind(now):
            mask: Any = np.full(picture.labels.shape, UNLABELED, np.uint8)
            confidence: Any = None
        else:
            mask, confidence = (picture.labels, None) if self._labels_of is None \
                else self._labels_of(picture)
        told = self.drone.told_pose()
        # As height_source: tf takes it.
        pose = pose_above_ground(told, float(told[2, 3]))
        self._pending.append((now + AGE, CameraView(mask, confidence, self._camera, pose,
                                                    FIRST_STAMP + now)))

    def _take_in(self, now: float) -> None:
        while self._pending and self._pending[0][0] <= now + 1e-9:
            try:
                self._pipeline.process('down', self._pending.popleft()[1], FIRST_STAMP + now)
            except SegformerRosError:
                # As in the node: told in diagnostics, and the next image is tried.
                self._refused += 1

    def hit(self, now: float) -> str:
        """Return what is within the body, by the shapes of the world; empty: nothing."""
        x, y, z = self.drone.place
        body = self.airframe
        near: List[Primitive] = [self._static[int(number)] for number in np.flatnonzero(
            np.hypot(self._centers[:, 0] - x, self._centers[:, 1] - y)
            < self._radii + body.radius)]
        near += self.world.static[len(self._static):]
        people = any(math.hypot(place[0] - x, place[1] - y) < _PERSON + body.radius
                     for place in (walker_pose(walker, now) for walker in self.world.walkers))
        if not near and not people:
            return ''
        places_x, places_y = self._below()
        classes = ground_truth.obstacle_classes(
            self.world, places_x, places_y, now, max(float(z), 0.03), float(z) + body.height)
        met = classes[classes != ground_truth.NONE]
        return str(self._costs.classes.names[int(met[0])]) if len(met) else ''

    def stands_on(self) -> str:
        """Return what it stands on beside free ground; empty: nothing else."""
        classes = ground_truth.ground_classes(self.world, *self._below())
        wrong = classes[~self._cheap[classes]]
        return str(self._costs.classes.names[int(wrong[0])]) if len(wrong) else ''

    def _below(self) -> Tuple[Any, Any]:
        radii, angles = np.meshgrid(np.linspace(0.0, self.airframe.radius, 6),
                                    np.linspace(-np.pi, np.pi, 24, endpoint=False))
        return (self.drone.place[0] + radii * np.cos(angles),
                self.drone.place[1] + radii * np.sin(angles))


def row_of(labels: str, drill: str, flights: Sequence[FlightFigures], body: float
           ) -> Tuple[Any, ...]:
    """Return one row of the table."""
    landed = [flight for flight in flights if flight.landed]
    times = sorted(flight.seconds for flight in landed)
    return (labels, drill, len(flights), len(landed),
            sum(not flight.touched for flight in landed),
            sum(flight.in_disc(body) for flight in landed),
            sum(flight.aborts for flight in flights),
            f'{max(flight.off for flight in landed):.2f} m' if landed else '-',
            f'{times[len(times) // 2]:.0f} s, {times[-1]:.0f} s' if landed else '-')


class Kept:
    """
    Flights that were flown before, a line of JSON each; so a run that was stopped goes on.

    :param path: of the file, None keeps nothing
    """

    def __init__(self, path: Optional[str]) -> None:
        self._path = path
        self._flights: Dict[Tuple[str, str, int], FlightFigures] = {}
        if path and os.path.exists(path):
            with open(path, encoding='utf-8') as stream:
                for line in stream:
                    labels, drill, values = json.loads(line)
                    self._flights[labels, drill, values[0]] = FlightFigures(*values)

    def find(self, labels: str, drill: str, seed: int) -> Optional[FlightFigures]:
        """Return the flight where there was one."""
        return self._flights.get((labels, drill, seed))

    def add(self, labels: str, drill: str, flown: FlightFigures) -> None:
        """Keep a flight."""
        if self._path:
            with open(self._path, 'a', encoding='utf-8') as stream:
                stream.write(json.dumps([labels, drill, list(flown)]) + '\n')


def groups_of(options: argparse.Namespace) -> List[Tuple[str, str, List[int]]]:
    """Return labels, drill and seeds of each row of the table."""
    if options.flights:
        rows = [row.split(':') for row in options.flights.split(',')]
        return [(labels, drill, simulated_runs.seeds_of(seeds)) for labels, drill, seeds in rows]
    return [(labels, drill, simulated_runs.seeds_of(
        options.seeds if drill == 'none' else options.drill_seeds or options.seeds))
            for labels in options.labels.split(',') for drill in options.drills.split(',')]


def main() -> None:
    """Fly in all lands and print the table."""
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    from segformer_ros.ros.parameters.costmap import costmap_parameters
    from support.node_parameters import node_values
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default='segformer_sim', help='name or path')
    parser.add_argument('--labels', default='true,network', help='true, network or both')
    parser.add_argument('--seeds', default='0-19', help='of the lands, first-last')
    parser.add_argument('--drills', default='none', help=', '.join(DRILLS))
    parser.add_argument('--drill-seeds', help='likewise, for drills; by default as --seeds')
    parser.add_argument('--flights', metavar='LABELS:DRILL:SEEDS,...',
                        help='rows of the table instead, such as true:none:0-19')
    parser.add_argument('--keep', metavar='FILE', help='flights that it holds are not flown again')
    parser.add_argument('--write', action='store_true', help='put the table into docs/drone.md')
    options = parser.parse_args()
    settings = costmap_parameters(node_values(ROOT, 'drone.yaml')).settings
    costs = cost_table.load_cost_table('landing', load_class_table('ade20k'))
    lines = ['| {} |'.format(' | '.join(COLUMNS)), '|' + '---|' * len(COLUMNS)]
    print('\n'.join(lines), flush=True)
    notes: List[str] = []
    kept = Kept(options.keep)
    # onnxruntime needs no samples to check itself with.
    with Network(NetworkChoice(options.model), lambda spec: []) as network:
        def segmented(picture: renderer.RenderedImage) -> Tuple[Any, Any]:
            found = network.segmenter.segment(picture.image)
            return found.mask, found.confidence
        for labels, drill, seeds in groups_of(options):
            flights = []
            for seed in seeds:
                last = kept.find(labels, drill, seed)
                if last is None:
                    last = Flight(seed, settings, costs,
                                  None if labels == 'true' else segmented, drill).fly()
                    kept.add(labels, drill, last)
                    print(last, file=sys.stderr, flush=True)
                flights.append(last)
                if last.touched or not last.landed:
                    notes.append(f'- {labels} labels, {drill}, land {seed}: '
                                 + (f'touched {last.touched}' if last.touched
                                    else 'did not land') + f', {last.aborts} aborts')
            name = labels if labels == 'true' else network.spec.name
            lines.append('| {} |'.format(' | '.join(str(value) for value in row_of(
                name, drill, flights, simulated.Airframe().radius))))
            print(lines[-1], flush=True)
    lines += [''] * bool(notes) + notes
    print('\n'.join(['', *notes]))
    if options.write:
        rows = ','.join(f'{labels}:{drill}:{seeds[0]}-{seeds[-1]}'
                        for labels, drill, seeds in groups_of(options))
        lines += ['', f'`python tools/measure/landing_flights.py --flights {rows} --write`, '
                  f'{time.strftime("%Y-%m-%d")}.']
        # Markdown needs an empty line between a comment and a table.
        marked.replace(os.path.join(ROOT, 'docs', 'drone.md'), MARKS,
                       '\n'.join(['', *lines, '', '']))


if __name__ == '__main__':
    main()
