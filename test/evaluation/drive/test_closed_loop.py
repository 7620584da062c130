# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Short drives on the simulated clock: faults, people who cross, the judge, and the table."""

import json
import math

import closed_loop
import drive_loop
import drive_table
import numpy as np
import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.evaluation.drive import crossing
from segformer_ros.evaluation.drive import faults
from segformer_ros.evaluation.drive import judge as drive_judge
from segformer_ros.evaluation.drive import nav2_rules
from segformer_ros.model.classes import load_class_table
from segformer_ros.simulation import shapes
from segformer_ros.simulation.render.ray_casting import cast
from segformer_ros.simulation.robot import robot as simulated
from segformer_ros.simulation.robot import surroundings
from segformer_ros.simulation.world.people import walker_pose
from segformer_ros.simulation.world.world import World

ADE20K = load_class_table('ade20k')


def loop_in(kind, seed, fault='none', cameras=1, depth='none'):
    pytest.importorskip('skimage')
    profile = 'outdoor' if kind == drive_loop.CROSSING else kind
    return drive_loop.Loop(kind, seed, load_cost_table(profile, ADE20K), None, fault,
                           cameras, depth)


def ahead_of(loop, metres):
    """Return the place on the route so far from the robot, and the way's direction there."""
    x, y = loop.world.route(metres)
    nx, ny = loop.world.route(metres + 0.1)
    return (float(x), float(y)), math.atan2(ny - y, nx - x)


def ray_distance(world, x, y):
    """Return the distance to what horizontal rays at many heights meet: casting, not columns."""
    angles = np.linspace(-np.pi, np.pi, 720, endpoint=False).reshape(90, 8)
    directions = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)]).astype(
        np.float32)
    axis = directions.mean(axis=2)
    axis = axis / np.sqrt((axis * axis).sum(axis=0))
    solid = [primitive._replace(holes=0.0) if primitive.holes else primitive
             for primitive in world.static]
    return min(float(cast(solid, np.array([x, y, z]), directions, axis,
                          np.full(90, 0.05, np.float32))[0].min())
               for z in np.arange(surroundings.LOWEST + 0.01, surroundings.HIGHEST, 0.02))


@pytest.mark.once
def test_a_robot_is_in_contact_just_where_rays_say_so():
    world = World('indoor', 4)
    world.walkers = []
    around = surroundings.Surroundings(world)
    start = simulated.Pose2D(*[float(v) for v in world.route(0.0)], 0.0)
    radius, met = 0.25, 0
    for heading in (0.2, 1.7, -2.6):
        robot = simulated.Robot(around, simulated.Drive(radius=radius),
                                start._replace(yaw=heading))
        for step in range(300):
            robot.command(0.1 * step, 0.6, 0.0)
            robot.advance(0.1 * (step + 1))
            if robot.in_contact:
                met += 1
                break
            if step % 20 == 0:
                by_rays = ray_distance(world, robot.place.x, robot.place.y)
                counted = around.distance(robot.place.x, robot.place.y, 0.0)
                assert by_rays > radius - 0.03
                assert abs(min(by_rays, surroundings.FARTHEST) - counted) < 0.05
        assert abs(ray_distance(world, robot.place.x, robot.place.y) - radius) < 0.05
    assert met == 3


def test_the_nearest_thing_is_where_the_distances_say_that_something_is():
    world = World('indoor', 4)
    around = surroundings.Surroundings(world)
    near = 0
    for x, y in np.random.RandomState(5).uniform(-2.5, 2.5, (25, 2)):
        thing = drive_loop.nearest_thing(world, x, y, 3.0)
        away = math.hypot(thing.x - x, thing.y - y)
        if thing.walker is not None:
            away = max(0.0, away - surroundings.PERSON_RADIUS)
        counted = around.distance(x, y, 3.0)
        if 0.0 < counted < 1.9:
            near += 1
            assert away == pytest.approx(counted, abs=0.05)
            assert 0.0 <= thing.bottom < surroundings.HIGHEST
            assert ADE20K.names[thing.class_id] not in ('floor', 'rug', 'ceiling')
    assert near > 8


