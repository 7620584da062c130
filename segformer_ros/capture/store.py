# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The folder of kept frames: bounded, private, and whole whatever happens to process or disk.

docs/capture.md describes the format. Pictures are written under temporary names, brought to the
disk and renamed; the manifest, which makes a record of them, is written anew each time and
renamed last. So a record is complete or absent. What a process left that was killed is cleared
away when the folder is opened.
"""

import contextlib
import json
import os
import re
import stat
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence

from segformer_ros.common import errors
from segformer_ros.common import private_files

MANIFEST, CLASSES, LOCK = 'manifest.jsonl', 'classes.json', '.lock'
PARTS = {'image': 'images', 'mask': 'masks', 'confidence': 'confidence'}
"""Keys of a record that name a picture, and the folders of these."""
OLDEST, NEWEST = 'oldest', 'newest'
MIB = 1 << 20
LARGEST_MANIFEST = 256 * MIB
_TEMPORARY = '.tmp'
_IDENTITY = re.compile(r'-?\d{8}T\d{6}_\d{9}(_[A-Za-z0-9_]+)?(-\d+)?')
_OWN_FILE = re.compile(_IDENTITY.pattern + r'\.png(\.tmp)?')


class StoreError(errors.SegformerRosError):
    """The folder takes no frame now; it may again later."""


class Limits(NamedTuple):
    """
    How much the folder may hold.

    ``drop`` is what makes way where it is full: OLDEST records, or the NEWEST frame, which is
    not kept then. ``min_free_bytes`` stay free on the disk for others.
    """

    max_bytes: int = 1024 * MIB
    max_frames: int = 1000
    min_free_bytes: int = 1024 * MIB
    drop: str = OLDEST


class _Record(NamedTuple):
    line: bytes
    paths: Sequence[str]
    pictures: int

    @property
    def bytes(self) -> int:
        return self.pictures + len(self.line)


class Store:
    """
    One folder, which no other process writes meanwhile.

    :param folder: is made, with those above it, where it is not there
    :param classes: names by id
    :raises ConfigurationError: the folder holds frames of other classes, or others may write to
        it
    :raises StoreError: another process has it open, or the disk refuses
    """

    def __init__(self, folder: str, classes: Sequence[str]) -> None:
        self.folder = os.path.abspath(folder)
        self._records: 'Dict[str, _Record]' = {}
        self._size = 0
        self._closing = contextlib.ExitStack()
        with contextlib.ExitStack() as failing:
            failing.callback(self._closing.close)
            self._make_folders()
            self._lock()
            with _refusals(self.folder):
                self._check_classes(list(classes))
                self._read_manifest()
                self._clear_leftovers()
            failing.pop_all()

    @property
    def frames(self) -> int:
        """Return the number of records."""
        return len(self._records)

    @property
    def size(self) -> int:
        """Return the bytes of all pictures and of the manifest."""
        return self._size

    def has(self, identity: str) -> bool:
        """Return whether there is such a record."""
        return identity in self._records

    def close(self) -> None:
        """Let another process have the folder."""
        self._closing.close()

    def free_identity(self, identity: str) -> str:
        """Return an identity that no record has: the given one, or with a number behind it."""
        number, free = 1, identity
        while free in self._records:
            number += 1
            free = f'{identity}-{number}'
        return free

    def add(self, record: Mapping[str, Any], pictures: Mapping[str, bytes],
            limits: Limits) -> int:
        """
        Keep one frame.

        :param record: the manifest's, without the names of the pictures
        :param pictures: PNG files by key of :data:`PARTS`; what is missing is null in the record
        :return: how many older records made way
        :raises StoreError: there is no room for it, or the disk refuses; nothing of it is left
        """
        identity = record['id']
        names = {key: f'{PARTS[key]}/{identity}.png' if key in pictures else None
                 for key in PARTS}
        line = json.dumps(dict(record, **names), allow_nan=False).encode('ascii') + b'\n'
        size = sum(len(each) for each in pictures.values())
        with _refusals(self.folder):
            self._check_free(size + len(line), limits)
            dropped = self._make_way(size + len(line), limits)
            paths = [os.path.join(self.folder, name) for name in names.values() if name]
            try:
                for key, content in pictures.items():
                    self._write(os.path.join(self.folder, str(names[key])), content)
                self._records[identity] = _Record(line, paths, size)
                self._write_manifest()
                self._size += size + len(line)
            except BaseException:
                self._records.pop(identity, None)
                _remove(paths)
                raise
        return dropped

    def _make_folders(self) -> None:
        try:
            for part in PARTS.values():
                private_files.private_folder(self.folder, part)
        except errors.ModelError as error:
            raise errors.ConfigurationError(
                'Folder of captured frames cannot be used', got=f'{error.problem}: {error.got}',
                expected=error.expected or 'a folder that can be written to',
                remedy='Make it writable for this user alone (chmod go-w), or set '
                'capture.folder to another one.') from error

    def _lock(self) -> None:
        try:
            self._closing.enter_context(private_files.exclusive_lock(
                os.path.join(self.folder, LOCK), timeout_s=0.0))
        except errors.ModelError as error:
            raise StoreError('Folder of captured frames is not to be had', got=str(error.got),
                             expected='one that no other process writes',
                             remedy='Give each node its own capture.folder.') from error

    def _check_classes(self, classes: List[str]) -> None:
        path = os.path.join(self.folder, CLASSES)
        try:
            private_files.check_private_file(path)
            found = json.loads(private_files.read_no_follow(path).decode('utf-8'))
        except FileNotFoundError:
            found = None
        except (ValueError, RecursionError, errors.ModelError) as error:
            raise errors.ConfigurationError(
                f'Class names of captured frames cannot be read: {path}', got=error,
                remedy='Set capture.folder to another folder.') from error
        if found is None:
            self._write(path, (json.dumps(classes, indent=1) + '\n').encode('ascii'))
        elif found != classes:
            raise errors.ConfigurationError(
                'Folder holds frames of another network', got=f'classes {found}',
                expected=f'classes {classes}',
                remedy='Set capture.folder to another folder for this network.')

    def _read_manifest(self) -> None:
        path = os.path.join(self.folder, MANIFEST)
        try:
            status = private_files.check_private_file(path)
        except FileNotFoundError:
            return
        except errors.ModelError as error:
            raise errors.ConfigurationError(
                'Manifest of captured frames cannot be used', got=error,
                remedy='Set capture.folder to another folder.') from error
        if status.st_size > LARGEST_MANIFEST:
            raise errors.ConfigurationError(
                'Manifest of captured frames is too large', got=f'{status.st_size} bytes',
                expected=f'at most {LARGEST_MANIFEST}',
                remedy='Set capture.folder to another folder.')
        lines = private_files.read_no_follow(path).splitlines(True)
        for line in lines:
            self._read_record(line)
        if len(self._records) != len(lines):
            # A user deleted pictures, or edited it.
            self._write_manifest()

    def _read_record(self, line: bytes) -> None:
        try:
            record = json.loads(line.decode('utf-8'))
            identity = record['id']
            names = {key: record[key] for key in PARTS}
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        # Names from a file become paths: only those that a record of ours can have.
        if not isinstance(identity, str) or not _IDENTITY.fullmatch(identity) or any(
                name not in (None, f'{PARTS[key]}/{identity}.png') for key, name in names.items()):
            return
        paths = [os.path.join(self.folder, name) for name in names.values() if name]
        try:
            statuses = [os.lstat(path) for path in paths]
        except FileNotFoundError:
            return
        if paths and all(stat.S_ISREG(status.st_mode) for status in statuses):
            record = _Record(line.rstrip(b'\n') + b'\n', paths,
                             sum(status.st_size for status in statuses))
            before = self._records.get(identity)
            if before is not None:
                self._size -= before.bytes
            self._records[identity] = record
            self._size += record.bytes

    def _clear_leftovers(self) -> None:
        known = {path for record in self._records.values() for path in record.paths}
        for part in PARTS.values():
            folder = os.path.join(self.folder, part)
            _remove([os.path.join(folder, name) for name in os.listdir(folder)
                     if _OWN_FILE.fullmatch(name) and os.path.join(folder, name) not in known])
        _remove([os.path.join(self.folder, name + _TEMPORARY) for name in (MANIFEST, CLASSES)])

    def _check_free(self, size: int, limits: Limits) -> None:
        disk = os.statvfs(self.folder)
        free = disk.f_bavail * disk.f_frsize
        if free - size < limits.min_free_bytes:
            raise StoreError(
                'Disk is nearly full', got=f'{free // MIB} MiB free for {self.folder}',
                expected=f'{limits.min_free_bytes // MIB} MiB that stay free',
                remedy='Free space, or lower capture.min_free_mib.')

    def _make_way(self, size: int, limits: Limits) -> int:
        """Drop what has to go for a frame; return how many records that were."""
        excess = self.size + size - limits.max_bytes
        surplus = len(self._records) + 1 - limits.max_frames
        if excess <= 0 and surplus <= 0:
            return 0
        if size > limits.max_bytes or limits.drop == NEWEST:
            raise StoreError(
                'Folder of captured frames is full',
                got=f'{len(self._records)} frames, {self.size // MIB} MiB in {self.folder}',
                expected=f'{limits.max_frames} frames, {limits.max_bytes // MIB} MiB at most',
                remedy='Fetch and delete frames, raise capture.max_mib and capture.max_frames, '
                'or set capture.drop: oldest.')
        gone: List[_Record] = []
        kept = dict(self._records)
        for identity, record in self._records.items():
            if excess <= 0 and surplus <= 0:
                break
            gone.append(kept.pop(identity))
            excess -= record.bytes
            surplus -= 1
        before, self._records = self._records, kept
        try:
            # First the names, then the files: a record never lacks a picture.
            self._write_manifest()
        except BaseException:
            self._records = before
            raise
        self._size -= sum(record.bytes for record in gone)
        _remove([path for record in gone for path in record.paths])
        return len(gone)

    def _write_manifest(self) -> None:
        self._write(os.path.join(self.folder, MANIFEST),
                    b''.join(record.line for record in self._records.values()))

    def _write(self, path: str, content: bytes) -> None:
        temporary = path + _TEMPORARY
        try:
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600)
            with os.fdopen(descriptor, 'wb') as stream:
                stream.write(content)
            private_files.replace_durably(temporary, path)
        except BaseException:
            _remove([temporary])
            raise


@contextlib.contextmanager
def _refusals(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError('Frame cannot be written', got=f'{folder}: {error.strerror or error}',
                         expected='a disk with room for it',
                         remedy='Free space there; capturing goes on by itself.') from error


def _remove(paths: Sequence[str]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)
