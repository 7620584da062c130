# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Operations are counted as loops would, and every node has its row."""

import itertools

import pytest

onnxruntime = pytest.importorskip('onnxruntime')
import operator_profile  # noqa: E402, I100
from segformer_ros.common.errors import BackendError  # noqa: E402
from support.color_network import color_spec  # noqa: E402
from support.color_network import write_color_network  # noqa: E402


def loops(*sizes):
    """Count the rounds of nested loops; a multiplication and an addition in each."""
    return 2 * sum(1 for _ in itertools.product(*map(range, sizes)))


@pytest.mark.parametrize('name, inputs, outputs, expected', [
    ('Conv', [[1, 3, 8, 8], [5, 3, 3, 3], [5]], [[1, 5, 4, 4]], loops(5, 4, 4, 3, 3, 3)),
    ('FusedConv', [[1, 6, 4, 4], [6, 1, 3, 3]], [[1, 6, 4, 4]], loops(6, 4, 4, 3, 3)),
    ('MatMul', [[2, 3, 4], [4, 5]], [[2, 3, 5]], loops(2, 3, 5, 4)),
    # The first factor is transposed.
    ('Gemm', [[4, 3], [4, 5], [5]], [[3, 5]], loops(3, 5, 4)),
    # Scores of every query with every key, then the weighted sum: as wide as all heads.
    ('MultiHeadAttention', [[1, 6, 8], [1, 3, 8], [1, 3, 8]], [[1, 6, 8]], 2 * loops(6, 3, 8)),
    ('Gelu', [[1, 6, 8]], [[1, 6, 8]], 0), ('Shape', [], [], 0)])
def test_operations_are_those_of_loops(name, inputs, outputs, expected):
    assert operator_profile.operations(name, inputs, outputs) == expected


def test_depthwise_convolution_has_a_row_of_its_own():
    assert operator_profile.kind_of('Conv', [[1, 6, 4, 4], [6, 1, 3, 3]]) == 'Conv, depthwise'
    assert operator_profile.kind_of('Conv', [[1, 6, 4, 4], [6, 6, 3, 3]]) == 'Conv'


def test_graph_is_profiled_node_by_node(tmp_path):
    path = write_color_network(tmp_path / 'colors.onnx')
    if onnxruntime.__version__.startswith('1.10.'):
        with pytest.raises(BackendError, match='no shapes'):
            operator_profile.profile(path, color_spec().input_tensor(), 1)
        return
    nodes, peak = operator_profile.profile(path, color_spec().input_tensor(), 3)
    assert 1e8 < peak < 1e13
    by_kind = {kind: (count, time_us) for kind, count, time_us in nodes.values()}
    # Four channels out; a runtime that computes in blocks fills them up to 8 or 16.
    assert by_kind['Conv'][0] / (2 * 16 * 16 * 3) in (4.0, 8.0, 16.0)
    assert by_kind['AveragePool'][0] == 0
    lines = operator_profile.table(nodes, peak)
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines[2:]]
    assert {row[0] for row in rows} == set(by_kind) | {'all'}
    assert rows[-1][:2] == ['all', str(len(nodes))]
    assert sum(float(row[3]) for row in rows[:-1]) == pytest.approx(1.0, abs=0.001 * len(rows))


def test_share_of_the_peak_is_of_the_time():
    nodes = {1: ('Conv', 3e6, 40), 2: ('Conv', 1e6, 60), 3: ('Gelu', 0.0, 100)}
    assert operator_profile.table(nodes, 1e11)[2:] == [
        '| Conv | 2 | 0.1 | 0.500 | 0.00 | 0.40 |', '| Gelu | 1 | 0.1 | 0.500 |  |  |',
        '| all | 3 | 0.2 | 1.000 | 0.00 | 0.20 |']
