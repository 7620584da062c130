#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Choose colours that tell many classes apart, and write a class table.

Familiar classes first take the free colour nearest to an anchor (sky is blue, trees are green).
Every other class then takes the colour farthest from all taken ones (farthest-point sampling),
measured as the Euclidean distance in CIELAB (CIE 1976), where 2.3 is just noticeable.
Black is taken from the start: it stands for unlabeled pixels. There is no randomness.

usage: choose_class_colors.py NAMES.csv MOVING_NAMES > config/classes/ade20k.yaml
NAMES.csv has a column 'name' in id order; MOVING_NAMES is a comma-separated list.
"""

import csv
import itertools
import sys

import numpy as np

LATTICE_STEP = 15
# Anchored classes keep at least this distance from each other. Of 16, 18, 20, 21, 22 and 24 it
# gives the 150 classes of ADE20K the largest smallest distance: 17.0.
ANCHOR_DISTANCE = 20.0
ANCHORS = {
    'sky': (105, 180, 255), 'water': (0, 105, 180), 'sea': (0, 60, 165),
    'river': (60, 150, 195), 'lake': (30, 90, 135), 'swimming pool': (0, 210, 225),
    'waterfall': (135, 210, 225),
    'tree': (0, 105, 30), 'grass': (75, 195, 45), 'plant': (45, 150, 60),
    'palm': (90, 135, 0), 'field': (165, 195, 60), 'flower': (255, 105, 195),
    'road': (120, 120, 120), 'sidewalk': (180, 180, 180), 'runway': (90, 90, 105),
    'path': (195, 165, 120), 'dirt track': (150, 105, 60), 'earth': (105, 75, 45),
    'sand': (240, 210, 150), 'land': (120, 90, 75), 'rock': (105, 105, 90),
    'mountain': (135, 120, 150), 'hill': (120, 135, 90),
    'wall': (210, 195, 180), 'building': (150, 75, 60), 'floor': (225, 180, 105),
    'ceiling': (240, 240, 225), 'door': (180, 90, 0), 'windowpane': (195, 225, 255),
    'person': (225, 0, 45), 'animal': (255, 120, 0), 'car': (60, 0, 195),
    'truck': (90, 0, 105), 'bus': (150, 30, 225), 'van': (90, 75, 225),
    'bicycle': (165, 0, 105), 'minibike': (225, 0, 165),
    'traffic light': (255, 225, 0), 'stairs': (255, 60, 0), 'stairway': (225, 75, 45),
}


def lab_of_rgb(rgb):
    """
    Convert sRGB to CIELAB (D65), by IEC 61966-2-1 and CIE 15.

    :param rgb: (N, 3), 0..255
    :return: (N, 3) float64: L 0..100, a, b
    """
    value = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375],
                       [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def choose_colors(names):
    """Return one (R, G, B) for every name, in the order of the names."""
    levels = range(0, 256, LATTICE_STEP)
    candidates = np.array(list(itertools.product(levels, repeat=3)))
    lab = lab_of_rgb(candidates)
    nearest_taken = np.linalg.norm(lab - lab_of_rgb([(0, 0, 0)]), axis=1)
    chosen = {}

    def take(name, index):
        chosen[name] = tuple(int(level) for level in candidates[index])
        np.minimum(nearest_taken, np.linalg.norm(lab - lab[index], axis=1), out=nearest_taken)

    for name, anchor in ANCHORS.items():
        if name in names:
            distance = np.linalg.norm(lab - lab_of_rgb([anchor]), axis=1)
            distance[nearest_taken < ANCHOR_DISTANCE] = np.inf
            take(name, int(np.argmin(distance)))
    for name in names:
        if name not in chosen:
            take(name, int(np.argmax(nearest_taken)))
    return [chosen[name] for name in names]


def main():
    """Print the class table as YAML."""
    with open(sys.argv[1], newline='') as table:
        names = [row['name'].strip() for row in csv.DictReader(table)]
    moving = set(filter(None, sys.argv[2].split(',')))
    unknown = moving - set(names)
    if unknown:
        sys.exit('not in the table: {}'.format(', '.join(sorted(unknown))))
    print('# The {} classes by id. Colours by tools/choose_class_colors.py.'.format(len(names)))
    print('# dynamic: people, animals and vehicles, which may be gone a moment later.')
    print('name: ade20k')
    print('classes:')
    for name, color in zip(names, choose_colors(names)):
        print('  - {{name: {}, color: {}{}}}'.format(
            name, list(color), ', dynamic: true' if name in moving else ''))


if __name__ == '__main__':
    main()
