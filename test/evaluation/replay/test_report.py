# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The figures of a replay: every image is accounted for."""

import json

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.replay.report import FIGURES
from segformer_ros.evaluation.replay.report import NodeCounts
from segformer_ros.evaluation.replay.report import render_replay
from segformer_ros.evaluation.replay.report import Replay
from segformer_ros.evaluation.replay.report import replay_document
from segformer_ros.evaluation.replay.report import write_replay
from segformer_ros.evaluation.replay.timing import ReplayEvents
from segformer_ros.evaluation.report import thresholds

BACKEND = {'backend': 'onnxruntime', 'version': '1', 'precision': 'fp32', 'device': 'cpu',
           'why': 'asked for'}


def replay(masks=6, **changes):
    """Return a replay of ten images, 0.1 s apart, whose masks take 40 ms."""
    stamps = [10 ** 18 + number * 10 ** 8 for number in range(10)]
    events = ReplayEvents(
        [(stamp, 0.1 * i) for i, stamp in enumerate(stamps)],
        [(stamp, 0.1 * i + 0.04) for i, stamp in enumerate(stamps[:masks])],
        [(stamps[0] + i * 10 ** 7, 0.01 * i) for i in range(100)])
    values = {'recording': 'a|b', 'topic': '/image', 'images': 10, 'rate': 1.0,
              'player': 'nobody', 'events': events,
              'counts': NodeCounts(received=9, published=7, superseded=1, rejected=0, failed=0),
              'node': {'backend': BACKEND, 'camera': {'latency [ms]': 'p50 1', 'topic': '/x'}},
              'date': 'today'}
    values.update(changes)
    return Replay(**values)


def test_every_image_is_accounted_for():
    frames = replay_document(replay())['frames']
    assert frames == {'in_recording': 10, 'masks': 6, 'superseded': 1, 'drops': 3,
                      'lost_before_node': 1, 'rejected': 0, 'failed': 0, 'lost_in_node': 1,
                      'lost_after_node': 1}


def test_latencies_are_in_milliseconds_with_their_percentiles():
    document = replay_document(replay())
    for name in ('image_to_mask', 'stamp_to_mask'):
        assert document['latency_ms'][name]['p99'] == pytest.approx(40.0, abs=0.01)
    # From the sixth mask on, which is 40 ms old when it comes, to the last image at 0.9 s.
    assert document['latency_ms']['staleness']['max'] == pytest.approx(400.0, abs=2.0)
    assert document['masks_per_second'] == pytest.approx(10.0)
    assert document['per_mask'][0] == [10 ** 18, pytest.approx(40.0), pytest.approx(40.0)]


def test_files_hold_the_document_and_a_page(tmp_path):
    document = replay_document(replay())
    paths = [str(tmp_path / name) for name in ('replay.json', 'replay.md')]
    write_replay(document, *paths)
    with open(paths[0]) as stream:
        assert json.load(stream) == json.loads(json.dumps(document))
    with open(paths[1]) as stream:
        page = stream.read()
    assert page == render_replay(document)
    assert '# Replay of a\\|b' in page
    assert '| drops: neither of both | 3 |' in page
    assert '| stamp to mask | 40.0 | 40.0 |' in page
    assert '| latency [ms] | p50 1 |' in page
    assert '/x' not in page


def test_silent_node_gives_a_report_without_latencies():
    document = replay_document(replay(masks=0, node={}, counts=NodeCounts(0, 0, 0, 0, 0)))
    assert document['frames']['drops'] == document['frames']['lost_before_node'] == 10
    assert document['latency_ms'] == dict.fromkeys(document['latency_ms'])
    assert document['masks_per_second'] is None
    assert 'unknown masks a second' in render_replay(document)


def test_bounds_know_the_figures_of_a_replay():
    document = replay_document(replay())

    def failures(*texts):
        return thresholds.failures(document, [], [thresholds.parse_bound(text, known=FIGURES)
                                                  for text in texts], FIGURES)

    assert failures('drops=3', 'latency_p95_ms=41', 'staleness_max_ms=402') == []
    assert failures('drops=2', 'stamp_latency_p50_ms=39') == [
        'drops is 3, above 2', 'stamp_latency_p50_ms is 40, above 39']
    for text in ('miou=1', 'iou:road=1', 'drop=1'):
        with pytest.raises(ConfigurationError, match=r'Unknown figure.*drops'):
            thresholds.parse_bound(text, known=FIGURES)
