# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a network's values on two pictures show that its graph does not tell."""

import numpy as np
import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.model import probe
from segformer_ros.model.spec import ModelSpec
from support.output_networks import GRID
from support.output_networks import SIZE
from support.output_networks import write_network


def spec_of(kind, num_classes=5, layout='nchw'):
    return ModelSpec('net', 'ade20k', num_classes, input_size_wh=(SIZE, SIZE),
                     output_size_wh=(GRID, GRID), mean=(0, 0, 0), std=(1, 1, 1),
                     output_kind=kind, output_layout=layout)


def outputs(make, channels=5):
    random = np.random.RandomState(1)
    one, other = (make(random.normal(0, 3, (8, 8, channels))) for _ in range(2))
    return [one, other, one]


def softmax(values):
    power = np.exp(values)
    return power / power.sum(axis=2, keepdims=True)


def test_logits_are_as_they_are_written():
    spec = spec_of('logits')
    assert probe.judge(spec, outputs(lambda z: z)) == (spec, ())


def test_values_that_differ_on_the_same_picture_are_refused():
    one, other, _ = outputs(lambda z: z)
    with pytest.raises(ModelError, match='another result at every run') as caught:
        probe.judge(spec_of('logits'), [one, other, one + 0.1 * other])
    assert 'model.eval()' in caught.value.remedy
    # Rounding of a runtime that sums in another order is no difference.
    probe.judge(spec_of('logits'), [one, other, one + 1e-6 * other])


@pytest.mark.parametrize('make', [
    np.abs, lambda z: -np.abs(z), lambda z: 1 / (1 + np.exp(-z)),
    # Which end just at 0, as behind a ReLU.
    lambda z: np.maximum(z, 0.0), lambda z: np.minimum(z, 0.0)])
def test_a_binary_logit_on_one_side_of_zero_is_refused(make):
    with pytest.raises(ModelError, match='is never (below|above) 0'):
        probe.judge(spec_of('binary_logits', 2), outputs(make, 1))
    assert probe.judge(spec_of('binary_logits', 2), outputs(lambda z: z, 1)).notes == ()


def test_a_binary_logit_that_stays_away_from_zero_is_told_and_taken_where_the_user_says_so():
    # A network for people sees none on made pictures.
    spec = spec_of('binary_logits', 2)
    below, above = outputs(lambda z: z - 40.0, 1), outputs(lambda z: z + 40.0, 1)
    for values, side, stated in ((below, 'above', True), (below, 'above', False),
                                 (above, 'below', True)):
        finding = probe.judge(spec, values, stated)
        assert finding.spec.output_kind == 'binary_logits'
        assert f'never {side} 0' in finding.notes[0]
    with pytest.raises(ModelError, match='is never below 0') as caught:
        probe.judge(spec, above, False)
    assert 'write output_kind: binary_logits' in caught.value.remedy
    assert 'depth' in caught.value.got
    assert probe.judge(spec, outputs(lambda z: z, 1), False).notes == ()
    with pytest.raises(ModelError, match='is never below 0'):
        probe.judge(spec, outputs(lambda z: 0.5 + z / 100, 1))


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_as_such(value):
    def spoiled(values):
        values[0, 0, 0] = value
        return values
    with pytest.raises(ModelError, match='not finite') as caught:
        probe.judge(spec_of('logits'), outputs(spoiled))
    assert '3 of 960' in caught.value.got


def test_values_that_sum_to_one_are_probabilities():
    finding = probe.judge(spec_of('logits'), outputs(softmax))
    assert finding.spec.output_kind == 'probabilities'
    assert 'sum to 1' in finding.notes[0]


def test_values_in_0_to_1_without_that_sum_are_told():
    finding = probe.judge(spec_of('logits'), outputs(lambda z: 1 / (1 + np.exp(-z))))
    assert finding.spec.output_kind == 'logits'
    assert 'write output_kind: probabilities' in finding.notes[0]


@pytest.mark.parametrize('low, high', [(0, 5), (-1, 3)])
def test_labels_outside_the_table_are_refused(low, high):
    def labels(values):
        return np.linspace(low, high, values.size).reshape(values.shape).astype(np.int64)
    with pytest.raises(ModelError, match='not in the class table'):
        probe.judge(spec_of('labels'), outputs(labels, 1))
    probe.judge(spec_of('labels', 6), outputs(lambda z: np.clip(labels(z), 0, 5), 1))
    # 255 is no class, as in masks.
    probe.judge(spec_of('labels'), outputs(lambda z: np.where(z > 0, 255, 4), 1))
    with pytest.raises(ModelError, match='not in the class table'):
        probe.judge(spec_of('labels'), outputs(lambda z: np.where(z > 0, 254, 4), 1))


