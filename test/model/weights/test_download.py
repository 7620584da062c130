# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Transfers from a loopback server that breaks, refuses, lies or fills the disk."""

import contextlib
import os
import random
import re
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import types

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from segformer_ros.common.errors import ModelError
from segformer_ros.model.weights import download
from support.file_server import serve

CONTENT = random.Random(1).getrandbits(8 * 300000).to_bytes(300000, 'little')


@pytest.fixture
def server(monkeypatch):
    """Serve CONTENT without the proxies that the machine may have."""
    monkeypatch.setenv('no_proxy', '*')
    with serve(CONTENT) as (address, behaviour):
        behaviour.url = address + '/onnx/model.onnx'
        yield behaviour


@pytest.fixture
def part(tmp_path):
    return str(tmp_path / 'model.part')


def bring(server, part, **options):
    """Transfer without real pauses; return the pauses asked for."""
    pauses = []
    download.transfer(server.url, part, sleep=pauses.append, **options)
    with open(part, 'rb') as stream:
        assert stream.read() == server.content
    return pauses


@pytest.mark.smoke
def test_whole_file_arrives_and_progress_ends_at_its_size(server, part):
    seen = []
    bring(server, part, size=len(CONTENT), on_progress=lambda *at: seen.append(at))
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert os.stat(part).st_mode & 0o777 == 0o600


def test_broken_transfer_goes_on_with_the_missing_bytes_only(server, part):
    server.cuts = [100000]
    bring(server, part, size=len(CONTENT))
    (_, first), (_, second) = server.requests
    assert 'Range' not in first
    assert second['Range'] == 'bytes=100000-'
    assert second['If-Range'] == '"first"'


def test_line_that_breaks_often_but_brings_bytes_gets_there(server, part):
    server.cuts = [20000] * 14
    bring(server, part)
    assert len(server.requests) == 15


def test_chunked_answer_that_breaks_goes_on(server, part):
    server.tells_length = False
    server.cuts = [150000]
    bring(server, part)
    assert len(server.requests) == 2


def test_server_that_ignores_ranges_makes_it_start_again(server, part):
    server.takes_ranges = False
    server.cuts = [100000]
    bring(server, part)
    assert server.requests[1][1]['Range'] == 'bytes=100000-'


def test_file_that_changed_meanwhile_is_fetched_from_its_start(server, part):
    server.cuts = [100000] + [0] * download.FAILED_ATTEMPTS
    with pytest.raises(ModelError):
        bring(server, part)
    server.cuts = []
    server.content = CONTENT[::-1]
    server.etag = '"second"'
    bring(server, part)


def test_weak_entity_tag_is_not_used_to_join_bytes(server, part):
    server.etag = 'W/"weak"'
    server.cuts = [100000]
    bring(server, part)
    assert 'If-Range' not in server.requests[1][1]


def test_range_other_than_asked_for_is_not_joined(server, part):
    server.cuts = [100000]
    server.tells_wrong_range = True
    bring(server, part)
    assert 'Range' not in server.requests[2][1]


def test_finished_part_of_unknown_size_is_recognised(server, part):
    bring(server, part)
    bring(server, part)
    assert server.requests[1][1]['Range'] == f'bytes={len(CONTENT)}-'


def test_finished_part_of_known_size_needs_no_request(server, part):
    bring(server, part)
    bring(server, part, size=len(CONTENT))
    assert len(server.requests) == 1


@pytest.mark.parametrize('free, is_enough', [(200000, True), (199999, False)])
def test_room_for_the_missing_bytes_alone_is_asked_for(
        server, part, monkeypatch, free, is_enough):
    with open(part, 'wb') as stream:
        stream.write(CONTENT[:100000])
    monkeypatch.setattr(download.shutil, 'disk_usage',
                        lambda path: types.SimpleNamespace(free=free))
    if is_enough:
        bring(server, part, size=len(CONTENT))
    else:
        with pytest.raises(ModelError, match='got 199999 bytes free; expected 200000 bytes'):
            bring(server, part, size=len(CONTENT))
        # What was there stays.
        assert os.path.getsize(part) == 100000


@pytest.mark.parametrize('size', [None, len(CONTENT)])
def test_part_longer_than_the_file_is_thrown_away(server, part, size):
    with open(part, 'wb') as stream:
        stream.write(CONTENT + b'more')
    bring(server, part, size=size)