@pytest.mark.slow
@pytest.mark.parametrize('fault', ['silence', 'tf_gap', 'restart'])
def test_the_robot_stands_in_a_fault_and_goes_on_after_it(fault):
    loop = loop_in('indoor', 2, fault)
    goal, _ = ahead_of(loop, 4.0)
    before = len(loop.judge.way)
    loop.drive_to(goal, None)
    figures, = loop.judge.goals
    assert figures.reached and figures.contacts == 0
    found, = loop.faults.figures
    # Half a second and the time after which clouds are overdue; the last cloud comes late.
    timeout = 0.3 if fault == 'tf_gap' else 1.5 + drive_loop.AGE
    assert found.stood_after is not None and 0.3 < found.stood_after <= timeout + 0.5
    assert found.went_on_after is not None and found.went_on_after <= 1.0
    assert len(loop.judge.way) - before > (faults.FAULTS[fault].lasts + 4.0) / drive_loop.STEP
    assert loop.navigator.overdue == 1 or fault == 'tf_gap'


@pytest.mark.slow
def test_without_a_fault_it_stands_nowhere():
    loop = loop_in('indoor', 2)
    goal, _ = ahead_of(loop, 4.0)
    loop.drive_to(goal, 4.0)
    figures, = loop.judge.goals
    assert figures.reached and figures.stops == 0 and 6.0 < figures.seconds < 14.0
    assert loop.faults.figures == [] and loop.events == [] and loop.navigator.overdue == 0


def test_a_restarted_node_has_forgotten_its_grid():
    loop = loop_in('indoor', 2, 'restart')
    fault = loop.fault
    before = loop.pipeline
    loop._run_node(0.05, False)
    assert loop.last_view is not None
    loop._run_node(fault.begins, True)
    loop._run_node(fault.begins + 1.0, True)
    assert loop.pipeline is before
    loop._run_node(fault.begins + fault.lasts, False)
    assert loop.pipeline is not before


class Way:
    """What happens while somebody crosses."""

    def __init__(self, loop, person):
        self.loop, self.person = loop, person
        self.clearance, self.slowest = math.inf, math.inf
        self.marked, self.old_marks = 0, []
        loop.on_step = self.step

    def step(self, loop):
        """Look at one moment."""
        now, place = loop.robot.time, loop.robot.place
        self.clearance = min(self.clearance, loop.around.distance_to_people(
            place.x, place.y, now) - loop.radius)
        if now > 2.0 and loop.judge.goals == []:
            self.slowest = min(self.slowest, loop.robot.speed)
        walker = self.person.at(now)
        costmap = loop.navigator.costmap
        if walker is None or costmap is None:
            return
        here = walker_pose(walker, now)[:2]
        self.marked += self.lethal_within(costmap, here, 0.5)
        # Images, age, grid and decay; and half a second for the person's own width.
        old = now - (1.5 + drive_loop.IMAGES + drive_loop.AGE + drive_loop.GRIDS + 0.5)
        if old > self.person.begins:
            there = walker_pose(self.person.walker, old)[:2]
            if math.hypot(there[0] - here[0], there[1] - here[1]) > 1.0:
                self.old_marks.append(self.lethal_within(costmap, there, 0.2))

    @staticmethod
    def lethal_within(costmap, place, reach):
        """Return whether a costmap has a lethal cell so near to a place."""
        rows, columns = np.nonzero(costmap.costs == nav2_rules.LETHAL)
        x, y = costmap.center_of(columns, rows)
        return bool((np.hypot(x - place[0], y - place[1]) < reach).any())


@pytest.mark.slow
@pytest.mark.parametrize('speed, when', [(1.3, 4.0), (1.0, 3.8), (0.8, 3.6)])
def test_a_person_who_walks_across_is_not_come_near_and_leaves_no_trail(speed, when):
    loop = loop_in('outdoor', 0)
    where, heading = ahead_of(loop, 2.5)
    person = crossing.across(loop.world, where, heading + 0.5 * math.pi, (2.0, 2.5), when, speed,
                             np.random.RandomState(1))
    loop.crossing = person
    way = Way(loop, person)
    goal, _ = ahead_of(loop, 5.0)
    loop.drive_to(goal, None)
    figures, = loop.judge.goals
    assert figures.reached and figures.contacts == 0
    assert 0.3 <= way.clearance < 2.0
    assert figures.seconds < 30.0
    assert way.marked > 5
    assert len(way.old_marks) > 5 and not any(way.old_marks)


