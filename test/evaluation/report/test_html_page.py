# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The HTML report in a real headless Chromium, from a phone's width to a desk's."""

import html
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.metrics.grid_agreement import GridAgreement
from segformer_ros.evaluation.metrics.grid_agreement import GridPicture
from segformer_ros.evaluation.metrics.performance import latency_table
from segformer_ros.evaluation.report.document import Report
from segformer_ros.evaluation.report.html_page import render_html
from segformer_ros.evaluation.run.worst_frames import WorstFrames
from segformer_ros.model.classes import load_class_table
from segformer_ros.segmentation.images.compressed import encode_jpeg
from segformer_ros.segmentation.images.compressed import encode_png

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')

# Measures the report inside a frame of the wanted width and writes what it found into <pre>.
HARNESS = '''<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" width="{width}" height="900" style="border:0" srcdoc="{page}"></iframe>
<pre id="found"></pre><script>
const frame = document.getElementById('page');
frame.onload = () => {{
  const inside = frame.contentDocument, root = inside.documentElement;
  const free = element => !element.closest('.scroll') && !element.closest('svg');
  const visible = element => element.getClientRects().length > 0;
  const all = [...inside.body.querySelectorAll('*')];
  const box = element => element.getBoundingClientRect();
  const found = {{
    width: root.clientWidth, scrollWidth: root.scrollWidth,
    sticking_out: all.filter(e => free(e) && visible(e) && box(e).right > root.clientWidth + 1)
      .map(e => e.tagName + '.' + e.className + ' ' + Math.round(box(e).right)),
    covered_ticks: [...inside.querySelectorAll('.plot .y span')]
      .filter(e => box(e).left < box(e.closest('.plot')).left)
      .map(e => e.textContent + ' ' + Math.round(box(e).left)),
    pictures: [...inside.images].map(i => [i.naturalWidth, Math.round(box(i).width),
                                           Math.round(box(i).left), Math.round(box(i).top)]),
    headings: [...inside.querySelectorAll('h2')].map(e => e.textContent),
    smallest_text: Math.min(...all.filter(e => visible(e) && free(e) && e.children.length == 0
      && e.textContent.trim()).map(e => parseFloat(
        inside.defaultView.getComputedStyle(e).fontSize))),
    bars: [...inside.querySelectorAll('.bars .fill')].map(e => box(e).width / box(
      e.parentElement).width),
    cells: inside.querySelectorAll('table.matrix td').length,
    lines: [...inside.querySelectorAll('.line')].map(e => e.getTotalLength()),
    heads: [...inside.querySelectorAll('.heads')].map(e => new Set([...e.children].map(
      c => Math.round(box(c).left))).size),
  }};
  document.getElementById('found').textContent = JSON.stringify(found);
}};
</script>'''


@pytest.fixture(scope='module')
def browser():
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    return pytest.skip('no Chromium on this machine')


@pytest.fixture(scope='module')
def report():
    """Return a report of two recordings, long names, losses and 3000 frames."""
    table = load_class_table('camvid')
    random = np.random.RandomState(0)
    worst = WorstFrames(3, table.palette())
    for position in range(3):
        mask = np.kron(random.randint(0, 11, (12, 16)), np.ones((30, 30))).astype(np.uint8)
        worst.offer(0.1 * position, 'warehouse', position, str(position),
                    random.randint(0, 255, (360, 480, 3)).astype(np.uint8), mask, mask)
    frames = 3000
    timings = random.gamma(9.0, 0.002, (frames, 4))
    # A stall of twelve seconds: the axis needs room for a long number.
    timings[700, 2] = 12.0
    confusion = random.randint(0, 10 ** 6, (11, 12))
    truth = confusion.sum(axis=1)
    iou = np.linspace(0.95, 0.0, 11)
    reasons = {'no labels': 12, 'image cannot be decoded': 5}
    listed = [{'name': f'runs/2026-03-01/a_rather_long_recording_name_{number}.mcap #31',
               'reason': 'no labels', 'message': 'no labels for the image of 1700000000.25',
               'frames': 1} for number in range(12)]
    heights = [{'range': limit, 'contacts': 10 ** 5, 'shares': dict.fromkeys(
        ('marked_1', 'marked_2', 'marked_3', 'justified_1', 'justified_2', 'justified_3',
         'ground_free', 'ground_blocked', 'standing_free'), 0.5)} for limit in (4.0, 8.0, 15.0)]
    costmap = {'grids': 2990, 'without': 10, 'compared': 2990, 'first_problem': 'no TF',
               'first_gap': '', 'depth_refused': 30, 'first_refusal': 'no scale',
               'heights': heights, 'agreement': 0.97,
               'cells': dict.fromkeys(GridAgreement._fields, 10 ** 6)}
    picture = random.randint(0, 255, (480, 480, 3)).astype(np.uint8)
    grids = [GridPicture('warehouse', str(position), encode_jpeg(picture, 80).tobytes(),
                         encode_png(picture).tobytes(), 40, 30) for position in range(2)]
    document = {
        'network': {'model': 'segformer_b0_ade20k', 'backend': 'onnxruntime', 'device': 'cpu',
                    'backend_version': '1.32.0', 'precision': 'fp32', 'graph': 'original',
                    'resize': 'pillow',
                    'postprocess': 'exact', 'threshold': 0.25},
        'against': 'labels', 'mapping': 'ade20k_to_camvid', 'classes': list(table.names),
        'colors': table.colors.tolist(), 'rotate': 180, 'frames': frames,
        'inputs': [{'name': f'runs/{day}/warehouse_with_a_long_name.mcap',
                    'frames': frames // 2, 'left_out': 6, 'pixel_accuracy': 0.7,
                    'mean_iou': None, 'costmap': costmap} for day in ('monday', 'tuesday')],
        'left_out': {'frames': 17, 'inputs_of_unknown_loss': 1, 'by_reason': reasons,
                     'listed': listed},
        'notes': ['runs/monday: metadata.yaml is missing'],
        'figures': {'mean_iou': 0.41, 'pixel_accuracy': 0.8, 'mean_boundary_iou': 0.3,
                    'frequency_weighted_iou': 0.7, 'calibration_error': 0.1, 'flicker': 0.2,
                    'grid_obstacles_found': 0.5, 'grid_marks_justified': 0.5,
                    'grid_ground_free': 0.5, 'grid_ground_blocked': 0.5,
                    'grid_obstacles_free': 0.5, 'grid_agreement': 0.97, 'grid_recall': 0.9,
                    'grid_precision': 0.8},
        'by_class': [{'name': name, 'iou': float(iou[i]), 'boundary_iou': float(iou[i]) / 2,
                      'accuracy': 0.5, 'precision': 0.5, 'truth_pixels': int(truth[i])}
                     for i, name in enumerate(table.names)],
        'confusion': confusion.tolist(),
        'costmap': costmap,
        'calibration': {'pixels': list(range(15)),
                        'confidence': [None] + [(i + 0.5) / 15 for i in range(1, 15)],
                        'accuracy': [None] + [(i / 15.0) ** 2 for i in range(1, 15)]},
        'performance': {'date': '2026-03-01 12:00 UTC', 'machine': {'processor': 'A' * 60},
                        'backend': {'threads': '2'}, 'workers': 1, 'wall_seconds': 12.0,
                        'latency_ms': latency_table(timings), 'frames_per_second': 13.9,
                        'cpu_seconds': 20.0, 'peak_memory_mb': 530.0}}
    return Report(document, [], timings, random.rand(frames), worst.frames(), grids)


