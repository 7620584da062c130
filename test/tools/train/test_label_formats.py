# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Captured frames for CVAT and Label Studio, and corrected labels back; needs no PyTorch."""

import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree
import zipfile

import numpy as np
from PIL import Image
import pytest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
TOOLS = os.path.join(ROOT, 'tools', 'train')
if TOOLS not in sys.path:
    sys.path.append(TOOLS)

import capture_folder  # noqa: E402, I100
import cvat  # noqa: E402, I100
import label_studio  # noqa: E402, I100
import prelabel  # noqa: E402, I100
from segformer_ros.capture import store as stores  # noqa: E402
from segformer_ros.common.errors import ConfigurationError  # noqa: E402
from segformer_ros.common.errors import InvalidInputError  # noqa: E402

NAMES = ['road', 'grass, wet', 'person', 'pole & <wire>']


def row_of(name, stamp, **changes):
    """Return a manifest's row as the node writes it."""
    row = {'id': name, 'stamp_ns': stamp, 'camera': 'front', 'frame_id': 'front_optical',
           'reason': 'unsure', 'score': 0.4, 'image': f'images/{name}.png',
           'mask': f'masks/{name}.png', 'confidence': None, 'camera_info': None, 'pose': None,
           'model': {'name': 'segformer_sim', 'digest': 'ab'}, 'blurred': []}
    row.update(changes)
    return row


def mask_of(seed, size_wh=(23, 17)):
    """Return a mask with rectangles of every class, and some pixels without one."""
    random = np.random.RandomState(seed)
    mask = np.full(size_wh[::-1], 255, np.uint8)
    for class_id in (0, 1, 2, 3, 0):
        x, y = random.randint(size_wh[0] - 6), random.randint(size_wh[1] - 5)
        mask[y:y + 5, x:x + 9] = class_id
    return mask


@pytest.fixture
def folder(tmp_path):
    """Return a captured folder with three frames, the newest first in the manifest."""
    for part in ('images', 'masks'):
        os.makedirs(str(tmp_path / 'capture' / part))
    rows = [row_of('b.2', 300), row_of('a-1', 100), row_of('c', 200, reason='flicker')]
    for seed, row in enumerate(rows):
        mask = mask_of(seed)
        Image.fromarray(mask).save(str(tmp_path / 'capture' / row['mask']))
        picture = np.random.RandomState(seed).randint(0, 256, (17, 23, 3)).astype(np.uint8)
        Image.fromarray(picture).save(str(tmp_path / 'capture' / row['image']))
    (tmp_path / 'capture' / 'classes.json').write_text(json.dumps(NAMES))
    (tmp_path / 'capture' / 'manifest.jsonl').write_text(
        ''.join(json.dumps(row) + '\n' for row in rows))
    return str(tmp_path / 'capture')


def masks_by_id(capture):
    """Return each frame's mask as Pillow reads the file."""
    found = {}
    for frame in capture.frames:
        with Image.open(frame.mask) as picture:
            found[frame.id] = np.array(picture)
    return found


def rle_by_bits(rle):
    """Decode run lengths bit by bit, as the JavaScript of rle-pack documents it."""
    bits = [int(bit) for byte in rle for bit in f'{byte:08b}']
    place = 0

    def take(count):
        nonlocal place
        value = 0
        for bit in bits[place:place + count]:
            value = 2 * value + bit
        place += count
        return value
    count = take(32)
    word = take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    out = []
    while len(out) < count:
        is_run = take(1)
        length = take(sizes[take(2)]) + 1
        out += [take(word)] * length if is_run else [take(word) for _ in range(length)]
    return out


def test_frames_are_read_by_stamp_and_reason(folder):
    capture = capture_folder.read_capture(folder)
    assert [frame.id for frame in capture.frames] == ['a-1', 'c', 'b.2']
    assert capture.classes == tuple(NAMES)
    assert capture.frames[0].model == 'segformer_sim'
    some = capture_folder.read_capture(folder, ['flicker'])
    assert [frame.id for frame in some.frames] == ['c']
    with pytest.raises(ConfigurationError, match='depth'):
        capture_folder.read_capture(folder, ['depth'])