@pytest.mark.slow
@pytest.mark.parametrize('seconds, touched', [(0.0, True), (3.0, False)])
def test_who_is_on_the_way_to_a_collision_is_let_pass_where_the_walk_is_foretold(seconds,
                                                                                 touched):
    loop = loop_in(drive_loop.CROSSING, 0, cameras=3)
    settings = loop.pipeline.settings
    loop.pipeline.apply(settings._replace(
        moving=settings.moving._replace(prediction_time=seconds)))
    goal, = drive_judge.goals_along(loop.world.route, loop.world.route_length, loop.world.closed,
                                    1, 4.0)
    loop.drive_to(goal, None)
    figures, = loop.judge.goals
    assert loop.crossed == 1 and figures.reached and figures.seconds < 30.0
    assert (figures.contacts > 0) is touched
    assert (figures.clearance > 0.1) is not touched


@pytest.mark.parametrize('depth, is_clear', [
    ('none', False), ('inverse', True), pytest.param('metric', True, marks=pytest.mark.slow),
    pytest.param('scaled', True, marks=pytest.mark.slow)])
def test_a_table_top_on_the_way_is_seen_with_depth_alone(depth, is_clear):
    loop = loop_in('outdoor', 0, depth=depth)
    where, heading = ahead_of(loop, 2.5)
    wood = next(number for number, found in enumerate(loop.world.materials)
                if ADE20K.names[found.class_id] in ('building', 'wall', 'house'))
    # A board across the way, which hangs lower than the robot is high and has no foot.
    loop.world.static.append(shapes.Primitive(
        shapes.BOX, shapes.rotation_z(heading), np.array([*where, 0.6]),
        np.array([0.25, 0.7, 0.03]), wood))
    goal, _ = ahead_of(loop, 5.0)
    loop.drive_to(goal, None)
    figures, = loop.judge.goals
    assert (figures.contacts == 0 and figures.clearance > 0.1) == is_clear
    assert figures.reached or not is_clear


class Doorway:
    """Somebody who stands in a doorway and walks on after some time."""

    def __init__(self, world, where, heading, leaves):
        walks = crossing.across(world, where, heading, (0.0, 4.0), leaves, 1.2,
                                np.random.RandomState(2))
        self.walks, self.leaves = walks, leaves

    def at(self, time):
        """Return the person at a time."""
        if time < self.leaves:
            return self.walks.walker._replace(speed=0.0, end=self.walks.walker.start)
        return self.walks.at(time)


@pytest.mark.slow
def test_a_robot_that_waits_for_somebody_in_a_doorway_starts_again_by_itself():
    loop = loop_in('outdoor', 0)
    world = loop.world
    where, heading = ahead_of(loop, 2.5)
    material = next(number for number, found in enumerate(world.materials)
                    if ADE20K.names[found.class_id] in ('building', 'wall', 'house'))
    aside = np.array([-math.sin(heading), math.cos(heading)])
    for side in (-1.0, 1.0):
        middle = np.array(where) + side * (0.6 + 2.0) * aside
        world.static.append(shapes.Primitive(
            shapes.BOX, shapes.rotation_z(heading), np.array([middle[0], middle[1], 1.0]),
            np.array([0.1, 2.0, 1.0]), material))
    leaves = 14.0
    loop.crossing = Doorway(world, where, heading, leaves)
    ways = []
    loop.on_step = lambda now: ways.append((now.robot.time, now.robot.place.x, now.robot.place.y))
    goal, _ = ahead_of(loop, 5.0)
    loop.drive_to(goal, None)
    figures, = loop.judge.goals
    assert figures.reached and figures.contacts == 0
    away = [(time, math.hypot(x - where[0], y - where[1])) for time, x, y in ways]
    waited = [off for time, off in away if 8.0 < time < leaves]
    # It waits before the door, and is through some seconds after the person has left it.
    assert min(waited) > 0.5 and max(waited) < 2.8
    assert leaves + 2.0 < figures.seconds < leaves + 20.0


