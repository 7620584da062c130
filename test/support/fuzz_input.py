# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the fuzz targets share: numbers out of bytes, files, and the judgement of an error."""

import atexit
import os
import re
import shutil
import struct
import tempfile

from segformer_ros.common.errors import SegformerRosError

# In memory where that can be had: a disk is forty times slower at files that come and go.
FOLDER = tempfile.mkdtemp(prefix='segformer_ros_fuzz',
                          dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None)
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
LONGEST_ERROR = 4 * 1600
"""Characters: four parts of 1500, and what stands between them."""
MOST_KINDS = 100
"""Of errors that one function has; each is a line in the log every five seconds."""
KINDS = {}
"""The problems that each function told so far."""
_OBEYED = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')


class Numbers:
    """Takes numbers from bytes, zeros where they are used up."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    def take(self, code):
        """Return the next number of a struct code."""
        size = struct.calcsize(code)
        piece = self._data[self._at:self._at + size].ljust(size, b'\0')
        self._at += size
        return struct.unpack('<' + code, piece)[0]

    def size(self, bits):
        """Return a number of up to so many bits: as often one of four bits as one of twenty."""
        return self.take('I') >> (32 - self.take('B') % (bits + 1)) if bits else 0

    def one_of(self, choices):
        """Return one of some things."""
        return choices[self.take('B') % len(choices)]

    def rest(self):
        """Return the bytes that are left."""
        return self._data[self._at:]


def file_of(data, suffix):
    """Write bytes into a file and return its path."""
    path = os.path.join(FOLDER, 'input' + suffix)
    with open(path, 'wb') as stream:
        stream.write(data)
    return path


def error_of(function, *arguments, is_logged=True):
    """
    Return the error of the package's own that a function raises, None without; judge it.

    :param is_logged: by its kind, as faults of messages are
    """
    try:
        function(*arguments)
    except SegformerRosError as error:
        text = str(error)
        assert len(text) < LONGEST_ERROR, f'an error of {len(text)} characters'
        assert not _OBEYED.search(text), f'a terminal would obey {text!r}'
        if not is_logged:
            return error
        # What a kind is made of must not be a stranger's: who invents kinds fills the log.
        name = f'{function.__module__}.{function.__qualname__}'
        kinds = KINDS.setdefault(name, set())
        kinds.add(error.problem)
        assert len(kinds) <= MOST_KINDS, sorted(kinds)
        return error
    return None


def accepts(function, *arguments):
    """Return whether a function takes its arguments."""
    return error_of(function, *arguments) is None
