# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Graphs are made in a child, and a missing onnx or a failing child leaves the model usable."""

import collections
import os
import re
import subprocess
import sys

import pytest

from segformer_ros.model.optimize import optimize as graph
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.worker import optimize_in_child
from segformer_ros.model.optimize.worker import OptimizeProcess
from segformer_ros.model.spec import ModelSpec
from support.exported_segformer import export_segformer
from support.exported_segformer import TINY

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
SPEC = ModelSpec('network', 'none', TINY.classes, input_size_wh=(64, 64), output_size_wh=(16, 16))


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    path = str(tmp_path / 'network.onnx')
    onnx.save(export_segformer(TINY, (64, 64), 'simplified'), path)
    return path


def test_child_makes_what_prepare_makes_and_both_share_the_cache(path):
    by_child = optimize_in_child(path, SPEC)
    assert by_child.changes == graph.FOLDED
    made_at = os.stat(by_child.path).st_mtime
    assert graph.optimize(path, SPEC) == by_child
    assert optimize_in_child(path, SPEC) == by_child
    assert os.stat(by_child.path).st_mtime == made_at


def test_cached_graph_needs_no_onnx(path, project_root):
    prepared = graph.optimize(path, SPEC)
    assert run_without_onnx(path, project_root) == f'{prepared.changes} {prepared.path}'


def test_model_is_used_as_it_is_without_onnx(path, project_root):
    assert run_without_onnx(path, project_root) == f'unchanged {path}'


def test_child_that_cannot_keep_its_graph_leaves_the_model_as_it_is(path, tmp_path, caplog):
    (tmp_path / 'cache').write_bytes(b'')
    prepared = optimize_in_child(path, SPEC)
    assert prepared[:3] == (path, SPEC, graph.UNCHANGED)
    assert 'Cached path is not private' in prepared.detail
    assert 'is used as it is' in caplog.text


def test_child_that_succeeds_tells_what_it_did(path):
    with OptimizeProcess(path, SPEC, ONNXRUNTIME) as child:
        child.wait()
        told = child.poll()
    assert told.startswith('blocks 1+2+1+1'), told
    assert told == graph.optimize(path, SPEC).detail


def test_child_that_fails_tells_the_last_line_of_what_it_printed(path):
    odd = collections.namedtuple('Odd', 'nothing_like_it')(1)
    with OptimizeProcess(path, odd, ONNXRUNTIME) as child:
        child.wait()
        problem = child.poll()
    # The last line of a traceback is the error.
    assert re.match(r'the child process ended with status 1: TypeError: .*nothing_like_it',
                    problem), problem


def run_without_onnx(path, project_root):
    """Prepare in a process where onnx cannot be imported; return changes and path."""
    script = ('import sys\n'
              'sys.modules["onnx"] = None\n'
              'from segformer_ros.model.optimize import optimize as graph\n'
              'from segformer_ros.model.spec import ModelSpec\n'
              f'prepared = graph.optimize(sys.argv[1], ModelSpec(*{tuple(SPEC)!r}))\n'
              'print(prepared.changes, prepared.path)\n')
    child = subprocess.run([sys.executable, '-c', script, path], stdout=subprocess.PIPE,
                           cwd=project_root, check=True)
    return child.stdout.decode('utf-8').strip()