def test_a_label_outside_the_table_on_any_picture_is_refused():
    good, bad = np.zeros((8, 8, 1), np.int64), np.full((8, 8, 1), 7)
    for pictures in ([good, bad, good], [bad, good, bad]):
        with pytest.raises(ModelError, match='not in the class table') as caught:
            probe.judge(spec_of('labels'), pictures)
        assert caught.value.got == 'values from 0 to 7 on 2 pictures'


def half(values):
    return values.astype(np.float16)


def test_values_that_are_largest_for_the_least_likely_class_are_refused():
    for make in (lambda z: -np.log(softmax(z)), lambda z: half(-np.log(softmax(z)))):
        with pytest.raises(ModelError, match='largest for the least likely class'):
            probe.judge(spec_of('logits'), outputs(make))
    for make in (lambda z: np.log(softmax(z)), np.abs, lambda z: np.maximum(z, 0.0),
                 lambda z: np.log1p(np.exp(z)), lambda z: -z, lambda z: z + 40.0):
        assert probe.judge(spec_of('logits'), outputs(make)) == (spec_of('logits'), ())


@pytest.mark.parametrize('scale', [100, 255, 2, 0.5])
def test_probabilities_with_a_scale_are_refused_as_logits(scale):
    for make in (lambda z: scale * softmax(z), lambda z: half(scale * softmax(z))):
        with pytest.raises(ModelError, match=f'probabilities times {scale}'):
            probe.judge(spec_of('logits'), outputs(make))
    # What is not below 0 has other sums elsewhere; what is the same everywhere is not judged.
    for make in (lambda z: scale * np.exp(z), lambda z: 0.1 * scale + np.maximum(z, 0.0),
                 lambda z: 0 * z, lambda z: 0 * z + np.arange(2, 7)):
        assert probe.judge(spec_of('logits'), outputs(make)) == (spec_of('logits'), ())


def test_probabilities_of_which_a_number_is_subtracted_are_refused_as_logits():
    for less in (0.5, 0.2, 0.01):
        with pytest.raises(ModelError, match=f'probabilities minus {less}'):
            probe.judge(spec_of('logits'), outputs(
                lambda z, less=less: (softmax(z) - less).astype(np.float32)))
    # Logits that sum to 0 have a wider span than probabilities; others have no constant sum.
    for make in (lambda z: z - z.mean(axis=2, keepdims=True), lambda z: 0.1 * np.tanh(z),
                 lambda z: np.log(softmax(z))):
        assert probe.judge(spec_of('logits'), outputs(make)) == (spec_of('logits'), ())


def test_a_softmax_over_the_picture_is_no_probability_of_classes():
    def over_picture(values):
        power = np.exp(values)
        return power / power.sum(axis=(0, 1), keepdims=True)
    for kind in ('logits', 'probabilities'):
        for make in (over_picture, lambda z: half(over_picture(z))):
            with pytest.raises(ModelError, match='not by class'):
                probe.judge(spec_of(kind), outputs(make))
        probe.judge(spec_of(kind), outputs(softmax))
        probe.judge(spec_of(kind), outputs(lambda z: 1 / (1 + np.exp(-z))))


def test_probabilities_of_a_softmax_sum_to_one():
    spec = spec_of('probabilities')
    for make in (lambda z: softmax(z) ** 2, lambda z: 0.9 * softmax(z)):
        with pytest.raises(ModelError, match='no probabilities of the classes') as caught:
            probe.judge(spec, outputs(make), is_share=True)
        assert 'sums over the classes from 0.' in caught.value.got
    for make in (softmax, lambda z: half(softmax(z)), lambda z: 1.005 * softmax(z) - 0.0005):
        assert probe.judge(spec, outputs(make), is_share=True) == (spec, ())
    # A sigmoid of each class has any sum.
    assert probe.judge(spec, outputs(lambda z: 1 / (1 + np.exp(-z)))) == (spec, ())


