# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Bring one file over an unreliable network onto a disk that may fill up.

Python's own http client does this: requests or huggingface_hub would be needed on every robot
for the one download of its life.
"""

import contextlib
import errno
import http.client
import ipaddress
import logging
import os
import re
import shutil
import socket
import ssl
import time
from typing import Any, Callable, Dict, IO, List, Mapping, Optional, Tuple
import urllib.error
import urllib.parse
import urllib.request

from segformer_ros.common.errors import ModelError
from segformer_ros.common.text import plain

TIMEOUT_S = 30.0
USER_AGENT = 'segformer_ros'
AUTHORIZATION = 'Authorization'
FAILED_ATTEMPTS = 4
"""Connections in a row that may bring nothing; waits of 1, 2 and 4 s lie between them."""
LONGEST_WAIT_S = 60.0
BLOCK_BYTES = 1 << 16
LARGEST_BYTES = 1 << 30
"""Limit where no size is published; SegFormer-B5, the largest, has about 340 MB."""
OFFLINE_REMEDY = ('Check network, proxy (https_proxy) and mirror (HF_ENDPOINT), or bring the '
                  'file by other means and give it with --from-file.')

Progress = Callable[[int, Optional[int]], None]

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_log = logging.getLogger(__name__)


class TransientError(Exception):
    """A failure that may pass by itself: the connection or the server, not the request."""

    def __init__(self, reason: str, retry_after_s: Optional[float] = None) -> None:
        super().__init__(plain(reason))
        self.retry_after_s = retry_after_s


def transfer(url: str, part: str, size: Optional[int] = None,
             on_progress: Optional[Progress] = None,
             sleep: Callable[[float], None] = time.sleep,
             headers: Optional[Mapping[str, str]] = None, limit: int = LARGEST_BYTES) -> None:
    """
    Fetch ``url`` into the file ``part``, going on where an earlier call stopped.

    The content is not trusted: the caller compares digests. ``part`` is kept on failure. A
    server that ignores ranges, or that has another file by now (entity tag in ``If-Range``),
    makes it start again from zero.

    :param part: path, in a private folder; ``part + '.etag'`` is used as well
    :param size: bytes expected, if known
    :param on_progress: called with the bytes so far and in all (``None``: unknown)
    :param sleep: waits between attempts, seconds
    :param headers: sent with each request, as :func:`get` does
    :param limit: bytes taken at most where no size is known
    :raises ModelError: refused, not there, too large, disk full, or no connection
    """
    failures = 0
    while True:
        before = _size_of(part)
        try:
            _attempt(url, part, size, on_progress or (lambda done, total: None), headers or {},
                     limit)
            return
        except TransientError as error:
            kept = _size_of(part)
            failures = 0 if kept > before else failures + 1
            if failures >= FAILED_ATTEMPTS:
                raise ModelError(
                    f'Download of {shown(url)} failed', got=error,
                    remedy=(f'{kept} bytes are kept: the same command goes on from there. '
                            if kept else '') + OFFLINE_REMEDY) from error
            wait = min(error.retry_after_s or float(2 ** max(failures - 1, 0)), LONGEST_WAIT_S)
            _log.warning('%s: trying again in %.0f s', error, wait)
            sleep(wait)


def discard(part: str) -> None:
    """Remove what :func:`transfer` left behind, if anything."""
    for path in (part, part + '.etag'):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def disk_full(path: str, error: OSError) -> ModelError:
    """Return the error to raise when a file could not be written."""
    if error.errno in _DISK_FULL:
        return ModelError(
            f'Disk full while writing {path}', got=error.strerror,
            remedy='Make room (df -h), or set SEGFORMER_ROS_CACHE to a folder on another disk, '
                   'and run the same command again.')
    return ModelError('File cannot be written', got=f'{path}: {error.strerror}',
                      remedy='Correct owner and mode of its folder.')


def shown(url: str) -> str:
    """Return an address without user, password and query, which may hold secrets."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = (parts.hostname or '') + (f':{parts.port}' if parts.port else '')
    except ValueError:  # a port that is no number, a bracket too many
        return '(an address without sense)'
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, '', ''))