def measure(browser, folder, page, width):
    """Return what the harness finds when the page is that many pixels wide."""
    path = folder / 'harness.html'
    path.write_text(HARNESS.format(width=width, page=html.escape(page)), encoding='utf-8')
    done = subprocess.run(
        [browser, '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
         '--hide-scrollbars',
         '--user-data-dir={}'.format(folder / 'profile'), '--window-size=1400,1000',
         '--virtual-time-budget=20000', '--dump-dom', path.as_uri()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=240)
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found.group(1)))


@pytest.fixture(scope='module', params=[390, 1280])
def found(request, browser, report, tmp_path_factory):
    folder = tmp_path_factory.mktemp('browser')
    result = measure(browser, folder, render_html(report), request.param)
    assert result['width'] == request.param
    return result


def test_nothing_sticks_out_of_the_page(found):
    assert found['scrollWidth'] == found['width']
    assert found['sticking_out'] == []
    assert found['covered_ticks'] == []


def test_every_section_and_every_mark_is_drawn(found):
    assert found['headings'] == ['Classes', 'Confusion', 'Calibration', 'Costmap',
                                 'Frame by frame', 'Latency', 'Worst frames', 'Inputs',
                                 'Machine and run']
    assert np.allclose(found['bars'], np.linspace(0.95, 0.0, 11), atol=0.01)
    assert found['cells'] == 11 * 12
    assert len(found['lines']) == 3
    assert min(found['lines']) > 50


def test_pictures_are_decoded_and_large_enough_to_see(found):
    assert len(found['pictures']) == 13
    smallest = 150 if found['width'] == 390 else 330
    for natural_width, width, _, _ in found['pictures']:
        assert natural_width == 480
        assert width >= smallest


def test_text_keeps_its_size(found):
    assert found['smallest_text'] >= 12


def test_layout_follows_the_width(found):
    # Behind two grids beside their images.
    first, second, third = found['pictures'][4:7]
    is_phone = found['width'] == 390
    # On a phone the image takes the full width above its two masks.
    assert (first[3] < second[3]) == is_phone
    assert second[3] == third[3]
    assert found['heads'] == ([2, 2] if is_phone else [6, 4])


def test_page_needs_no_network(report):
    page = render_html(report)
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', page) == []
    assert not re.search(r'https?:|@import|url\(', page)
    assert '<script' not in page
    assert "default-src 'none'" in page


def test_figures_of_speed_stand_in_marked_sections_alone(report):
    timings = 3.0 * report.timings
    performance = dict(report.document['performance'], date='another day', cpu_seconds=1.0,
                       latency_ms=latency_table(timings), frames_per_second=4.6)
    slower = report._replace(document=dict(report.document, performance=performance),
                             timings=timings)
    pages = [render_html(entry) for entry in (report, slower)]
    assert pages[0] != pages[1]
    steady = [re.sub(r'<section data-varies>.*?</section>', '', page, flags=re.DOTALL)
              for page in pages]
    assert steady[0] == steady[1]


def test_names_are_text_and_not_html(report):
    network = dict(report.document['network'], model='<b>"&')
    page = render_html(report._replace(document=dict(
        report.document, network=network, notes=['<script>alert(1)</script>'])))
    assert '<h1>&lt;b&gt;&#34;&amp;</h1>' in page
    assert '<li>&lt;script&gt;' in page
    assert '<script' not in page


def test_missing_jinja2_is_told_with_the_command_that_brings_it(report, monkeypatch):
    monkeypatch.setitem(sys.modules, 'jinja2', None)
    with pytest.raises(ConfigurationError, match='pip install .*Jinja2'):
        render_html(report)
