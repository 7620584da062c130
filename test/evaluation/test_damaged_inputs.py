# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One command over everything that can be wrong with recordings: told, counted, gone on with."""

import json
import os

import numpy as np
import pytest

from segformer_ros.cli.evaluate import main
from support import bags


@pytest.fixture(scope='module')
def folder(color_case):
    """Return a folder of recordings of which one is sound."""
    root = os.path.join(str(color_case.folder), 'damaged')

    def path(name):
        return os.path.join(root, name)

    color_case.bag('damaged/a_sound', 4)
    with bags.BagWriter(path('b_cut')) as bag:
        for number in range(12):
            bag.image(number, np.kron(color_case.image(number), np.ones((5, 5, 1), np.uint8)))
            bag.image(number, np.kron(color_case.labels(number), np.ones((5, 5), np.uint8)),
                      bags.LABELS, 'mono8', delay_ns=10)
    cut = bags.storage_file(path('b_cut'))
    with open(cut, 'rb+') as stream:
        stream.truncate(os.path.getsize(cut) * 2 // 3)
    os.remove(os.path.join(color_case.bag('damaged/c_no_metadata', 2), 'metadata.yaml'))
    with bags.BagWriter(path('d_other_topic')) as bag:
        bag.image(0, color_case.image(0), '/rear/image_raw')
    with bags.BagWriter(path('e_gaps_and_sizes')) as bag:
        for number in range(5):
            bag.image(number, color_case.image(number))
            if number != 1:
                labels = color_case.labels(number)
                bag.image(number, labels[:-1] if number == 3 else labels, bags.LABELS, 'mono8',
                          delay_ns=10)
    with open(bags.storage_file(color_case.bag('damaged/f_rubbish', 1)), 'wb') as stream:
        stream.write(b'rubbish' * 100)
    return root


def run(color_case, folder, output, *arguments):
    status = main([folder, '--topic', bags.CAMERA, '--label-topic', bags.LABELS, '--model',
                   color_case.model, '--threads', '1', '--output', str(output)]
                  + list(arguments))
    with open(os.path.join(str(output), 'report.json')) as stream:
        return status, json.load(stream)


def test_everything_sound_is_evaluated_and_the_rest_told_and_counted(color_case, folder,
                                                                     tmp_path):
    status, document = run(color_case, folder, tmp_path)
    assert status == 0
    frames = {entry['name']: entry['frames'] for entry in document['inputs']}
    cut = frames.pop('damaged/b_cut')
    assert 0 < cut < 12
    assert frames == {'damaged/a_sound': 4, 'damaged/c_no_metadata': 2,
                      'damaged/e_gaps_and_sizes': 3}
    assert document['frames'] == cut + 9
    left_out = document['left_out']
    # Two recordings gave nothing, and nobody knows how many images they held.
    assert left_out['inputs_of_unknown_loss'] == 2
    reasons = dict(left_out['by_reason'])
    assert (reasons.pop('input cannot be read'),
            reasons.pop('labels and image differ in size')) == (0, 1)
    assert set(reasons) == {'lost with a damaged file', 'no labels'}
    assert reasons['no labels'] >= 1
    # Of the cut recording the last image may have lost its labels alone.
    assert left_out['frames'] == 12 - cut + 2
    told = ' '.join(entry['name'] + ': ' + entry['message'] for entry in left_out['listed'])
    for text in ('b_cut is cut off', 'No image topic of that name', '/rear/image_raw',
                 'no labels for the image of 1700000000.100000000',
                 'labels of 64 x 47, image of 64 x 48', 'f_rubbish'):
        assert text in told.replace('b_cut.mcap', 'b_cut'), text
    assert any('c_no_metadata: metadata.yaml is missing' in note for note in document['notes'])


def test_pages_name_what_was_left_out_and_strict_runs_fail(color_case, folder, tmp_path, capsys):
    status, document = run(color_case, folder, tmp_path, '--strict')
    assert status == 3
    count = document['left_out']['frames']
    assert f'FAILED: {count} frames were left out and more were lost' in \
        capsys.readouterr().err
    for page in ('report.md', 'report.html'):
        with open(str(tmp_path / page), encoding='utf-8') as stream:
            content = stream.read()
        assert f'Left out: {count} frames' in content
        assert 'e_gaps_and_sizes' in content
        assert 'metadata.yaml is missing' in content


def test_bound_on_the_count_of_left_out_frames_closes_the_gate(color_case, folder, tmp_path,
                                                               capsys):
    status, document = run(color_case, folder, tmp_path, '--fail-over', 'left_out=1')
    assert status == 3
    assert 'left_out is {}, above 1'.format(document['left_out']['frames']) in \
        capsys.readouterr().err
