# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whole evaluations of small recordings: the reports, and that nothing changes by chance."""

import json
import os
import re

import cv2
import numpy as np
import pytest

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.evaluator import comparison_of
from segformer_ros.evaluation.evaluator import evaluate
from segformer_ros.evaluation.evaluator import Request
from segformer_ros.evaluation.report.document import LABELS
from segformer_ros.evaluation.report.document import NOTHING
from segformer_ros.evaluation.report.document import read_json
from segformer_ros.evaluation.report.document import REFERENCE
from segformer_ros.evaluation.report.document import write_json
from segformer_ros.evaluation.report.html_page import render_html
from segformer_ros.evaluation.report.markdown import render_markdown
from segformer_ros.evaluation.run.job import Job
from segformer_ros.evaluation.run.network import NetworkChoice
from segformer_ros.evaluation.run.parallel import Parallel
from segformer_ros.evaluation.run.runner import RunSettings
from segformer_ros.evaluation.sources.inputs import InputOptions
from segformer_ros.segmentation.segmenter import SegmenterSettings
from support import bags
from support.output_networks import write_network


@pytest.fixture
def run(color_case, tmp_path):
    def run(*paths, **options):
        options.setdefault('inputs', InputOptions(label_topic=bags.LABELS))
        options.setdefault('job', Job(color_case.choice))
        options.setdefault('parallel', Parallel())
        options.setdefault('against', LABELS)
        on_progress = options.pop('on_progress', lambda done, total: None)
        folder = tmp_path / 'work'
        if not folder.is_dir():
            folder.mkdir()
        return evaluate(Request(paths=paths, **options), str(folder), on_progress)
    return run


@pytest.fixture(scope='module')
def recording(color_case):
    return color_case.bag('evaluator_run', 5)


def test_report_says_what_was_evaluated_and_how_well(run, recording):
    document = run(recording).document
    assert document['frames'] == document['labelled_frames'] == 5
    assert document['network']['model'] == 'colors'
    assert document['network']['backend'] == 'onnxruntime'
    assert document['classes'] == ['red', 'green', 'blue', 'white']
    assert document['inputs'][0]['name'] == 'evaluator_run'
    # 12 x 8 of the 40 x 64 labelled pixels are labelled wrongly.
    assert document['figures']['pixel_accuracy'] == pytest.approx(1 - 96 / 2560.0, abs=0.01)
    assert document['figures']['mean_iou'] < document['figures']['pixel_accuracy']
    assert document['left_out'] == {'frames': 0, 'inputs_of_unknown_loss': 0, 'by_reason': {},
                                    'listed': []}
    assert sum(map(sum, document['confusion'])) == 5 * 2560
    latency = document['performance']['latency_ms']['total']
    assert 0 < latency['p50'] <= latency['p95'] <= latency['max']


def test_two_runs_give_the_same_bytes_latency_aside(run, recording, tmp_path):
    texts = []
    for number in range(2):
        report = run(recording)
        path = str(tmp_path / f'{number}.json')
        write_json(report, path)
        with open(path) as stream:
            json_text = stream.read()
        markdown = render_markdown(report)
        page = re.sub(r'<section data-varies>.*?</section>', '', render_html(report),
                      flags=re.DOTALL)
        texts.append((json_text[:json_text.index('"performance"')],
                      markdown[:markdown.index('## Speed')], page))
    assert texts[0] == texts[1]
    assert all('mean' in text for text in texts[0])


def test_json_reads_back_with_a_record_for_every_frame(run, recording, tmp_path):
    report = run(recording)
    path = str(tmp_path / 'report.json')
    write_json(report, path)
    document = read_json(path)
    assert {key: document[key] for key in report.document} == json.loads(
        json.dumps(report.document))
    assert [frame['position'] for frame in document['per_frame']] == [0, 1, 2, 3, 4]
    assert np.allclose(document['timings_seconds']['per_frame'], report.timings, atol=1e-6)
    assert len(document['timings_seconds']['stages']) == 4


