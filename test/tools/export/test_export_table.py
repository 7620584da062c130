# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every kind of export is known as a SegFormer, equal to it, and sure as it: the docs' table."""

import os
import re
import subprocess
import sys

import pytest

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
pytestmark = pytest.mark.slow
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')


@pytest.fixture(scope='module')
def rows():
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, 'tools', 'export', 'export_table.py'), '--quick'],
        stdout=subprocess.PIPE, universal_newlines=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in done.stdout.splitlines()[2:]]


# What is not folded, and what becomes of it.
OTHERS = {'PyTorch: TorchScript, opset 13, float16, io kept': 'unchanged',
          'PyTorch: TorchScript, opset 13, float16': 'refused: Input is not an image'}


def test_every_kind_is_folded(rows):
    assert len(rows) >= 7
    for row in rows:
        assert row[2] == OTHERS.get(row[0], 'folded'), row


def test_what_pytorch_writes_is_in_it(rows):
    pytest.importorskip('torch')
    pytest.importorskip('transformers')
    written = [row[0] for row in rows if row[0].startswith('PyTorch: ')]
    assert len(written) >= 8
    assert set(OTHERS) <= set(written)


def test_labels_and_confidence_are_those_of_the_logits(rows):
    for row in rows:
        if row[2].startswith('refused'):
            assert row[3:7] == [''] * 4
            continue
        assert row[2] == 'unchanged' or float(row[3]) < 1e-3
        assert float(row[4].rstrip('%')) >= 99.9, row
        assert float(re.match(r'within (\S+) of 255', row[5]).group(1)) <= 1.0, row


def test_tails_are_in_it(rows):
    assert {row[0].split(',')[-2].strip() for row in rows if row[0].startswith('upsampled')} == {
        'softmax', 'argmax'}