def test_overloaded_server_is_asked_again_after_its_own_pause(server, part):
    server.statuses = [503, 500]
    server.extra_headers = {'Retry-After': '7'}
    assert bring(server, part) == [7.0, 7.0]


def test_long_pause_is_capped(server, part):
    server.statuses = [429]
    server.extra_headers = {'Retry-After': '86400'}
    assert bring(server, part) == [download.LONGEST_WAIT_S]


@pytest.mark.parametrize('status, remedy', [
    (401, 'login'), (403, 'forbids'), (404, 'is not there'), (407, 'user and password'),
    (410, 'Check network')])
def test_refusal_is_told_at_once_with_a_remedy(server, part, status, remedy):
    server.statuses = [status] * 9
    with pytest.raises(ModelError, match=f'HTTP status {status}') as caught:
        bring(server, part)
    assert remedy in caught.value.remedy
    assert len(server.requests) == 1


def test_connection_that_never_works_ends_with_what_is_kept(server, part):
    server.cuts = [1000] + [0] * 50
    with pytest.raises(ModelError, match='1000 bytes are kept: the same command goes on'):
        bring(server, part)
    assert len(server.requests) == 1 + download.FAILED_ATTEMPTS


def test_no_network_names_proxy_mirror_and_offline_way(part):
    pauses = []
    with pytest.raises(ModelError, match='host name not found') as caught:
        download.transfer('https://nowhere.invalid/model.onnx', part, sleep=pauses.append)
    for word in ('https_proxy', 'HF_ENDPOINT', '--from-file'):
        assert word in caught.value.remedy
    assert pauses == [1.0, 2.0, 4.0]


def test_nobody_listening_is_told(part, monkeypatch):
    monkeypatch.setenv('no_proxy', '*')
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(('127.0.0.1', 0))
        url = f'http://127.0.0.1:{taken.getsockname()[1]}/'
        with pytest.raises(ModelError, match='refused'):
            download.transfer(url, part, sleep=lambda seconds: None)


def test_server_that_falls_silent_is_given_up(server, part, monkeypatch):
    monkeypatch.setattr(download, 'TIMEOUT_S', 0.2)
    server.gate = threading.Event()
    try:
        with pytest.raises(ModelError, match='no answer within'):
            bring(server, part)
    finally:
        server.gate.set()


def test_wrong_size_is_refused_before_a_byte_is_written(server, part):
    with pytest.raises(ModelError, match='got 300000 bytes; expected 299999 bytes'):
        bring(server, part, size=len(CONTENT) - 1)
    assert not os.path.exists(part)


def test_body_longer_than_expected_is_cut_off(server, part):
    server.tells_length = False
    with pytest.raises(ModelError, match='more than 200000 bytes'):
        bring(server, part, size=200000)
    assert not os.path.exists(part)


def test_unknown_size_has_a_limit(server, part):
    with pytest.raises(ModelError, match='at most 1000 bytes'):
        bring(server, part, limit=1000)
    bring(server, part, limit=len(server.content))


def test_compressed_answer_is_refused(server, part):
    server.extra_headers = {'Content-Encoding': 'gzip'}
    with pytest.raises(ModelError, match='got gzip; expected identity'):
        bring(server, part)


def test_redirect_on_loopback_is_followed(server, part):
    server.redirect_to = server.url.replace('/onnx', '/redirected')
    bring(server, part)
    assert [path for path, _ in server.requests] == ['/onnx/model.onnx', '/redirected/model.onnx']


@pytest.mark.parametrize('host, is_told', [('', True), ('127.0.0.1', True), ('localhost', False)])
def test_token_follows_a_redirect_on_its_own_host_and_no_other(server, part, host, is_told):
    # Of a repository that was renamed, or to a CDN.
    server.redirect_to = '/redirected/model.onnx' if not host else \
        server.url.replace('127.0.0.1', host).replace('/onnx', '/redirected')
    bring(server, part, headers={download.AUTHORIZATION: 'Bearer secret'})
    (_, first), (path, second) = server.requests
    assert path == '/redirected/model.onnx'
    assert first['Authorization'] == 'Bearer secret'
    assert second.get('Authorization') == ('Bearer secret' if is_told else None)


@pytest.mark.parametrize('target', [
    'http://example.com/x', 'ftp://example.com/x', 'http://10.0.0.1/x'])
