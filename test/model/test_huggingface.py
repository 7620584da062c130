# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Class tables and preprocessing of Hugging Face checkpoints; colours for any table."""

import json

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model import huggingface
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.spec import IMAGENET_MEAN
from segformer_ros.model.spec import IMAGENET_STD


def config(folder, content):
    path = folder / 'config.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content),
                    encoding='utf-8')
    return str(path)


def labels(*names):
    return {'id2label': {str(index): name for index, name in enumerate(names)}}


def test_config_of_the_real_checkpoint_gives_the_shipped_table(shared):
    table = huggingface.class_table_from_huggingface(shared('segformer_b0_ade/config.json'))
    shipped = load_class_table('ade20k')
    assert table.names == shipped.names
    assert table.dynamic.tolist() == shipped.dynamic.tolist()


def test_wordnet_names_lose_their_synonyms(tmp_path):
    table = huggingface.class_table_from_huggingface(config(
        tmp_path, labels('stove, kitchen stove, range', ' bed ', 'person, individual')))
    assert table.names == ('stove', 'bed', 'person')
    assert table.dynamic.tolist() == [False, False, True]


def test_names_of_other_data_sets_that_move_are_dynamic(tmp_path):
    table = huggingface.class_table_from_huggingface(
        config(tmp_path, labels('road', 'rider', 'Train')))
    assert table.dynamic.tolist() == [False, True, True]


def test_order_follows_the_ids_not_the_file(tmp_path):
    table = huggingface.class_table_from_huggingface(config(tmp_path, {'id2label': {
        '10': 'k', '2': 'c', '0': 'a', '1': 'b', '3': 'd', '4': 'e', '5': 'f', '6': 'g',
        '7': 'h', '8': 'i', '9': 'j'}}))
    assert ''.join(table.names) == 'abcdefghijk'


@pytest.mark.parametrize(('content', 'message'), [
    ('{', 'cannot be read'),
    ([], 'No id2label'),
    ({'label2id': {}}, 'No id2label'),
    ({'id2label': {}}, 'No id2label'),
    ({'id2label': {'0': 'a', '2': 'b'}}, 'have gaps.*first missing one is 1'),
    ({'id2label': {'a': 'a'}}, "got 'a': 'a'"),
    ({'id2label': {'0': None}}, "got '0': None"),
    ({'id2label': {'0': 'a', '00': 'b'}}, "stands twice: got '00': 'b', and 'a'"),
    ('{"id2label": {"0": "a", "0": "b"}}', "key '0' stands twice"),
    (labels('door, gate', 'door, double door'), "'door, gate' .id 0. and 'door, double door'"),
])
def test_wrong_configs_are_told(tmp_path, content, message):
    with pytest.raises(ConfigurationError, match=message):
        huggingface.class_table_from_huggingface(config(tmp_path, content))


@pytest.mark.parametrize('label, name', [
    ('a\ud800', 'a\\ud800'), ('a\x1b[2J', 'a\\x1b[2J'), ('a\nb\r\tc', 'a b c'),
    ('a\u202eb', 'a\\u202eb'), ('\x9b', '\\x9b'), ('gr\u00fcn \u8349', 'gr\u00fcn \u8349'),
    ('x' * 100, 'x' * 100), ('x' * 5000, 'x' * 66 + ' [4900 characters] ' + 'x' * 34)])
def test_names_cannot_command_a_terminal_and_can_be_written(tmp_path, label, name):
    table = huggingface.class_table_from_huggingface(config(tmp_path, labels(label, 'road')))
    assert table.names == (name, 'road')
    path = tmp_path / 'table.yaml'
    path.write_text(huggingface.class_table_to_yaml('t', table), encoding='utf-8')
    assert load_class_table(str(path)).names == table.names


def test_missing_config_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match='cannot be read: got .*config.json'):
        huggingface.class_table_from_huggingface(str(tmp_path / 'config.json'))


