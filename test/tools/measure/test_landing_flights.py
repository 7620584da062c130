# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Landings in simulated lands: the judge by hand, and some whole flights."""

import landing_flights
import numpy as np
import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.model.classes import load_class_table
from segformer_ros.simulation.world.people import walker_pose

ADE20K = load_class_table('ade20k')
pytestmark = pytest.mark.once

COSTS = load_cost_table('landing', ADE20K)


def first_of(world, name):
    """Return the middle of the first shape of a class."""
    return next(part.center for part in world.static
                if world.materials[part.material].class_id == ADE20K.id_of(name))


def test_what_the_drone_hits_is_what_stands_there_in_the_world(settings):
    flight = landing_flights.Flight(3, settings, COSTS)
    for name, z, expected in (('car', 0.5, 'car'), ('car', 4.0, ''), ('tree', 1.0, 'tree'),
                              ('building', 1.0, 'building'), ('building', 30.0, '')):
        center = first_of(flight.world, name)
        flight.drone.place = np.array([center[0], center[1], z])
        assert flight.hit(0.0) == expected, name
    who = flight.world.walkers[0]
    for time in (0.0, 7.0):
        x, y = walker_pose(who, time)[:2]
        # Beside the shoulders, with a propeller among them; and a step farther away.
        flight.drone.place = np.array([x, y, 1.0])
        assert flight.hit(time) == 'person'
        flight.drone.place = np.array([x, y, 2.1])
        assert flight.hit(time) == ''


def test_what_it_stands_on_is_the_ground_below_its_whole_body(settings):
    flight = landing_flights.Flight(3, settings, COSTS)
    side = np.arange(-30.0, 30.0, 0.25)
    x, y = np.meshgrid(side, side)
    classes = landing_flights.ground_truth.ground_classes(flight.world, x, y)
    for name in ('water', 'road'):
        rows, columns = np.nonzero(classes == ADE20K.id_of(name))
        flight.drone.place = np.array([x[rows[0], columns[0]], y[rows[0], columns[0]], 0.0])
        assert flight.stands_on() == name
        # Half on the shore: one propeller is enough.
        flight.drone.place[:2] = (x[rows[0], columns[0]], y[rows[0], columns[0]] - 0.3)
        assert flight.stands_on() != ''
    rows, columns = np.nonzero(classes == ADE20K.id_of('grass'))
    grass = [(x[row, column], y[row, column]) for row, column in zip(rows[::97], columns[::97])]
    free = 0
    for place in grass:
        flight.drone.place = np.array([*place, 0.0])
        free += flight.stands_on() == ''
    assert free > 0.8 * len(grass)


def test_the_table_counts_flights():
    flights = [landing_flights.FlightFigures(0, True, '', 0.2, 1.5, 0, 20.0, False, 0),
               landing_flights.FlightFigures(1, True, 'person', 0.9, 1.0, 2, 30.0, True, 0),
               landing_flights.FlightFigures(2, False, '', float('inf'), 0.0, 1, 240.0, True, 1)]
    row = landing_flights.row_of('true', 'none', flights, 0.35)
    assert row == ('true', 'none', 3, 2, 1, 1, 3, '0.90 m', '30 s, 30 s')


def flown(settings, seed, drill='none', labels_of=None):
    return landing_flights.Flight(seed, settings, COSTS, labels_of, drill).fly()


@pytest.mark.slow
@pytest.mark.parametrize('seed', [0, 1, 2])
def test_it_lands_in_wind_within_the_disc_on_free_ground(settings, seed):
    figures = flown(settings, seed)
    assert figures.landed and figures.touched == ''
    assert figures.in_disc(landing_flights.simulated.Airframe().radius)
    assert figures.seconds > 10.0


@pytest.mark.slow
@pytest.mark.parametrize('drill', landing_flights.DRILLS[1:])
def test_it_climbs_when_the_site_vanishes_and_lands_afterwards(settings, drill):
    figures = flown(settings, 1, drill)
    assert figures.drilled and figures.aborts >= 1
    assert figures.landed and figures.touched == ''


@pytest.mark.slow
def test_labels_that_call_everything_grass_let_it_hit_something(settings):
    grass = ADE20K.id_of('grass')
    touched = [flown(settings, seed, 'none', lambda picture: (
        np.full(picture.labels.shape, grass, np.uint8), None)).touched for seed in range(3)]
    assert any(touched)


def test_flights_that_were_kept_are_not_flown_again(tmp_path):
    path = str(tmp_path / 'kept.jsonl')
    flown = [landing_flights.FlightFigures(4, True, '', 0.2, 1.5, 0, 20.0, False, 0),
             landing_flights.FlightFigures(5, False, 'tree', float('inf'), 0.0, 1, 9.0, True, 2)]
    kept = landing_flights.Kept(path)
    for each in flown:
        kept.add('network', 'car', each)
    again = landing_flights.Kept(path)
    assert [again.find('network', 'car', seed) for seed in (4, 5)] == flown
    assert again.find('true', 'car', 4) is None and again.find('network', 'car', 6) is None
