# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Write the questions that record_answers.cpp puts to tf2.

Stamps are nanoseconds; 0 asks for the newest common time. See record_answers.cpp for how to run.
"""

import math
import random

SECOND = 1000000000
START = 1700000000 * SECOND


def scenario(name, cache_time=10):
    print('scenario', name, cache_time)


def put(parent, child, stamp, xyz=(0, 0, 0), angle=0.0, axis=(0, 0, 1), static=False):
    """Print one transform; ``angle`` in radians about ``axis``."""
    length = math.sqrt(sum(each * each for each in axis))
    turn = [math.sin(angle / 2) * each / length for each in axis] + [math.cos(angle / 2)]
    print('set', parent, child, stamp, 'static' if static else 'moving',
          *(f'{each:.12g}' for each in (*xyz, *turn)))


def look(target, source, stamp):
    print('look', target, source, stamp)


def at(seconds):
    return START + round(seconds * SECOND)


def robot():
    """Print a moving base with fixed sensors, and a slower map above it."""
    for step in range(11):
        put('odom', 'base', at(0.1 * step), (0.1 * step, 0.02 * step, 0), 0.05 * step)
    for step in range(3):
        put('map', 'odom', at(0.4 * step), (5.0 - step, 1.0, 0), -0.3 * step)
    put('base', 'mast', 0, (0.2, 0, 0.8), 0.3, (0, 1, 0), static=True)
    put('mast', 'camera', 0, (0, 0.1, 0), -2.0, (1, 1, 1), static=True)
    put('base', 'lidar', 0, (0, 0, 0.3), 0.1, (1, 0, 0), static=True)


def basics():
    scenario('chains')
    robot()
    for target, source in (('odom', 'camera'), ('camera', 'odom'), ('lidar', 'camera'),
                           ('map', 'camera'), ('lidar', 'map'), ('map', 'odom'),
                           ('camera', 'camera')):
        for seconds in (0.0, 0.05, 0.3, 0.777, 0.8, 0.9, 1.0):
            look(target, source, at(seconds))
        look(target, source, 0)
    scenario('extrapolation')
    robot()
    for target, source in (('odom', 'camera'), ('map', 'camera'), ('lidar', 'camera')):
        for seconds in (-1.0, -0.001, 0.801, 1.001, 100.0):
            look(target, source, at(seconds))
    scenario('one_entry')
    put('a', 'b', at(1), (1, 2, 3), 0.5)
    for stamp in (at(1), at(1) + 1000000, at(1) - 1000000, 0):
        look('a', 'b', stamp)
    scenario('unknown_and_unconnected')
    robot()
    put('world', 'other', 0, static=True)
    for target, source in (('odom', 'nowhere'), ('nowhere', 'odom'), ('nowhere', 'elsewhere'),
                           ('odom', 'other'), ('world', 'camera'), ('nowhere', 'nowhere'),
                           ('world', 'world')):
        look(target, source, at(0.5))
        look(target, source, 0)
    scenario('only_static')
    put('a', 'b', at(5), (1, 0, 0), 1.0, static=True)
    put('b', 'c', at(9), (0, 2, 0), 1.0, (0, 1, 1), static=True)
    for stamp in (0, 1, at(-1000), at(5), at(100000)):
        look('a', 'c', stamp)
    scenario('static_sent_again')
    put('a', 'b', at(5), (1, 0, 0), static=True)
    put('a', 'b', at(6), (2, 0, 0), static=True)
    look('a', 'b', at(5))
    put('a', 'b', at(1), (3, 0, 0), static=True)
    look('a', 'b', at(5))
    look('a', 'b', 0)


def order_and_age():
    scenario('out_of_order')
    for step in (5, 2, 9, 0, 7, 1, 8, 3, 6, 4):
        put('a', 'b', at(step), (step * step, step, 0), 0.2 * step)
    for tenth in range(0, 91, 7):
        look('a', 'b', at(0.1 * tenth))
    look('a', 'b', 0)
    for cache_time in (10, 2):
        scenario(f'cache_of_{cache_time}_s', cache_time)
        for step in range(16):
            put('a', 'b', at(step), (step, 0, 0))
        for seconds in (0, 4.5, 5, 5.5, 12, 12.5, 13, 13.5, 15, 15.5):
            look('a', 'b', at(seconds))
        # Older than everything that is kept.
        put('a', 'b', at(1), (100, 0, 0))
        look('a', 'b', at(1))
        look('a', 'b', at(3))
        look('a', 'b', at(14))
    scenario('old_entry_within_the_cache')
    put('a', 'b', at(20), (20, 0, 0))
    put('a', 'b', at(12), (12, 0, 0))
    look('a', 'b', at(15))
    scenario('same_stamp_at_the_newest')
    put('a', 'b', at(0), (0, 0, 0))
    put('a', 'b', at(1), (1, 0, 0))
    put('a', 'b', at(1), (3, 0, 0))
    look('a', 'b', at(1))
    look('a', 'b', 0)
    scenario('same_stamp_between_two')
    for x, seconds in ((0, 0), (1, 1), (3, 1), (9, 2)):
        put('a', 'b', at(seconds), (x, 0, 0))
    look('a', 'b', at(0.5))
    look('a', 'b', at(1))
    look('a', 'b', at(1.5))


def parents():
    scenario('new_parent')
    for step in range(3):
        put('a', 'c', at(step), (step, 0, 0))
    for step in range(3, 6):
        put('b', 'c', at(step), (10 * step, 0, 0))
    put('a', 'b', 0, (0, 5, 0), static=True)
    for seconds in (0, 1.5, 2, 2.5, 3, 4.5, 5):
        look('b', 'c', at(seconds))
        look('a', 'c', at(seconds))
    look('a', 'c', 0)
    look('b', 'c', 0)
    scenario('parent_taken_away')
    put('a', 'c', at(0), (1, 0, 0))
    put('a', 'c', at(1), (2, 0, 0))
    put('b', 'c', at(2), (3, 0, 0))
    look('a', 'c', at(0.5))
    look('a', 'c', at(2))
    look('b', 'c', at(2))
    look('a', 'c', 0)
    look('b', 'c', 0)
    scenario('static_then_moving')
    put('a', 'b', at(0), (1, 0, 0), static=True)
    put('a', 'b', at(5), (2, 0, 0))
    put('a', 'b', at(6), (3, 0, 0))
    for stamp in (at(0), at(5), at(5.5), at(7), 0):
        look('a', 'b', stamp)
    scenario('moving_then_static')
    put('a', 'b', at(0), (1, 0, 0))
    put('a', 'b', at(1), (2, 0, 0))
    put('a', 'b', at(1), (3, 0, 0), static=True)
    for stamp in (at(0), at(0.5), at(5), 0):
        look('a', 'b', stamp)
    scenario('loop')
    put('a', 'b', 0, static=True)
    put('b', 'a', 0, static=True)
    put('c', 'd', 0, static=True)
    look('a', 'd', at(0))
    scenario('names')
    put('a', 'a', at(0))
    put('/odom', '/base', at(0), (1, 0, 0))
    look('odom', 'base', at(0))
    look('odom', '/base', at(0))
    scenario('quaternion_of_length_1.5')
    print('set', 'a', 'b', at(0), 'moving', 1, 0, 0, 0, 0, 0.9, 1.2)
    look('a', 'b', at(0))


def rotations(source):
    """Print pairs of turns, some of more than half a turn, and times between them."""
    scenario('rotations')
    for number in range(40):
        child = f'r{number}'
        for moment in (0, 1):
            axis = [source.gauss(0, 1) for _ in range(3)]
            put('a', child, at(moment), [source.uniform(-9, 9) for _ in range(3)],
                source.uniform(-6, 6), axis)
        for _ in range(2):
            look('a', child, at(source.random()))
    scenario('both_signs_of_one_turn')
    put('a', 'b', at(0), (0, 0, 0), 1.0)
    put('a', 'b', at(1), (0, 0, 0), 1.2 + 2 * math.pi)
    look('a', 'b', at(0.25))
    put('a', 'c', at(0), (0, 0, 0), 0.0)
    put('a', 'c', at(1), (0, 0, 0), 1e-9)
    look('a', 'c', at(0.5))


def trees(source):
    """Print random trees that grow at random rates, and look across them at random times."""
    for number in range(12):
        scenario(f'tree_{number}', source.choice([2, 5, 10]))
        frames = ['f0']
        edges = []
        for index in range(1, source.randint(4, 9)):
            frames.append(f'f{index}')
            edges.append((source.choice(frames[:-1]), frames[-1], source.random() < 0.4,
                          source.choice([0.1, 0.25, 0.5])))
        messages = []
        for parent, child, static, period in edges:
            phase = source.random() * period
            count = 1 if static else int(6 / period)
            messages += [(phase + step * period, parent, child, static) for step in range(count)]
        # Nearly in order, as a network delivers them.
        messages.sort(key=lambda each: each[0] + source.uniform(0, 0.3))
        for seconds, parent, child, static in messages:
            put(parent, child, at(seconds), [source.uniform(-2, 2) for _ in range(3)],
                source.uniform(-3, 3), [source.gauss(0, 1) for _ in range(3)], static)
        for _ in range(25):
            target, asked = source.sample(frames, 2)
            look(target, asked, source.choice([0, at(source.uniform(-0.5, 6.5))]))


def main():
    print('# Answers of tf2::BufferCore 0.7.6, as Debian 12 has it: tools/tf2/record_answers.cpp')
    source = random.Random(14)
    basics()
    order_and_age()
    parents()
    rotations(source)
    trees(source)


if __name__ == '__main__':
    main()