def figures_of(seed, **more):
    goal = {'reached': True, 'contacts': 0, 'stops': 0, 'clearance': 0.3, 'best': 4.0,
            'length': 4.2, 'remaining': 0.2}
    row = {'world': 'indoor', 'seed': seed, 'labels': 'true', 'fault': 'none', 'asked': 1,
           'spacing': 4.0, 'cameras': 1, 'depth': 'none', 'date': '2026-11-30',
           'processor_seconds': 5.0, 'goals': [goal], 'events': [], 'faults': [], 'overdue': 0,
           'crossed': 0}
    return dict(row, **more)


def test_worlds_that_are_in_the_file_are_not_driven_again(tmp_path):
    path = str(tmp_path / 'drives.json')
    what = {'world': 'indoor', 'seed': 3, 'labels': 'true', 'fault': 'none', 'asked': 1,
            'spacing': 4.0}
    first = closed_loop.Results(path)
    assert not first.has(what)
    first.add(figures_of(3))
    again = closed_loop.Results(path)
    assert again.has(what) and again.rows == first.rows
    assert not again.has(dict(what, fault='stall')) and not again.has(dict(what, asked=2))
    again.add(figures_of(4))
    assert [row['seed'] for row in closed_loop.Results(path).rows] == [3, 4]
    assert sorted(found.name for found in tmp_path.iterdir()) == ['drives.json']


def test_the_table_adds_worlds_up_and_names_causes(tmp_path):
    bad = {'reached': False, 'contacts': 1, 'stops': 2, 'clearance': 0.0, 'best': 4.0,
           'length': 9.4, 'remaining': 2.0}
    far = {'reached': True, 'contacts': 0, 'stops': 0, 'clearance': 0.05, 'best': 4.0,
           'length': 6.9, 'remaining': 0.1}
    event = {'what': 'contact', 'goal': 0, 'time': 3.0, 'x': 0.0, 'y': 0.0, 'name': 'table',
             'bottom': 0.72, 'seen': 0.0, 'cause': 'overhang'}
    lost = dict(event, what='failed', name='', bottom=0.0, cause='no path')
    rows = [figures_of(0), figures_of(1, goals=[bad], events=[event, lost]),
            figures_of(2, goals=[far]), figures_of(7), figures_of(0, fault='tf_gap', faults=[
                {'stood_after': 0.8, 'went_on_after': 0.1},
                {'stood_after': None, 'went_on_after': 0.4}])]
    page = tmp_path / 'page.md'
    page.write_text('before\n{}\nold\n{}\nafter\n'.format(*drive_table.MARKS))
    (tmp_path / 'drives.json').write_text(json.dumps({'worlds': rows}))
    drive_table.main(str(page), str(tmp_path / 'drives.json'))
    text = page.read_text()
    assert text.startswith('before\n') and text.endswith('after\n') and 'old' not in text
    assert ('| indoor 0-2, 7 | true | 1 | none | none | 3 of 4 | 1 | 2 | 0.00 m | 2 | 1.10 | 1.75 '
            '| 1 |' in text)
    assert '| tf_gap | true | 2 | 1 | 0.80 s | 2 | 0.40 s |' in text
    assert ('| indoor | true | 1 | none | none | contact | table, from 0.7 m up | overhang | 1 |'
            in text)
    assert '| indoor | true | 1 | none | none | goal not reached | - | no path | 1 |' in text
    assert '5 drives, 29 m, 25 s of processor time, 2026-11-30.' in text
    # A second time nothing changes.
    drive_table.main(str(page), str(tmp_path / 'drives.json'))
    assert page.read_text() == text


def test_seeds_are_read():
    assert closed_loop.seeds_of('indoor:3') == ('indoor', [3])
    assert closed_loop.seeds_of('crossing:2-5') == ('crossing', [2, 3, 4, 5])
