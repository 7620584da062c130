#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Drive a robot to goals by the costmap, in many worlds, and count what goes wrong.

The loop of `segformer_ros drive` in one process and on a simulated clock; see drive_loop.py.
Worlds are `indoor`, `outdoor`, and `crossing`: streets with their people, and one person more on
the way to each goal who crosses it just when the robot comes.
The figures of each world are written as soon as it is over. Started again, it goes on with the
worlds that the file does not have: remove the file after a change of the code.
Prints the table that drive_table.py makes of the file.

usage: closed_loop.py [--model segformer_sim] [--labels true,network]
                      [--worlds indoor:0-4,outdoor:0-4,crossing:0-4] [--goals 3]
                      [--faults none,stall] [--cameras 3] [--depth inverse]
                      [--json drive_output/closed_loop.json] [--pictures FOLDER]
"""

import argparse
import contextlib
import datetime
import itertools
import json
import os
import sys
import time
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.dirname(TOOLS), os.path.join(TOOLS, 'measure')]

import drive_loop  # noqa: E402, I100
import drive_table  # noqa: E402, I100
from segformer_ros.costmap import cost_table  # noqa: E402, I100
from segformer_ros.evaluation.drive import faults as drive_faults  # noqa: E402
from segformer_ros.evaluation.drive import judge as drive_judge  # noqa: E402
from segformer_ros.evaluation.drive import pictures  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.simulation.render import renderer  # noqa: E402
import simulated_runs  # noqa: E402


class Results:
    """
    The figures of all worlds so far, in a file.

    :param path: of the file; None keeps nothing
    """

    def __init__(self, path: Optional[str]) -> None:
        self._path = path
        self.rows: List[Dict[str, Any]] = []
        if path is not None and os.path.exists(path):
            with open(path, encoding='utf-8') as stream:
                self.rows = json.load(stream)['worlds']

    def has(self, what: Dict[str, Any]) -> bool:
        """Return whether there is a world with all of these values."""
        return any(all(row.get(name) == value for name, value in what.items())
                   for row in self.rows)

    def add(self, row: Dict[str, Any]) -> None:
        """Keep one world; an end in the middle of the writing leaves the old file."""
        self.rows.append(row)
        if self._path is None:
            return
        partly = self._path + '.partly'
        with open(partly, 'w', encoding='utf-8') as stream:
            json.dump({'worlds': self.rows}, stream, indent=1, sort_keys=True)
        os.replace(partly, self._path)


def seeds_of(text: str) -> Tuple[str, List[int]]:
    """Return kind and seeds of ``indoor:0-4`` or ``indoor:3``."""
    kind, _, seeds = text.partition(':')
    return kind, simulated_runs.seeds_of(seeds)


class Painter:
    """
    Draws each event of a drive.

    :param folder: where the pictures go
    :param name: of the drive
    """

    def __init__(self, folder: str, name: str) -> None:
        self._folder = folder
        self._name = name
        os.makedirs(folder, exist_ok=True)

    def __call__(self, loop: drive_loop.Loop, event: drive_loop.Event) -> None:
        """Draw what the robot and its planner saw, beside the truth."""
        import cv2
        view, costmap = loop.last_view, loop.navigator.costmap
        if view is None or costmap is None:
            return
        palette = loop.costs.classes.palette()
        place = loop.robot.place
        goal = loop.navigator.goal or (place.x, place.y)
        scene = pictures.Scene(
            event.time, palette[view.truth] if view.image is None else view.image,
            palette[view.mask], costmap, loop.navigator.known(),
            (place.x, place.y, place.yaw), loop.navigator.path,
            np.array(loop.judge.way[::5]).reshape(-1, 2), goal,
            f'{event.what} {event.name} {event.cause} at {event.time:.1f} s')
        truth = drive_judge.true_costmap(loop.world, [(place.x, place.y)])
        picture = pictures.frame(scene, truth, self._name, loop.radius)
        cv2.imwrite(os.path.join(self._folder, f'{self._name}_{event.what}_{event.time:.0f}.png'),
                    picture[..., ::-1])


def main() -> None:
    """Drive through all worlds and print the table."""
    from segformer_ros.evaluation.run.network import Network
    from segformer_ros.evaluation.run.network import NetworkChoice
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default='segformer_sim', help='name or path')
    parser.add_argument('--labels', default='true,network', help='true, network or both')
    parser.add_argument('--worlds', default='indoor:0-4,outdoor:0-4,crossing:0-4',
                        help='kind:first-last,...')
    parser.add_argument('--faults', default='none', help=', '.join(drive_faults.FAULTS))
    parser.add_argument('--goals', type=int, default=3, help='of each world')
    parser.add_argument('--spacing', type=float, default=4.0, help='metres between them')
    parser.add_argument('--cameras', type=int, default=1, choices=sorted(drive_loop.CAMERAS),
                        help='3: two more that look to the sides')
    parser.add_argument('--depth', default=drive_loop.NO_DEPTH, choices=drive_loop.DEPTHS,
                        help='that comes with each image')
    parser.add_argument('--json', metavar='FILE', help='figures of all worlds, and where to go on')
    parser.add_argument('--pictures', metavar='FOLDER', help='one for each event, as PNG')
    options = parser.parse_args()
    results = Results(options.json)
    with contextlib.ExitStack() as stack:
        network: Optional[Network] = None
        for fault, labels, worlds in itertools.product(
                options.faults.split(','), options.labels.split(','), options.worlds.split(',')):
            if labels != 'true' and network is None:
                # onnxruntime needs no samples to check itself with.
                network = stack.enter_context(Network(NetworkChoice(options.model),
                                                      lambda spec: []))
            kind, seeds = seeds_of(worlds)
            for seed in seeds:
                what = {'world': kind, 'seed': seed, 'fault': fault, 'asked': options.goals,
                        'spacing': options.spacing, 'cameras': options.cameras,
                        'depth': options.depth,
                        'labels': labels if network is None or labels == 'true'
                        else network.spec.name}
                if not results.has(what):
                    drive(what, None if labels == 'true' else labels_of(network), results,
                          options.pictures)
    print(drive_table.table(results.rows))


def labels_of(network: Any) -> drive_loop.LabelsOf:
    """Return what a network says of a picture, as a function."""
    def segmented(picture: renderer.RenderedImage) -> Tuple[Any, Any]:
        found = network.segmenter.segment(picture.image)
        return found.mask, found.confidence
    return segmented


def drive(what: Dict[str, Any], labels: Optional[drive_loop.LabelsOf], results: Results,
          folder: Optional[str]) -> None:
    """Drive through one world and keep its figures."""
    kind = what['world']
    profile = 'outdoor' if kind == drive_loop.CROSSING else kind
    costs = cost_table.load_cost_table(profile, load_class_table('ade20k'))
    name = '{world}_{seed}_{labels}_{fault}_{cameras}_{depth}'.format(**what)
    began = time.process_time()
    loop = drive_loop.run_world(kind, what['seed'], costs, labels, what['fault'],
                                what['asked'], what['spacing'], what['cameras'], what['depth'],
                                None if folder is None else Painter(folder, name))
    figures = loop.as_json()
    results.add(dict(what, date=datetime.date.today().isoformat(),
                     processor_seconds=round(time.process_time() - began, 1), **figures))
    print('{}: {} of {} reached, events {}'.format(
        name, sum(goal['reached'] for goal in figures['goals']), len(figures['goals']),
        [(event['what'], event['name'], event['cause']) for event in figures['events']]),
        file=sys.stderr, flush=True)


if __name__ == '__main__':
    main()
