# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""ONNX headers read without onnx: the same facts, and no file that breaks the reader."""

import os
import tempfile

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file import protobuf as protobuf_wire
from segformer_ros.model.onnx_file.header import model_digest
from segformer_ros.model.onnx_file.header import OnnxHeader
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.spec import TensorSpec
from support import onnx_writer as w
from support.output_networks import write_network


def read(content):
    """Read a header from bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.onnx')
        with open(path, 'wb') as stream:
            stream.write(content)
        return read_onnx_header(path)


@pytest.mark.smoke
def test_facts_of_a_small_model():
    header = read(w.segmenter())
    assert header == OnnxHeader(
        ir_version=7, producer='by hand', opsets={'': 13},
        inputs=(TensorSpec('pixel_values', 'float32', (1, 3, 64, 64)),),
        outputs=(TensorSpec('logits', 'float32', (1, 150, 16, 16)),),
        ops={'Conv': 1}, parameters=150 * 48,
        parameters_by_dtype={'float32': 150 * 48}, external_files=(),
        output_channels={'logits': 150}, file_bytes=len(w.segmenter()))
    assert header.opset == 13


def test_facts_agree_with_the_onnx_package(shared):
    onnx = pytest.importorskip('onnx')
    path = shared('models/ade20k_mobilenetv2_segformer_io.onnx')
    compare(onnx, read_onnx_header(path), onnx.load(path))


def compare(onnx, header, model):
    """Compare with what the onnx package says."""
    graph = model.graph
    names = {weight.name for weight in graph.initializer}
    inputs = [value for value in graph.input if value.name not in names]
    for specs, values in ((header.inputs, inputs), (header.outputs, graph.output)):
        assert [spec.name for spec in specs] == [value.name for value in values]
        for spec, value in zip(specs, values):
            kind = value.type.tensor_type
            assert spec.dtype == str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
            assert spec.shape == tuple(
                size.dim_value if size.HasField('dim_value') else None for size in kind.shape.dim)
    assert header.ir_version == model.ir_version
    assert header.opsets == {entry.domain: entry.version for entry in model.opset_import}
    counts = {}
    for node in graph.node:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    assert header.ops == counts
    parameters = 0
    for weight in graph.initializer:
        elements = 1
        for size in weight.dims:
            elements *= size
        parameters += elements
    assert header.parameters == parameters


def test_file_written_by_the_onnx_package_is_read(tmp_path):
    onnx = pytest.importorskip('onnx')
    helper = onnx.helper
    numpy = pytest.importorskip('numpy')
    weight = onnx.numpy_helper.from_array(numpy.zeros((19, 8, 1, 1), numpy.float32), 'w')
    graph = helper.make_graph(
        [helper.make_node('Conv', ['x', 'w'], ['y']),
         helper.make_node('Resize', ['y', '', 's'], ['z'], mode='linear')], 'main',
        [helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, ['b', 8, 'h', 'w'])],
        [helper.make_tensor_value_info('z', onnx.TensorProto.FLOAT16, ['b', None, 4, 4])],
        [weight, helper.make_tensor('s', onnx.TensorProto.FLOAT, [4], [1.0, 1.0, 2.0, 2.0])],
        doc_string='x' * 100000)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    path = str(tmp_path / 'model.onnx')
    onnx.save(model, path)
    header = read_onnx_header(path)
    compare(onnx, header, model)
    assert header.output_channels == {'z': 19}


def test_dynamic_sizes_are_none():
    header = read(w.segmenter(('batch', 3, 'height', -1), ('batch', 'labels', 'h', 'w')))
    assert header.inputs[0].shape == (None, 3, None, None)
    assert header.outputs[0].shape == (None, None, None, None)
    assert header.output_channels == {'logits': 150}


def test_weights_listed_among_the_inputs_are_no_inputs():
    header = read(w.model(w.graph(
        inputs=[w.value_info('x', (1,)), w.value_info('w', (2,))],
        weights=[w.tensor('w', (2,), bytes(8))]), ir_version=3))
    assert [spec.name for spec in header.inputs] == ['x']


def test_operators_of_subgraphs_and_other_domains_are_counted():
    inner = w.graph([w.node('Relu', ['a'], ['b']), w.node('Relu', ['b'], ['c'])],
                    weights=[w.tensor('k', (3,), bytes(12))])
    outer = w.graph([w.node('If', ['x'], ['y'], subgraphs=[inner, inner]),
                     w.node('FusedConv', ['y'], ['z'], 'com.microsoft'),
                     w.node('Relu', ['z'], ['v'], 'ai.onnx')])
    header = read(w.model(outer, domains=[('com.microsoft', 1), ('ai.onnx', 12)]))
    assert header.ops == {'If': 1, 'Relu': 5, 'com.microsoft::FusedConv': 1}
    assert header.parameters == 6
    assert header.opsets == {'': 12, 'com.microsoft': 1}


def test_packed_dimensions_are_read():
    header = read(w.model(w.graph(weights=[w.tensor('w', (2, 300), bytes(2400), packed=True)])))
    assert header.parameters == 600


def test_weights_in_other_files_are_named():
    header = read(w.model(w.graph(weights=[
        w.external_tensor('a', (2, 2), 'weights.bin'),
        w.external_tensor('b', (2, 2), '../../etc/passwd')])))
    assert header.external_files == ('../../etc/passwd', 'weights.bin')
    assert header.parameters == 8


@pytest.mark.parametrize('content, found', [
    (b'', '0 graphs and IR version 0'),
    (b'<!DOCTYPE html><html>', 'at byte'),
    (b'\x00', 'field number 0'),
    (b'\xff' * 11, 'a number without an end'),
    (b'\xff' * 9 + b'\x7f', 'a number without an end'),
    (w.number(1, 7), '0 graphs'),
    (w.block(7, b''), 'IR version 0'),
    (w.number(1, 7) + w.block(7, b'') * 2, '2 graphs'),
    (w.number(1, 7) + b'\x0b', 'wire type 3'),
    (w.number(1, 7) + w.number(7, 3), 'wire type 0 of field 7'),
    (w.segmenter()[:-100], 'ends after its message'),
    (w.number(1, 7) + b'\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f', 'ends after its message'),
    (w.model(w.graph(weights=[w.tensor('w', (3,), bytes(8))])), '8 bytes for float32 weights'),
    (w.model(w.graph(weights=[w.tensor('w', (-1,), bytes(4))])), 'weights of shape'),
    (w.model(w.graph(weights=[w.tensor('w', (1,) * 65, bytes(4))])), 'weights of shape'),
    (w.model(w.graph(outputs=[w.block(1, b'\xff')])), 'not UTF-8'),
    (w.model(w.graph(outputs=[w.block(1, 'x' * 5000)])), 'names too long'),
], ids=[str(row) for row in range(17)])
def test_damaged_file_is_told_with_the_place(content, found):
    with pytest.raises(ModelError, match=r'No readable ONNX file.*fetch or export it') as caught:
        read(content)
    assert found in str(caught.value)


def test_output_without_a_shape_is_told():
    no_shape = w.block(1, 'y') + w.block(2, w.block(1, w.number(1, w.FLOAT)))
    with pytest.raises(ModelError, match="'y' of the model is not a tensor of known shape"):
        read(w.model(w.graph(outputs=[no_shape])))


def test_deeply_nested_subgraphs_are_refused():
    inner = w.graph()
    for _ in range(2000):
        inner = w.graph([w.node('If', [], [], subgraphs=[inner])])
    with pytest.raises(ModelError, match='nested too deeply'):
        read(w.model(inner))


def test_nodes_in_a_circle_end():
    header = read(w.model(w.graph(
        [w.node('Cast', ['b'], ['a']), w.node('Cast', ['a'], ['b'])],
        outputs=[w.value_info('a', (1,))])))
    assert header.output_channels == {}


@pytest.mark.parametrize('content', [
    w.number(1, 7) * (protobuf_wire.MOST_FIELDS + 1),
    w.number(1, 7) + w.block(7, w.block(5, w.block(1, b'\x01' * protobuf_wire.MOST_FIELDS)))],
    ids=['fields', 'packed numbers'])
def test_number_of_fields_is_bounded(content):
    with pytest.raises(ModelError, match='more than 200000 fields'):
        read(content)


def test_missing_file_is_told(tmp_path):
    with pytest.raises(ModelError, match='Model file cannot be read'):
        read_onnx_header(str(tmp_path / 'absent.onnx'))
    with pytest.raises(ModelError, match='Model file cannot be read'):
        read_onnx_header(str(tmp_path))


WHOLE = w.model(w.graph(
    [w.node('Conv', ['x', 'w'], ['c']),
     w.node('If', ['c'], ['y'], subgraphs=[w.graph([w.node('Relu', ['a'], ['b'])])])],
    [w.value_info('x', ('b', 3, 8, 8))], [w.value_info('y', (1, 2, 8, 8))],
    [w.tensor('w', (2, 3, 1, 1), bytes(24)), w.external_tensor('e', (2,), 'f.bin')]))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_header_or_a_model_error(content):
    try:
        assert isinstance(read(content), OnnxHeader)
    except ModelError as error:
        assert error.problem


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)),
                        min_size=1, max_size=4),
       length=st.integers(0, len(WHOLE)), extra=st.binary(max_size=20))
def test_any_damage_gives_a_header_or_a_model_error(changes, length, extra):
    content = bytearray(WHOLE)
    for at, byte in changes:
        content[at] = byte
    try:
        assert isinstance(read(bytes(content[:length]) + extra + bytes(content[length:])),
                          OnnxHeader)
    except ModelError as error:
        assert error.problem


def test_every_cut_gives_a_header_or_a_model_error():
    complete = 0
    for length in range(len(WHOLE)):
        try:
            complete += isinstance(read(WHOLE[:length]), OnnxHeader)
        except ModelError:
            pass
    # Only between the graph and the operator sets is what remains a whole message.
    assert complete == 1


def test_pointer_of_git_lfs_is_named(tmp_path):
    path = tmp_path / 'model.onnx'
    path.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n')
    with pytest.raises(ModelError, match='pointer of Git LFS.*git lfs pull'):
        read_onnx_header(str(path))


@pytest.mark.parametrize('name', [
    '../secret.bin', '/etc/passwd', 'sub/../../secret.bin', 'link.bin', 'network.onnx', '.',
    'missing.bin'])
def test_weights_outside_the_folder_of_the_model_are_never_read(tmp_path, name):
    onnx = pytest.importorskip('onnx')
    path = write_network(tmp_path, 5)
    folder = tmp_path / 'model'
    folder.mkdir()
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    (tmp_path / 'secret.bin').write_bytes(tensor.raw_data)
    (folder / 'link.bin').symlink_to(tmp_path / 'secret.bin')
    (folder / 'own.bin').write_bytes(tensor.raw_data)
    tensor.ClearField('raw_data')
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add(key='location', value=name)
    target = str(folder / 'network.onnx')
    with open(target, 'wb') as stream:
        stream.write(model.SerializeToString())
    with pytest.raises(ModelError, match='lie where no file|are missing'):
        model_digest(target)
    entry.value = 'own.bin'
    with open(target, 'wb') as stream:
        stream.write(model.SerializeToString())
    assert len(model_digest(target)) == 64
    # A cache of blobs, whose links lie in another folder.
    (tmp_path / 'links').mkdir()
    for each in ('network.onnx', 'own.bin'):
        (tmp_path / 'links' / each).symlink_to(folder / each)
    assert model_digest(str(tmp_path / 'links' / 'network.onnx')) == model_digest(target)


PLACES = ('Constant', 'list of tensors', 'sparse attribute', 'sparse attributes', 'subgraph',
          'function', 'subgraph of a function', 'default of a function', 'sparse weight')


def model_with_a_weight(onnx, place, location):
    """Return a network that has a tensor of a file of its own in one of PLACES."""
    tensor = onnx.helper.make_tensor('w', onnx.TensorProto.FLOAT, [2], [1.0, 2.0])
    indices = onnx.helper.make_tensor('i', onnx.TensorProto.INT64, [2], [0, 1])
    tensor.ClearField('float_data')
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value=location)
    sparse = onnx.helper.make_sparse_tensor(tensor, indices, [2])
    node = onnx.helper.make_node
    value = onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [2])
    constant = node('Constant', [], ['y'], value=tensor)
    inner = onnx.helper.make_graph([constant], 'inner', [], [value])
    branch = node('If', ['c'], ['y'], then_branch=inner, else_branch=inner)
    call = node('Own', ['c'], ['y'], domain='own')
    found = {
        'Constant': constant, 'list of tensors': node('Own', [], ['y'], values=[tensor]),
        'sparse attribute': node('Constant', [], ['y'], sparse_value=sparse),
        'sparse attributes': node('Own', [], ['y'], values=[sparse]), 'subgraph': branch}
    graph = onnx.helper.make_graph([found.get(place, call)], 'g', [], [value])
    if place == 'sparse weight':
        graph.sparse_initializer.append(sparse)
    opsets = [onnx.helper.make_opsetid('', 17), onnx.helper.make_opsetid('own', 1)]
    function = onnx.helper.make_function(
        'own', 'Own', ['c'], ['y'],
        [branch if 'subgraph' in place else constant if place == 'function'
         else node('Identity', ['c'], ['y'])], opsets)
    if place == 'default of a function':
        function.attribute_proto.append(onnx.helper.make_attribute('of', tensor))
    return onnx.helper.make_model(graph, opset_imports=opsets, functions=[function])


@pytest.mark.parametrize('place', PLACES)
def test_weights_in_another_file_count_wherever_they_stand(tmp_path, place):
    onnx = pytest.importorskip('onnx')
    path = str(tmp_path / 'network.onnx')
    (tmp_path / 'w.bin').write_bytes(bytes(8))
    with open(path, 'wb') as stream:
        stream.write(model_with_a_weight(onnx, place, 'w.bin').SerializeToString())
    assert read_onnx_header(path).external_files == ('w.bin',)
    before = model_digest(path)
    (tmp_path / 'w.bin').write_bytes(bytes(7) + b'1')
    assert model_digest(path) != before


@pytest.mark.parametrize('place', PLACES)
def test_weights_outside_the_folder_are_refused_wherever_they_stand(tmp_path, place):
    onnx = pytest.importorskip('onnx')
    (tmp_path / 'in').mkdir()
    path = str(tmp_path / 'in' / 'network.onnx')
    (tmp_path / 'w.bin').write_bytes(bytes(8))
    with open(path, 'wb') as stream:
        stream.write(model_with_a_weight(onnx, place, '../w.bin').SerializeToString())
    with pytest.raises(ModelError, match='lie where no file of them may'):
        model_digest(path)
