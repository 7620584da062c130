# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What the Hugging Face hub says of a repository: commit, files, license.

Its answers are a stranger's: bounded, checked key by key, and shown without what a terminal would
obey. The token goes to the hub alone, not to the host that it redirects downloads to.
"""

import contextlib
import http.client
import json
import os
import re
import time
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional
from urllib.parse import quote

from segformer_ros.common.errors import ModelError
from segformer_ros.common.text import one_line
from segformer_ros.common.text import plain
from segformer_ros.model.weights import catalogue
from segformer_ros.model.weights import download
from segformer_ros.model.weights.hub_name import HubName

ENDPOINT = 'https://huggingface.co'
TOKEN_VARIABLE = 'HF_TOKEN'  # noqa: S105  (its name alone)
OFFLINE_VARIABLE = 'HF_HUB_OFFLINE'
LARGEST_ANSWER = 8 << 20
"""Bytes of a repository's description; one of 10,000 files has some 3 MB."""
MOST_FILES = 50000
NOT_STATED = 'not stated'
_COMMIT = re.compile('[0-9a-f]{40}')
_SHA256 = re.compile('[0-9a-f]{64}')
_TOKEN = re.compile('[!-~]{1,1000}')
_LONGEST_TEXT = 200
_TRUE = ('1', 'on', 'yes', 'true')


class Repository(NamedTuple):
    """
    One commit of one repository.

    ``files`` holds what can be downloaded by path; a digest of it may be missing. ``license`` is
    the model card's tag.
    """

    name: HubName
    commit: str
    files: Dict[str, catalogue.RemoteFile]
    license: catalogue.License


def endpoint(environ: Optional[Mapping[str, str]] = None) -> str:
    """Return the address of the hub, or of the mirror that ``HF_ENDPOINT`` names."""
    variables = os.environ if environ is None else environ
    return (variables.get(catalogue.ENDPOINT_VARIABLE, '') or ENDPOINT).rstrip('/')


def is_offline(environ: Optional[Mapping[str, str]] = None) -> bool:
    """Return whether ``HF_HUB_OFFLINE`` forbids any connection."""
    variables = os.environ if environ is None else environ
    return variables.get(OFFLINE_VARIABLE, '').lower() in _TRUE


def token(environ: Optional[Mapping[str, str]] = None) -> Optional[str]:
    """
    Return the token of ``HF_TOKEN``, None without.

    :raises ModelError: it cannot be one; it is not shown
    """
    variables = os.environ if environ is None else environ
    found = variables.get(TOKEN_VARIABLE, '').strip()
    if found and not _TOKEN.fullmatch(found):
        raise ModelError('HF_TOKEN is not a token',
                         got=f'{len(found)} characters, some not printable',
                         expected='hf_ and letters', remedy='Set it again, or unset it.')
    return found or None


def request_headers() -> Dict[str, str]:
    """Return what is sent with each request."""
    found = token()
    return {} if found is None else {download.AUTHORIZATION: f'Bearer {found}'}


def describe(name: HubName, revision: str,
             sleep: Callable[[float], None] = time.sleep) -> Repository:
    """
    Ask the hub for a revision of a repository.

    :param revision: branch, tag or commit
    :param sleep: waits between attempts, seconds
    :raises ModelError: no such repository or revision, no access, no connection, or an answer
        without sense
    """
    url = f"{endpoint()}/api/models/{name.repo_id}/revision/{quote(revision, safe='')}?blobs=true"
    answer = _json(url, _read(url, sleep))
    commit = answer.get('sha')
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise _nonsense(url, f'sha {commit!r}', 'a commit of 40 hexadecimal digits')
    if _COMMIT.fullmatch(revision) and commit != revision:
        raise _nonsense(url, f'commit {commit}', f'commit {revision}')
    return Repository(name, commit, _files(url, answer.get('siblings')), _license(name, answer))


