# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reading preprocessor_config.json: what this package does, and nothing else."""

import json

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.model.huggingface import read_preprocessor
from segformer_ros.model.spec import IMAGENET_MEAN
from segformer_ros.model.spec import IMAGENET_STD


@pytest.fixture
def read(tmp_path):
    def read_text(config):
        path = tmp_path / 'preprocessor_config.json'
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        return read_preprocessor(str(path))
    return read_text


def test_published_file_of_segformer_b0_is_read(shared):
    found = read_preprocessor(shared('segformer_b0_ade/preprocessor_config.json'))
    assert found == ((512, 512), IMAGENET_MEAN, IMAGENET_STD)


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
    ('{', 'cannot be read'), ('[]', 'no mapping'),
    ({'do_rescale': False}, 'Wrong rescaling'), ({'rescale_factor': 1.0}, 'Wrong rescaling'),
    ({'size': {'shortest_edge': 512}}, 'Wrong size'), ({'size': [1, 2, 3]}, 'Wrong size'),
    ({'size': 0}, 'Wrong size'), ({'image_mean': [123.7, 116.3, 103.5]}, 'Wrong image_mean'),
    ({'image_std': 0.5}, 'Wrong image_std'), ({'image_std': [0.5, 0.5]}, 'Wrong image_std')])
def test_other_preprocessing_is_refused(read, config, message):
    with pytest.raises(ConfigurationError, match=message):
        read(config)


def test_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match='cannot be read'):
        read_preprocessor(str(tmp_path / 'absent.json'))