def test_what_the_node_stores_is_read(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(mask_of(1)).save(stream, 'PNG')
    store = stores.Store(str(tmp_path / 'captures'), NAMES)
    try:
        for camera in ('front', ''):
            row = row_of(f'20261129T184700_000000007_{camera}', 7, camera=camera,
                         classes='classes.json')
            for key in ('image', 'mask', 'confidence'):
                del row[key]
            store.add(row, {'image': stream.getvalue(), 'mask': stream.getvalue()},
                      stores.Limits(min_free_bytes=0))
    finally:
        store.close()
    capture = capture_folder.read_capture(str(tmp_path / 'captures'))
    assert capture.classes == tuple(NAMES)
    assert sorted(frame.camera for frame in capture.frames) == ['', 'front']
    for frame in capture.frames:
        assert (capture.mask(frame) == mask_of(1)).all()
        assert os.path.isfile(frame.image)


def test_line_that_was_cut_off_is_left_out_and_a_broken_one_is_named(folder):
    path = os.path.join(folder, 'manifest.jsonl')
    with open(path, 'a') as stream:
        stream.write('{"id": "torn", "stamp_')
    assert len(capture_folder.read_capture(folder).frames) == 3
    with open(path, 'a') as stream:
        stream.write('\n')
    with pytest.raises(ConfigurationError, match='line 4'):
        capture_folder.read_capture(folder)


@pytest.mark.parametrize('changes', [
    {'id': '../up'}, {'id': ''}, {'image': '/etc/passwd'}, {'mask': 'masks/../../up.png'},
    {'stamp_ns': 'now'}, {'image': None}, {'model': 'name'}, {'stamp_ns': float('inf')}])
def test_row_that_leaves_the_folder_or_lacks_something_is_refused(folder, changes):
    with open(os.path.join(folder, 'manifest.jsonl'), 'w') as stream:
        stream.write(json.dumps(row_of('a-1', 100, **changes)) + '\n')
    with pytest.raises(ConfigurationError, match='line 1'):
        capture_folder.read_capture(folder)


def test_mask_with_an_id_that_has_no_name_is_refused(folder):
    capture = capture_folder.read_capture(folder)
    Image.fromarray(np.full((17, 23), 4, np.uint8)).save(capture.frames[0].mask)
    with pytest.raises(InvalidInputError, match='4'):
        capture.mask(capture.frames[0])


def test_cvat_archive_holds_what_its_page_says(folder, tmp_path):
    capture = capture_folder.read_capture(folder)
    path = str(tmp_path / 'pre.zip')
    written = cvat.write(capture, path)
    with zipfile.ZipFile(path) as archive:
        lines = archive.read('labelmap.txt').decode().splitlines()
        assert archive.read('ImageSets/Segmentation/default.txt').decode().split() == [
            'a-1', 'c', 'b.2']
        colors = {}
        for line in lines[1:]:
            name, color, parts, actions = line.split(':')
            assert parts == actions == ''
            colors[tuple(int(value) for value in color.split(','))] = name
        assert list(colors.values()) == ['background'] + NAMES
        assert len(colors) == len(NAMES) + 1
        for name, expected in masks_by_id(capture).items():
            picture = np.array(Image.open(io.BytesIO(archive.read(
                f'SegmentationClass/{name}.png'))))
            objects = np.array(Image.open(io.BytesIO(archive.read(
                f'SegmentationObject/{name}.png'))))
            for y, x in np.ndindex(expected.shape):
                wanted = 'background' if expected[y, x] == 255 else NAMES[expected[y, x]]
                assert colors[tuple(picture[y, x])] == wanted
                assert (objects[y, x] == 0).all() == (expected[y, x] == 255)
            pairs = {(tuple(objects[y, x]), int(expected[y, x]))
                     for y, x in np.ndindex(expected.shape)}
            assert len(pairs) == len(np.unique(expected))
            with open(os.path.join(folder, 'images', name + '.png'), 'rb') as stream:
                assert archive.read(f'JPEGImages/{name}.png') == stream.read()
    with open(written[1]) as stream:
        assert [label['name'] for label in json.load(stream)] == NAMES


def test_labels_come_back_from_cvat(folder, tmp_path):
    capture = capture_folder.read_capture(folder)
    path = str(tmp_path / 'pre.zip')
    cvat.write(capture, path)
    found = dict(cvat.read(path, NAMES))
    for name, expected in masks_by_id(capture).items():
        assert (found[name] == expected).all()


def export_of_cvat(path, label_map, pixels, mode='RGB', name='some/folder/a-1.png'):
    """Write an archive as CVAT exports it."""
    stream = io.BytesIO()
    picture = Image.fromarray(np.array(pixels, np.uint8))
    (picture.quantize(256) if mode == 'P' else picture.convert(mode)).save(stream, 'PNG')
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('labelmap.txt', label_map)
        archive.writestr('SegmentationClass/' + name, stream.getvalue())


def test_export_of_cvat_has_its_own_colours_and_order(tmp_path):
    path = str(tmp_path / 'export.zip')
    export_of_cvat(path, '# label:color_rgb:parts:actions\nperson:9,8,7::\nbackground:0,0,0::\n'
                   'road:1,2,3::\n', [[[1, 2, 3], [0, 0, 0], [9, 8, 7]]], 'P')
    assert [(name, labels.tolist()) for name, labels in cvat.read(path, NAMES)] == [
        ('a-1', [[0, 255, 2]])]
    export_of_cvat(path, 'background:0,0,0::\nperson:9,8,7::\n', [[0, 1, 1]], 'L')
    assert [labels.tolist() for _, labels in cvat.read(path, NAMES)] == [[[255, 2, 2]]]


@pytest.mark.parametrize('black, expected', [('', 255), ('background:0,0,0::\n', 255),
                                             ('person:0,0,0::\n', 2)])
def test_black_is_no_label_unless_the_label_map_says_so(tmp_path, black, expected):
    path = str(tmp_path / 'export.zip')
    export_of_cvat(path, black + 'road:1,2,3::\n', [[[1, 2, 3], [0, 0, 0]]])
    (_, labels), = cvat.read(path, NAMES)
    assert labels.tolist() == [[0, expected]]


def test_picture_that_would_unpack_to_more_than_the_largest_is_refused(tmp_path, monkeypatch):
    path = str(tmp_path / 'export.zip')
    export_of_cvat(path, 'road:1,2,3::\n', [[[1, 2, 3]]])
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo('SegmentationClass/some/folder/a-1.png').file_size
    monkeypatch.setattr(cvat, 'LARGEST_BYTES', size)
    assert len(list(cvat.read(path, NAMES))) == 1
    monkeypatch.setattr(cvat, 'LARGEST_BYTES', size - 1)
    with pytest.raises(InvalidInputError, match='Mask is too large'):
        list(cvat.read(path, NAMES))


@pytest.mark.parametrize('label_map, pixels, words', [
    ('kerb:1,2,3::\n', [[[1, 2, 3]]], 'kerb.*classes.json'),
    ('road:1,2,3::\n', [[[3, 2, 1]]], '#030201'),
    ('road 1,2,3\n', [[[1, 2, 3]]], 'name:red,green,blue')])
def test_labels_that_are_not_of_the_capture_are_refused(tmp_path, label_map, pixels, words):
    path = str(tmp_path / 'export.zip')
    export_of_cvat(path, label_map, pixels)
    with pytest.raises((ConfigurationError, InvalidInputError), match=words):
        list(cvat.read(path, NAMES))


def test_other_archives_are_refused(tmp_path):
    path = str(tmp_path / 'other.zip')
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('annotations.xml', '<annotations/>')
    with pytest.raises(ConfigurationError, match='Segmentation mask 1.1'):
        list(cvat.read(path, NAMES))
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(cvat.LABEL_MAP, b'road:\xff,2,3::')
        archive.writestr(cvat.MASKS + 'a.png', b'')
    with pytest.raises(ConfigurationError, match='labelmap.txt'):
        list(cvat.read(path, NAMES))
    # A bit of each entry says that a password is needed.
    with open(path, 'rb') as stream:
        content = bytearray(stream.read())
    for mark, place in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(mark, start + 1)
    with open(path, 'wb') as stream:
        stream.write(content)
    with pytest.raises(ConfigurationError, match='password'):
        list(cvat.read(path, NAMES))
    with open(path, 'wb') as stream:
        stream.write(b'no archive')
    with pytest.raises(ConfigurationError, match='zip'):
        list(cvat.read(path, NAMES))


@pytest.mark.parametrize('name', ['a:b', 'background', '#one', 'two\nlines'])
def test_name_that_a_label_map_cannot_hold_is_refused(folder, tmp_path, name):
    with open(os.path.join(folder, 'classes.json'), 'w') as stream:
        json.dump(NAMES + [name], stream)
    with pytest.raises(ConfigurationError, match='label map'):
        cvat.write(capture_folder.read_capture(folder), str(tmp_path / 'pre.zip'))


@pytest.mark.parametrize('mask', [
    np.zeros((1, 1), bool), np.ones((1, 1), bool), np.ones((3, 70), bool),
    np.arange(200).reshape(10, 20) % 3 == 0, mask_of(4) == 255, np.ones((200, 150), bool),
    np.arange(40000).reshape(200, 200) > 20000])
def test_run_lengths_are_those_of_rle_pack(mask):
    rle = label_studio.encode(mask)
    assert all(isinstance(value, int) and 0 <= value < 256 for value in rle)
    expected = np.repeat(mask.ravel(), 4) * 255
    assert rle_by_bits(rle) == expected.tolist()
    assert (label_studio.decode(rle, mask.shape[::-1]) == mask).all()


def test_single_values_and_half_painted_alpha_are_decoded():
    # Three pixels, written as a run of literals: alpha 0, 7 and 255.
    values = [1, 1, 1, 0, 0, 0, 0, 7, 9, 9, 9, 255]
    bits = f'{12:032b}{7:05b}' + ''.join(f'{size - 1:04b}' for size in (3, 4, 8, 16))
    bits += '0' + '01' + f'{11:04b}' + ''.join(f'{value:08b}' for value in values)
    bits += '0' * (-len(bits) % 8)
    rle = [int(bits[place:place + 8], 2) for place in range(0, len(bits), 8)]
    assert label_studio.decode(rle, (3, 1)).tolist() == [[False, True, True]]
    with pytest.raises(InvalidInputError, match='another size'):
        label_studio.decode(rle, (2, 1))
    with pytest.raises(InvalidInputError, match='too early'):
        label_studio.decode(rle[:-3], (3, 1))
    with pytest.raises(InvalidInputError, match='cannot be read'):
        label_studio.decode([0, 300], (3, 1))


def annotated(tasks):
    """Return the tasks as somebody who accepts every prediction leaves them."""
    return [dict(task, annotations=[{'result': task['predictions'][0]['result'],
                                     'was_cancelled': False}]) for task in tasks]


def test_tasks_have_predictions_and_a_labelling_interface(folder, tmp_path):
    capture = capture_folder.read_capture(folder)
    path = str(tmp_path / 'tasks.json')
    written = label_studio.write(capture, path, '/data/local-files/?d=capture/')
    with open(path) as stream:
        tasks = json.load(stream)
    assert [task['data']['image'] for task in tasks] == [
        f'/data/local-files/?d=capture/images/{name}.png' for name in ('a-1', 'c', 'b.2')]
    for task, (_, expected) in zip(tasks, masks_by_id(capture).items()):
        prediction, = task['predictions']
        assert prediction['model_version'] == 'segformer_sim'
        seen = set()
        for entry in prediction['result']:
            assert (entry['type'], entry['from_name'], entry['to_name']) == (
                'brushlabels', 'label', 'image')
            assert (entry['original_width'], entry['original_height']) == (23, 17)
            name, = entry['value']['brushlabels']
            alpha = np.reshape(rle_by_bits(entry['value']['rle']), (17, 23, 4))[..., 3]
            assert ((alpha > 0) == (expected == NAMES.index(name))).all()
            seen.add(NAMES.index(name))
        assert seen == set(np.unique(expected).tolist()) - {255}
    view = xml.etree.ElementTree.parse(written[1]).getroot()
    assert [label.get('value') for label in view.iter('Label')] == NAMES
    assert view.find('BrushLabels').get('toName') == view.find('Image').get('name') == 'image'


def test_labels_come_back_from_label_studio(folder, tmp_path):
    capture = capture_folder.read_capture(folder)
    path = str(tmp_path / 'tasks.json')
    label_studio.write(capture, path, '')
    with open(path) as stream:
        tasks = annotated(json.load(stream))
    # One skipped, one without the id that was handed over, and a later correction.
    tasks[1]['annotations'][0]['was_cancelled'] = True
    del tasks[2]['data']['id']
    patch = np.zeros((17, 23), bool)
    patch[2:5, 3:9] = True
    tasks[2]['annotations'][0]['result'].append(dict(
        tasks[2]['annotations'][0]['result'][0],
        value={'rle': label_studio.encode(patch), 'brushlabels': ['person'], 'format': 'rle'}))
    with open(path, 'w') as stream:
        json.dump(tasks, stream)
    found = dict(label_studio.read(path, NAMES))
    expected = masks_by_id(capture)
    expected['b.2'][2:5, 3:9] = 2
    assert sorted(found) == ['a-1', 'b.2']
    for name, labels in found.items():
        assert (labels == expected[name]).all()


@pytest.mark.parametrize('skipped, expected', [
    ((False, False), 2), ((False, True), 0), ((True, False), 2), ((True, True), None)])
def test_last_annotation_that_was_not_skipped_counts(tmp_path, skipped, expected):
    everywhere = label_studio.encode(np.ones((2, 3), bool))
    annotations = [{'was_cancelled': was_skipped, 'result': [
        {'type': 'brushlabels', 'original_width': 3, 'original_height': 2,
         'value': {'brushlabels': [name], 'rle': everywhere, 'format': 'rle'}}]}
        for name, was_skipped in zip(('road', 'person'), skipped)]
    path = tmp_path / 'tasks.json'
    path.write_text(json.dumps([{'data': {'id': 'a'}, 'annotations': annotations}]))
    found = [labels.tolist() for _, labels in label_studio.read(str(path), NAMES)]
    assert found == ([] if expected is None else [[[expected] * 3] * 2])


@pytest.mark.parametrize('change, words', [
    ({'type': 'polygonlabels'}, 'brush'), ({'original_width': 22}, 'another size'),
    ({'value': {'rle': [], 'brushlabels': ['person']}}, 'cannot be read'),
    ({'value': {'brushlabels': ['person']}}, 'incomplete'),
    ({'value': {'rle': [], 'brushlabels': ['kerb']}}, 'kerb')])
def test_annotation_that_cannot_be_read_is_named(folder, tmp_path, change, words):
    path = str(tmp_path / 'tasks.json')
    label_studio.write(capture_folder.read_capture(folder), path, '')
    with open(path) as stream:
        tasks = annotated(json.load(stream))
    tasks[0]['annotations'][0]['result'][0].update(change)
    with open(path, 'w') as stream:
        json.dump(tasks, stream)
    with pytest.raises((ConfigurationError, InvalidInputError), match=words):
        list(label_studio.read(path, NAMES))


@pytest.mark.parametrize('tasks', ['{"data": 1}', '["text"]', '[{"annotations": 7}]',
                                   '[{"annotations": ["text"]}]', '[' * 100000])
def test_file_that_is_no_export_of_tasks_is_told(tmp_path, tasks):
    (tmp_path / 'tasks.json').write_text(tasks)
    with pytest.raises(ConfigurationError, match='Tasks cannot be read'):
        list(label_studio.read(str(tmp_path / 'tasks.json'), NAMES))


def test_tasks_without_annotations_are_left_out_and_strokes_without_sense_told(tmp_path):
    path = tmp_path / 'tasks.json'
    path.write_text('[{"annotations": null, "data": null}, {}]')
    assert list(label_studio.read(str(path), NAMES)) == []
    path.write_text('[{"data": {"id": "a"}, "annotations": [{"result": ["text"]}]}]')
    with pytest.raises(ConfigurationError, match="got 'text' in a"):
        list(label_studio.read(str(path), NAMES))


def test_command_writes_both_and_names_what_is_wrong(folder, tmp_path):
    command = [sys.executable, os.path.join(TOOLS, 'prelabel.py'), folder, '--out']
    for format_name, ending in (('cvat', 'zip'), ('label_studio', 'json')):
        path = str(tmp_path / f'pre.{ending}')
        done = subprocess.run(command + [path, '--format', format_name, '--reason', 'unsure'],
                              stdout=subprocess.PIPE, universal_newlines=True, check=False)
        assert done.returncode == 0
        assert '2 frames' in done.stdout
        assert os.path.getsize(path) > 100
    os.remove(os.path.join(folder, 'classes.json'))
    done = subprocess.run(command + [path, '--format', format_name], stderr=subprocess.PIPE,
                          universal_newlines=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith('prelabel: Class names cannot be read')


@pytest.mark.parametrize('name, format_name, text', [
    ('none/x.zip', 'cvat', 'Folder of --out not found'),
    ('x.txt', 'cvat', '--out does not fit --format'),
    ('x.json', 'cvat', 'ends in .zip for cvat, or .json for label_studio'),
    ('x.zip', 'label_studio', '--out does not fit --format'), ('', 'cvat', 'does not fit')])
def test_name_that_cannot_be_written_is_told(folder, tmp_path, capsys, name, format_name, text):
    before = sorted(os.listdir(str(tmp_path)))
    assert prelabel.main([folder, '--out', os.path.join(str(tmp_path), name),
                          '--format', format_name]) == 1
    told = capsys.readouterr().err
    assert told.startswith('prelabel: ') and text in told
    assert sorted(os.listdir(str(tmp_path))) == before


@pytest.mark.parametrize('format_name, ending', sorted(prelabel.SUFFIXES.items()))
def test_broken_mask_leaves_what_was_there_before(folder, tmp_path, capsys, format_name, ending):
    path = tmp_path / ('pre' + ending)
    path.write_text('of yesterday')
    # The last in the order of time, so that others are written before it.
    with open(os.path.join(folder, row_of('b.2', 300)['mask']), 'w') as stream:
        stream.write('no picture')
    before = sorted(os.listdir(str(tmp_path)))
    assert prelabel.main([folder, '--out', str(path), '--format', format_name]) == 1
    assert 'Label file cannot be read' in capsys.readouterr().err
    assert path.read_text() == 'of yesterday'
    assert sorted(os.listdir(str(tmp_path))) == before


@pytest.mark.parametrize('tool', ['train', 'fine_tune', 'export_onnx', 'evaluate'])
def test_tool_without_a_package_names_the_requirements(tool, tmp_path):
    # Nothing but the standard library.
    path = os.path.join(TOOLS, f'{tool}.py')
    done = subprocess.run(
        [sys.executable, '-S', path, '--help'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        universal_newlines=True, check=False, cwd=str(tmp_path),
        env={name: value for name, value in os.environ.items() if name != 'PYTHONPATH'})
    assert done.returncode == 1 and not done.stdout
    assert 'Traceback' not in done.stderr
    assert done.stderr.startswith(f'{tool}.py: Python packages are missing: ')
    requirements = done.stderr.split('pip install -r ')[1].strip()
    assert os.path.isfile(requirements)
    named = done.stderr.split('missing: ')[1].split(' for ')[0].split(', ')
    assert 'numpy' in named and ('torch' in named) is (tool != 'evaluate')


def test_datumaro_reads_the_archive_as_cvat_does(folder, tmp_path):
    datumaro = pytest.importorskip('datumaro')
    capture = capture_folder.read_capture(folder)
    path = str(tmp_path / 'pre.zip')
    cvat.write(capture, path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(str(tmp_path / 'unpacked'))
    # CVAT calls its own copy of this importer for "Segmentation mask 1.1".
    data = datumaro.Dataset.import_from(str(tmp_path / 'unpacked'), 'voc_segmentation')
    labels = [label.name for label in data.categories()[datumaro.AnnotationType.label]]
    expected = masks_by_id(capture)
    assert {item.id for item in data} == set(expected)
    for item in data:
        found = np.full((17, 23), 255)
        for annotation in item.annotations:
            assert annotation.type == datumaro.AnnotationType.mask
            found[annotation.image.astype(bool)] = NAMES.index(labels[annotation.label])
        assert (found == expected[item.id]).all()
        assert item.media.data.shape[:2] == (17, 23)


def test_converter_of_label_studio_reads_the_predictions(folder, tmp_path):
    brush = pytest.importorskip('label_studio_converter.brush')
    capture = capture_folder.read_capture(folder)
    path = str(tmp_path / 'tasks.json')
    label_studio.write(capture, path, '')
    with open(path) as stream:
        tasks = json.load(stream)
    for task, expected in zip(tasks, masks_by_id(capture).values()):
        # The converter takes the values without their envelope, as its own caller hands them.
        results = [dict(entry, **entry['value'])
                   for entry in task['predictions'][0]['result']]
        layers = brush.decode_from_annotation('label', results)
        assert len(layers) == len(results) > 1
        for name, layer in layers.items():
            class_id = NAMES.index(name[len('label-'):-len('-0')])
            assert ((layer > 0) == (expected == class_id)).all()
        theirs = brush.mask2rle((expected == 0).astype(np.uint8) * 255)
        assert (label_studio.decode(theirs, (23, 17)) == (expected == 0)).all()
