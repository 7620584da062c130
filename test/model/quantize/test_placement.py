# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where integers stand in a network, with which steps, and that it computes what they say."""

import collections
import os

import numpy as np
import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.model.optimize.mixed_precision import convert_to_mixed_precision
from segformer_ros.model.optimize.optimize import write_rewritten
from segformer_ros.model.optimize.target import TENSORRT_8_2
from segformer_ros.model.optimize.target import TENSORRT_8_6
from segformer_ros.model.quantize import placement
from segformer_ros.model.spec import ModelSpec

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

TINY = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'data',
                    'tiny_segformer.onnx')
TINY_SPEC = ModelSpec(name='tiny', classes='ade20k', num_classes=7, input_size_wh=(64, 64),
                      output_size_wh=(16, 16))
RANGES = {'image': 2.0, 'tokens': 3.0, 'hidden': 1.5}


def weights(shape, seed):
    """Return weights whose output channels differ in size by a factor of a thousand."""
    random = np.random.RandomState(seed)
    return random.normal(0, 1, shape).astype('f')


@pytest.fixture(scope='module')
def parts():
    """Return the weights of the small network, by name."""
    stretch = np.float32(10.0) ** np.linspace(-2, 1, 4, dtype='f')
    return {'conv': weights((4, 3, 1, 1), 1) * stretch[:, None, None, None],
            'linear': weights((4, 5), 2) * np.append(stretch, 0.0).astype('f'),
            'turned': weights((6, 5), 3), 'classifier': weights((6, 7), 4),
            'gain': np.ones(4, 'f')}


@pytest.fixture
def network(parts):
    """Return one layer of each kind, attention and normalisation between them."""
    node = onnx.helper.make_node
    nodes = [
        node('Conv', ['image', 'conv'], ['features'], 'conv'),
        node('Reshape', ['features', 'shape'], ['rows'], 'rows'),
        node('Transpose', ['rows'], ['columns'], 'columns', perm=[1, 0]),
        node('LayerNormalization', ['columns', 'gain'], ['tokens'], 'norm', axis=-1),
        node('MatMul', ['tokens', 'linear'], ['hidden'], 'linear'),
        node('Transpose', ['hidden'], ['across'], 'across', perm=[1, 0]),
        node('MatMul', ['hidden', 'across'], ['scores'], 'scores'),
        node('Softmax', ['scores'], ['shares'], 'softmax', axis=-1),
        node('MatMul', ['shares', 'hidden'], ['context'], 'context'),
        node('Gemm', ['hidden', 'turned'], ['wide'], 'turned', transB=1),
        node('MatMul', ['wide', 'classifier'], ['logits'], 'classifier')]
    graph = onnx.helper.make_graph(
        nodes, 'parts', [onnx.helper.make_tensor_value_info('image', 1, [1, 3, 2, 2])],
        [onnx.helper.make_tensor_value_info('logits', 1, [4, 7])],
        [onnx.numpy_helper.from_array(values, name) for name, values in parts.items()]
        + [onnx.numpy_helper.from_array(np.array([4, 4]), 'shape')])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 17)])
    made.ir_version = 8
    return made


def save(model, folder, name='network.onnx'):
    """Write a model and return its path."""
    path = str(folder / name)
    onnx.save(model, path)
    return path


