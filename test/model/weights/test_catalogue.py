# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The catalogue of models: strict reading, safe paths, and the shipped entries."""

import copy

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


def test_published_segformer_b0_is_pinned_by_revision_and_digest():
    source = catalogue.load_download('segformer_b0_ade20k')
    assert source.url_of(source.file(), {}) == (
        'https://huggingface.co/Xenova/segformer-b0-finetuned-ade-512-512/resolve/'
        'd3e5499fa8701ff0453ca940a8dfeae39b2f1504/onnx/model.onnx')
    assert source.file().git_blob_sha1 == 'ac107c1c5a571d90c98581b48bc5f50c6bbfaa21'
    assert source.file('fp16').size == 7939696
    assert source.file('quantized').size == 4418863
    assert 'research or evaluation' in source.license.summary


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
