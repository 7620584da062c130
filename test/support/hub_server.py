# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that answers like the Hugging Face hub, and the CDN it redirects to."""

import contextlib
import hashlib
import http.server
import json
import socketserver
import threading
import urllib.parse

COMMIT = '0123456789abcdef0123456789abcdef01234567'
LFS_SUFFIXES = ('.onnx', '.onnx_data')


class Hub:
    """
    One repository with one commit and a branch or two; every request is kept.

    ``requests`` and ``cdn_requests`` hold (method, path, headers). ``changed`` holds content that
    the CDN gives instead of what the hub describes. ``answer`` replaces the description of the
    repository: a mapping, or bytes.
    """

    def __init__(self, repo_id, files):
        self.repo_id = repo_id
        self.files = dict(files)
        self.commit = COMMIT
        self.revisions = {'main': COMMIT}
        self.card = {'license': 'apache-2.0'}
        self.extra_siblings = []
        self.token = None
        self.changed = {}
        self.answer = None
        self.has_digests = True
        self.requests = []
        self.cdn_requests = []
        self.cdn = ''

    def resolve(self, revision):
        """Return the commit of a revision, or None."""
        if revision == self.commit:
            return revision
        return self.revisions.get(revision)

    def description(self, revision):
        """Return what /api/models/ORG/REPO/revision/REV says with blobs=true."""
        siblings = []
        for path, content in self.files.items():
            entry = {'rfilename': path}
            if self.has_digests:
                entry.update(size=len(content), blobId=git_sha1(content))
                if path.endswith(LFS_SUFFIXES):
                    entry['lfs'] = {'sha256': hashlib.sha256(content).hexdigest(),
                                    'size': len(content), 'pointerSize': 130}
            siblings.append(entry)
        return {'id': self.repo_id, 'modelId': self.repo_id, 'sha': self.resolve(revision),
                'private': False, 'gated': False, 'cardData': self.card,
                'tags': ['onnx', 'license:' + str(self.card.get('license', 'other'))],
                'siblings': siblings + self.extra_siblings}


def git_sha1(content):
    """Return the name under which git stores a file."""
    return hashlib.sha1(b'blob %d\0' % len(content) + content).hexdigest()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing when a client hangs up."""


@contextlib.contextmanager
def serve_hub(repo_id, files):
    """Yield ``(address, hub)``; large files are redirected to another host name."""
    hub = Hub(repo_id, files)

    class HubHandler(_Handler):
        def answer(self):
            hub.requests.append((self.command, self.path, dict(self.headers.items())))
            _answer_hub(self, hub)

    class CdnHandler(_Handler):
        def answer(self):
            hub.cdn_requests.append((self.command, self.path, dict(self.headers.items())))
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path.lstrip('/'))
            self.reply(200, hub.changed.get(path, hub.files[path]))

    with _running(HubHandler) as port, _running(CdnHandler) as cdn_port:
        # Another name of this machine is another host to a client.
        hub.cdn = f'http://localhost:{cdn_port}'
        yield f'http://127.0.0.1:{port}', hub


@contextlib.contextmanager
def _running(handler):
    server = _Server(('127.0.0.1', 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.answer()

    do_HEAD = do_GET

    def reply(self, status, content=b'', **headers):
        self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def _answer_hub(handler, hub):
    if hub.token is not None and handler.headers.get('Authorization') != f'Bearer {hub.token}':
        given = handler.headers.get('Authorization') is not None
        handler.reply(403 if given else 401, X_Error_Code='GatedRepo',
                      X_Error_Message='Access to model is restricted.')
        return
    path = urllib.parse.urlsplit(handler.path).path
    api, files = f'/api/models/{hub.repo_id}/revision/', f'/{hub.repo_id}/resolve/'
    if path.startswith(api):
        revision = urllib.parse.unquote(path[len(api):])
        if hub.answer is not None:
            content = hub.answer if isinstance(hub.answer, bytes) \
                else json.dumps(hub.answer).encode()
            handler.reply(200, content)
        elif hub.resolve(revision) is None:
            handler.reply(404, X_Error_Code='RevisionNotFound')
        else:
            handler.reply(200, json.dumps(hub.description(revision)).encode(),
                          Content_Type='application/json')
    elif path.startswith(files):
        revision, _, name = urllib.parse.unquote(path[len(files):]).partition('/')
        commit = hub.resolve(revision)
        content = hub.files.get(name)
        if commit is None or content is None:
            handler.reply(404, X_Error_Code='EntryNotFound' if commit else 'RevisionNotFound')
        elif name.endswith(LFS_SUFFIXES):
            handler.reply(302, Location=f'{hub.cdn}/{name}?signature=secret', X_Repo_Commit=commit,
                          X_Linked_Etag=f'"{hashlib.sha256(content).hexdigest()}"',
                          X_Linked_Size=str(len(content)))
        else:
            handler.reply(200, hub.changed.get(name, content), X_Repo_Commit=commit,
                          ETag=f'"{git_sha1(content)}"')
    else:
        handler.reply(404 if hub.token else 401, X_Error_Code='RepoNotFound')
