#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure how right the costmap is on drives of 20 m through simulated worlds.

Prints a Markdown table: with the true labels, and with those of a network.

usage: measure_costmap_drive.py [--model segformer_sim] [--labels true,network]
                                [--worlds indoor:0,outdoor:0] [--length 20] [--let-down 0]
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from costmap_drive import drive  # noqa: E402
from segformer_ros.costmap.cost_table import load_cost_table  # noqa: E402, I100
from segformer_ros.evaluation.run.network import Network  # noqa: E402
from segformer_ros.evaluation.run.network import NetworkChoice  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402

COLUMNS = ('world', 'labels', 'contacts', 'marked within 1 cell', 'marks',
           'right within 1 cell', 'beyond 3 cells', 'ground cells', 'right cost')


def measure(kind, seed, labels, options, network):
    """Return one row of the table."""
    costs = load_cost_table(kind, load_class_table('ade20k'))
    labels_of = None if labels == 'true' else (
        lambda picture: network.segmenter.segment(picture.image, with_confidence=False).mask)
    figures = drive(kind, seed, costs, labels_of, options.length, options.let_down)
    shares = {name: f'{100.0 * share:.2f} %'
              for name, share in figures.shares().items()}
    return (f'{kind} {seed}', labels if labels == 'true' else network.spec.name,
            figures.contacts, shares['marked'], figures.lethal, shares['right'],
            shares['far_off'], figures.ground, shares['graded'])


def main():
    """Measure every world with every kind of labels and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default='segformer_sim', help='name or path')
    parser.add_argument('--labels', default='true,network', help='true, network or both')
    parser.add_argument('--worlds', default='indoor:0,outdoor:0', help='kind:seed,...')
    parser.add_argument('--length', type=float, default=20.0, help='metres')
    parser.add_argument('--let-down', type=float, default=0.0, metavar='METRES',
                        help='what hangs lower than that reaches down to the ground')
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
