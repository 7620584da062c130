# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The figures of real recordings, photos and a real network, which were computed elsewhere."""

import json
import os

import pytest

from segformer_ros.cli.evaluate import main

# Plain resize to 512 x 512, logits upsampled bilinearly, argmax; by another program.
RAW = {'pixel_accuracy': 0.726, 'mean_iou': 0.350}
JPEG = {'pixel_accuracy': 0.740, 'mean_iou': 0.354}


@pytest.fixture(scope='module')
def evaluated(shared, tmp_path_factory):
    """Return a function that runs the command and gives the report."""
    pytest.importorskip('rosbags')
    folder = tmp_path_factory.mktemp('shared')
    spec = folder / 'network.yaml'
    spec.write_text('name: mobilenetv2_ade20k\nclasses: ade20k\nnum_classes: 150\n')
    network = ['--model', shared('models/ade20k_mobilenetv2_segformer_io.onnx'), '--spec',
               str(spec), '--resize', 'opencv', '--threads', '1']

    def evaluate(name, *arguments):
        output = os.path.join(str(folder), name)
        status = main(list(arguments) + network + ['--output', output])
        with open(os.path.join(output, 'report.json')) as stream:
            return status, json.load(stream)
    return evaluate


@pytest.fixture(scope='module')
def raw(evaluated, shared):
    return evaluated('raw', shared('bags/camvid_mcap'), shared('bags/camvid_sqlite3'),
                     '--labels', shared('bags/camvid_labels'), '--mapping', 'ade20k_to_camvid',
                     '--label-list', shared('bags/frames.txt'), '--strict',
                     '--fail-under', 'miou=0.345', '--fail-under', 'accuracy=0.72')


@pytest.mark.slow
def test_both_recordings_give_the_known_figures(raw):
    status, document = raw
    assert status == 0
    assert [entry['name'] for entry in document['inputs']] == ['camvid_mcap', 'camvid_sqlite3']
    for entry in document['inputs']:
        assert entry['frames'] == 12
        for name, value in RAW.items():
            assert entry[name] == pytest.approx(value, abs=0.005)


@pytest.mark.slow
def test_both_storages_give_the_same_frames(raw):
    _, document = raw
    by_input = [[{key: value for key, value in frame.items() if key != 'input'}
                 for frame in document['per_frame'] if frame['input'] == number]
                for number in (0, 1)]
    assert len(by_input[0]) == 12
    assert by_input[0] == by_input[1]


@pytest.mark.slow
def test_compressed_topic_gives_figures_near_the_raw_ones(evaluated, shared, raw):
    status, document = evaluated(
        'jpeg', shared('bags/camvid_mcap'), '--topic', '/camera/image_raw/compressed',
        '--labels', shared('bags/camvid_labels'), '--mapping', 'ade20k_to_camvid')
    assert status == 0
    for name, value in JPEG.items():
        assert document['figures'][name] == pytest.approx(value, abs=0.005)
        assert abs(document['figures'][name] - raw[1]['figures'][name]) < 0.02


def test_photos_in_a_folder_reach_the_known_accuracy(evaluated, shared):
    status, document = evaluated(
        'photos', shared('images/ade_val'), '--mapping', 'ade20k',
        '--fail-under', 'accuracy=0.74')
    assert status == 0
    assert document['frames'] == 3
    assert document['figures']['pixel_accuracy'] == pytest.approx(0.759, abs=0.005)
    assert document['figures']['flicker'] is None