def check_url(url: str, may_be_loopback: bool = True) -> None:
    """
    Accept https, and http to this machine itself.

    :raises ModelError: any other address
    """
    try:
        parts = urllib.parse.urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0  # a port that is none raises
    except ValueError as error:
        raise ModelError('Address makes no sense', got=error, expected='an https:// address',
                         remedy='Correct HF_ENDPOINT, or use --from-file.') from error
    if parts.scheme == 'https' and is_whole:
        return
    if parts.scheme == 'http' and may_be_loopback and _is_loopback(parts.hostname or ''):
        return
    raise ModelError('Address refused', got=shown(url), expected='an https:// address',
                     remedy='Correct HF_ENDPOINT, or use --from-file.')


def is_shown_to_proxy(url: str) -> bool:
    """Return whether a proxy of the environment would get a request in clear text."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == 'http' and 'http' in urllib.request.getproxies() \
        and not urllib.request.proxy_bypass(parts.netloc)


def get(url: str, headers: Mapping[str, str]) -> Any:
    """
    Send one GET request, through the proxies of the environment, following redirects.

    ``Authorization`` goes to the host of ``url`` alone, never where a redirect leads.

    :return: the open response: ``status``, ``headers``, ``read``; 200, 206 or 416
    :raises TransientError: worth another try
    :raises ModelError: not worth another try
    """
    check_url(url)
    sent = dict({'User-Agent': USER_AGENT, 'Accept-Encoding': 'identity'}, **headers)
    secret = sent.pop(AUTHORIZATION, None)
    request = urllib.request.Request(url, headers=sent)  # noqa: S310  (checked above)
    if secret is not None:
        request.add_unredirected_header(AUTHORIZATION, secret)
    try:
        # The first address alone decides whether redirects may lead to this machine.
        parts = urllib.parse.urlsplit(url)
        handlers: List[urllib.request.BaseHandler] = [
            _CheckedRedirects(_is_loopback(parts.hostname or ''))]
        if secret is not None and parts.scheme == 'http':
            # A proxy would read it in clear text, and this machine is reached without one.
            handlers.append(urllib.request.ProxyHandler({}))
        return urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S)
    except ValueError as error:  # what urllib makes of a Location without sense
        raise ModelError(f'Answer of {shown(url)} makes no sense', got=error,
                         remedy=OFFLINE_REMEDY) from error
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error
        error.close()
        raise _refusal(error) from error
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLError):
            raise ModelError(
                f'No trusted connection to {shown(url)}', got=reason,
                remedy='Check the clock of this machine (`date`), its CA certificates, and '
                       'whether a proxy or captive portal answers.') from error
        raise TransientError(_cause(reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(_cause(error)) from error


def _attempt(url: str, part: str, size: Optional[int], on_progress: Progress,
             headers: Mapping[str, str], limit: int) -> None:
    have = _size_of(part)
    if have and have == size:
        return
    if size is not None and have > size:
        discard(part)
        have = 0
    asked = dict(headers, **_range_headers(part, have))
    with contextlib.closing(get(url, asked)) as response:
        if response.status == 416:
            if re.fullmatch(rf'bytes \*/{have}',
                            response.headers.get('Content-Range') or ''):
                return
            discard(part)
            raise TransientError('the server has less than was fetched before')
        offset = _offset(response, part, have)
        total = _total(response, offset)
        _check_total(url, total, size, have, part, limit)
        _write(response, part, offset, total, size or limit, on_progress)


def _range_headers(part: str, have: int) -> Dict[str, str]:
    if not have:
        return {}
    headers = {'Range': f'bytes={have}-'}
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
    if match is None or match.group(1) != str(have):
        discard(part)
        raise TransientError('the server sent another range than asked for')
    return have


def _total(response: Any, offset: int) -> Optional[int]:
    length = response.headers.get('Content-Length') or ''
    return offset + int(length) if re.fullmatch(r'[0-9]{1,18}', length) else None


def _check_total(url: str, total: Optional[int], size: Optional[int], have: int,
                 part: str, limit: int) -> None:
    if total is not None and (total != size if size is not None else total > limit):
        raise ModelError(
            f'Wrong size offered by {shown(url)}', got=f'{total} bytes',
            expected=f"{f'at most {limit}' if size is None else size} bytes",
            remedy='A mirror (HF_ENDPOINT), proxy or captive portal answers with another file.')
    free = shutil.disk_usage(os.path.dirname(part)).free
    if total is not None and total - have > free:
        raise ModelError(
            f'Disk full before writing {part}', got=f'{free} bytes free',
            expected=f'{total - have} bytes',
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
                raise ModelError('Download is too long', got=f'more than {limit} bytes',
                                 remedy=OFFLINE_REMEDY)
            _write_block(stream, block, part)
    if total is not None and done < total:
        raise TransientError(f'connection closed after {done} of {total} bytes')


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read(BLOCK_BYTES))
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: chunk of -5
        raise TransientError(f'connection lost ({str(error) or type(error).__name__})') from error


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


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):

    def __init__(self, may_be_loopback: bool) -> None:
        self._may_be_loopback = may_be_loopback

    def redirect_request(self, req: urllib.request.Request, fp: Any, code: int, msg: str,
                         headers: Any, newurl: str) -> Optional[urllib.request.Request]:
        # A public server must not be able to send us to a service of this machine.
        check_url(newurl, self._may_be_loopback)
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        secret = req.unredirected_hdrs.get(AUTHORIZATION)
        # A repository that was renamed is still on the same host.
        if following is not None and secret is not None and _origin(newurl) == _origin(
                req.full_url):
            following.add_unredirected_header(AUTHORIZATION, secret)
        return following


def _origin(url: str) -> Tuple[str, Optional[str], Optional[int]]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _is_loopback(host: str) -> bool:
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(error: urllib.error.HTTPError) -> Exception:
    got = f'HTTP status {error.code} ({error.reason})'
    where = shown(error.geturl() or '')
    if error.code in (408, 425, 429) or error.code >= 500:
        return TransientError(got, _seconds(error.headers))
    # What the Hugging Face hub names, beside a status that says less.
    named = {
        'GatedRepo': 'Its owner grants access: ask for it on the page of the repository, then '
                     'put a token that may read it into HF_TOKEN.',
        'RepoNotFound': 'Check the name. Private ones need a token in HF_TOKEN.',
        'RevisionNotFound': 'Check the branch, tag or commit behind @.',
        'EntryNotFound': 'Check the path behind the colon.',
    }.get(error.headers.get('X-Error-Code') or '')
    remedies = {
        401: 'The server wants a login: check HF_ENDPOINT, or use --from-file.',
        403: 'The server or a proxy forbids it: check HF_ENDPOINT and https_proxy, or use '
             '--from-file.',
        404: 'The file is not there: check HF_ENDPOINT (a mirror may lack it), update '
             'segformer_ros, or use --from-file.',
        407: 'Put user and password into https_proxy.',
    }
    return ModelError(f'Download of {where} refused', got=got,
                      remedy=named or remedies.get(error.code, OFFLINE_REMEDY))


def _seconds(headers: Any) -> Optional[float]:
    value = (headers.get('Retry-After') or '').strip()
    return float(value) if re.fullmatch('[0-9]{1,9}', value) else None


def _cause(error: object) -> str:
    if isinstance(error, socket.gaierror):
        return f'host name not found ({error})'
    if isinstance(error, socket.timeout):
        return f'no answer within {TIMEOUT_S:.0f} s'
    return str(error) or type(error).__name__
