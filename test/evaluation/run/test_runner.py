# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every frame goes through the network once, and every pixel is counted."""

import numpy as np
import pytest

from segformer_ros.evaluation.metrics.label_map import identity_map
from segformer_ros.evaluation.run.network import Network
from segformer_ros.evaluation.run.records import read_records
from segformer_ros.evaluation.run.runner import RunSettings
from segformer_ros.evaluation.run.runner import SourceRunner
from segformer_ros.evaluation.run.sinks import FrameSink
from segformer_ros.evaluation.sources import frames as reasons
from segformer_ros.evaluation.sources.frames import Frame
from segformer_ros.evaluation.sources.frames import FrameSource
from segformer_ros.evaluation.sources.frames import LeftOut


class Frames(FrameSource):
    """Frames from a list."""

    def __init__(self, items, consecutive=True):
        super().__init__('source', 'group', consecutive)
        self._items = items

    def expected_frames(self):
        return len(self._items)

    def frames(self):
        return iter(self._items)


@pytest.fixture(scope='module')
def network(color_case):
    with Network(color_case.choice, lambda spec: []) as network:
        yield network


@pytest.fixture
def run(network, tmp_path):
    def run(items, consecutive=True, settings=RunSettings(), **options):
        runner = SourceRunner(network.segmenter, identity_map(network.classes), settings,
                              **options)
        return runner.run(Frames(items, consecutive), str(tmp_path / 'records'))
    return run


@pytest.fixture
def frame(color_case):
    def frame(number, **changes):
        return Frame(number, f'name {number}', number * 10 ** 9, color_case.image(number),
                     color_case.labels(number), 0.25)._replace(**changes)
    return frame


def test_counts_equal_a_loop_over_the_masks(run, frame, network):
    items = [frame(number) for number in range(3)]
    result = run(items)
    expected = np.zeros((4, 5), np.int64)
    changed = []
    last = None
    for item in items:
        mask = network.segmenter.segment(item.image).mask
        for true_class in range(4):
            for said in range(4):
                expected[true_class, said] += np.sum((item.labels == true_class) & (mask == said))
        if last is not None:
            changed.append(np.mean(mask != last))
        last = mask
    assert np.array_equal(result.totals.confusion.counts, expected)
    assert 0.9 < np.trace(expected) / expected.sum() < 1.0
    assert result.totals.consistency.changed_share() == pytest.approx(np.mean(changed))
    assert result.totals.frames == result.totals.labelled_frames == 3
    assert result.totals.confidence.pixels.sum() == expected.sum()


def test_record_of_a_frame_holds_its_own_counts(run, frame):
    result = run([frame(number) for number in range(3)])
    records = list(read_records(result.records_path))
    assert [record.facts['position'] for record in records] == [0, 1, 2]
    summed = np.zeros((4, 3), np.int64)
    for record in records:
        for class_id, counts in record.facts['classes'].items():
            summed[int(class_id)] += counts
        assert record.timings[0] == 0.25
        assert len(record.timings) == 4
    counts = result.totals.confusion.class_counts()
    assert np.array_equal(summed, np.stack(counts, axis=1))
    assert records[0].facts['flicker'] is None


def test_left_out_frames_are_counted_and_break_the_flicker(run, frame):
    lost = LeftOut('source', reasons.LOST, 'gone', 3)
    result = run([frame(0), lost, frame(1)])
    assert result.totals.left_out_frames == {reasons.LOST: 3}
    assert result.totals.left_out_listed == [lost]
    assert result.totals.consistency.compared == 0
    assert result.totals.frames == 2


def test_labels_of_another_size_are_left_out_with_both_sizes(run, frame):
    result = run([frame(0), frame(1, labels=np.zeros((10, 20), np.uint8)), frame(2)])
    item, = result.totals.left_out_listed
    assert item == LeftOut('source #1', reasons.LABEL_SIZE,
                           'labels of 20 x 10, image of 64 x 48')
    assert result.totals.frames == 2


def test_unknown_label_values_are_left_out_by_value(run, frame, color_case):
    labels = color_case.labels(0)
    labels[0, 0] = 77
    result = run([frame(0, labels=labels)])
    item, = result.totals.left_out_listed
    assert item.reason == reasons.BAD_LABELS
    assert 'values 77' in item.message


def test_frames_without_labels_are_measured_for_speed_and_flicker(run, frame):
    result = run([frame(number, labels=None) for number in range(3)])
    assert result.totals.frames == 3
    assert result.totals.labelled_frames == 0
    assert result.totals.consistency.compared == 2 * 48 * 64
    assert len(result.worst) == 3


def test_photos_have_no_flicker(run, frame):
    result = run([frame(number) for number in range(3)], consecutive=False)
    assert result.totals.consistency.compared == 0


def test_reference_network_takes_the_place_of_labels(run, frame, network):
    result = run([frame(number, labels=None) for number in range(2)],
                 reference=network.segmenter)
    counts = result.totals.confusion.counts
    assert np.trace(counts[:, :4]) == counts.sum() == 2 * 48 * 64


def test_worst_frames_come_first_and_only_as_many_as_asked_for(run, frame, color_case):
    items = []
    for number, wrong_rows in enumerate([2, 20, 0, 11]):
        labels = color_case.truth(number)
        labels[:wrong_rows] = (labels[:wrong_rows] + 1) % 4
        items.append(frame(number, labels=labels))
    result = run(items, settings=RunSettings(worst=2))
    assert [entry.position for entry in result.worst] == [1, 3]
    assert result.worst[0].score < result.worst[1].score


def test_rotated_camera_gives_the_mask_in_its_own_orientation(run, frame, color_case):
    turned = [frame(number, image=np.ascontiguousarray(np.rot90(color_case.image(number), 2)),
                    labels=np.ascontiguousarray(np.rot90(color_case.labels(number), 2)))
              for number in range(2)]
    plain = run([frame(number) for number in range(2)])
    result = run(turned, settings=RunSettings(rotate=180))
    assert np.array_equal(result.totals.confusion.counts, plain.totals.confusion.counts)


def test_sinks_get_every_evaluated_frame_and_are_closed(run, frame):
    class Keeper(FrameSink):
        def __init__(self):
            self.names = []
            self.closed = False

        def add(self, frame, segmentation):
            assert segmentation.mask.shape == frame.image.shape[:2]
            self.names.append(frame.name)

        def count(self, totals):
            assert totals.frames == len(self.names)

        def close(self):
            self.closed = True

    keeper = Keeper()
    run([frame(0), LeftOut('x', reasons.BAD_IMAGE, ''), frame(2)], sinks=[keeper])
    assert keeper.names == ['name 0', 'name 2']
    assert keeper.closed
