# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The folder of captured frames: whole, private, bounded, and unharmed by a full disk."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
from PIL import Image
import pytest
from segformer_ros.capture import store as stores
from segformer_ros.common.errors import ConfigurationError
from support import captured

CLASSES = ['floor', 'wall', 'person']
ROOMY = stores.Limits(min_free_bytes=0)


def png(value, size=(24, 32), channels=3):
    """Return a PNG file that compresses to about as many bytes each time."""
    import io
    noise = np.random.RandomState(value).randint(0, 255, size + ((3,) if channels == 3 else ()))
    stream = io.BytesIO()
    Image.fromarray(noise.astype(np.uint8)).save(stream, 'PNG')
    return stream.getvalue()


def name_of(number):
    return f'20261129T1847{number // 60 % 60:02d}_{number:09d}_front'


def add(store, number, limits=ROOMY, identity=None, confidence=True):
    record = {'id': identity or name_of(number), 'stamp_ns': number, 'camera': 'front',
              'frame_id': 'front_optical', 'reason': 'unsure', 'score': 0.5, 'camera_info': None,
              'pose': None, 'model': {'name': 'm', 'digest': 'd'}, 'classes': 'classes.json',
              'blurred': []}
    pictures = {'image': png(number), 'mask': png(number, channels=1)}
    if confidence:
        pictures['confidence'] = png(number, channels=1)
    return store.add(record, pictures, limits)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'captures'


@pytest.fixture
def store(folder):
    """Return an open store."""
    with contextlib.closing(stores.Store(str(folder), CLASSES)) as opened:
        yield opened