@pytest.mark.parametrize('tail, is_refused', [
    ([('Softmax', {'axis': 1})], False), ([('Sigmoid', {})], False),
    ([('HardSigmoid', {})], False),
    ([('Softmax', {'axis': 1}), ('Sqrt', {})], True),
    ([('Softmax', {'axis': 1}), ('Einsum', {'equation': 'abcd->abcd'}), ('Sqrt', {})], True),
    ([('Softmax', {'axis': 1}), ('Einsum', {'equation': 'abcd->abcd'})], False),
    ([('Softmax', {'axis': 1}), ('Einsum', {'equation': 'abcd->abcd'}), ('Sigmoid', {})], False)])
def test_which_probabilities_sum_to_one_is_seen_in_the_graph(tmp_path, tail, is_refused):
    pytest.importorskip('onnxruntime')
    path = write_network(tmp_path, 5, tail)
    if is_refused:
        with pytest.raises(ModelError, match='no probabilities'):
            probe.probe(path, spec_of('probabilities'))
    else:
        assert probe.probe(path, spec_of('probabilities')).notes == []


def test_a_mask_of_0_and_255_alone_is_refused_as_labels():
    def labels(*values):
        return outputs(lambda z: np.take(values, (z > 0).astype(int) + (z > 3)), 1)
    for values in ((0, 255, 255), (255, 255, 255)):
        with pytest.raises(ModelError, match='mask of 0 and 255 alone') as caught:
            probe.judge(spec_of('labels', 2), labels(*values))
        assert 'divide by 255' in caught.value.remedy
    for values in ((0, 1, 255), (0, 1, 1), (0, 0, 0), (1, 255, 255)):
        assert probe.judge(spec_of('labels', 2), labels(*values)).notes == ()


def test_probabilities_above_one_are_refused():
    with pytest.raises(ModelError, match='no probabilities'):
        probe.judge(spec_of('probabilities'), outputs(lambda z: 255 * softmax(z)))


@pytest.mark.parametrize('kind, channels', [('probabilities', 5), ('binary_probabilities', 1)])
def test_probabilities_may_leave_0_to_1_by_rounding_alone(kind, channels):
    def judge(low, high):
        return probe.judge(spec_of(kind, max(channels, 2)), outputs(
            lambda z: np.linspace(low, high, z.size).reshape(z.shape), channels))
    for low, high in ((-0.02, 1.0), (0.0, 1.02), (-8.0, 0.5)):
        with pytest.raises(ModelError, match='no probabilities') as caught:
            judge(low, high)
        assert 'write output_kind: ' + kind.replace('probabilities', 'logits') \
            in caught.value.remedy
    assert judge(-0.005, 1.005).notes == ()


@pytest.mark.parametrize('tail, kind, message', [
    ([], 'logits', ''), ([('Softmax', {'axis': 1})], 'logits', 'sum to 1'),
    ([('RandomNormalLike', {}), ('Identity', {})], 'logits', 'refused')])
def test_a_file_is_run(tmp_path, tail, kind, message):
    pytest.importorskip('onnxruntime')
    path = write_network(tmp_path, 5, tail)
    if message == 'refused':
        with pytest.raises(ModelError, match='another result at every run'):
            probe.probe(path, spec_of(kind))
    else:
        assert message in ' '.join(probe.probe(path, spec_of(kind)).notes)


def dynamic_network(folder, shape, tail=()):
    """Write a network of five classes whose file leaves height, width and channels open."""
    return write_network(folder, 5, list(tail), ('FLOAT', shape))


TO_LAST = ('Transpose', {'perm': [0, 2, 3, 1]})
HALF = ('MaxPool', {'kernel_shape': [2, 2], 'strides': [2, 2]})