def test_a_written_table_reads_back_the_same(tmp_path):
    names = ['no', 'a: b', '"quoted"', 'Stra\u00dfe', 'person', '#1', "it's"]
    table = huggingface.class_table_from_huggingface(config(tmp_path, labels(*names)))
    path = tmp_path / 'table.yaml'
    path.write_text(huggingface.class_table_to_yaml('my: table', table), encoding='utf-8')
    again = load_class_table(str(path))
    assert again.name == 'my: table'
    assert list(again.names) == names
    assert np.array_equal(again.colors, table.colors)
    assert np.array_equal(again.dynamic, table.dynamic)


GREY = {'image_mean': [0.5, 0.5, 0.5], 'image_std': [0.5, 0.5, 0.5]}


@pytest.fixture
def read(tmp_path):
    def read_text(config):
        path = tmp_path / 'preprocessor_config.json'
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        return huggingface.read_preprocessor(str(path))
    return read_text


def test_published_file_of_segformer_b0_is_read(shared):
    found = huggingface.read_preprocessor(shared('segformer_b0_ade/preprocessor_config.json'))
    assert found == ((512, 512), IMAGENET_MEAN, IMAGENET_STD, 'rgb', ())


@pytest.mark.parametrize('config, size_wh', [
    ({}, None), ({'size': 640}, (640, 640)), ({'size': [640, 480]}, (640, 480)),
    ({'size': {'height': 480, 'width': 640}}, (640, 480)),
    ({'size': {'height': 480, 'width': 640}, 'do_resize': False}, None)])
def test_size_is_width_and_height(read, config, size_wh):
    assert read(config).input_size_wh == size_wh


def test_no_normalisation_is_mean_zero_and_deviation_one(read):
    found = read({'do_normalize': False, 'image_mean': [0.5, 0.5, 0.5]})
    assert found.mean == (0.0, 0.0, 0.0)
    assert found.std == (1.0, 1.0, 1.0)


def test_own_mean_and_deviation_are_taken(read):
    found = read({'image_mean': [0.1, 0.2, 0.3], 'image_std': [1, 0.5, 0.25]})
    assert found.mean == (0.1, 0.2, 0.3)
    assert found.std == (1.0, 0.5, 0.25)


@pytest.mark.parametrize('config, message', [
    ('{', 'cannot be read'), ('[]', 'not a mapping'),
    ({'rescale_factor': 0}, 'Wrong rescaling'), ({'rescale_factor': 2.0}, 'Wrong rescaling'),
    ({'image_std': [0, 1, 1]}, 'none 0'), ({'image_mean': [123.7, 116.3, 103.5]}, 'by 255'),
    ({'do_normalize': False, 'rescale_factor': 0.001}, 'Wrong rescale_factor'),
    ({'size': [1, 2, 3]}, 'Wrong size'), ({'size': {'height': 5}}, 'Wrong size'),
    ({'do_center_crop': True, 'crop_size': {'width': 5}}, 'Wrong size'),
    ({'size': 0}, 'Wrong size'), ({'image_mean': [123.7, 116.3, 103.5]}, 'Wrong image_mean'),
    ({'size': 10 ** 12}, 'from 1 to 4096'), ({'size': 4097}, 'from 1 to 4096'),
    ({'size': [512, 20000]}, 'from 1 to 4096'), ({'size': True}, 'Wrong size'),
    ({'do_center_crop': True, 'crop_size': 4097}, 'from 1 to 4096'),
    ({'image_mean': [10 ** 400, 0, 0]}, 'Wrong image_mean'),
    ({'image_std': [1, -10 ** 400, 1]}, 'Wrong image_std'),
    ('{"image_mean": [NaN, 0, 0]}', 'Wrong image_mean'),
    ('{"image_mean": [1e999, 0, 0]}', 'Wrong image_mean'),
    ({'image_std': 0.5}, 'Wrong image_std'), ({'image_std': [0.5, 0.5]}, 'Wrong image_std')])
def test_other_preprocessing_is_refused(read, config, message):
    with pytest.raises(ConfigurationError, match=message):
        read(config)


def test_largest_size_of_a_specification_is_taken(read):
    assert read({'size': 4096}).input_size_wh == (4096, 4096)


@pytest.mark.parametrize('key', [
    'do_rescale', 'do_normalize', 'do_flip_channel_order', 'do_pad', 'do_center_crop',
    'do_resize', 'offset', 'rescale_offset'])
