# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads a folder of captured frames as docs/capture.md describes it, and as strictly as it can."""

import json
import os
import stat

import numpy as np
from PIL import Image

KEYS = {'id', 'stamp_ns', 'camera', 'frame_id', 'reason', 'score', 'image', 'mask', 'confidence',
        'camera_info', 'pose', 'model', 'classes', 'blurred'}


def manifest(folder):
    """Return the records; each line must be whole."""
    path = os.path.join(str(folder), 'manifest.jsonl')
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8') as stream:
        text = stream.read()
    assert text == '' or text.endswith('\n')
    records = [json.loads(line) for line in text.splitlines()]
    for record in records:
        assert set(record) == KEYS
        assert record['image'] == f'images/{record["id"]}.png'
        assert record['mask'] == f'masks/{record["id"]}.png'
        assert record['confidence'] in (None, f'confidence/{record["id"]}.png')
    return records


def picture(folder, name):
    """Return a picture as an array."""
    with Image.open(os.path.join(str(folder), name)) as opened:
        assert opened.format == 'PNG'
        return np.array(opened)


def files(folder):
    """Return the names of all files below a folder but the lock's, each private."""
    found = set()
    for parent, folders, names in os.walk(str(folder)):
        for name in folders + names:
            mode = os.stat(os.path.join(parent, name)).st_mode
            assert stat.S_IMODE(mode) == (0o700 if name in folders else 0o600), name
        found |= {os.path.relpath(os.path.join(parent, name), str(folder)) for name in names}
    return found - {'.lock'}


def check_whole(folder):
    """Check that every record has its pictures, and that nothing else lies there."""
    records = manifest(folder)
    expected = {'manifest.jsonl', 'classes.json'} if records else {'classes.json'}
    for record in records:
        height, width = picture(folder, record['mask']).shape
        assert picture(folder, record['image']).shape == (height, width, 3)
        expected |= {record['image'], record['mask']}
        if record['confidence']:
            assert picture(folder, record['confidence']).shape == (height, width)
            expected.add(record['confidence'])
    assert files(folder) - {'manifest.jsonl'} == expected - {'manifest.jsonl'}
    return records


def size(folder):
    """Return the bytes of all files but the table of classes."""
    return sum(os.path.getsize(os.path.join(str(folder), name)) for name in files(folder)
               if name != 'classes.json')
