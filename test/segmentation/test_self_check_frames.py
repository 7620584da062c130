# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pictures for the self-check become the tensors that the network gets from a camera."""

import numpy as np
from PIL import Image
import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.self_check_frames import self_check_frames

SPEC = ModelSpec(name='x', classes='ade20k', num_classes=150, input_size_wh=(32, 16))


def test_package_brings_pictures_that_differ():
    frames = self_check_frames(SPEC)
    assert len(frames) >= 3
    for frame in frames:
        assert frame['pixel_values'].shape == (1, 3, 16, 32)
        assert frame['pixel_values'].dtype == np.float32
        assert frame['pixel_values'].std() > 0.1
    flat = [frame['pixel_values'].tobytes() for frame in frames]
    assert len(set(flat)) == len(flat)


def test_pictures_of_a_folder_are_normalised_in_order_of_their_names(tmp_path):
    for name, value in (('b.png', 255), ('a.PNG', 0)):
        Image.fromarray(np.full((16, 32, 3), value, np.uint8)).save(str(tmp_path / name), 'PNG')
    (tmp_path / 'notes.txt').write_text('no picture')
    black, white = self_check_frames(SPEC, str(tmp_path))
    for channel in range(3):
        mean, std = SPEC.mean[channel], SPEC.std[channel]
        np.testing.assert_allclose(black['pixel_values'][0, channel], -mean / std, rtol=1e-5)
        np.testing.assert_allclose(white['pixel_values'][0, channel], (1 - mean) / std,
                                   rtol=1e-5)


def test_folder_without_pictures_and_broken_ones_are_errors(tmp_path):
    with pytest.raises(InvalidInputError, match='No pictures'):
        self_check_frames(SPEC, str(tmp_path))
    with pytest.raises(InvalidInputError, match='cannot be listed'):
        self_check_frames(SPEC, str(tmp_path / 'absent'))
    (tmp_path / 'a.jpg').write_bytes(b'no picture')
    with pytest.raises(InvalidInputError, match=r'cannot be read.*a.jpg'):
        self_check_frames(SPEC, str(tmp_path))