@pytest.mark.parametrize('value', ['false', 'no', '', 0, 1, []])
def test_step_that_is_neither_on_nor_off_is_refused(read, key, value):
    with pytest.raises(ConfigurationError, match=f'Wrong {key} in ') as caught:
        read({key: value})
    assert caught.value.got == repr(value)
    assert 'true or false' in caught.value.expected and caught.value.remedy


def test_step_that_a_processor_does_not_have_is_null(read):
    assert read({'do_pad': None, 'do_center_crop': None, 'crop_size': None,
                 'size': 512}) == read({'size': 512})


def test_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match='cannot be read'):
        huggingface.read_preprocessor(str(tmp_path / 'absent.json'))


def test_lab_agrees_with_opencv():
    rgb = np.random.RandomState(0).randint(0, 256, (500, 3))
    expected = cv2.cvtColor(rgb[np.newaxis].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[0]
    # OpenCV interpolates the cube root from a table.
    assert np.abs(huggingface.lab_of_rgb(rgb) - expected).max() < 0.5


@pytest.mark.parametrize(('count', 'least'), [(2, 100.0), (19, 40.0), (150, 15.0), (255, 10.0)])
def test_many_colors_keep_their_distance(count, least):
    colors = huggingface.distinct_colors([str(index) for index in range(count)])
    lab = huggingface.lab_of_rgb(colors)
    distance = np.linalg.norm(lab[:, np.newaxis] - lab, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > least
    assert lab[:, 0].min() > 0


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 255), st.tuples(*[st.integers(0, 255)] * 3))
def test_an_anchored_class_comes_near_its_anchor(count, anchor):
    names = [str(index) for index in range(count)]
    colors = huggingface.distinct_colors(names, {'0': anchor, 'absent': (1, 2, 3)})
    assert len(set(colors)) == count
    assert colors == huggingface.distinct_colors(names, {'0': anchor})
    # No farther than the anchor rounded to the lattice; near black colours must step aside.
    rounded = tuple(int(round(level / 15.0)) * 15 for level in anchor)
    lab = huggingface.lab_of_rgb([anchor, colors[0], rounded, (0, 0, 0)])
    distance = np.linalg.norm(lab[:, np.newaxis] - lab, axis=2)
    if distance[2, 3] >= 20.0:
        assert distance[0, 1] <= distance[0, 2] + 1e-9


@pytest.mark.parametrize('factor, config', [
    (1.0, {'do_rescale': False, 'image_mean': [123.7, 116.3, 103.5],
           'image_std': [58.4, 57.1, 57.4]}),
    (1.0, {'rescale_factor': 1, 'image_mean': [0, 0, 0], 'image_std': [255, 128, 1]}),
    (1 / 127.5, {'rescale_factor': 1 / 127.5, 'image_mean': [1, 1, 1], 'image_std': [1, 1, 1]}),
    (1.0, {'do_rescale': False, 'do_normalize': False}),
    (1 / 255, {'do_normalize': False}), (1 / 255, {})])
def test_any_rescaling_becomes_mean_and_deviation_of_values_in_0_to_1(read, factor, config):
    found = read(config)
    levels = np.arange(256.0)
    for channel in range(3):
        mean, std = 0.0, 1.0
        if config.get('do_normalize', True):
            mean = config.get('image_mean', (0.485, 0.456, 0.406))[channel]
            std = config.get('image_std', (0.229, 0.224, 0.225))[channel]
        expected = (levels * factor - mean) / std
        got = (levels / 255.0 - found.mean[channel]) / found.std[channel]
        assert np.abs(got - expected).max() < 1e-9 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize('key', ['offset', 'rescale_offset'])
@pytest.mark.parametrize('config', [
    {'do_normalize': False}, {'image_mean': [0, 0, 0], 'image_std': [1, 1, 1]},
    {'image_mean': [0.2, 0.3, 0.4], 'image_std': [0.2, 0.3, 0.4]}])
