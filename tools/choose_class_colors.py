#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Write the class table of ADE20K with colours that tell its classes apart.

Familiar classes are anchored (sky is blue, trees are green); model/huggingface.py chooses the
others.

usage: choose_class_colors.py NAMES.csv MOVING_NAMES > config/classes/ade20k.yaml
NAMES.csv has a column 'name' in id order; MOVING_NAMES is a comma-separated list.
"""

import csv
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from segformer_ros.model.classes import ClassTable  # noqa: E402, I100
from segformer_ros.model.huggingface import class_table_to_yaml  # noqa: E402
from segformer_ros.model.huggingface import distinct_colors  # noqa: E402

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


def main():
    """Print the class table as YAML."""
    with open(sys.argv[1], newline='') as table:
        names = [row['name'].strip() for row in csv.DictReader(table)]
    moving = set(filter(None, sys.argv[2].split(',')))
    unknown = moving - set(names)
    if unknown:
        sys.exit('not in the table: {}'.format(', '.join(sorted(unknown))))
    print(f'# The {len(names)} classes by id. Colours by tools/choose_class_colors.py.')
    print('# dynamic: people, animals and vehicles, which may be gone a moment later.')
    table = ClassTable('ade20k', names, distinct_colors(names, ANCHORS),
                       [name in moving for name in names])
    print(class_table_to_yaml('ade20k', table), end='')


if __name__ == '__main__':
    main()
