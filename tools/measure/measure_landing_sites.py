#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure how many landing sites over simulated lands are wholly free, with config/drone.yaml.

Prints a Markdown table: with the true labels, and with those of a network.

usage: measure_landing_sites.py [--model segformer_sim] [--labels true,network]
                                [--min-confidence 77] [--frames 240] [--seed 200]
"""

import argparse
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'test')]

from landing_survey import survey  # noqa: E402
from segformer_ros.cli.support.progress import FRAMES  # noqa: E402, I100
from segformer_ros.cli.support.progress import ProgressLine  # noqa: E402
from segformer_ros.costmap.cost_table import load_cost_table  # noqa: E402
from segformer_ros.evaluation.run.network import Network  # noqa: E402
from segformer_ros.evaluation.run.network import NetworkChoice  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.ros.parameters.costmap import costmap_parameters  # noqa: E402
from support.node_parameters import node_values  # noqa: E402

COLUMNS = ('labels', 'frames', 'sites reported', 'wholly free', 'site possible', 'site found')


def measure(labels, options, network):
    """Return one row of the table."""
    settings = costmap_parameters(node_values(ROOT, 'drone.yaml')).settings
    if options.min_confidence is not None:
        settings = settings._replace(
            projection=settings.projection._replace(min_confidence=options.min_confidence))
    costs = load_cost_table('landing', load_class_table('ade20k'))
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


def main():
    """Measure with every kind of labels and print the table."""
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