def test_one_that_is_taken_away_after_rescaling_is_a_part_of_the_mean(read, key, config):
    found = read({'rescale_factor': 1 / 127.5, key: True, **config})
    levels = np.arange(256.0)
    for channel in range(3):
        mean = config.get('image_mean', (0, 0, 0))[channel]
        std = config.get('image_std', (1, 1, 1))[channel]
        expected = (levels / 127.5 - 1.0 - mean) / std
        got = (levels / 255.0 - found.mean[channel]) / found.std[channel]
        assert np.abs(got - expected).max() < 1e-9
    assert read({'rescale_factor': 1 / 127.5, key: False, **config}) != found
    assert read({'do_rescale': False, 'do_normalize': False, key: True}).mean == (0, 0, 0)
    # With 1 / 255 the values are below 0, which no specification has.
    with pytest.raises(ConfigurationError, match='Wrong image_mean'):
        read({key: True})


def test_padding_that_is_not_done_here_is_told(read):
    assert 'nothing is padded' in read(dict(GREY, do_pad=True)).assumed[0]
    assert read(dict(GREY, do_pad=False)).assumed == ()


def test_flipped_channels_are_bgr_and_what_is_left_open_is_told(read):
    found = read({'do_flip_channel_order': True, 'image_std': [0.5, 0.5, 0.5]})
    assert found.color_order == 'bgr'
    assert [text.split(':')[0] for text in found.assumed] == ['mean', 'mean and std']
    # In which order mean and deviation are meant makes no difference where they are grey.
    assert read(dict(GREY, do_flip_channel_order=True)).assumed == ()
    assert read({'image_mean': [0, 0, 0], 'image_std': [1, 1, 1]})[3:] == ('rgb', ())


def test_published_form_of_mobilevit_is_bgr_of_0_to_1_at_the_size_of_its_crop(read):
    # As apple/deeplabv3-mobilevit-small writes it: neither do_normalize nor mean nor std.
    config = {'crop_size': {'height': 512, 'width': 384}, 'do_center_crop': True,
              'do_flip_channel_order': True, 'do_rescale': True, 'do_resize': True,
              'feature_extractor_type': 'MobileViTFeatureExtractor', 'resample': 2,
              'rescale_factor': 0.00392156862745098, 'size': {'shortest_edge': 544}}
    found = read(config)
    assert found[:4] == ((384, 512), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 'bgr')
    assert [text.split(':')[0] for text in found.assumed] == ['input_size_wh']
    assert 'nothing is cropped' in found.assumed[0]
    # What is stated counts, whatever the kind.
    assert read(dict(config, image_mean=[0.5, 0.5, 0.5])).mean == (0.5, 0.5, 0.5)
    assert read(dict(config, do_normalize=True)).mean == IMAGENET_MEAN
    assert read(dict(config, crop_size=None)).input_size_wh is None
    # An older form, of the same processor.
    old = read({'crop_size': 512, 'do_center_crop': True, 'do_flip_channels': True,
                'do_resize': True, 'feature_extractor_type': 'MobileViTFeatureExtractor',
                'resample': 2, 'size': 544})
    assert old[:4] == ((512, 512), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 'bgr')


def test_size_of_one_edge_leaves_the_size_open_and_says_so(read):
    found = read({'size': {'shortest_edge': 512}, 'image_mean': [0, 0, 0],
                  'image_std': [1, 1, 1]})
    assert found.input_size_wh is None
    assert 'shortest_edge 512' in found.assumed[0]
    assert read({'size': {'shortest_edge': 512}, 'do_resize': False}).input_size_wh is None


def test_newer_form_names_the_processor_of_mobilevit_by_another_key(read):
    found = read({'image_processor_type': 'MobileViTImageProcessor', 'size': 512})
    assert found == ((512, 512), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 'bgr', ())
    other = read({'image_processor_type': 'SegformerImageProcessor', 'size': 512})
    assert other[:4] == ((512, 512), IMAGENET_MEAN, IMAGENET_STD, 'rgb')


@pytest.mark.parametrize('changes', [{}, {'do_center_crop': False}])
def test_size_of_a_crop_that_is_not_made_is_of_no_account(read, changes):
    config = dict(GREY, crop_size={'height': 224, 'width': 224}, size=[640, 480], **changes)
    found = read(config)
    assert (found.input_size_wh, found.assumed) == ((640, 480), ())
    assert read(dict(config, do_center_crop=True)).input_size_wh == (224, 224)
