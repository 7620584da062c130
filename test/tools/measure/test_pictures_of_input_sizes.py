# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pictures that input sizes are compared on are of worlds that nothing else has seen."""

import os

import cv2
import input_sizes
import numpy as np
import pytest

from support import held_out_worlds


def test_seeds_are_no_others(project_root):
    """Training counts from 0, its validation from a million; a table takes some dozen."""
    with open(os.path.join(project_root, 'tools', 'train', 'make_dataset.py')) as stream:
        validation, = [int(line.split('=')[1]) for line in stream
                       if line.startswith('VAL_FIRST_SEED =')]
    last = input_sizes.FIRST_SEED + 100000
    with open(os.path.join(project_root, 'tools', 'train', 'fine_tune.py')) as stream:
        simulated, = [line for line in stream if line.startswith('_SIMULATED_SEED')]
    for first in [0, validation, held_out_worlds.FIRST_SEED] + [
            int(number) for number in simulated.split('=')[1].split(',')]:
        assert not first <= input_sizes.FIRST_SEED < first + 100000
        assert not first <= last < first + 100000


@pytest.mark.parametrize('count', [2])
def test_pictures_and_labels_lie_where_evaluate_reads_them(tmp_path, count):
    input_sizes.render(str(tmp_path), count)
    names = [f'{input_sizes.FIRST_SEED + number}.png' for number in range(count)]
    for folder in ('images', 'labels'):
        assert sorted(os.listdir(str(tmp_path / folder))) == names
    labels = cv2.imread(str(tmp_path / 'labels' / names[0]), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (480, 640) and len(np.unique(labels)) > 2
    first, second = (cv2.imread(str(tmp_path / 'images' / name)) for name in names)
    assert (first != second).mean() > 0.5


def test_part_of_the_page_has_the_table_that_evaluate_wrote():
    table = '| input size | y |\n|---|---|\n| 1 | 2 |\n'
    page = input_sizes.part_of_page('# x\n\n' + table, 7, 'today')
    assert table + '\n!' in page
    assert 'on 7 rendered pictures' in page and '# x' not in page
