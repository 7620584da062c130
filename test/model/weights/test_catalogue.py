# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The catalogue of models: strict reading, safe paths, and the shipped entries."""

import copy
import os
import re

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.model.spec import load_model_spec
from segformer_ros.model.weights import catalogue

BLOCK = {
    'url': '{endpoint}/org/{revision}/{path}',
    'endpoint': 'https://example.com',
    'revision': 'abc',
    'default': 'fp32',
    'files': {'fp32': {'path': 'onnx/model.onnx', 'size': 3, 'sha256': '0' * 64}},
    'license': {'name': 'N', 'link': 'https://example.com/l', 'summary': 'S\n'},
}


def changed(**changes):
    """Return BLOCK with values replaced by dotted key; None removes the key."""
    block = copy.deepcopy(BLOCK)
    for dotted, value in changes.items():
        *parents, key = dotted.split('__')
        place = block
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[key]
        else:
            place[key] = value
    return block


@pytest.mark.parametrize('name, variant, address, sha256', [
    ('segformer_b0_ade20k', 'fp32', 'segformer-b0-finetuned-ade-512-512/resolve/'
     'd3e5499fa8701ff0453ca940a8dfeae39b2f1504/onnx/model.onnx',
     '3e5c18a4be395f16646438d54c42377ddc202edfa33d5eced0c9506de75c44c2'),
    ('segformer_b2_ade20k', 'fp32', 'segformer-b2-finetuned-ade-512-512/resolve/'
     'df795789e70f4089c8658907679c6fd2367c89a5/onnx/model.onnx',
     '819c15e6af8c4de3359c1de7ab0a17d0dde495df1d16f8908a7163f8038e0fa0'),
    ('segformer_b0_cityscapes', 'fp32', 'segformer-b0-finetuned-cityscapes-1024-1024/resolve/'
     '64e537ca2bf6bf2afc13727ee6bb61cfca9e1048/onnx/model.onnx',
     '142427caa45a47d57d5bd23b62c3bfc852fa7df0c6c2291c5ef34f581fa406bf')])
def test_published_segformers_are_pinned_by_revision_and_digest(name, variant, address, sha256):
    source = catalogue.load_download(name)
    remote = source.file(variant)
    assert source.url_of(remote, {}) == 'https://huggingface.co/Xenova/' + address
    assert remote.sha256 == sha256
    assert 'research or evaluation' in source.license.summary


def test_revision_of_every_shipped_download_is_a_commit():
    for name in catalogue.model_names():
        source = catalogue.load_download(name)
        assert source is None or re.fullmatch('[0-9a-f]{40}', source.revision), name


def test_page_of_models_has_a_row_for_every_model_with_accuracy_and_license(project_root):
    with open(os.path.join(project_root, 'docs', 'models.md'), encoding='utf-8') as stream:
        rows = {line.split('`')[1]: line for line in stream if line.startswith('| `')}
    for name in catalogue.model_names():
        spec = load_model_spec(catalogue.spec_path(name))
        about, source = catalogue.load_about(name), catalogue.load_download(name)
        cells = [cell.strip() for cell in rows[name].split('|')[1:-1]]
        assert '{} x {}'.format(*spec.input_size_wh) in cells[1], name
        assert f'{spec.num_classes} classes' in cells[1] and spec.classes in cells[1], name
        assert about.accuracy.split(' mIoU')[0] in cells[3], name
        assert cells[4] == ('yes' if about.is_tried else 'no'), name
        assert ('NVIDIA' if source else 'Apache-2.0') in cells[5], name


@pytest.mark.parametrize('block, message', [
    ('x', "Wrong content of about"), ('{}', 'Wrong content of about'),
    ('{purpose: p, accuracy: a}', "Missing key"),
    ('{purpose: p, accuracy: a, tried: maybe}', "'tried'"),
    ('{purpose: p, accuracy: 37.4, tried: false}', "'accuracy'"),
    ('{purpose: " ", accuracy: a, tried: false}', "'purpose'"),
    ('{purpose: p, accuracy: a, tried: false, price: 0}', 'Unknown key')])