def url_of(name: HubName, commit: str, path: str) -> str:
    """Return the address of a file."""
    return f'{endpoint()}/{name.repo_id}/resolve/{commit}/{quote(path)}'


def _read(url: str, sleep: Callable[[float], None]) -> bytes:
    for attempt in range(download.FAILED_ATTEMPTS):
        try:
            with contextlib.closing(download.get(
                    url, dict(request_headers(), Accept='application/json'))) as response:
                content: bytes = response.read(LARGEST_ANSWER + 1)
            break
        except (download.TransientError, OSError, ValueError,
                http.client.HTTPException) as error:
            if attempt == download.FAILED_ATTEMPTS - 1:
                raise ModelError(
                    f'The hub does not answer at {download.shown(url)}', got=error,
                    remedy='Check network, proxy (https_proxy) and mirror (HF_ENDPOINT); what was '
                    'fetched before is found with HF_HUB_OFFLINE=1.') from error
            sleep(2.0 ** attempt)
    if len(content) > LARGEST_ANSWER:
        raise _nonsense(url, f'more than {LARGEST_ANSWER} bytes',
                        'the description of a repository')
    return content


def _json(url: str, content: bytes) -> Dict[str, Any]:
    try:
        answer: Any = json.loads(content.decode('utf-8'))
    except (ValueError, RecursionError) as error:
        raise _nonsense(url, plain(error, _LONGEST_TEXT), 'JSON') from error
    if not isinstance(answer, dict):
        raise _nonsense(url, type(answer).__name__, 'a mapping')
    return answer


def _files(url: str, siblings: Any) -> Dict[str, catalogue.RemoteFile]:
    if not isinstance(siblings, list) or len(siblings) > MOST_FILES:
        raise _nonsense(url, 'no list of files that can be used',
                        f'siblings, at most {MOST_FILES}')
    found = {}
    for entry in siblings:
        path = entry.get('rfilename') if isinstance(entry, dict) else None
        # Names that could leave a folder, or hide in it, are not downloaded and not shown.
        if not isinstance(path, str) or len(path) > _LONGEST_TEXT \
                or not catalogue.PATH.fullmatch(path):
            continue
        stored = entry.get('lfs') if isinstance(entry.get('lfs'), dict) else {}
        sha256, blob = stored.get('sha256'), None if stored else entry.get('blobId')
        size = stored.get('size', entry.get('size'))
        found[path] = catalogue.RemoteFile(
            path, path, size if type(size) is int and size > 0 else None,
            sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
            blob if isinstance(blob, str) and _COMMIT.fullmatch(blob) else None)
    return found


def _license(name: HubName, answer: Dict[str, Any]) -> catalogue.License:
    card = answer.get('cardData')
    card = card if isinstance(card, dict) else {}
    tag = card.get('license')
    if isinstance(tag, list):
        tag = ', '.join(str(each) for each in tag[:10])
    if not isinstance(tag, str):
        tags = answer.get('tags')
        tag = next((each[len('license:'):] for each in (tags if isinstance(tags, list) else [])
                    if isinstance(each, str) and each.startswith('license:')), NOT_STATED)
    own = card.get('license_name')
    text = _one_line(tag) + (f' ({_one_line(own)})' if isinstance(own, str) else '')
    link = card.get('license_link')
    if not isinstance(link, str) or not re.fullmatch(r'https://[!-~]{1,200}', link):
        link = f'{endpoint()}/{name.repo_id}'
    return catalogue.License(
        text, link, 'This is the tag that the model card bears; its author wrote it, and nobody '
        'here has checked it. Read the license and the card before you use the weights.')


def _one_line(text: str) -> str:
    return plain(one_line(text), _LONGEST_TEXT)


def _nonsense(url: str, got: object, expected: object) -> ModelError:
    return ModelError(f'Answer of {download.shown(url)} makes no sense', got=got,
                      expected=expected,
                      remedy='Check HF_ENDPOINT and https_proxy: a mirror, proxy or captive '
                      'portal may answer instead of the hub.')
