# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every kind of export is known as a SegFormer, equal to it, and sure as it: the docs' table."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
pytestmark = pytest.mark.slow
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
TOOL = os.path.join(ROOT, 'tools', 'export', 'export_table.py')
RANDOM = 'refused: The network gives another result at every run'
# What is not folded, and what becomes of it.
OTHERS = {'TorchScript, training mode': RANDOM}
# Float32 sums in another order, of logits up to some 15.
MOST_DIFFERENCE = 1e-4


def run_tool(*arguments):
    return subprocess.run([sys.executable, TOOL] + list(arguments), stdout=subprocess.PIPE,
                          universal_newlines=True, check=False, timeout=1500)


@pytest.fixture(scope='module')
def rows():
    done = run_tool('--quick')
    assert done.returncode == 0, done.stdout
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in done.stdout.splitlines()[2:]]


def test_every_kind_is_folded_or_refused_by_name(rows):
    assert len(rows) >= 10
    for row in rows:
        assert row[2] == OTHERS.get(row[0], 'folded'), row


def test_labels_and_confidence_are_those_of_the_logits(rows):
    for row in rows:
        if row[2].startswith('refused'):
            assert row[3:7] == [''] * 4
            continue
        # A converter rounds weights that the exporter has folded, PyTorch those before it.
        bound = 100.0 * MOST_DIFFERENCE if 'float16' in row[0] else MOST_DIFFERENCE
        assert 0.0 < float(row[3]) < bound, row
        assert float(row[4].rstrip('%')) >= 99.9, row
        assert float(re.match(r'within (\S+) of 255', row[5]).group(1)) <= 0.6, row
        assert 0.0 < float(row[6]) < 3.0, row


def test_tails_are_in_it(rows):
    kinds = ' '.join(row[0] for row in rows)
    assert all(tail in kinds for tail in ('upsampled', 'softmax', 'argmax'))


def test_what_pytorch_writes_is_in_it(rows):
    for name in ('torch', 'transformers', 'onnxscript'):
        pytest.importorskip(name)
    kinds = [row[0] for row in rows]
    assert len(kinds) >= 20
    for text in ('opset 11', 'opset 20', 'dynamo, opset 18', 'dynamo, opset 23, not optimized',
                 'float16', 'external data', 'dynamic', 'int32', 'uint8', 'training mode'):
        assert any(text in kind for kind in kinds), text
    assert ('TorchScript, segmentation_models_pytorch' in kinds) == bool(
        importlib.util.find_spec('segmentation_models_pytorch'))
    assert {'tiny, classes: 1', 'tiny, classes: 255'} <= {row[1] for row in rows}


def test_page_gets_rows_of_now_and_keeps_the_others_with_their_dates(tmp_path):
    page = tmp_path / 'page.md'
    with open(os.path.join(ROOT, 'docs', 'models.md'), encoding='utf-8') as stream:
        before, rest = stream.read().split('<!-- exports')
    mark, _, after = rest.partition('\n')
    after = after[after.index('<!-- end of exports -->'):]
    head = '| export | network |' + ' x |' * 7 + '\n' + '|---' * 9 + '|\n'
    old = '| of another library | B9 |' + ' 7 |' * 6 + ' 2020-01-02 |'
    has_pytorch = all(importlib.util.find_spec(name) for name in (
        'torch', 'transformers', 'onnxscript'))
    kind = 'TorchScript, opset 13' if has_pytorch else 'TorchScript, opset 13, dynamic'
    again, kept = (f'| {each} | tiny | folded | 1 | 1 | 1 | 1 | parsed | 2020-01-02 |'
                   for each in (kind, 'dynamo, opset 18'))
    page.write_text(f'{before}<!-- exports{mark}\n{head}{old}\n{kept}\n{again}\n{after}',
                    encoding='utf-8')
    done = run_tool('--quick', '--only', f'| {kind} | tiny |', '--write', str(page))
    assert done.returncode == 0, done.stdout
    written = page.read_text(encoding='utf-8')
    assert written.startswith(before) and written.endswith(after)
    rows = written[len(before):-len(after)].splitlines()[3:]
    # In the order of the plans, unknown ones last.
    assert [row for row in rows if '2020-01-02' in row] == [kept, old]
    cells = [cell.strip() for cell in next(row for row in rows if kind in row).split('|')]
    assert cells[3] == 'folded' and cells[5] == '100.000%'
    # TensorRT was not asked this time.
    assert cells[8] == 'not tried' and cells[9] > '2026'
    # What the page has is not made again.
    done = run_tool('--quick', '--only', f'| {kind} | tiny |', '--missing', str(page))
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
