# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The worst frames are kept, small enough for a page."""

import cv2
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np

from segformer_ros.evaluation.run.worst_frames import OTHER_COLOR
from segformer_ros.evaluation.run.worst_frames import WIDTH
from segformer_ros.evaluation.run.worst_frames import worst_of
from segformer_ros.evaluation.run.worst_frames import WorstFrames
from segformer_ros.model.classes import load_class_table

PALETTE = load_class_table('camvid').palette()
IMAGE = np.zeros((4, 6, 3), np.uint8)
MASK = np.zeros((4, 6), np.uint8)


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=12), st.integers(0, 5))
def test_kept_frames_are_the_first_of_a_stable_sort(scores, room):
    worst = WorstFrames(room, PALETTE)
    for position, score in enumerate(scores):
        worst.offer(score, 'source', position, 'name', IMAGE, MASK, MASK)
    expected = sorted(enumerate(scores), key=lambda entry: entry[1])[:room]
    assert [(frame.position, frame.score) for frame in worst.frames()] == expected


def test_worst_of_several_sources_are_merged_in_order():
    groups = []
    for source, scores in (('a', [0.3, 0.5]), ('b', [0.1, 0.3])):
        worst = WorstFrames(2, PALETTE)
        for position, score in enumerate(scores):
            worst.offer(score, source, position, 'name', IMAGE, None, MASK)
        groups.append(worst.frames())
    assert [(frame.source, frame.score) for frame in worst_of(groups, 3)] == [
        ('b', 0.1), ('a', 0.3), ('b', 0.3)]


def test_pictures_show_class_colours_black_void_and_white_others():
    truth = np.array([[0, 255]], np.uint8)
    prediction = np.array([[3, 255]], np.uint8)
    worst = WorstFrames(1, PALETTE)
    worst.offer(0.0, 'source', 0, 'name', np.zeros((1, 2, 3), np.uint8), truth, prediction)
    frame, = worst.frames()
    assert decoded(frame.truth).tolist() == [[PALETTE[0].tolist(), [0, 0, 0]]]
    assert decoded(frame.prediction).tolist() == [[PALETTE[3].tolist(), list(OTHER_COLOR)]]


def test_large_pictures_are_scaled_down_without_new_colours():
    mask = np.random.RandomState(0).randint(0, 11, (721, 1280)).astype(np.uint8)
    worst = WorstFrames(1, PALETTE)
    worst.offer(0.0, 'source', 0, 'name', np.zeros((721, 1280, 3), np.uint8), None, mask)
    frame, = worst.frames()
    picture = decoded(frame.prediction)
    assert picture.shape == (round(721 * WIDTH / 1280), WIDTH, 3)
    colors = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
    assert colors <= {tuple(color) for color in PALETTE[:11].tolist()}
    assert frame.truth is None
    assert decoded(frame.image).shape == picture.shape
