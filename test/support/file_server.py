# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A web server on loopback that misbehaves on request."""

import contextlib
import http.server
import re
import socketserver
import threading


class Behaviour:
    """
    How the server answers; every request is kept in ``requests`` as (path, headers).

    ``cuts`` holds, for one request after another, how many bytes of the body are sent before
    the connection breaks (``None``: all of them). ``statuses`` likewise replaces the answer by
    an error status (``None``: no error).
    """

    def __init__(self, content):
        self.content = content
        self.etag = '"first"'
        self.takes_ranges = True
        self.tells_length = True
        self.tells_wrong_range = False
        self.extra_headers = {}
        self.redirect_to = None
        self.gate = None
        self.cuts = []
        self.statuses = []
        self.requests = []
        self.lock = threading.Lock()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing when a client hangs up, which the tests make it do."""


@contextlib.contextmanager
def serve(content):
    """Yield ``(address, behaviour)`` of a server that gives the content at every path."""
    behaviour = Behaviour(content)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_GET(self):
            with behaviour.lock:
                behaviour.requests.append((self.path, dict(self.headers.items())))
                cut = behaviour.cuts.pop(0) if behaviour.cuts else None
                status = behaviour.statuses.pop(0) if behaviour.statuses else None
            if behaviour.gate is not None:
                behaviour.gate.wait(60)
            _answer(self, behaviour, cut, status)

        def log_message(self, *arguments):
            pass

    server = _Server(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_address[1]}', behaviour
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler, behaviour, cut, status):
    handler.close_connection = True
    if behaviour.redirect_to is not None and not handler.path.startswith('/redirected'):
        handler.send_response(302)
        handler.send_header('Location', behaviour.redirect_to)
        handler.send_header('Content-Length', '0')
        handler.end_headers()
        return
    if status is not None:
        handler.send_response(status)
        for name, value in behaviour.extra_headers.items():
            handler.send_header(name, value)
        handler.send_header('Content-Length', '0')
        handler.end_headers()
        return
    content = behaviour.content
    start = _start(handler, behaviour)
    if start is not None and start >= len(content):
        handler.send_response(416)
        handler.send_header('Content-Range', f'bytes */{len(content)}')
        handler.send_header('Content-Length', '0')
        handler.end_headers()
        return
    body = content[start or 0:]
    handler.send_response(200 if start is None else 206)
    if start is not None:
        told = start + 1 if behaviour.tells_wrong_range else start
        handler.send_header('Content-Range', f'bytes {told}-{len(content) - 1}/{len(content)}')
    if behaviour.etag:
        handler.send_header('ETag', behaviour.etag)
    if behaviour.tells_length:
        handler.send_header('Content-Length', str(len(body)))
    else:
        handler.send_header('Transfer-Encoding', 'chunked')
    for name, value in behaviour.extra_headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    body = body if cut is None else body[:cut]
    if behaviour.tells_length:
        handler.wfile.write(body)
        return
    for at in range(0, len(body), 5000):
        piece = body[at:at + 5000]
        handler.wfile.write(f'{len(piece):x}\r\n'.encode() + piece + b'\r\n')
    if cut is None:
        handler.wfile.write(b'0\r\n\r\n')


def _start(handler, behaviour):
    match = re.match(r'bytes=(\d+)-$', handler.headers.get('Range', ''))
    condition = handler.headers.get('If-Range')
    if match is None or not behaviour.takes_ranges:
        return None
    if condition is not None and condition != behaviour.etag:
        return None
    return int(match.group(1))
