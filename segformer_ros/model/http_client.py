# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""GET requests that never leave https, with errors a user can act on."""

import http.client
import ipaddress
import socket
import ssl
from typing import Any
from typing import Dict
from typing import Mapping
from typing import Optional
import urllib.error
import urllib.parse
import urllib.request

from segformer_ros.errors import ModelError

TIMEOUT_S = 30.0
USER_AGENT = 'segformer_ros'

OFFLINE_REMEDY = ('Check network, proxy (https_proxy) and mirror (HF_ENDPOINT), or bring the '
                  'file by other means and give it with --from-file.')


class TransientError(Exception):
    """A failure that may pass by itself: the connection or the server, not the request."""

    def __init__(self, reason: str, retry_after_s: Optional[float] = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


def shown(url: str) -> str:
    """Return an address without user, password and query, which may hold secrets."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ''
    if parts.port:
        host += ':{}'.format(parts.port)
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, '', ''))


def check_url(url: str, may_be_loopback: bool = True) -> None:
    """
    Accept https, and http to this machine itself.

    :raises ModelError: any other address
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == 'https' and parts.hostname:
        return
    if parts.scheme == 'http' and may_be_loopback and _is_loopback(parts.hostname or ''):
        return
    raise ModelError('Address refused', got=shown(url), expected='an https:// address',
                     remedy='Correct HF_ENDPOINT, or use --from-file.')


def get(url: str, headers: Mapping[str, str]) -> Any:
    """
    Send one GET request, through the proxies of the environment, following redirects.

    :return: the open response: ``status``, ``headers``, ``read``; 200, 206 or 416
    :raises TransientError: worth another try
    :raises ModelError: not worth another try
    """
    check_url(url)
    sent = dict({'User-Agent': USER_AGENT, 'Accept-Encoding': 'identity'}, **headers)
    request = urllib.request.Request(url, headers=sent)  # noqa: S310  (checked above)
    try:
        return _opener(url).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error
        error.close()
        raise _refusal(error) from error
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLError):
            raise ModelError(
                'No trusted connection to {}'.format(shown(url)), got=reason,
                remedy='Check the clock of this machine (`date`), its CA certificates, and '
                       'whether a proxy or captive portal answers.') from error
        raise TransientError(_cause(reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(_cause(error)) from error


def _opener(url: str) -> urllib.request.OpenerDirector:
    first_is_loopback = _is_loopback(urllib.parse.urlsplit(url).hostname or '')
    return urllib.request.build_opener(_CheckedRedirects(first_is_loopback))


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):

    def __init__(self, may_be_loopback: bool) -> None:
        self._may_be_loopback = may_be_loopback

    def redirect_request(self, req: urllib.request.Request, fp: Any, code: int, msg: str,
                         headers: Any, newurl: str) -> Optional[urllib.request.Request]:
        # A public server must not be able to send us to a service of this machine.
        check_url(newurl, self._may_be_loopback)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_loopback(host: str) -> bool:
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(error: urllib.error.HTTPError) -> Exception:
    got = 'HTTP status {} ({})'.format(error.code, error.reason)
    where = shown(error.geturl() or '')
    if error.code in (408, 425, 429) or error.code >= 500:
        return TransientError(got, _seconds(error.headers))
    remedies: Dict[int, str] = {
        401: 'The server wants a login: check HF_ENDPOINT, or use --from-file.',
        403: 'The server or a proxy forbids it: check HF_ENDPOINT and https_proxy, or use '
             '--from-file.',
        404: 'The file is not there: check HF_ENDPOINT (a mirror may lack it), update '
             'segformer_ros, or use --from-file.',
        407: 'Put user and password into https_proxy.',
    }
    return ModelError('Download of {} refused'.format(where), got=got,
                      remedy=remedies.get(error.code, OFFLINE_REMEDY))


def _seconds(headers: Any) -> Optional[float]:
    value = (headers.get('Retry-After') or '').strip()
    return float(value) if value.isdigit() else None


def _cause(error: object) -> str:
    if isinstance(error, socket.gaierror):
        return 'host name not found ({})'.format(error)
    if isinstance(error, socket.timeout):
        return 'no answer within {:.0f} s'.format(TIMEOUT_S)
    return str(error) or type(error).__name__