@contextlib.contextmanager
def no_room(limit):
    """Let no file grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_frame_is_one_record_with_its_pictures_and_nothing_beside(store, folder):
    add(store, 1)
    add(store, 2, confidence=False)
    first, second = captured.check_whole(folder)
    assert (first['id'], first['stamp_ns'], first['reason']) == (name_of(1), 1, 'unsure')
    assert first['confidence'] and second['confidence'] is None
    with open(folder / 'images' / (name_of(2) + '.png'), 'rb') as stream:
        assert stream.read() == png(2)
    assert json.loads((folder / 'classes.json').read_text()) == CLASSES
    assert (store.frames, store.size) == (2, captured.size(folder))


def test_folder_is_read_again_by_the_next_process(store, folder):
    add(store, 1)
    store.close()
    with contextlib.closing(stores.Store(str(folder), CLASSES)) as again:
        assert (again.frames, again.size) == (1, captured.size(folder))
        assert again.free_identity(name_of(1)) == name_of(1) + '-2'
        add(again, 2)
        add(again, 3, identity=again.free_identity(name_of(1)))
    assert [record['id'] for record in captured.check_whole(folder)] == [
        name_of(1), name_of(2), name_of(1) + '-2']


def test_second_process_is_refused_while_the_first_one_writes(store, folder):
    with pytest.raises(stores.StoreError, match='Give each node its own capture.folder'):
        stores.Store(str(folder), CLASSES)
    add(store, 1)
    assert len(captured.check_whole(folder)) == 1


def test_folder_of_other_classes_is_refused_and_left_alone(store, folder):
    add(store, 1)
    store.close()
    with pytest.raises(ConfigurationError, match='another folder for this network'):
        stores.Store(str(folder), CLASSES[::-1])
    assert len(captured.check_whole(folder)) == 1
    # And it is free again.
    stores.Store(str(folder), CLASSES).close()


def test_folder_that_others_may_write_to_is_refused(folder):
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with pytest.raises(ConfigurationError, match='set capture.folder to another one'):
        stores.Store(str(folder), CLASSES)


@pytest.mark.parametrize('limits', [
    ROOMY._replace(max_frames=5), ROOMY._replace(max_bytes=40000)])
def test_oldest_make_way_and_the_folder_never_holds_more(store, folder, limits):
    made_way = 0
    for number in range(30):
        made_way += add(store, number, limits)
        records = captured.check_whole(folder)
        assert len(records) <= limits.max_frames
        assert captured.size(folder) <= limits.max_bytes
        assert records[-1]['id'] == name_of(number)
    assert 5 <= len(records) < 15
    assert made_way == 30 - len(records)
    assert [record['stamp_ns'] for record in records] == list(range(30 - len(records), 30))
    assert store.size == captured.size(folder)


def test_lower_bound_holds_from_the_next_frame_on_and_takes_no_more_than_it_must(store, folder):
    for number in range(10):
        add(store, number)
    assert add(store, 10, ROOMY._replace(max_frames=4)) == 7
    assert [each['stamp_ns'] for each in captured.check_whole(folder)] == [7, 8, 9, 10]
    room = store.size + 10
    assert add(store, 11, ROOMY._replace(max_bytes=room)) == 1
    assert captured.size(folder) <= room


def test_newest_are_not_kept_where_the_folder_is_full(store, folder):
    limits = ROOMY._replace(max_frames=3, drop='newest')
    for number in range(3):
        add(store, number, limits)
    with pytest.raises(stores.StoreError, match='full: got 3 frames'):
        add(store, 3, limits)
    assert [each['stamp_ns'] for each in captured.check_whole(folder)] == [0, 1, 2]
    add(store, 3, limits._replace(max_frames=4))


def test_frame_larger_than_the_folder_may_be_costs_nothing_that_is_there(store, folder):
    add(store, 1)
    with pytest.raises(stores.StoreError, match='full'):
        add(store, 2, ROOMY._replace(max_bytes=2000))
    assert [each['stamp_ns'] for each in captured.check_whole(folder)] == [1]


def test_space_for_others_stays_free(store, folder):
    disk = os.statvfs(str(folder))
    too_much = disk.f_bavail * disk.f_frsize + (1 << 20)
    with pytest.raises(stores.StoreError, match='Disk is nearly full'):
        add(store, 1, ROOMY._replace(min_free_bytes=too_much))
    assert captured.check_whole(folder) == []
    add(store, 1)


@pytest.mark.parametrize('room', [0, 100, 1000, 2500, 3500])
def test_disk_that_is_full_at_any_point_leaves_what_was_there_and_takes_more_later(
        store, folder, room):
    add(store, 1)
    with no_room(room), pytest.raises(stores.StoreError, match='Frame cannot be written'):
        for number in range(2, 40):  # the manifest grows, until that is what does not fit
            add(store, number)
    before = len(captured.check_whole(folder))
    assert store.frames == before >= 1
    add(store, 50)
    assert len(captured.check_whole(folder)) == before + 1


@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() != 0,
                    reason='mounting a tiny disk is not permitted here')
def test_small_disk_fills_up_and_is_used_again_once_there_is_room(tmp_path):
    disk = tmp_path / 'disk'
    disk.mkdir(mode=0o700)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', str(disk)],
                          stderr=subprocess.PIPE, universal_newlines=True, check=False)
    if done.returncode:
        pytest.skip('mounting a tiny disk is not permitted here')
    try:
        with contextlib.closing(stores.Store(str(disk / 'captures'), CLASSES)) as store:
            ballast = disk / 'ballast'
            ballast.write_bytes(b'x' * 20000)
            with pytest.raises(stores.StoreError, match='No space left on device'):
                for number in range(100):
                    add(store, number)
            held = len(captured.check_whole(disk / 'captures'))
            assert held >= 1
            with pytest.raises(stores.StoreError):
                add(store, 200)
            ballast.unlink()
            add(store, 201)
            assert len(captured.check_whole(disk / 'captures')) == held + 1
    finally:
        subprocess.run(['umount', str(disk)], check=True)


KILLED = '''
import sys
sys.path[:0] = {path!r}
from capture.test_store import CLASSES, ROOMY, add, stores
store = stores.Store({folder!r}, CLASSES)
print('open', flush=True)
number = store.frames
while True:
    number += 1
    add(store, number, ROOMY._replace(max_frames=20),
        identity=store.free_identity('20261129T184700_%09d' % number))
'''


def newest(folder):
    """Return the last record's name while another process writes, None before the first."""
    records = captured.manifest(folder)
    return records[-1]['id'] if records else None


def test_process_killed_at_any_moment_leaves_whole_records(folder, project_root):
    """Eight kills at moments that differ; a reader looks at the manifest all the while."""
    script = KILLED.format(path=[project_root, os.path.join(project_root, 'test')],
                           folder=str(folder))
    for attempt in range(8):
        child = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE)
        try:
            assert child.stdout.readline() == b'open\n'
            before = newest(folder)
            deadline = time.monotonic() + 60.0
            while newest(folder) == before:
                assert time.monotonic() < deadline, 'it keeps nothing'
            until = time.monotonic() + 0.007 * attempt
            while time.monotonic() < until:
                captured.manifest(folder)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
        for record in captured.manifest(folder):
            captured.picture(folder, record['mask'])
            captured.picture(folder, record['image'])
    store = stores.Store(str(folder), CLASSES)
    try:
        # What the last one left is cleared away.
        records = captured.check_whole(folder)
        assert store.frames == len(records) <= 20
        assert len(records) > 5
    finally:
        store.close()