@pytest.mark.parametrize('content', ['', '[]', '{"format": 99}', '{"format": 1}'])
def test_other_files_are_refused_as_reports(tmp_path, content):
    path = tmp_path / 'report.json'
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r'report'):
        read_json(str(path))
    with pytest.raises(ConfigurationError, match='cannot be read'):
        read_json(str(tmp_path / 'missing.json'))


def test_several_inputs_are_pooled_not_averaged(run, color_case):
    short = color_case.bag('pooled/short', 1)
    long = color_case.bag('pooled/long', 4, first=1)
    both = run(short, long).document
    assert [entry['frames'] for entry in both['inputs']] == [1, 4]
    single = [run(path).document for path in (short, long)]
    pooled = np.array(single[0]['confusion']) + np.array(single[1]['confusion'])
    assert np.array_equal(pooled, np.array(both['confusion']))
    per_frame = np.array([entry['frames'] for entry in both['inputs']])
    assert per_frame.sum() == both['frames']


def test_damaged_inputs_are_told_and_the_rest_is_evaluated(run, color_case, recording):
    broken = color_case.bag('broken', 2)
    with open(bags.storage_file(broken), 'wb') as stream:
        stream.write(b'rubbish' * 50)
    no_metadata = color_case.bag('no_metadata', 2)
    os.remove(os.path.join(no_metadata, 'metadata.yaml'))
    report = run(recording, broken, no_metadata)
    document = report.document
    assert document['frames'] == 7
    assert document['left_out']['listed'][0]['name'] == 'broken'
    assert document['left_out']['inputs_of_unknown_loss'] == 1
    assert 'metadata.yaml is missing' in document['notes'][0]
    for page in (render_markdown(report), render_html(report)):
        assert 'broken' in page
        assert 'metadata.yaml is missing' in page
        assert 'lost an unknown number more' in page


def test_cut_recording_counts_its_lost_frames(run, color_case):
    with bags.BagWriter(os.path.join(str(color_case.folder), 'cut')) as bag:
        for number in range(12):
            bag.image(number, np.kron(color_case.image(number), np.ones((5, 5, 1), np.uint8)))
    file = bags.storage_file(os.path.join(str(color_case.folder), 'cut'))
    with open(file, 'rb+') as stream:
        stream.truncate(os.path.getsize(file) * 2 // 3)
    document = run(os.path.join(str(color_case.folder), 'cut'), inputs=InputOptions(),
                   against=NOTHING).document
    assert 0 < document['frames'] < 12
    assert document['left_out']['frames'] == 12 - document['frames']
    assert document['left_out']['by_reason'] == {
        'lost with a damaged file': 12 - document['frames']}


def test_no_usable_frame_is_an_error_that_says_why(run, color_case, recording):
    with pytest.raises(InvalidInputError, match='No input could be read.*/image_raw') as no:
        run(recording, inputs=InputOptions(topics=('/wrong',)))
    # One sentence after the other, none inside another.
    assert '..' not in str(no.value) and str(no.value).count(': got ') == 1
    unlabelled = color_case.bag('unlabelled', 2, labels=False)
    with pytest.raises(InvalidInputError, match=r'got 2 left out.*no labels for the image'):
        run(unlabelled)


def test_mapping_for_another_network_is_refused_before_anything_is_read(run, color_case):
    with pytest.raises(ConfigurationError, match=r"another network.*'colors'.*'ade20k'"):
        run('/no/such/path', job=Job(color_case.choice, mapping='ade20k'))


def test_without_labels_there_is_speed_and_flicker_alone(run, recording):
    report = run(recording, inputs=InputOptions(), against=NOTHING)
    assert list(report.document['figures']) == ['flicker']
    assert report.document['by_class'] == []
    assert 'without labels' in render_html(report)
    assert 'mean IoU' not in render_markdown(report)


def test_second_network_gives_agreement(run, recording, color_case):
    other = color_case.choice._replace(settings=SegmenterSettings(postprocess='fast'))
    document = run(recording, inputs=InputOptions(), against=REFERENCE,
                   job=Job(color_case.choice, reference=other)).document
    assert document['reference']['postprocess'] == 'fast'
    assert 0.9 < document['figures']['pixel_accuracy'] <= 1.0
    assert document['labelled_frames'] == 5


def test_saved_masks_are_the_reference_of_a_later_run(run, recording, color_case, tmp_path):
    masks = str(tmp_path / 'masks')
    run(recording, inputs=InputOptions(), against=NOTHING,
        job=Job(color_case.choice, save_masks=masks))
    assert len(os.listdir(os.path.join(masks, 'evaluator_run'))) == 5
    document = run(recording, inputs=InputOptions(labels=masks), against=REFERENCE).document
    assert document['figures']['pixel_accuracy'] == 1.0
    assert document['labelled_frames'] == 5


def test_masks_of_a_split_bag_lie_together_and_come_back(run, color_case, tmp_path):
    path = bags.split_bag(tmp_path / 'split', 3, 2)
    masks = str(tmp_path / 'masks')
    run(path, inputs=InputOptions(), against=NOTHING,
        job=Job(color_case.choice, save_masks=masks))
    assert len(os.listdir(os.path.join(masks, 'split'))) == 6
    document = run(path, inputs=InputOptions(labels=masks), against=REFERENCE).document
    assert (document['figures']['pixel_accuracy'], document['frames']) == (1.0, 6)


def test_progress_goes_from_nothing_to_all(run, recording):
    seen = []
    run(recording, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 5) for done in range(6)]