def test_wrong_words_about_a_model_are_told(tmp_path, monkeypatch, block, message):
    path = tmp_path / 'm.yaml'
    path.write_text(f'name: m\nclasses: ade20k\nnum_classes: 150\nabout: {block}\n')
    monkeypatch.setattr(catalogue, 'spec_path', lambda name: str(path))
    with pytest.raises(ConfigurationError) as caught:
        catalogue.load_about('m')
    assert message in str(caught.value)


@pytest.mark.smoke
def test_every_shipped_model_has_a_readable_specification_and_download():
    assert 'segformer_b0_ade20k' in catalogue.model_names()
    for name in catalogue.model_names():
        assert load_model_spec(catalogue.spec_path(name)).name == name
        catalogue.load_download(name)


def test_mirror_replaces_the_endpoint():
    source = catalogue.parse_download('m', BLOCK, 'here')
    assert source.url_of(source.file(), {'HF_ENDPOINT': 'https://mirror.example/hf/'}) == (
        'https://mirror.example/hf/org/abc/onnx/model.onnx')
    assert source.url_of(source.file(), {'HF_ENDPOINT': ''}).startswith('https://example.com/')


@pytest.mark.parametrize('changes, message', [
    ({'url': None}, 'Missing key'),
    ({'mirror': 'x'}, "Unknown key in here: got 'mirror'"),
    ({'url': '{endpoint}/{revision}'}, 'each once'),
    ({'url': '{endpoint}/{revision}/{path}/{path.__class__}'}, 'each once'),
    ({'endpoint': 'http://example.com'}, "'endpoint' in here"),
    ({'revision': '../main'}, "'revision' in here"),
    ({'revision': 7}, "'revision' in here"),
    ({'default': 'int8'}, 'expected one of fp32'),
    ({'files': {}}, 'files of here'),
    ({'files': []}, 'files of here'),
    ({'files': {'../x': {'path': 'a', 'sha256': '0' * 64}}}, 'Wrong name'),
    ({'files__fp32__size': 0}, "'size'"),
    ({'files__fp32__size': '3'}, "'size'"),
    ({'files__fp32__size': True}, "'size'"),
    ({'files__fp32__sha256': None}, 'No digest'),
    ({'files__fp32__sha256': 'A' * 64}, "'sha256'"),
    ({'files__fp32__git_blob_sha1': '0' * 64}, "'git_blob_sha1'"),
    ({'files__fp32__path': '../model.onnx'}, "'path'"),
    ({'files__fp32__path': '/etc/passwd'}, "'path'"),
    ({'files__fp32__sha512': 'x'}, 'Unknown key'),
    ({'license__link': 'javascript:x'}, "'link'"),
    ({'license__name': ' '}, "'name'"),
    ({'license__summary': None}, 'Missing key'),
])
def test_wrong_block_is_told_with_its_place(changes, message):
    catalogue.parse_download('m', BLOCK, 'here')
    with pytest.raises(ConfigurationError) as caught:
        catalogue.parse_download('m', changed(**changes), 'here')
    assert message in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='ab./\\%~\n-_', max_size=12))
def test_no_accepted_path_leaves_its_folder(path):
    try:
        source = catalogue.parse_download('m', changed(files__fp32__path=path), 'here')
    except ConfigurationError:
        return
    parts = path.split('/')
    assert '' not in parts and '.' not in parts and '..' not in parts
    assert not any(letter in path for letter in '\\%~\n')
    assert source.url_of(source.file(), {}).endswith('/abc/' + path)


def test_unknown_model_offers_the_nearest_name():
    with pytest.raises(ModelError, match='segformer_b0_ade20k'):
        catalogue.spec_path('segformer_b0_ade')
