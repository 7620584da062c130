# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Training further with captured frames: from a folder to a network and its report."""

import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
TOOLS = os.path.join(ROOT, 'tools', 'train')
if TOOLS not in sys.path:
    sys.path.append(TOOLS)

import capture_folder  # noqa: E402, I100
import cvat  # noqa: E402, I100
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.segmentation.load_model import load_model  # noqa: E402

ADE20K = list(load_class_table('ade20k').names)
ROAD, GRASS, STAIRS = (ADE20K.index(name) for name in ('road', 'grass', 'stairs'))
SIZE = ['--size', '128', '96', '--training-size', '1', '--threads', '1']


def write_capture(folder, count, first=0, names=ADE20K):
    """
    Write a captured folder that every network gets wrong, and its true labels.

    What is red is ``stairs``, which the shipped network has never learnt; blue is ``road``.
    """
    for part in ('capture/images', 'capture/masks', 'labels'):
        os.makedirs(os.path.join(folder, part))
    with open(os.path.join(folder, 'capture', 'classes.json'), 'w') as stream:
        json.dump(names, stream)
    with open(os.path.join(folder, 'capture', 'manifest.jsonl'), 'w') as stream:
        for index in range(first, first + count):
            random = np.random.RandomState(index)
            labels = np.full((96, 128), ROAD, np.uint8)
            x, y = random.randint(10, 60), random.randint(10, 40)
            labels[y:y + 40, x:x + 50] = STAIRS
            image = np.where(labels[..., None] == ROAD, (200, 80, 20), (20, 60, 210))
            image = np.clip(image + random.randint(-15, 15, image.shape), 0, 255)
            labels[:4] = 255
            name = f'frame{index:03d}'
            for path, pixels in (
                    (f'capture/images/{name}.png', image),
                    (f'capture/masks/{name}.png', np.full((96, 128), GRASS)),
                    (f'labels/{name}.png', labels)):
                cv2.imwrite(os.path.join(folder, path), pixels.astype(np.uint8))
            stream.write(json.dumps({
                'id': name, 'stamp_ns': 10 ** 9 * index, 'camera': 'front', 'frame_id': 'front',
                'reason': 'unsure', 'score': 0.3, 'image': f'images/{name}.png',
                'mask': f'masks/{name}.png', 'confidence': None, 'camera_info': None,
                'pose': None, 'model': {'name': 'segformer_sim', 'digest': ''},
                'blurred': []}) + '\n')