def test_figures_can_be_left_out(run, recording, color_case):
    report = run(recording, job=Job(color_case.choice, run=RunSettings(
        with_boundary=False, worst=0)))
    assert report.document['figures']['mean_boundary_iou'] is None
    assert report.worst == []
    assert 'Worst frames' not in render_html(report)


@pytest.mark.parametrize('has_labels, is_reference, expected', [
    (True, False, LABELS), (False, True, REFERENCE), (False, False, NOTHING)])
def test_what_is_compared_with(has_labels, is_reference, expected):
    assert comparison_of(has_labels, is_reference) == expected


def test_pages_quote_names_that_look_like_markup(run, color_case):
    path = color_case.bag('a<b>|&c', 1)
    report = run(path, path)
    assert '<b>|' not in render_html(report)
    assert 'a&lt;b&gt;|&amp;c' in render_html(report)
    assert '| a<b>\\|&c |' in render_markdown(report)


def labelled_photos(folder, values):
    """Write photos of red, whose left half has the first label value."""
    for part in ('images', 'labels'):
        (folder / part).mkdir(parents=True)
    for number in range(2):
        cv2.imwrite(str(folder / 'images' / f'{number}.png'),
                    np.full((8, 8, 3), (0, 0, 255), np.uint8))
        labels = np.full((8, 8), values[1], np.uint8)
        labels[:, :2] = values[0]
        cv2.imwrite(str(folder / 'labels' / f'{number}.png'), labels)
    return str(folder)


def test_share_of_labelled_pixels_left_out_is_in_every_report(run, tmp_path):
    report = run(labelled_photos(tmp_path / 'set', (255, 1)), inputs=InputOptions(
        wants_labels=True))
    assert report.document['ignored_share'] == 0.25
    assert any('25.0% of the labelled pixels' in note for note in report.document['notes'])
    assert '25.0% of the labelled pixels' in render_markdown(report)
    assert '25.0% of the labelled pixels' in render_html(report)


def mapping_of(error, folder):
    """Write the line that an error gives to a file, as it says."""
    line, = re.findall(r'--mapping map\.yaml: (\{.*\}) It', str(error.value))
    (folder / 'map.yaml').write_text(line + '\n')
    return str(folder / 'map.yaml')