def test_redirect_away_from_https_is_refused(server, part, target):
    server.redirect_to = target
    with pytest.raises(ModelError, match=f'Address refused: got {target}'):
        bring(server, part)


def test_endless_redirect_ends(server, part):
    server.redirect_to = '/onnx/model.onnx'
    with pytest.raises(ModelError, match='HTTP status 302'):
        bring(server, part)


@pytest.mark.parametrize('url', [
    'http://example.com/x', 'file:///etc/passwd', '/etc/passwd', 'https:///x',
    'http://127.0.0.1.example.com/', 'http://localhost.example.com/'])
def test_address_other_than_https_is_refused(url, part):
    with pytest.raises(ModelError, match='Address refused'):
        download.transfer(url, part)


def test_public_server_may_not_redirect_to_this_machine():
    download.check_url('http://127.0.0.1/x', may_be_loopback=True)
    with pytest.raises(ModelError, match='Address refused'):
        download.check_url('http://127.0.0.1/x', may_be_loopback=False)


def test_server_without_tls_is_told_with_clock_and_portal(server, part):
    with pytest.raises(ModelError, match='No trusted connection') as caught:
        download.transfer(server.url.replace('http:', 'https:'), part,
                          sleep=lambda seconds: None)
    assert 'clock' in caught.value.remedy
    assert 'captive portal' in caught.value.remedy


def test_errors_do_not_show_passwords_or_signatures(server, part):
    server.statuses = [404]
    secret = server.url.replace('http://', 'http://user:secret@') + '?signature=secret'
    assert 'secret' not in download.shown(secret)
    with pytest.raises(ModelError) as caught:
        download.transfer(server.url + '?signature=secret', part)
    assert 'secret' not in str(caught.value)


def test_proxy_of_the_environment_is_used(part, monkeypatch):
    for name in ('no_proxy', 'NO_PROXY', 'HTTP_PROXY'):
        monkeypatch.delenv(name, raising=False)
    with serve(CONTENT) as (proxy, behaviour):
        monkeypatch.setenv('http_proxy', proxy)
        download.transfer('http://localhost:1/model.onnx', part)
        assert behaviour.requests[0][0] == 'http://localhost:1/model.onnx'


def test_token_in_clear_text_goes_to_this_machine_and_past_every_proxy(server, part, monkeypatch):
    for name in ('no_proxy', 'NO_PROXY', 'HTTP_PROXY'):
        monkeypatch.delenv(name, raising=False)
    secret = {download.AUTHORIZATION: 'Bearer secret'}
    with serve(CONTENT) as (proxy, behaviour):
        monkeypatch.setenv('http_proxy', proxy)
        assert download.is_shown_to_proxy(server.url)
        assert not download.is_shown_to_proxy(server.url.replace('http:', 'https:'))
        bring(server, part, headers=secret)
        assert [headers['Authorization'] for _, headers in server.requests] == ['Bearer secret']
        # Nothing goes out where it would be read on its way.
        with pytest.raises(ModelError, match='Address refused'):
            download.get('http://example.com/model.onnx', secret)
        assert not behaviour.requests


LIMITED = """
import resource, sys
from segformer_ros.model.weights import download
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
download.transfer(sys.argv[1], sys.argv[2])
"""


def test_write_that_the_system_refuses_is_told_as_a_full_disk(server, part, project_root):
    done = subprocess.run([sys.executable, '-c', LIMITED, server.url, part], cwd=project_root,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)
    assert 'ModelError: Disk full while writing' in done.stderr
    assert 'SEGFORMER_ROS_CACHE' in done.stderr
    # What fitted is kept, so that the same command goes on once there is room.
    assert os.path.getsize(part) == 100000
    bring(server, part)
    assert server.requests[-1][1]['Range'] == 'bytes=100000-'


@pytest.fixture
def tiny_disk(tmp_path):
    """Mount a file system of 64 KiB."""
    folder = tmp_path / 'tiny'
    folder.mkdir()
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(folder)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True) if os.geteuid() == 0 else None
    if done is None or done.returncode != 0:
        pytest.skip('mounting a tiny disk is not permitted here')
    yield str(folder)
    subprocess.run(['umount', str(folder)], check=True)


def test_full_disk_is_told_before_a_byte_is_written(server, tiny_disk):
    part = os.path.join(tiny_disk, 'model.part')
    with pytest.raises(ModelError, match=r'Disk full before writing.*expected 300000 bytes'):
        bring(server, part)
    assert not os.path.exists(part)


