# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bring one file over an unreliable network onto a disk that may fill up."""

import contextlib
import errno
import http.client
import logging
import os
import re
import shutil
import time
from typing import Any
from typing import Callable
from typing import Dict
from typing import IO
from typing import Optional

from segformer_ros.errors import ModelError
from segformer_ros.model.http_client import get
from segformer_ros.model.http_client import OFFLINE_REMEDY
from segformer_ros.model.http_client import shown
from segformer_ros.model.http_client import TransientError

BARREN_ATTEMPTS = 4
"""Connections in a row that may bring nothing; waits of 1, 2 and 4 s lie between them."""
LONGEST_WAIT_S = 60.0
BLOCK_BYTES = 1 << 16
LARGEST_BYTES = 1 << 30
"""Limit where no size is published; SegFormer-B5, the largest, has about 340 MB."""

Progress = Callable[[int, Optional[int]], None]

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_log = logging.getLogger(__name__)


def transfer(url: str, part: str, size: Optional[int] = None,
             on_progress: Optional[Progress] = None,
             sleep: Callable[[float], None] = time.sleep) -> None:
    """
    Fetch ``url`` into the file ``part``, going on where an earlier call stopped.

    The content is not trusted: the caller compares digests. ``part`` is kept on failure. A
    server that ignores ranges, or that has another file by now (entity tag in ``If-Range``),
    makes it start again from zero.

    :param part: path, in a private folder; ``part + '.etag'`` is used as well
    :param size: bytes expected, if known
    :param on_progress: called with the bytes so far and in all (``None``: unknown)
    :param sleep: waits between attempts, seconds
    :raises ModelError: refused, not there, too large, disk full, or no connection
    """
    barren = 0
    while True:
        before = _size_of(part)
        try:
            _attempt(url, part, size, on_progress or _ignore)
            return
        except TransientError as error:
            barren = 0 if _size_of(part) > before else barren + 1
            if barren >= BARREN_ATTEMPTS:
                kept = _size_of(part)
                raise ModelError(
                    'Download of {} failed'.format(shown(url)), got=error,
                    remedy=('{} bytes are kept: the same command goes on from there. '.format(
                        kept) if kept else '') + OFFLINE_REMEDY) from error
            wait = error.retry_after_s or float(2 ** max(barren - 1, 0))
            _log.warning('%s: trying again in %.0f s', error, min(wait, LONGEST_WAIT_S))
            sleep(min(wait, LONGEST_WAIT_S))


def discard(part: str) -> None:
    """Remove what :func:`transfer` left behind, if anything."""
    for path in (part, part + '.etag'):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def disk_full(path: str, error: OSError) -> ModelError:
    """Return the error to raise when a file could not be written."""
    if error.errno in _DISK_FULL:
        return ModelError(
            'Disk full while writing {}'.format(path), got=error.strerror,
            remedy='Make room (df -h), or set SEGFORMER_ROS_CACHE to a folder on another disk, '
                   'and run the same command again.')
    return ModelError('File cannot be written', got='{}: {}'.format(path, error.strerror),
                      remedy='Correct owner and mode of its folder.')


def _attempt(url: str, part: str, size: Optional[int], on_progress: Progress) -> None:
    have = _size_of(part)
    if have and have == size:
        return
    if size is not None and have > size:
        discard(part)
        have = 0
    with contextlib.closing(get(url, _range_headers(part, have))) as response:
        if response.status == 416:
            if re.fullmatch(r'bytes \*/{}'.format(have),
                            response.headers.get('Content-Range') or ''):
                return
            discard(part)
            raise TransientError('the server has less than was fetched before')
        offset = _offset(response, part, have)
        total = _total(response, offset)
        _check_total(url, total, size, have, part)
        _write(response, part, offset, total, size or LARGEST_BYTES, on_progress)


def _range_headers(part: str, have: int) -> Dict[str, str]:
    if not have:
        return {}
    headers = {'Range': 'bytes={}-'.format(have)}
    with contextlib.suppress(FileNotFoundError):
        with open(part + '.etag', encoding='ascii', errors='replace') as stream:
            etag = stream.read()
        # A weak tag says "equivalent", not "same bytes" (RFC 7233, section 3.2).
        if re.fullmatch(r'"[\x21\x23-\x7e]*"', etag):
            headers['If-Range'] = etag
    return headers


def _offset(response: Any, part: str, have: int) -> int:
    if response.headers.get('Content-Encoding', 'identity') != 'identity':
        raise ModelError('Download has an unexpected encoding',
                         got=response.headers['Content-Encoding'], expected='identity',
                         remedy='A proxy changes the content: ' + OFFLINE_REMEDY)
    if response.status != 206:
        return 0
    match = re.match(r'bytes (\d+)-', response.headers.get('Content-Range') or '')
    if match is None or int(match.group(1)) != have:
        discard(part)
        raise TransientError('the server sent another range than asked for')
    return have


def _total(response: Any, offset: int) -> Optional[int]:
    length = response.headers.get('Content-Length') or ''
    return offset + int(length) if re.fullmatch(r'[0-9]{1,18}', length) else None


def _check_total(url: str, total: Optional[int], size: Optional[int], have: int,
                 part: str) -> None:
    if total is not None and (total != size if size is not None else total > LARGEST_BYTES):
        raise ModelError(
            'Wrong size offered by {}'.format(shown(url)), got='{} bytes'.format(total),
            expected='{} bytes'.format(size) if size is not None else
            'at most {} bytes'.format(LARGEST_BYTES),
            remedy='A mirror (HF_ENDPOINT), proxy or captive portal answers with another file.')
    free = shutil.disk_usage(os.path.dirname(part)).free
    if total is not None and total - have > free:
        raise ModelError(
            'Disk full before writing {}'.format(part), got='{} bytes free'.format(free),
            expected='{} bytes'.format(total - have),
            remedy='Make room (df -h), or set SEGFORMER_ROS_CACHE to a folder on another disk.')


def _write(response: Any, part: str, offset: int, total: Optional[int], limit: int,
           on_progress: Progress) -> None:
    done = offset
    with contextlib.closing(_open_part(part, offset, response.headers.get('ETag') or '')) \
            as stream:
        while True:
            on_progress(done, total)
            block = _read(response)
            if not block:
                break
            done += len(block)
            if done > limit:
                discard(part)
                raise ModelError('Download is too long', got='more than {} bytes'.format(limit),
                                 remedy=OFFLINE_REMEDY)
            _write_block(stream, block, part)
    if total is not None and done < total:
        raise TransientError('connection closed after {} of {} bytes'.format(done, total))


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read(BLOCK_BYTES))
    except (OSError, http.client.HTTPException) as error:
        raise TransientError('connection lost ({})'.format(
            str(error) or type(error).__name__)) from error


def _open_part(part: str, offset: int, etag: str) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Unbuffered: what is on the disk after a kill is what was received.
        stream = os.fdopen(os.open(part, flags, 0o600), 'wb', buffering=0)
        stream.truncate(offset)
        stream.seek(offset)
        with open(part + '.etag', 'w', encoding='ascii', errors='replace') as record:
            record.write(etag)
    except OSError as error:
        raise disk_full(part, error) from error
    return stream


def _write_block(stream: IO[bytes], block: bytes, part: str) -> None:
    left = memoryview(block)
    try:
        while left:
            # A disk that fills up takes a part of the block first and fails the next time.
            left = left[stream.write(left):]
    except OSError as error:
        raise disk_full(part, error) from error


def _size_of(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def _ignore(done: int, total: Optional[int]) -> None:
    """Take progress that nobody asked for."""