def fine_tune(*arguments):
    """Run the command as a user does."""
    done = subprocess.run(
        [sys.executable, os.path.join(TOOLS, 'fine_tune.py')] + list(arguments),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    return done.returncode, done.stdout


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Train a little, stop, go on; return the folder, what it said, and the report."""
    folder = str(tmp_path_factory.mktemp('site'))
    write_capture(folder, 15)
    # By way of CVAT: somebody has corrected every mask.
    capture = capture_folder.read_capture(os.path.join(folder, 'capture'))
    frames = tuple(frame._replace(mask=os.path.join(folder, 'labels', frame.id + '.png'))
                   for frame in capture.frames)
    labels = os.path.join(folder, 'corrected.zip')
    cvat.write(capture._replace(frames=frames), labels)
    out = os.path.join(folder, 'out')
    common = [capture.folder, '--labels', labels, '--out', out, '--simulated', '4', '--kinds',
              'indoor', '--steps', '60', '--batch', '4'] + SIZE
    first = fine_tune(*common, '--minutes', '0.02')
    assert first[0] == 0, first[1]
    second = fine_tune(*common)
    assert second[0] == 0, second[1]
    with open(os.path.join(out, 'report.json')) as stream:
        return out, second[1], json.load(stream)


def test_run_goes_on_from_its_checkpoint(run):
    _, said, report = run
    assert 'going on from step ' in said and 'Warning' not in said
    assert 0 < int(said.split('going on from step ')[1].split()[0]) < 60
    assert report['training']['steps'] == 60


def test_network_learns_what_it_got_wrong_and_a_class_that_it_never_knew(run):
    out, _, report = run
    figures = report['held_out']['figures']['miou']
    assert figures['before'] < 0.3
    assert figures['after'] > 0.7
    classes = {row['name']: row['after'] for row in report['held_out']['classes']}
    assert classes['stairs'] > 0.7
    interval = report['held_out']['intervals']['miou']
    assert interval['low'] > 0.2 and interval['clear']
    assert interval['low'] <= interval['difference'] <= interval['high']


def test_last_frames_are_held_out(run):
    out, _, report = run
    assert report['frames'] == {'train': 12, 'held_out': 3, 'simulated': 4,
                                'simulated_held_out': 0, 'uncorrected': 0}
    names = [os.listdir(os.path.join(out, 'data', part, 'images'))
             for part in ('train', 'held_out')]
    assert sorted(name.split('_')[1] for name in names[1]) == [
        f'frame{index:03d}.png' for index in (12, 13, 14)]
    assert not {name.split('_')[1] for name in names[0]} & {
        name.split('_')[1] for name in names[1]}


def test_exported_network_runs_and_its_report_says_so(run):
    out, said, report = run
    segmenter = load_model(os.path.join(out, 'model.onnx'), threads=1)
    assert segmenter.spec.input_size_wh == (128, 96)
    assert segmenter.spec.classes == 'ade20k'
    image = cv2.imread(os.path.join(out, 'data', 'held_out', 'images',
                                    sorted(os.listdir(os.path.join(
                                        out, 'data', 'held_out', 'images')))[0]))
    labels = cv2.imread(os.path.join(out, 'data', 'held_out', 'labels',
                                     sorted(os.listdir(os.path.join(
                                         out, 'data', 'held_out', 'labels')))[0]), 0)
    mask = segmenter.segment(np.ascontiguousarray(image[..., ::-1])).mask
    assert (mask == labels)[labels != 255].mean() > 0.85
    assert 'contract      fits: logits' in report['export']['inspection']
    assert report['export']['difference'] < 1e-3
    with open(os.path.join(out, 'report.md')) as stream:
        page = stream.read()
    assert '| mean IoU |' in page
    assert page.strip() in said
    picture = cv2.imread(os.path.join(out, 'held_out.png'))
    assert picture.shape == (3 * 96, 4 * 128, 3)


def test_checkpoint_of_transformers_gets_the_classes_of_the_capture(tmp_path):
    transformers = pytest.importorskip('transformers')
    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 2, 2, 4],
        decoder_hidden_size=16, id2label={0: 'grass', 1: 'road'},
        label2id={'grass': 0, 'road': 1})
    checkpoint = str(tmp_path / 'checkpoint')
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(checkpoint)
    with open(os.path.join(checkpoint, 'preprocessor_config.json'), 'w') as stream:
        json.dump({'image_mean': [0.5] * 3, 'image_std': [0.25] * 3, 'do_resize': True,
                   'size': {'height': 96, 'width': 128}}, stream)
    write_capture(str(tmp_path / 'site'), 6)
    out = str(tmp_path / 'out')
    status, said = fine_tune(
        str(tmp_path / 'site' / 'capture'), '--labels', str(tmp_path / 'site' / 'labels'),
        '--model', checkpoint, '--out', out, '--simulated', '0', '--steps', '30', '--batch', '4',
        '--lr', '0.003', '--held-out-share', '0.34', *SIZE)
    assert status == 0, said
    with open(os.path.join(out, 'report.json')) as stream:
        report = json.load(stream)
    assert report['frames']['held_out'] == 2
    assert len(report['classes']) == 150
    assert report['classes_shown'] == ['road', 'stairs']
    assert report['training']['loss_last'] < report['training']['loss_first']
    spec = load_model(os.path.join(out, 'model.onnx'), threads=1).spec
    assert (spec.mean, spec.std) == ((0.5,) * 3, (0.25,) * 3)
    assert spec.num_classes == 150
    assert os.path.exists(os.path.join(out, 'former.onnx'))


def test_labels_that_nobody_changed_are_counted(tmp_path):
    import training_data
    write_capture(str(tmp_path / 'site'), 5)
    capture = capture_folder.read_capture(str(tmp_path / 'site' / 'capture'))
    labels = str(tmp_path / 'site' / 'labels')
    frames = training_data.corrected(labels, capture)
    assert training_data.count_uncorrected(frames, capture) == 0
    for index in (1, 3):
        shutil.copy(capture.frames[index].mask, labels)
    assert training_data.count_uncorrected(training_data.corrected(labels, capture), capture) == 2


def test_network_of_an_onnx_file_computes_the_same_and_a_changed_weight_is_found():
    import networks
    former = networks.open_former('segformer_sim')
    assert len(networks.awake_classes(former.network)) == 31
    with torch.no_grad():
        former.network.stages[2].blocks[1].feed_forward.shrink.bias[3] += 1.0
    with pytest.raises(networks.ModelError, match='something else'):
        networks._compare(former.network, former.onnx_path, former.spec)


def test_classes_move_by_name_and_unknown_ones_stay_silent():
    import networks
    former = networks.open_former('segformer_sim')
    old = former.network.classify
    weight, bias = old.weight.detach().clone(), old.bias.detach().clone()
    names = ['kerb', 'grass', 'stairs', 'puddle', 'road']
    networks.with_classes(former.network, former.names, names, [0, 2, 4])
    new = former.network.classify
    for row, name in ((1, 'grass'), (4, 'road')):
        assert (new.weight[row] == weight[ADE20K.index(name)]).all()
        assert new.bias[row] == bias[ADE20K.index(name)]
    assert new.bias[3] == -50.0 and not new.weight[3].any()
    assert networks.awake_classes(former.network) == [0, 1, 2, 4]


@pytest.mark.parametrize('spoil, words', [
    (lambda folder: os.rename(folder + '/labels/frame000.png', folder + '/labels/other.png'),
     'capture does not have'),
    (lambda folder: cv2.imwrite(folder + '/labels/frame001.png', np.zeros((9, 9), np.uint8)),
     'frame001 do not fit'),
    (lambda folder: cv2.imwrite(folder + '/labels/frame001.png',
                                np.full((96, 128), 200, np.uint8)), '200'),
    (lambda folder: [os.remove(folder + f'/labels/frame00{index}.png') for index in range(3)],
     'No frame is labelled')])
def test_labels_that_cannot_be_used_are_named_before_anything_is_trained(tmp_path, spoil, words):
    folder = str(tmp_path / 'site')
    write_capture(folder, 3)
    spoil(folder)
    status, said = fine_tune(folder + '/capture', '--labels', folder + '/labels', '--out',
                             str(tmp_path / 'out'))
    assert status == 1
    assert said.startswith('fine_tune: ') or '\nfine_tune: ' in said
    assert words in said
    assert not os.path.exists(str(tmp_path / 'out' / 'checkpoint.pt'))
