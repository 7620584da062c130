# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
One simulated world with a robot, the costmap and a planner, on one simulated clock.

The loop of `segformer_ros drive` in one process and without DDS: an image's clouds and grid come
a fixed time after it was taken, so a seed gives the same drive on every machine, however slow.
"""

import collections
import math
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Tuple

import drive_table
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.costmap import cost_table
from segformer_ros.costmap import pipeline as costmap_pipeline
from segformer_ros.costmap import settings as costmap_settings
from segformer_ros.costmap.geometry.transforms import CameraPose
from segformer_ros.costmap.geometry.transforms import planar_pose
from segformer_ros.evaluation.drive import causes
from segformer_ros.evaluation.drive import crossing
from segformer_ros.evaluation.drive import faults as drive_faults
from segformer_ros.evaluation.drive import judge as drive_judge
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.evaluation.drive import navigator as drive_navigator
from segformer_ros.simulation import shapes
from segformer_ros.simulation.render import ground_truth
from segformer_ros.simulation.render import renderer
from segformer_ros.simulation.robot import robot as simulated
from segformer_ros.simulation.robot import surroundings as robot_surroundings
from segformer_ros.simulation.world.people import walker_pose
from segformer_ros.simulation.world.scene import Walker
from segformer_ros.simulation.world.trajectory import tilted
from segformer_ros.simulation.world.trajectory import Trajectory
from segformer_ros.simulation.world.world import World
import simulated_runs

SIZE_WH, FIELD_OF_VIEW = (320, 240), np.radians(75.0)
# Of the simulated clock, seconds: control, images, grids, and an image's age when it counts.
STEP, IMAGES, GRIDS, AGE = 0.05, 0.25, 0.2, 0.25
GRID_SIZE, BLOCK = 16.0, 1.0
FIRST_STAMP = 1.0
# Metres per second that the robot makes on its way, about.
USUAL_SPEED = 0.45
# Clearances below this are looked at, metres.
CLOSE = 0.1
# Seconds of images that are kept to look for causes.
REMEMBERED = 20.0
CROSSING = 'crossing'
# Depth that comes with each image: none, as a depth camera gives it, or as a network does.
NO_DEPTH = 'none'
DEPTHS = (NO_DEPTH, costmap_settings.METRIC, costmap_settings.SCALED, costmap_settings.INVERSE)
# Of a network's depth: standard deviation of its smooth relative error.
DEPTH_NOISE = 0.05
# Degrees by which cameras look to the left.
CAMERAS: Dict[int, Dict[str, float]] = {
    1: {'front': 0.0}, 3: {'front': 0.0, 'left': 60.0, 'right': -60.0}}
# Somebody within so many metres in the last seconds explains that a robot waits.
PASSED, PASSED_WITHIN = 4.0, 2.5

LabelsOf = Callable[[renderer.RenderedImage], Tuple[Any, Any]]


class Thing(NamedTuple):
    """What stands nearest to the robot: place, class, and the height where it begins, metres."""

    x: float
    y: float
    class_id: int
    bottom: float
    walker: Optional[int] = None


class Event(NamedTuple):
    """Something to explain; ``what`` is a key of ``drive_table.WHAT``."""

    what: str
    goal: int
    time: float
    x: float
    y: float
    name: str
    bottom: float
    seen: float
    cause: str


class Loop:
    """
    One world with robot, costmap and planner.

    :param kind: ``indoor``, ``outdoor`` or ``crossing``
    :param labels_of: picture to mask and confidence (H, W), None takes the true labels
    :param fault: a name of :data:`segformer_ros.evaluation.drive.faults.FAULTS`
    :param cameras: 1, or 3 with one that looks 60 degrees to each side
    :param depth: one of :data:`DEPTHS`
    """

    def __init__(self, kind: str, seed: int, costs: cost_table.CostTable,
                 labels_of: Optional[LabelsOf], fault: str = 'none', cameras: int = 1,
                 depth: str = NO_DEPTH) -> None:
        self.world = World('outdoor' if kind == CROSSING else kind, seed)
        self.world.personal_space = 0.0
        self.fault = drive_faults.FAULTS[fault]
        if kind != CROSSING and not self.fault.people:
            self.world.walkers = []
        self._always = list(self.world.walkers)
        self._random = np.random.RandomState([seed, 7]) if kind == CROSSING else None
        self.crossing: Optional[crossing.Crossing] = None
        """Who crosses the way to this goal."""
        self.crossed = 0
        """Goals on whose way somebody crossed."""
        self._labels_of = labels_of
        self._depth = depth
        self._depth_errors = np.random.RandomState([seed, 11])
        self.costs = costs
        self._trajectory = Trajectory(self.world)
        start = self._trajectory.place_at(0.0)
        settings = drive_navigator.NavigatorSettings()
        self.radius = settings.inflation.radius
        self.around = robot_surroundings.Surroundings(self.world)
        self.robot = simulated.Robot(
            self.around, simulated.Drive(speed=settings.pursuit.speed, radius=self.radius),
            simulated.Pose2D(float(start[0, 3]), float(start[1, 3]),
                             float(np.arctan2(start[1, 0], start[0, 0]))))
        self.judge = drive_judge.Judge(self.around, self.radius)
        self.faults = drive_faults.FaultWatch()
        self.navigator = drive_navigator.Navigator(settings, GRID_SIZE - 2.0 * BLOCK)
        self._renderer, self._camera = simulated_runs.pinhole(
            SIZE_WH, float(0.5 * SIZE_WH[0] / np.tan(0.5 * FIELD_OF_VIEW)))
        self._intrinsics = np.array([[self._camera.fx, 0.0, self._camera.cx],
                                     [0.0, self._camera.fy, self._camera.cy], [0.0, 0.0, 1.0]])
        self.pipeline = self._fresh_pipeline()
        ahead = self._trajectory.base_from_optical
        self._mounts = {name: planar_pose(0.0, 0.0, float(np.radians(yaw))).dot(ahead)
                        for name, yaw in CAMERAS[cameras].items()}
        self._tilt = tilted(-np.radians(self.fault.pitch))
        self._pending: Deque[Tuple[float, Any]] = collections.deque()
        self._images_every = self.fault.period or IMAGES
        self._views: Deque[causes.View] = collections.deque(
            maxlen=int(REMEMBERED / self._images_every) * cameras)
        self._next_image = self._next_grid = 0.0
        self._posed = 0.0
        self._believed = self.robot.odometry
        self._node_is_gone = False
        self._was_speed = 0.0
        self.events: List[Event] = []
        self.on_step: Optional[Callable[['Loop'], None]] = None
        """Called after each step."""
        self.on_event: Optional[Callable[['Loop', Event], None]] = None
        """Called with each event while the robot is still there."""

    def _fresh_pipeline(self) -> costmap_pipeline.CostmapPipeline:
        defaults = costmap_settings.CostmapSettings()
        return costmap_pipeline.CostmapPipeline(defaults._replace(
            grid=defaults.grid._replace(size=GRID_SIZE, block=BLOCK),
            depth=defaults.depth if self._depth == NO_DEPTH else defaults.depth._replace(
                kind=self._depth),
            projection=defaults.projection._replace(robot_radius=self.radius)), self.costs)

    def drive_to(self, goal: Tuple[float, float], best: Optional[float]) -> None:
        """Drive until the goal is reached or given up."""
        began = self.robot.time
        self.judge.begin(goal, best)
        self.navigator.begin(goal, began)
        if self._random is not None:
            place = self.robot.place
            self.crossing = crossing.crossing_before(
                self.world, self.around, (place.x, place.y), goal, began, USUAL_SPEED,
                self._random)
            self.crossed += self.crossing is not None
        while True:
            now = self.robot.time + STEP
            is_on = self.fault.is_on(now - began)
            self._let_people_walk(now)
            contacts, stops = self.robot.contacts, self.judge.stops
            # A contact ends every motion.
            self._was_speed = self.robot.speed
            self.robot.advance(now)
            if not (is_on and self.fault.pose):
                self._posed, self._believed = now, self.robot.odometry
            self._run_node(now, is_on)
            self.robot.command(now, *self.navigator.command(self._believed, now, self._posed))
            self.judge.add(drive_judge.Sample(now, *self.robot.place, self.robot.speed,
                                              self.robot.turn_rate, self.robot.in_contact))
            self.faults.add(now, self.robot.speed, self.robot.turn_rate, is_on)
            if self.robot.contacts > contacts:
                self._tell(self._nearness('contact', now))
            if self.judge.stops > stops:
                self._tell(self._stop(now))
            if self.on_step is not None:
                self.on_step(self)
            arrived = now == self._posed and self.navigator.has_arrived(self._believed)
            if arrived or self.navigator.gives_up(now):
                self._end(arrived)
                return

    def _end(self, arrived: bool) -> None:
        self.faults.end()
        closest = self.judge.closest
        figures = self.judge.end(arrived)
        if closest is not None and figures.clearance < CLOSE and not figures.contacts:
            self._tell(self._nearness('close', closest.time, closest, len(self.judge.goals) - 1))
        ratio = drive_judge.path_ratio(figures)
        if not arrived:
            self._tell(self._stop(self.robot.time)._replace(
                what='failed', goal=len(self.judge.goals) - 1))
        elif ratio is not None and ratio > drive_table.FAR_WAY:
            self._tell(Event('way', len(self.judge.goals) - 1, self.robot.time,
                             self.robot.place.x, self.robot.place.y, '', 0.0, 0.0,
                             'stops' if figures.stops else 'other way than the shortest'))

    def _let_people_walk(self, now: float) -> None:
        if self.crossing is not None:
            self.world.walkers = self._walkers_at(now)

    def _walkers_at(self, time: float) -> List[Walker]:
        """Return everybody in the world at a time, who crosses last."""
        walker = None if self.crossing is None else self.crossing.at(time)
        return self._always + ([] if walker is None else [walker])

    def _run_node(self, now: float, is_on: bool) -> None:
        """Let the node do what is due, as far as the fault lets it."""
        if is_on and self.fault.node:
            self._node_is_gone = True
            self._pending.clear()
            return
        if self._node_is_gone:
            self._node_is_gone = False
            self.pipeline = self._fresh_pipeline()
        if now >= self._next_image - 1e-9:
            self._next_image = now + self._images_every
            # Without a pose at its stamp the node drops an image.
            if not (is_on and (self.fault.images or self.fault.pose)):
                self._look(now)
        while self._pending and self._pending[0][0] <= now + 1e-9:
            for name, view in self._pending.popleft()[1]:
                self.pipeline.process(name, view)
            self.navigator.on_cloud(now)
        if now >= self._next_grid - 1e-9:
            self._next_grid = now + GRIDS
            occupancy = self.pipeline.occupancy(FIRST_STAMP + now)
            geometry = occupancy.geometry
            self.navigator.on_grid(nav2_rules.Grid(
                occupancy.values, geometry.origin_x, geometry.origin_y,
                geometry.resolution), self._believed)

    def _look(self, now: float) -> None:
        believed = simulated.pose_of(self.robot.odometry)
        views = []
        for name, mount in self._mounts.items():
            pose = self.robot.pose().dot(mount).dot(self._tilt)
            if self._labels_of is None:
                confidence = image = depth = None
                if self._depth == NO_DEPTH:
                    truth = self._renderer.labels(self.world, pose, now)
                else:
                    truth, depth = self._renderer.labels_and_depth(self.world, pose, now)
                mask = truth
            else:
                picture = self._renderer.render(self.world, pose, now)
                truth, depth, image = picture.labels, picture.depth, picture.image
                mask, confidence = self._labels_of(picture)
            self._views.append(causes.View(now, pose, truth, mask, image))
            views.append((name, costmap_pipeline.CameraView(
                mask, confidence, self._camera, CameraPose(believed, mount), FIRST_STAMP + now,
                self._given_depth(depth))))
        self._pending.append((now + AGE, views))

    def _given_depth(self, depth: Optional[arrays.Float32]) -> Optional[arrays.Float32]:
        if depth is None or self._depth == NO_DEPTH:
            return None
        if self._depth == costmap_settings.METRIC:
            return depth
        return simulated_runs.like_a_network(depth, self._depth, DEPTH_NOISE, self._depth_errors)

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(self, event)

    def _nearness(self, what: str, now: float, sample: Optional[drive_judge.Sample] = None,
                  goal: Optional[int] = None) -> Event:
        """Return what the robot is nearest to, and why it is."""
        place = self.robot.place if sample is None else sample
        thing = nearest_thing(self.world, place.x, place.y, now)

        def foot(at: float) -> Tuple[float, float]:
            if thing.walker is None:
                return thing.x, thing.y
            walkers = self._walkers_at(at)
            # Somebody who was not there yet was nowhere.
            return (walker_pose(walkers[thing.walker], at)[:2] if thing.walker < len(walkers)
                    else (math.inf, math.inf))
        sight = causes.sight_of(self._views, foot, thing.class_id, self._intrinsics,
                                self.costs.kinds == cost_table.OBSTACLE, self._images_every)
        costmap = self.navigator.costmap
        cause = causes.cause_of(causes.Evidence(
            thing.walker is not None, self._was_speed if sample is None else sample.speed,
            thing.bottom, sight, costmap is not None and causes.is_lethal_near(
                costmap, thing.x, thing.y)))
        return Event(what, len(self.judge.goals) if goal is None else goal, now, thing.x, thing.y,
                     self.costs.classes.names[thing.class_id], thing.bottom, sight.seen, cause)

    def _stop(self, now: float) -> Event:
        """Return what holds up a robot with nothing before it."""
        place, costmap = self.robot.place, self.navigator.costmap
        number = len(self.judge.goals)
        if costmap is None or not self.navigator.is_current(now):
            return Event('stop', number, now, place.x, place.y, '', 0.0, 0.0, 'no clouds')
        if now - self._posed > self.navigator.settings.transform_tolerance:
            return Event('stop', number, now, place.x, place.y, '', 0.0, 0.0, 'no pose')
        rows, columns = np.nonzero(costmap.costs == nav2_rules.LETHAL)
        x, y = costmap.center_of(columns, rows)
        near = np.flatnonzero(np.hypot(x - place.x, y - place.y) < drive_judge.AHEAD + self.radius)
        false = [index for index in near.tolist()
                 if self.around.distance(float(x[index]), float(y[index]), now) > 0.15]
        if any(math.hypot(walker_pose(walker, at)[0] - place.x, walker_pose(walker, at)[1]
                          - place.y) < PASSED_WITHIN
               for at in np.arange(now - PASSED, now, 0.5).tolist()
               for walker in self._walkers_at(at)):
            return Event('stop', number, now, place.x, place.y, 'person', 0.0, 0.0,
                         'somebody had just passed')
        if false:
            at = min(false, key=lambda index: float(np.hypot(x[index] - place.x,
                                                             y[index] - place.y)))
            return Event('stop', number, now, float(x[at]), float(y[at]), '', 0.0, 0.0,
                         'false mark')
        return Event('stop', number, now, place.x, place.y, '', 0.0, 0.0,
                     causes.PLANNER if self.navigator.path is not None else 'no path')

    @property
    def last_view(self) -> Optional[causes.View]:
        """The newest image; None before the first."""
        front = [view for view in self._views if view.time == self._views[-1].time]
        return front[0] if front else None

    def as_json(self) -> Dict[str, Any]:
        """Return all figures of the drive."""
        return {'goals': [goal.as_json() for goal in self.judge.goals],
                'events': [{name: round(value, 3) if isinstance(value, float) else value
                            for name, value in event._asdict().items()} for event in self.events],
                'faults': [figures._asdict() for figures in self.faults.figures],
                'overdue': self.navigator.overdue, 'crossed': self.crossed}


def nearest_thing(world: World, x: float, y: float, now: float) -> Thing:
    """
    Return what stands nearest to a place within the robot's height.

    Looks at every shape along rays from the place: slow, and apart from the distances by which
    the judge counts.

    :param x: metres; ``y`` likewise
    :param now: seconds
    """
    lowest, highest = robot_surroundings.LOWEST, robot_surroundings.HIGHEST
    radii, angles = np.meshgrid(np.arange(0.0, robot_surroundings.FARTHEST, 0.01),
                                np.linspace(-np.pi, np.pi, 360, endpoint=False), indexing='ij')
    px, py = (x + radii * np.cos(angles)).ravel(), (y + radii * np.sin(angles)).ravel()
    away = radii.ravel()
    best, found = np.inf, Thing(x, y, ground_truth.NONE, 0.0)
    for primitive in world.static:
        if primitive.kind == shapes.ROOM:
            half_x, half_y = world.room[:2] if world.room is not None else (np.inf, np.inf)
            hit = np.flatnonzero((np.abs(px) > half_x) | (np.abs(py) > half_y))
            low = np.zeros(len(hit))
        else:
            near = np.flatnonzero((np.abs(px - primitive.center[0]) <= primitive.radius)
                                  & (np.abs(py - primitive.center[1]) <= primitive.radius))
            if not len(near):
                continue
            low, high = ground_truth.column_span(primitive, px[near], py[near])
            filled = (low < high) & (low < highest) & (high > lowest)
            hit, low = near[filled], low[filled]
        if len(hit) and away[hit].min() < best:
            first = int(away[hit].argmin())
            best = float(away[hit[first]])
            found = Thing(float(px[hit[first]]), float(py[hit[first]]),
                          world.materials[primitive.material].class_id,
                          max(0.0, float(low[first])))
    for number, walker in enumerate(world.walkers):
        there = walker_pose(walker, now)
        off = float(np.hypot(there[0] - x, there[1] - y)) - robot_surroundings.PERSON_RADIUS
        if off < best:
            best = off
            found = Thing(there[0], there[1], world.materials[walker.materials[3]].class_id, 0.0,
                          number)
    return found


def run_world(kind: str, seed: int, costs: cost_table.CostTable, labels_of: Optional[LabelsOf],
              fault: str, goals: int, spacing: float, cameras: int = 1, depth: str = NO_DEPTH,
              on_event: Optional[Callable[[Loop, Event], None]] = None) -> Loop:
    """Drive to the goals of one world and return the loop with its judge."""
    loop = Loop(kind, seed, costs, labels_of, fault, cameras, depth)
    loop.on_event = on_event
    places = drive_judge.goals_along(loop.world.route, loop.world.route_length,
                                     loop.world.closed, goals, spacing)
    truth = drive_judge.true_costmap(loop.world, [loop.world.route(0.0), *places])
    for goal in places:
        place = loop.robot.place
        loop.drive_to(goal, drive_judge.best_length(truth, (place.x, place.y), goal, loop.radius))
    return loop
