# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Many sources at once give what one after the other gives, also when a worker is lost."""

import os
import signal

import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import ModelError
from segformer_ros.evaluation.evaluator import evaluate
from segformer_ros.evaluation.evaluator import Request
from segformer_ros.evaluation.report.document import LABELS
from segformer_ros.evaluation.report.document import write_json
from segformer_ros.evaluation.run.job import Job
from segformer_ros.evaluation.run.parallel import Parallel
from segformer_ros.evaluation.sources.inputs import InputOptions
from support import bags
from support import tiny_model


@pytest.fixture(scope='module')
def recordings(color_case):
    return tuple(color_case.bag(f'scale/{number}', 3 + number, first=number)
                 for number in range(4))


def run(paths, scale, choice, folder, on_progress=lambda done, total: None):
    """Evaluate and return the part of the JSON report that must not change."""
    work = os.path.join(str(folder), 'work')
    os.makedirs(work)
    report = evaluate(Request(paths, InputOptions(label_topic=bags.LABELS), Job(choice), scale,
                              LABELS), work, on_progress)
    path = os.path.join(str(folder), 'report.json')
    write_json(report, path)
    with open(path) as stream:
        text = stream.read()
    return text[:text.index('"performance"')], report


def test_processes_give_the_bytes_of_one_process(color_case, recordings, tmp_path):
    seen = []
    alone, _ = run(recordings, Parallel(), color_case.choice, tmp_path / 'alone')
    shared, report = run(recordings, Parallel(workers=2), color_case.choice, tmp_path / 'shared',
                         lambda done, total: seen.append((done, total)))
    assert shared == alone
    assert report.document['performance']['workers'] == 2
    assert len(report.timings) == 3 + 4 + 5 + 6
    assert seen[0] == (0, 18)
    assert seen[-1] == (18, 18)


def test_error_of_a_worker_reaches_the_caller(color_case, recordings, tmp_path):
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(b'rubbish')
    tiny_model.write_color_spec(tmp_path, 'broken')
    choice = color_case.choice._replace(model=str(broken))
    texts = []
    for workers in (1, 2):
        with pytest.raises(ModelError) as told:
            run(recordings, Parallel(workers=workers), choice, tmp_path / str(workers))
        texts.append(str(told.value))
    assert texts[0] == texts[1]
    assert 'broken.onnx' in texts[0]


def test_address_without_a_scheduler_is_told(color_case, recordings, tmp_path):
    pytest.importorskip('distributed')
    dask = pytest.importorskip('dask')
    with dask.config.set({'distributed.comm.timeouts.connect': '1s'}):
        with pytest.raises(ConfigurationError, match='No scheduler there'):
            run(recordings, Parallel(scheduler='tcp://127.0.0.1:9'), color_case.choice,
                tmp_path / 'run')


@pytest.mark.slow
def test_cluster_gives_the_same_report_though_a_worker_is_killed(color_case, tmp_path):
    distributed = pytest.importorskip('distributed')
    # About a fiftieth of a second a frame, so that the kill comes in the middle.
    model = tiny_model.write_color_model(tmp_path, 'slow', work=1)
    choice = color_case.choice._replace(model=model)
    paths = tuple(color_case.bag(f'cluster/{number}', 30, first=number)
                  for number in range(6))
    alone, _ = run(paths, Parallel(), choice, tmp_path / 'alone')
    killed = []
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                  dashboard_address=None, memory_limit=0) as cluster:
        client = distributed.Client(cluster)
        pids = client.run(os.getpid)

        def kill_a_busy_worker(done, total):
            if done == 0 or killed:
                return
            busy = [address for address, tasks in client.processing().items() if tasks]
            killed.append(pids[busy[0]])
            os.kill(pids[busy[0]], signal.SIGKILL)

        shared, report = run(paths, Parallel(scheduler=cluster.scheduler_address), choice,
                             tmp_path / 'shared', kill_a_busy_worker)
        client.close()
    assert len(killed) == 1
    assert shared == alone
    assert report.document['frames'] == 6 * 30
