# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Ratios of a benchmark beside those of the docs: kept, broken, or not to be compared."""

import json
import math

import bench_check
import pytest


def report(network, frame, name='net', other='original'):
    return {'models': [{
        'name': name,
        'network': {'rows': [{'name': 'original', 'cpu_ratio': {other: 1.0}},
                             {'name': 'optimized', 'cpu_ratio': {other: network}}]},
        'frames': {'640x480': {'rows': [
            {'name': 'ours, pillow resize', 'cpu_ratio': {'opencv + numpy': frame}},
            {'name': 'opencv + numpy', 'cpu_ratio': {'opencv + numpy': 1.0}}]}}}]}


@pytest.mark.parametrize('network, frame, status', [
    (0.5, 0.4, 0), (0.65, 0.52, 0), (0.66, 0.4, 1), (0.5, 0.53, 1), (math.nan, 0.4, 1),
    (0.1, 0.1, 0)])
def test_a_ratio_above_its_margin_fails(tmp_path, capsys, network, frame, status):
    paths = []
    for stem, content in (('measured', report(network, frame)), ('docs', report(0.5, 0.4))):
        paths.append(str(tmp_path / (stem + '.json')))
        with open(paths[-1], 'w') as stream:
            json.dump(content, stream)
    assert bench_check.main(paths) == status
    output = capsys.readouterr().out
    assert output.count('BROKEN') == status
    assert f'{2 - status} of 2 ratios kept' in output


def test_what_is_slower_in_the_docs_or_not_in_them_is_no_promise():
    assert bench_check.compare(report(9.0, 9.0), report(1.05, 1.0)) == []
    assert bench_check.compare(report(9.0, 9.0, name='another'), report(0.5, 0.4)) == []
    found, = bench_check.compare(report(0.5, 0.4, other='a new peer'), report(0.5, 0.4))
    assert found.where == 'net, 640x480: ours, pillow resize / opencv + numpy'


def test_ours_on_openvino_is_compared_with_either_runtimes_own():
    def with_openvino(ratio):
        found = report(0.5, 0.4)
        found['models'][0]['network']['rows'] += [
            {'name': 'OpenVINO, original', 'cpu_ratio': {'OpenVINO, original': 1.0}},
            {'name': 'OpenVINO, optimized', 'cpu_ratio': {'original': 0.35,
                                                          'OpenVINO, original': ratio}}]
        return found
    kept = {found.where: found.is_kept
            for found in bench_check.compare(with_openvino(0.8), with_openvino(0.38))}
    assert kept['net, network: OpenVINO, optimized / original']
    assert not kept['net, network: OpenVINO, optimized / OpenVINO, original']
    assert len(kept) == 4


def test_a_report_that_proves_nothing_fails(tmp_path, capsys):
    path = tmp_path / 'report.json'
    path.write_text(json.dumps(report(0.5, 0.4, name='another')))
    docs = tmp_path / 'docs.json'
    docs.write_text(json.dumps(report(0.5, 0.4)))
    assert bench_check.main([str(path), str(docs)]) == 1


def test_the_docs_of_this_package_promise_something(project_root):
    with open(project_root + '/docs/performance.json', encoding='utf-8') as stream:
        documented = json.load(stream)
    found = bench_check.compare(documented, documented)
    assert all(ratio.is_kept for ratio in found)
    models = {ratio.where.split(',')[0] for ratio in found}
    assert {'segformer_b0_random', 'segformer_sim'} <= models
