# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames to calibrate on and frames to judge by share nothing, and are spread over the input."""

import numpy as np
from PIL import Image
import pytest
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.quantization.frames import read_frames
from segformer_ros.evaluation.quantization.frames import Thinned
from segformer_ros.evaluation.sources.frames import BAD_IMAGE
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.frames import FrameSource
from segformer_ros.evaluation.sources.frames import Inputs
from segformer_ros.evaluation.sources.frames import LeftOut
from segformer_ros.model.spec import ModelSpec

SPEC = ModelSpec(name='tiny', classes='ade20k', num_classes=7, input_size_wh=(64, 64),
                 output_size_wh=(16, 16), input_dtype='uint8', input_layout='nhwc')


class Greys(FrameSource):
    """Gives frames of one grey level each; a level of None cannot be decoded."""

    def __init__(self, levels, consecutive):
        super().__init__('greys', 'greys', consecutive)
        self._levels = levels

    def expected_frames(self):
        return len(self._levels)

    def frames(self):
        for position, level in enumerate(self._levels):
            if level is None:
                yield LeftOut(str(position), BAD_IMAGE, 'damaged')
            else:
                yield Frame(position, str(position), None,
                            np.full((48, 64, 3), level, np.uint8), None, 0.0)


def levels_of(frames):
    """Return the grey levels of input tensors."""
    for frame in frames:
        assert frame['pixel_values'].shape == (1, 64, 64, 3)
        assert frame['pixel_values'].min() == frame['pixel_values'].max()
    return [int(frame['pixel_values'][0, 0, 0, 0]) for frame in frames]


def read(levels, consecutive, most=96):
    """Read one source."""
    return read_frames(Inputs([Greys(levels, consecutive)], [], []), SPEC, most)


@pytest.mark.parametrize('count', [1, 7, 8, 9, 50, 1000])
def test_thinned_items_are_evenly_spaced_from_the_first_on(count):
    thinned = Thinned(8)
    for number in range(count):
        if thinned.is_wanted:
            thinned.add(number)
        thinned.seen += 1
    steps = set(np.diff(thinned.kept))
    assert thinned.kept[0] == 0 and len(steps) <= 1
    assert min(count, 4) <= len(thinned.kept) <= 8
    assert count - thinned.kept[-1] <= max(steps or {1})


def test_end_of_a_recording_is_held_out():
    found = read(list(range(30)), consecutive=True)
    assert levels_of(found.calibration) == list(range(20))
    assert levels_of(found.held_out) == list(range(20, 30))
    assert (found.images, found.left_out) == (30, 0)


def test_every_third_photo_is_held_out():
    found = read(list(range(7)), consecutive=False)
    assert levels_of(found.calibration) == [0, 1, 3, 4, 6]
    assert levels_of(found.held_out) == [2, 5]


def test_long_recording_is_thinned_before_it_is_parted():
    found = read([number % 250 for number in range(200)], consecutive=True, most=30)
    levels = levels_of(found.calibration + found.held_out)
    assert 15 <= len(levels) <= 30
    assert set(np.diff(levels)) == {8}
    assert found.images == 200


def test_frames_of_several_sources_are_parted_each():
    inputs = Inputs([Greys([1, 2, 3], True), Greys([101, 102, 103], True)], [], [])
    found = read_frames(inputs, SPEC, 96)
    assert levels_of(found.calibration) == [1, 2, 101, 102]
    assert levels_of(found.held_out) == [3, 103]


def test_what_cannot_be_decoded_is_counted_and_left_out():
    found = read([1, None, 2, 3, None], consecutive=False)
    assert (found.images, found.left_out) == (3, 2)
    assert found.left_out_first == ('1: damaged', '4: damaged')


def test_what_whole_inputs_have_lost_is_counted_too_and_the_first_are_named():
    lost = [LeftOut('bag', BAD_IMAGE, 'cut off', 7), LeftOut('folder', BAD_IMAGE, 'empty', 0)]
    found = read_frames(Inputs([Greys([1, None, 2, None, 3], False)], lost, []), SPEC, 96)
    assert (found.images, found.left_out) == (3, 9)
    assert found.left_out_first == ('bag: cut off', 'folder: empty', '1: damaged')


def test_images_are_resized_as_pillow_does():
    """As everywhere that a network is judged; OpenCV's plain resize skips rows."""
    image = np.random.RandomState(1).randint(0, 256, (200, 200, 3)).astype(np.uint8)

    class One(Greys):
        def frames(self):
            for number in range(3):
                yield Frame(number, str(number), None, image, None, 0.0)

    spec = SPEC._replace(std=(1.0 / 255.0,) * 3, mean=(0.0,) * 3)
    found = read_frames(Inputs([One([0] * 3, False)], [], []), spec, 96)
    tensor = found.held_out[0]['pixel_values'][0]
    expected = np.asarray(Image.fromarray(image).resize((64, 64), Image.BILINEAR))
    assert np.abs(tensor.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize('levels', [[], [1], [1, 2], [None] * 5])
def test_too_few_images_are_an_error_that_says_what_serves(levels):
    with pytest.raises(InvalidInputError, match=f'Too few images.*got {len(levels) % 5};'):
        read(levels, consecutive=True)