@pytest.mark.parametrize('tail, layout, size, notes', [
    ([], 'nchw', GRID, []),
    ([HALF], 'nchw', GRID // 2, ['output_size_wh: [8, 8]']),
    ([TO_LAST], 'nhwc', GRID, ['output_layout: nhwc']),
    ([HALF, TO_LAST], 'nhwc', GRID // 2, ['output_layout: nhwc', 'output_size_wh: [8, 8]'])])
@pytest.mark.parametrize('written', ['nchw', 'nhwc'])
def test_layout_and_size_of_an_open_output_are_those_that_come(
        tmp_path, tail, layout, size, notes, written):
    pytest.importorskip('onnxruntime')
    path = dynamic_network(tmp_path, [1, None, None, None], tail)
    finding = probe.probe(path, spec_of('logits', layout=written))
    assert finding.spec.output_layout == layout
    assert finding.spec.output_size_wh == (size, size)
    if written == 'nchw':
        assert [note.split(',')[0] for note in finding.notes] \
            == [note.split(',')[0] for note in notes]
    else:
        assert len(finding.notes) == (layout != written) + (size != GRID)


def test_probabilities_in_another_layout_than_written_are_known_by_their_sum(tmp_path):
    pytest.importorskip('onnxruntime')
    softmax = [('Softmax', {'axis': 1}), ('Einsum', {'equation': 'abcd->abcd'})]
    for tail, written in ((softmax + [TO_LAST], 'nchw'), (softmax, 'nhwc')):
        path = dynamic_network(tmp_path, [1, None, None, None], tail)
        finding = probe.probe(path, spec_of('logits', layout=written))
        assert finding.spec.output_layout != written
        assert finding.spec.output_kind == 'probabilities' and len(finding.notes) == 2


def test_output_that_is_as_written_is_taken_whatever_its_proportions(tmp_path):
    pytest.importorskip('onnxruntime')
    wide = ('MaxPool', {'kernel_shape': [1, 2], 'strides': [1, 2]})
    path = dynamic_network(tmp_path, [1, 5, None, None], [wide])
    spec = spec_of('logits')._replace(output_size_wh=(GRID // 2, GRID))
    assert probe.probe(path, spec) == (spec, [])
    # Written otherwise it may be anything.
    with pytest.raises(ModelError, match='does not fit specification') as caught:
        probe.probe(path, spec_of('logits'))
    assert caught.value.got == [1, 5, 16, 8] and 'proportions' in caught.value.remedy


def test_output_with_other_channels_than_classes_is_refused(tmp_path):
    pytest.importorskip('onnxruntime')
    path = dynamic_network(tmp_path, [1, None, None, None])
    with pytest.raises(ModelError, match='does not fit specification') as caught:
        probe.probe(path, spec_of('logits', 6))
    assert 'num_classes' in caught.value.remedy


def test_output_of_which_every_dimension_may_hold_the_classes_is_refused(tmp_path):
    pytest.importorskip('onnxruntime')
    path = write_network(tmp_path, GRID // 2, [HALF], ('FLOAT', [1, None, None, None]))
    with pytest.raises(ModelError, match='the first or the last dimension'):
        probe.probe(path, spec_of('logits', GRID // 2))
    written = spec_of('logits', GRID // 2)._replace(output_size_wh=(GRID // 2,) * 2)
    assert probe.probe(path, written) == (written, [])


def test_size_whose_strides_round_up_has_the_proportions_of_the_image(monkeypatch):
    spec = spec_of('logits')._replace(input_size_wh=(70, 50))

    def probe_output(height, width):
        monkeypatch.setattr(probe.verify, 'run', lambda path, spec, pictures: [
            np.random.RandomState(1).normal(0, 3, (height, width, 5)) for _ in pictures])
        return probe.probe('net.onnx', spec).spec
    assert probe_output(13, 18).output_size_wh == (18, 13)
    for height, width in ((14, 18), (13, 20), (18, 13)):
        with pytest.raises(ModelError, match='does not fit specification'):
            probe_output(height, width)


@pytest.mark.parametrize('written, turn, layout', [
    ('nchw', (1, 2, 0), 'nhwc'), ('nhwc', (0, 1, 2), 'nchw')])
def test_wide_output_in_another_layout_than_written_keeps_its_width_and_its_classes(
        monkeypatch, written, turn, layout):
    spec = spec_of('logits', layout=written)._replace(input_size_wh=(72, 52))
    random = np.random.RandomState(1)
    shares = [softmax(random.normal(0, 3, (13, 18, 5))) for _ in range(2)]
    # As they come from the file, and as whoever runs it turns them by what is written.
    came = [each if layout == 'nhwc' else each.transpose(2, 0, 1) for each in shares]
    monkeypatch.setattr(probe.verify, 'run', lambda path, spec, pictures: [
        each.transpose(turn) for each in [*came, came[0]]])
    found = probe.probe('net.onnx', spec).spec
    assert found.output_layout == layout and found.output_size_wh == (18, 13)
    # Sums over anything but the classes would not be 1.
    assert found.output_kind == 'probabilities'
