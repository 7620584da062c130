# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The training tools from pictures to an ONNX file; needs tools/train/requirements.txt."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('tqdm')

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir,
                             os.pardir, 'tools', 'train'))

import dataset  # noqa: E402, I100


def tool(project_root, name, *arguments):
    """Run a tool as a user does; its output is the failure's message."""
    path = os.path.join(project_root, 'tools', 'train', name)
    done = subprocess.run([sys.executable, path] + list(arguments), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope='module')
def own_pictures(tmp_path_factory):
    """Return a folder as a user might have it: JPEG images of any size, classes 3 and 140."""
    folder = tmp_path_factory.mktemp('own')
    random = np.random.RandomState(0)
    for split, count in (('train', 24), ('val', 6)):
        for part in ('images', 'labels'):
            os.makedirs(str(folder / split / part))
        for index in range(count):
            label = np.full((60, 80), 3, np.uint8)
            x, y = random.randint(50), random.randint(35)
            label[y:y + 25, x:x + 30] = 140
            image = np.where(label[..., None] == 3, 60, 200) + random.randint(
                -30, 30, (60, 80, 3))
            label[:3] = 255
            name = str(folder / split / '{}' / '{:03d}.{}')
            cv2.imwrite(name.format('images', index, 'jpg'), image.astype(np.uint8))
            cv2.imwrite(name.format('labels', index, 'png'), label)
    return str(folder)


@pytest.fixture(scope='module')
def trained(own_pictures, project_root, tmp_path_factory):
    """Train a little, stop, go on; return the run's folder and what it said."""
    out = str(tmp_path_factory.mktemp('run'))
    common = ['--data', own_pictures, '--out', out, '--batch', '4', '--width', '64',
              '--height', '64', '--keep-width', '80', '--keep-height', '60',
              '--processes', '2', '--check-images', '3', '--seed', '5']
    first = tool(project_root, 'train.py', '--steps', '10', *common)
    second = tool(project_root, 'train.py', '--steps', '100', *common)
    return out, first, second


def test_training_learns_and_goes_on_from_its_checkpoint(trained):
    _, first, second = trained
    assert '24 images, 2 classes' in first
    assert 'after step 10' in first
    assert 'going on from step 10' in second
    assert 'after step 100' in second
    assert float(second.split('final mIoU ')[1].split()[0]) > 0.8


def test_export_fits_the_contract_and_keeps_unseen_classes_silent(trained, project_root,
                                                                  tmp_path):
    path = str(tmp_path / 'model.onnx')
    said = tool(project_root, 'export_onnx.py', '--checkpoint',
                os.path.join(trained[0], 'checkpoint.pt'), '--out', path)
    assert 'agrees with PyTorch' in said
    model = onnx.load(path)
    assert model.ir_version == 7
    assert [entry.version for entry in model.opset_import] == [13]
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    logits = session.run(['logits'], {'pixel_values': np.zeros((1, 3, 64, 64), np.float32)})[0]
    assert logits.shape == (1, 150, 16, 16)
    assert set(np.unique(logits[0].argmax(axis=0))) <= {3, 140}
    assert logits[0, [c for c in range(150) if c not in (3, 140)]].max() < -40


SPECIFICATION = """
name: own
classes: ade20k
num_classes: 150
input_size_wh: [64, 64]
output_size_wh: [16, 16]
"""


def test_training_starts_with_the_weights_of_a_file(trained, own_pictures, project_root,
                                                    tmp_path):
    path = tmp_path / 'own.onnx'
    tool(project_root, 'export_onnx.py', '--checkpoint',
         os.path.join(trained[0], 'checkpoint.pt'), '--out', str(path))
    path.with_suffix('.yaml').write_text(SPECIFICATION)
    common = ['--data', own_pictures, '--batch', '4', '--width', '64', '--height', '64',
              '--keep-width', '80', '--keep-height', '60', '--processes', '1',
              '--check-images', '3', '--steps', '1', '--lr', '1e-5', '--out']
    scores = [float(tool(project_root, 'train.py', *common, str(tmp_path / name), *more).split(
        'final mIoU ')[1].split()[0])
        for name, more in (('new', ()), ('further', ('--start', str(path))))]
    # One step teaches nothing: what the second knows, it knew.
    assert scores[0] < 0.6 and scores[1] > 0.8


def test_training_refuses_to_start_with_a_network_of_other_classes(trained, own_pictures,
                                                                   project_root, tmp_path):
    path = os.path.join(project_root, 'tools', 'train', 'train.py')
    done = subprocess.run([sys.executable, path, '--data', own_pictures, '--out',
                           str(tmp_path / 'out'), '--processes', '1', '--start',
                           'segformer_sim'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode != 0
    # The shipped network knows floor, 3, and not 140.
    assert 'cannot go on from segformer_sim' in done.stdout and '[140]' in done.stdout


def test_export_gives_the_network_another_input_size(trained, project_root, tmp_path):
    path = str(tmp_path / 'model.onnx')
    tool(project_root, 'export_onnx.py', '--checkpoint',
         os.path.join(trained[0], 'checkpoint.pt'), '--out', path, '--size', '96', '64')
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    logits = session.run(['logits'], {'pixel_values': np.zeros((1, 3, 64, 96), np.float32)})[0]
    assert logits.shape == (1, 150, 16, 24)


@pytest.mark.parametrize('width', [640, 500, 384, 300, 192])
def test_shrunk_labels_stay_where_they_were(width):
    off = []
    for edge in range(100, 540, 7):
        label = np.zeros((48, 640), np.uint8)
        label[:, edge:] = 1
        found = dataset.shrunk_labels(label, (width, 36))
        # Edges between pixels, in pixels of the large picture.
        off.append((found[0] == 0).sum() * 640.0 / width - edge)
    assert np.abs(off).max() <= 0.5 * 640.0 / width + 1e-9
    assert abs(np.mean(off)) < 0.1 * 640.0 / width


def test_labels_that_are_learnt_lie_under_their_picture(monkeypatch):
    # Noise of the colours would blur the edge.
    monkeypatch.setattr(dataset, '_recolour', lambda image, random: np.ascontiguousarray(
        image.transpose(2, 0, 1).astype(np.float32)))
    label = np.zeros((1, 96, 128), np.uint8)
    label[:, 37:, :] = 1
    label[:, :, 61:] = 1
    pairs = dataset.Pairs(np.repeat(255 * label[..., None], 3, axis=3), label)
    batches = dataset.augmented(pairs, (64, 64), 8, np.random.RandomState(1))
    off = []
    for _ in range(60):
        images, labels = next(batches)
        bright = images[:, 0] / 255.0
        # Both as shares of the picture: areas compare to a small part of a pixel.
        off += (bright.mean(axis=(1, 2)) - (labels == 1).mean(axis=(1, 2))).tolist()
    assert len(off) == 480 and np.abs(off).max() < 0.05
    # Of pixels of 64: half a one would be 0.008 for each edge.
    assert abs(np.mean(off)) < 0.001


def test_image_without_a_label_is_named(project_root, tmp_path):
    os.makedirs(str(tmp_path / 'train' / 'images'))
    os.makedirs(str(tmp_path / 'train' / 'labels'))
    cv2.imwrite(str(tmp_path / 'train' / 'images' / 'lonely.png'), np.zeros((8, 8, 3), np.uint8))
    path = os.path.join(project_root, 'tools', 'train', 'train.py')
    done = subprocess.run([sys.executable, path, '--data', str(tmp_path), '--out',
                           str(tmp_path / 'out'), '--processes', '1'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    assert done.returncode != 0
    assert 'lonely.png has no label file' in done.stdout
