# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Memory stays flat however long a recording is."""

import os
import subprocess
import sys

import numpy as np
import pytest

from support import bags
from support import tiny_model

FRAMES = 10000

# What may be added between frame 1000 and the last: timings and quality of 9000 frames are
# 0.4 MB, and allocators keep some slack.
ALLOWED_BYTES = 15e6

# A process of its own: resident memory of the tests' process holds everything run before.
PROGRAM = '''
from segformer_ros.evaluation.evaluator import evaluate, Request
from segformer_ros.evaluation.report.document import LABELS
from segformer_ros.evaluation.report.document import write_json
from segformer_ros.evaluation.report.html_page import render_html
from segformer_ros.evaluation.run.job import Job
from segformer_ros.evaluation.run.network import NetworkChoice
from segformer_ros.evaluation.run.parallel import Parallel
from segformer_ros.evaluation.sources.inputs import InputOptions
import resource
import sys
import tempfile

def resident():
    with open('/proc/self/statm') as stream:
        return int(stream.read().split()[1]) * resource.getpagesize()

def on_progress(done, total):
    if done % 1000 == 0:
        print(done, resident(), flush=True)

path, model, label_topic, output = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    report = evaluate(Request((path,), InputOptions(label_topic=label_topic),
                              Job(NetworkChoice(model, threads=1)), Parallel(), LABELS), folder,
                      on_progress)
    write_json(report, output + '/report.json')
    with open(output + '/report.html', 'w') as stream:
        stream.write(render_html(report))
print(report.document['frames'], resident(), flush=True)
'''


@pytest.mark.slow
def test_memory_is_flat_over_ten_thousand_frames(tmp_path, project_root):
    pytest.importorskip('rosbags')
    model = tiny_model.write_color_model(tmp_path)
    palette = np.array(list(tiny_model.COLORS.values()), np.uint8)
    with bags.BagWriter(tmp_path / 'long', 'mcap') as bag:
        for number in range(FRAMES):
            stripes = np.tile(np.repeat(np.roll(np.arange(4), number), 40), (120, 1))
            bag.image(number, palette[stripes])
            bag.image(number, stripes.astype(np.uint8), bags.LABELS, 'mono8', delay_ns=10)
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, str(tmp_path / 'long'), model, bags.LABELS,
         str(tmp_path)], stdout=subprocess.PIPE, universal_newlines=True, check=True,
        cwd=project_root, env=dict(os.environ, PYTHONPATH=project_root))
    steps = [tuple(int(word) for word in line.split()) for line in done.stdout.splitlines()]
    assert [frames for frames, _ in steps] == [*range(0, FRAMES + 1, 1000), FRAMES]
    resident = [size for _, size in steps]
    assert max(resident[2:-1]) - resident[1] < ALLOWED_BYTES, steps
    # The report of ten thousand frames is streamed too.
    assert resident[-1] - resident[-2] < ALLOWED_BYTES, steps
    assert os.path.getsize(str(tmp_path / 'report.html')) < 2e6
