# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Figures and goals of a driven node, from runs whose figures can be told by hand."""

import pytest

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.benchmark import node as node_figures
from segformer_ros.evaluation.benchmark.node import NodeRun

# Ten images of 5 Hz, each answered after 110 ms by a network of 100 ms.
ALONE = NodeRun(
    cameras=[''], rate=5.0, sent=10,
    masks=[('', 0.2 * number, 0.2 * number + 0.11) for number in range(10)], last=[('', 1.8)],
    answers=[0.002] * 9 + [0.08], received=10, published=10, superseded=0,
    network=[0.1, 0.09, 0.3], cpu=1.5, idle=0.015, page_faults=70, first_mask=1.25,
    peak_mb=200.4)


def goals(run):
    return {text: (limit, value) for text, limit, value in node_figures.goals(run)}


def test_figures_of_one_camera():
    figures = node_figures.figures(ALONE)
    assert figures['network alone'] == '100.00 ms'
    # The 95th percentile lies nine tenths of the way from 100 to 300 ms.
    assert figures['network alone p95 / max'] == '280.0 / 300.0 ms of 3 runs'
    assert figures['latency p50 / p95 / max'] == '110.0 / 110.0 / 110.0 ms'
    assert figures['latency p50 / network'] == '1.10'
    assert figures['fastest latency, fastest network'] == '110.0, 90.0 ms'
    assert figures['images sent, masks'] == '10, 10'
    assert figures['processor time a mask'] == '150 ms'
    assert figures['page faults a mask'] == '7'
    assert figures['idle processor'] == '1.50% of a core'
    assert figures['process start to first mask'] == '1.25 s'
    assert figures['peak memory of the process'] == '200 MB'
    assert 'masks of each camera' not in figures


def test_goals_of_one_camera_that_the_network_keeps_up_with():
    found = goals(ALONE)
    assert found['latency p50, ms: 1.15 networks'] == pytest.approx((115.0, 110.0))
    assert found['images lost other than superseded'] == (0.0, 0.0)
    assert found['idle processor, % of a core'] == pytest.approx((2.0, 1.5))
    # Nine answers of 2 ms and one of 80: the 95th percentile lies 0.55 of the way up.
    assert found['get_parameters p95, ms'] == pytest.approx((50.0, 2 + 0.55 * 78))


def test_camera_faster_than_the_network_may_wait_half_a_period_more():
    limit, _ = goals(ALONE._replace(rate=30.0))[
        'latency p50, ms: 1.15 networks and half a period']
    assert limit == pytest.approx(115.0 + 1000 / 60)


def test_images_that_vanish_on_the_way_or_inside_are_told_apart_and_superseded_are_not_lost():
    run = ALONE._replace(sent=20, received=17, published=9, superseded=6)
    figures = node_figures.figures(run)
    assert figures['lost on the way to the node'] == '3'
    assert figures['lost inside'] == '2'
    assert goals(run)['images lost other than superseded'] == (0.0, 5.0)


def test_several_cameras_are_judged_by_their_shares_and_the_oldest_mask():
    masks = [('a', 1.0, 1.2)] * 12 + [('b', 1.0, 1.3)] * 8
    found = goals(ALONE._replace(cameras=['a', 'b'], masks=masks))
    assert found['largest deviation from an equal share, %'] == pytest.approx((10.0, 20.0))
    # Two networks make 200 ms, which is a period too.
    assert found['age of the oldest mask, ms'] == pytest.approx((200.0 + 120.0, 300.0))
    slow = goals(ALONE._replace(cameras=['a', 'b'], masks=masks, network=[0.15]))
    assert slow['age of the oldest mask, ms'][0] == pytest.approx(200.0 + 180.0)


def test_camera_that_was_never_served_counts():
    masks = [('a', 1.0, 1.2)] * 10
    run = ALONE._replace(cameras=['a', 'b'], masks=masks)
    assert node_figures.figures(run)['masks of each camera'] == '10, 0'
    assert goals(run)['largest deviation from an equal share, %'][1] == pytest.approx(100.0)


def test_run_tells_how_far_others_slowed_the_network_down():
    assert node_figures.to_json('calm', ALONE)['slowdown'] is None
    busy = node_figures.to_json('busy', ALONE._replace(network=[0.1, 0.2, 0.3]))
    assert (busy['name'], busy['slowdown']) == ('busy', pytest.approx(2.0))


def test_run_without_a_mask_is_an_error():
    with pytest.raises(InvalidInputError, match='No mask came'):
        node_figures.figures(ALONE._replace(masks=[]))


def test_no_answer_at_all_is_said_and_misses_the_goal():
    run = ALONE._replace(answers=[])
    assert node_figures.figures(run)['get_parameters p95'] == 'no answer'
    assert goals(run)['get_parameters p95, ms'] == (50.0, float('inf'))


def test_ages_leave_out_the_last_image_of_a_camera_which_nothing_supersedes():
    run = ALONE._replace(
        cameras=['left', 'right'], masks=[('left', 0.0, 0.2), ('right', 0.0, 0.3),
                                          ('left', 0.2, 0.6), ('right', 0.2, 0.9)],
        last=[('left', 0.2), ('right', 0.2)])
    assert goals(run)['age of the oldest mask, ms'] == pytest.approx((320.0, 300.0))
    assert node_figures.figures(run)['latency p50 / p95 / max'].endswith(' / 700.0 ms')