def test_disk_that_fills_up_during_the_transfer_is_told(server, tiny_disk):
    server.tells_length = False
    part = os.path.join(tiny_disk, 'model.part')
    with pytest.raises(ModelError, match='Disk full while writing'):
        bring(server, part)
    assert 0 < os.path.getsize(part) <= 65536


@settings(max_examples=25, deadline=None)
@given(content=st.binary(min_size=1, max_size=5000),
       cuts=st.lists(st.integers(0, 3000), max_size=3),
       takes_ranges=st.booleans(), tells_length=st.booleans(), knows_size=st.booleans(),
       etag=st.sampled_from(['', '"a"', 'W/"a"', 'not quoted', '"\x7f"']))
def test_any_pattern_of_breaks_gives_the_same_bytes(
        content, cuts, takes_ranges, tells_length, knows_size, etag):
    with tempfile.TemporaryDirectory() as folder, serve(content) as (address, behaviour):
        behaviour.url = address + '/x'
        behaviour.cuts = list(cuts)
        behaviour.takes_ranges = takes_ranges
        behaviour.tells_length = tells_length
        behaviour.etag = etag
        previous = os.environ.get('no_proxy')
        os.environ['no_proxy'] = '*'
        try:
            bring(behaviour, os.path.join(folder, 'part'),
                  size=len(content) if knows_size else None)
        finally:
            if previous is None:
                del os.environ['no_proxy']
            else:
                os.environ['no_proxy'] = previous


@contextlib.contextmanager
def answering(answer):
    """Yield the address of a server that sends these bytes, whatever is asked."""
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.rfile.readline()
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(('127.0.0.1', 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_address[1]}/file'
        finally:
            server.shutdown()
            thread.join()


OK_LINE = b'HTTP/1.1 200 OK\r\n'
FOUND = b'HTTP/1.1 302 Found\r\nLocation: '


@pytest.mark.parametrize('answer', [
    b'', b'\x1b[2J\r\n\r\n', b'HTTP/1.1 \x1b[31m red\r\n\r\n', b'HTTP/1.1 99999 x\r\n\r\n',
    b'HTTP/1.1 500 \x1b[31mred\x07\r\n\r\n', b'HTTP/1.1 404 \x1b]0;title\x07\r\n\r\n',
    b'HTTP/1.1 503 x\r\nRetry-After: \xb2\r\n\r\n',
    b'HTTP/1.1 503 x\r\nRetry-After: ' + b'9' * 500 + b'\r\n\r\n',
    FOUND + b'http://[::1\r\n\r\n', FOUND + b'https://host:port/\r\n\r\n',
    FOUND + b'https://h\xff\x1b[2J/\r\n\r\n', FOUND + b'//\r\n\r\n', FOUND + b'\r\n\r\n',
    FOUND + b'https://' + b'a' * 300 + b'.invalid/\r\n\r\n',
    FOUND + b'ftp://127.0.0.1/\x1b[2J\r\n\r\n', FOUND + b'/file\r\n\r\n',
    OK_LINE + b'Content-Encoding: \x1b[2J\r\n\r\n', OK_LINE + b'a: b\r\n' * 200 + b'\r\n',
    OK_LINE + b'Transfer-Encoding: chunked\r\n\r\nzz\x1b\r\n',
    OK_LINE + b'Transfer-Encoding: chunked\r\n\r\n-5\r\nabc', OK_LINE + b'x' * 70000,
    OK_LINE + b'Content-Length: -5\r\n\r\n', OK_LINE + b'Content-Length: 1e5\r\n\r\n',
    b'HTTP/1.1 206 x\r\nContent-Range: bytes \x1b-\r\n\r\nabc',
    b'HTTP/1.1 416 x\r\nContent-Range: \x1b\r\n\r\n',
], ids=lambda answer: repr(answer[:40]))
def test_server_that_answers_nonsense_gives_a_model_error_in_plain_text(answer, part, caplog):
    with answering(answer) as url:
        with pytest.raises(ModelError) as caught:
            download.transfer(url, part, len(CONTENT), sleep=lambda seconds: None)
            raise ModelError('The content is short', got=os.path.getsize(part))
    for text in [str(caught.value)] + [record.getMessage() for record in caplog.records]:
        assert not re.search('[\x00-\x08\x0b-\x1f\x7f-\x9f]', text), repr(text)
        assert len(text) < 4000