def test_what_is_not_ours_is_left_alone_and_records_without_pictures_go(store, folder):
    for number in range(3):
        add(store, number)
    store.close()
    (folder / 'images' / 'holiday.png').write_bytes(b'mine')
    (folder / 'notes.txt').write_text('mine')
    (folder / 'images' / (name_of(9) + '.png')).write_bytes(b'left by a crash')
    (folder / 'masks' / (name_of(9) + '.png.tmp')).write_bytes(b'left by a crash')
    (folder / 'manifest.jsonl.tmp').write_bytes(b'left by a crash')
    (folder / 'classes.json.tmp').write_bytes(b'left by a crash')
    os.unlink(str(folder / 'masks' / (name_of(1) + '.png')))
    outside = folder.parent / 'outside.png'
    outside.write_bytes(b'precious')
    lines = (folder / 'manifest.jsonl').read_text().splitlines()
    forged = dict(json.loads(lines[0]), id='../../outside', image='images/../../outside.png')
    (folder / 'manifest.jsonl').write_text(
        '\n'.join(lines + [json.dumps(forged), '{"id": 3', '[]', '[' * 100000]) + '\n{"torn')
    again = stores.Store(str(folder), CLASSES)
    try:
        assert [each['stamp_ns'] for each in captured.manifest(folder)] == [0, 2]
        assert not (folder / 'manifest.jsonl.tmp').exists()
        for number in range(10, 20):
            add(again, number, ROOMY._replace(max_frames=2))
    finally:
        again.close()
    assert outside.read_bytes() == b'precious'
    assert (folder / 'images' / 'holiday.png').read_bytes() == b'mine'
    left = {str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file()}
    assert left == {'.lock', 'notes.txt', 'images/holiday.png', 'manifest.jsonl', 'classes.json'} \
        | {record[key] for record in captured.manifest(folder)
           for key in ('image', 'mask', 'confidence')}


@pytest.mark.parametrize('key, place', [
    ('image', '../outside.png'), ('mask', '../outside.png'), ('confidence', '{root}/outside.png'),
    ('image', 'masks/../../outside.png'), ('mask', 'masks/{other}.png')])
def test_record_whose_picture_is_elsewhere_is_none_and_that_picture_stays(
        store, folder, key, place):
    add(store, 0)
    add(store, 1)
    store.close()
    outside = folder.parent / 'outside.png'
    outside.write_bytes(b'precious')
    lines = (folder / 'manifest.jsonl').read_text().splitlines()
    # Its id is one of ours.
    forged = dict(json.loads(lines[0]), **{key: place.format(root=folder.parent,
                                                             other=name_of(1))})
    (folder / 'manifest.jsonl').write_text(json.dumps(forged) + '\n' + lines[1] + '\n')
    with contextlib.closing(stores.Store(str(folder), CLASSES)) as again:
        assert [each['id'] for each in captured.check_whole(folder)] == [name_of(1)]
        # Only the true record makes way for the next one.
        assert add(again, 2, ROOMY._replace(max_frames=1)) == 1
        assert [each['id'] for each in captured.check_whole(folder)] == [name_of(2)]
    assert outside.read_bytes() == b'precious'


def test_manifest_is_read_up_to_its_largest_size_and_refused_above(store, folder, monkeypatch):
    add(store, 1)
    store.close()
    size = os.path.getsize(str(folder / 'manifest.jsonl'))
    monkeypatch.setattr(stores, 'LARGEST_MANIFEST', size - 1)
    with pytest.raises(ConfigurationError, match=f'too large: got {size} bytes; expected at most '
                                                 f'{size - 1}'):
        stores.Store(str(folder), CLASSES)
    assert len(captured.check_whole(folder)) == 1
    monkeypatch.setattr(stores, 'LARGEST_MANIFEST', size)
    with contextlib.closing(stores.Store(str(folder), CLASSES)) as again:
        assert again.frames == 1