def run(model, feeds, output='logits'):
    """Compute a model node by node."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=['CPUExecutionProvider'])
    return session.run([output], feeds)[0]


def rounded(values, step):
    """Return values as they are after a pair: the oracle, in plain numpy."""
    return (np.clip(np.rint(values / step), -128, 127) * step).astype('f')


def rounded_rows(values):
    """Round each row, an output channel, by its own largest magnitude; zeros stay."""
    out = np.zeros_like(values)
    for row in range(len(values)):
        largest = max(abs(float(value)) for value in values[row].ravel())
        if largest:
            out[row] = rounded(values[row], np.float32(largest / 127))
    return out


def test_products_with_weights_are_quantized_but_the_last(network, tmp_path):
    sites = placement.find_sites(placement.read_model(save(network, tmp_path)))
    assert [(site.op, site.activation, site.weight, site.axis) for site in sites] == [
        ('Conv', 'image', 'conv', 0), ('MatMul', 'tokens', 'linear', 1),
        ('Gemm', 'hidden', 'turned', 0)]
    assert placement.activations(sites) == ['image', 'tokens', 'hidden']


def test_network_computes_what_numpy_makes_of_the_same_rounding(network, parts):
    quantized = placement.quantized(network, RANGES)
    image = np.random.RandomState(9).normal(0, 1, (1, 3, 2, 2)).astype('f')
    steps = {name: np.float32(limit / 127) for name, limit in RANGES.items()}
    conv = rounded_rows(parts['conv'])[:, :, 0, 0]
    features = np.tensordot(conv, rounded(image, steps['image'])[0], 1).reshape(4, 4).T
    centred = features - features.mean(axis=1, keepdims=True)
    tokens = centred / np.sqrt((centred ** 2).mean(axis=1, keepdims=True) + 1e-5)
    hidden = rounded(tokens, steps['tokens']) @ rounded_rows(parts['linear'].T).T
    wide = rounded(hidden, steps['hidden']) @ rounded_rows(parts['turned']).T
    found = run(quantized, {'image': image})
    np.testing.assert_allclose(found, wide @ parts['classifier'], rtol=1e-4, atol=1e-4)
    # And that is not what the network computes without rounding.
    assert np.abs(found - run(network, {'image': image})).max() > 0.01


def test_values_beyond_the_range_are_clipped(network):
    quantized = placement.quantized(network, dict(RANGES, image=0.001))
    images = [np.full((1, 3, 2, 2), value, 'f') for value in (0.001, 1000.0)]
    one, other = (run(quantized, {'image': image}) for image in images)
    np.testing.assert_array_equal(one, other)


def test_weight_steps_are_those_of_each_output_channel():
    values = np.array([[1.0, -254.0], [0.5, 0.0], [0.0, 0.0]], 'f')
    np.testing.assert_array_equal(placement.weight_scales(values, 0), np.array(
        [254.0, 0.5, 1.0], 'f') / np.float32(127))
    np.testing.assert_array_equal(placement.weight_scales(values, 1), np.array(
        [1.0, 254.0], 'f') / np.float32(127))


def test_range_of_a_tensor_that_is_always_zero_can_be_stored(network):
    quantized = placement.quantized(network, dict(RANGES, hidden=0.0))
    assert np.isfinite(run(quantized, {'image': np.ones((1, 3, 2, 2), 'f')})).all()


def pairs_of(model):
    """Return, for each tensor that is rounded, whether by channel; and who reads it after."""
    graph = model.graph
    scales = {entry.name: tuple(entry.dims) for entry in graph.initializer}
    found, readers = {}, collections.defaultdict(list)
    back = {}
    for node in graph.node:
        if node.op_type == 'QuantizeLinear':
            found[node.output[0]] = (node.input[0], scales[node.input[1]] != ())
            zero = next(e for e in graph.initializer if e.name == node.input[2])
            assert zero.data_type == onnx.TensorProto.INT8
            assert not onnx.numpy_helper.to_array(zero).any()
        elif node.op_type == 'DequantizeLinear':
            back[node.output[0]] = found[node.input[0]]
        else:
            for name in node.input:
                if name in back:
                    readers[node.op_type].append(back[name])
    return dict(back), readers


@pytest.mark.parametrize('target', [TENSORRT_8_2, TENSORRT_8_6, None])
def test_softmax_normalisation_attention_and_classifier_stay_as_they_were(target, tmp_path):
    path = TINY
    if target is not None:
        path = str(tmp_path / 'graph.onnx')
        assert write_rewritten(TINY, TINY_SPEC, target, path)[0] == 'folded'
    model = placement.read_model(path)
    sites = placement.find_sites(model)
    quantized = placement.quantized(model, dict.fromkeys(placement.activations(sites), 1.0))
    back, readers = pairs_of(quantized)
    assert set(readers) == {'Conv', 'MatMul'}
    # Each reads two rounded tensors: the activation with one step, the weight with many.
    kinds = collections.Counter(by_channel for op in readers for _, by_channel in readers[op])
    assert kinds[True] == kinds[False] == len(sites)
    assert len(back) == len({site.activation for site in sites}) + len(
        {(site.weight, site.axis) for site in sites})
    # Two products of attention a block, and the last convolution: one block a stage, four stages.
    left = [node for node in quantized.graph.node if node.op_type in ('Conv', 'MatMul')
            and not set(node.input) & set(back)]
    assert collections.Counter(node.op_type for node in left) == {'MatMul': 8, 'Conv': 1}
    weights_left = [name for node in left for name in node.input
                    if name in {entry.name for entry in quantized.graph.initializer}]
    assert len(weights_left) == 2  # the classifier's weight and bias
    # Everything else reads what it read.
    others = [[node for node in each.graph.node if node.op_type not in (
        'Conv', 'MatMul', 'QuantizeLinear', 'DequantizeLinear')] for each in (model, quantized)]
    assert others[0] == others[1] and len(others[0]) > 100


def test_tensor_that_several_layers_read_has_one_pair(tmp_path):
    model = placement.read_model(TINY)
    sites = placement.find_sites(model)
    assert len(placement.activations(sites)) < len(sites)
    quantized = placement.quantized(model, dict.fromkeys(placement.activations(sites), 1.0))
    sources = [node.input[0] for node in quantized.graph.node if node.op_type == 'QuantizeLinear']
    assert len(sources) == len(set(sources))


def test_original_is_not_changed(network):
    before = network.SerializeToString()
    placement.quantized(network, RANGES)
    assert network.SerializeToString() == before


def test_mixed_precision_keeps_integers_without_casts_between_scale_and_product(tmp_path):
    model = placement.read_model(TINY)
    names = placement.activations(placement.find_sites(model))
    path = save(placement.quantized(model, dict.fromkeys(names, 4.0)), tmp_path)
    mixed = convert_to_mixed_precision(path)
    converted = onnx.load_from_string(mixed.onnx)
    back = {node.output[0] for node in converted.graph.node if node.op_type == 'DequantizeLinear'}
    readers = [node.op_type for node in converted.graph.node if back & set(node.input)]
    assert set(readers) == {'Conv', 'MatMul'}
    assert sum(node.op_type == 'Cast' for node in converted.graph.node) > 10
    assert 0 < mixed.fp32_nodes < mixed.nodes


def test_network_of_an_old_opset_is_refused(network, tmp_path):
    network.opset_import[0].version = 12
    with pytest.raises(ModelError, match=r'by channel: got opset 12 .*expected opset 13'):
        placement.read_model(save(network, tmp_path))


def test_network_that_is_quantized_already_is_refused(network, tmp_path):
    path = save(placement.quantized(network, RANGES), tmp_path)
    with pytest.raises(ModelError, match='quantized already'):
        placement.read_model(path)


def test_network_without_a_layer_to_quantize_is_refused(network, tmp_path):
    del network.graph.node[:4]
    del network.graph.node[1:]
    network.graph.node[0].input[0] = 'image'
    network.graph.node[0].output[0] = 'logits'
    with pytest.raises(ModelError, match='no layer to quantize'):
        placement.read_model(save(network, tmp_path))


def test_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / 'x.onnx').write_bytes(b'no model')
    for name in ('x.onnx', 'absent.onnx'):
        with pytest.raises(ModelError, match=f'Model cannot be read: got .*{name}'):
            placement.read_model(str(tmp_path / name))
