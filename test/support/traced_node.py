# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node, with the package's modules noted whose code runs for an image; see test_frame_path."""

import importlib.util
import json
import os
import signal
import sys
import threading

# The folder itself: a checkout of that name has environments of other packages in it.
PACKAGE = os.path.dirname(importlib.util.find_spec('segformer_ros').origin) + os.sep
SEEN = set()
STATE = {'noting': False, 'in_callback': False}


def note(frame, event, _):
    """Note a call for an image: below the subscription's callback, or in the inference thread."""
    path = frame.f_code.co_filename
    if not path.startswith(PACKAGE) or event not in ('call', 'return'):
        return
    if frame.f_code.co_name == '_on_image':
        STATE['in_callback'] = event == 'call'
    thread = threading.current_thread()
    if STATE['noting'] and (thread.name.startswith('inference') or (
            STATE['in_callback'] and thread is threading.main_thread())):
        SEEN.add(path[len(PACKAGE):])


def write(*_):
    """Stop noting and write what was seen; by renaming, so that a reader finds all or nothing."""
    STATE['noting'] = False
    path = os.environ['FRAME_PATH_FILE']
    with open(path + '.part', 'w', encoding='utf-8') as stream:
        json.dump(sorted(SEEN), stream)
    os.replace(path + '.part', path)


if __name__ == '__main__':
    signal.signal(signal.SIGUSR1, lambda *_: STATE.update(noting=True))
    signal.signal(signal.SIGUSR2, write)
    threading.setprofile(note)
    sys.setprofile(note)
    from segformer_ros.cli.segformer import main
    sys.exit(main())