def test_masks_of_0_and_255_are_refused_for_more_classes_with_a_mapping_that_works(
        run, color_case, tmp_path):
    photos = labelled_photos(tmp_path / 'set', (0, 255))
    inputs = InputOptions(wants_labels=True)
    with pytest.raises(InvalidInputError, match='0 and 255 alone.*ids of 4 classes') as error:
        run(photos, inputs=inputs)
    mapping = mapping_of(error, tmp_path)
    job = Job(color_case.choice, mapping=mapping)
    document = run(photos, inputs=inputs, job=job).document
    assert document['ignored_share'] == 0.25
    assert [each['name'] for each in document['by_class'] if each['truth_pixels']] == ['red']
    # And where 0 is a class, and 255 nothing.
    with open(mapping) as stream:
        line = re.sub('"label_values.*}', '"first_label": 0}', stream.read())
    with open(mapping, 'w') as stream:
        stream.write(line)
    assert run(photos, inputs=inputs, job=job).document['ignored_share'] == 0.75
    assert run(labelled_photos(tmp_path / 'other', (1, 255)),
               inputs=inputs).document['ignored_share'] == 0.75


def test_labels_beside_photos_that_are_not_used_are_told(run, tmp_path):
    document = run(labelled_photos(tmp_path / 'set', (0, 1)), inputs=InputOptions(),
                   against=NOTHING).document
    assert document['notes'] == [
        'set: 2 label files lie beside the photos and are not used; give --mapping same if they '
        'hold the ids of the classes, or another mapping']


@pytest.mark.parametrize('channels, options, names, painted', [
    (2, {}, ('c0', 'c1'), 'c1'), (2, {}, ('drivable', 'rest'), 'drivable'),
    (2, {}, ('Background', 'person'), 'person'),
    (1, {'spec': 'output_kind: binary_logits\n', 'classes': 2}, ('c0', 'c1'), 'c0'),
    (1, {'spec': 'output_kind: binary_logits\n', 'classes': 2}, ('lane, "left"', 'rest'),
     'lane, "left"')])
def test_masks_of_0_and_255_are_refused_for_two_classes_with_a_mapping_that_works(
        tmp_path, monkeypatch, channels, options, names, painted):
    pytest.importorskip('onnxruntime')
    model = write_network(tmp_path, channels, **options)
    table = tmp_path / 'table.yaml'
    text = table.read_text()
    for number, name in enumerate(names):
        text = text.replace(f'c{number}', json.dumps(name))
    table.write_text(text)
    # The model is named by a relative path, and so is its table of classes.
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'work').mkdir()
    request = Request(
        paths=(labelled_photos(tmp_path / 'set', (0, 255)),),
        inputs=InputOptions(wants_labels=True),
        job=Job(NetworkChoice(os.path.basename(model), graph='original')), parallel=Parallel(),
        against=LABELS)
    with pytest.raises(InvalidInputError, match='0 and 255 alone') as error:
        evaluate(request, str(tmp_path / 'work'))
    document = evaluate(request._replace(job=request.job._replace(
        mapping=mapping_of(error, tmp_path))), str(tmp_path / 'work')).document
    pixels = {each['name']: each['truth_pixels'] for each in document['by_class']}
    # A quarter of each of two pictures is 0.
    assert pixels == {name: 96 if name == painted else 32 for name in names}


def test_masks_of_a_reference_may_have_one_class_and_pixels_without_any(tmp_path):
    pytest.importorskip('onnxruntime')
    (tmp_path / 'work').mkdir()
    # 255 is what a threshold leaves without a class.
    document = evaluate(Request(
        paths=(labelled_photos(tmp_path / 'set', (0, 255)),),
        inputs=InputOptions(wants_labels=True),
        job=Job(NetworkChoice(write_network(tmp_path, 2), graph='original')),
        parallel=Parallel(), against=REFERENCE), str(tmp_path / 'work')).document
    assert (document['labelled_frames'], document['ignored_share']) == (2, 0.75)
