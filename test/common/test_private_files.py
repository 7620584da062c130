# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The cache folder: where it lies, who may own it, and that its lock excludes."""

import fcntl
import grp
import os
import pwd
import stat
import subprocess
import sys

import pytest

from segformer_ros.common import private_files as cache_dir
from segformer_ros.common.errors import ModelError
from support.other_user import skip_unless_root


@pytest.mark.smoke
@pytest.mark.parametrize('environ, expected', [
    ({'HOME': '/home/robot'}, '/home/robot/.cache/segformer_ros'),
    ({'HOME': '/home/robot', 'XDG_CACHE_HOME': '/big'}, '/big/segformer_ros'),
    ({'HOME': '/home/robot', 'XDG_CACHE_HOME': 'relative'}, '/home/robot/.cache/segformer_ros'),
    ({'HOME': '/home/robot', 'XDG_CACHE_HOME': ''}, '/home/robot/.cache/segformer_ros'),
    ({'HOME': '/home/robot', 'SEGFORMER_ROS_CACHE': '/data/seg'}, '/data/seg'),
])
def test_cache_root_follows_the_xdg_convention(environ, expected):
    assert cache_dir.cache_root(environ) == expected


def test_cache_root_reads_the_process_environment_by_default(monkeypatch):
    monkeypatch.delenv('SEGFORMER_ROS_CACHE', raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', '/somewhere')
    assert cache_dir.cache_root() == '/somewhere/segformer_ros'


def test_private_folder_is_made_with_mode_0700_at_each_level(tmp_path):
    old = os.umask(0)
    try:
        path = cache_dir.private_folder(str(tmp_path / 'new' / 'root'), 'models', 'b0')
    finally:
        os.umask(old)
    assert path == str(tmp_path / 'new' / 'root' / 'models' / 'b0')
    for folder in ('', 'root', 'root/models', 'root/models/b0'):
        mode = os.stat(str(tmp_path / 'new' / folder)).st_mode
        assert stat.S_IMODE(mode) == 0o700


def test_private_folder_made_twice_is_the_same(tmp_path):
    first = cache_dir.private_folder(str(tmp_path / 'root'), 'models')
    assert cache_dir.private_folder(str(tmp_path / 'root'), 'models') == first


@pytest.mark.parametrize('mode', [0o770, 0o707, 0o777])
def test_folder_that_others_may_write_to_is_refused(tmp_path, mode):
    folder = tmp_path / 'root'
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ModelError, match=r'others may write.*chmod go-w'):
        cache_dir.private_folder(str(folder))


@pytest.mark.parametrize('mode, group, is_refused', [
    (0o755, 12345, False), (0o777, 12345, True), (0o775, 12345, True), (0o757, 0, True),
    # As /tmp is: nobody can exchange what is another's.
    (0o1777, 12345, False)])
def test_folder_below_one_that_others_could_exchange_is_refused(tmp_path, mode, group,
                                                                is_refused):
    skip_unless_root()
    (tmp_path / 'above' / 'between').mkdir(parents=True)
    os.chown(str(tmp_path / 'above'), 0, group)
    (tmp_path / 'above').chmod(mode)
    root = str(tmp_path / 'above' / 'between' / 'root')
    if not is_refused:
        assert cache_dir.private_folder(root) == root
        return
    with pytest.raises(ModelError, match='can be exchanged by others.*above: got one that'):
        cache_dir.private_folder(root)
    assert not os.path.exists(root)


def test_folder_below_one_of_another_user_is_refused(tmp_path):
    skip_unless_root()
    (tmp_path / 'theirs').mkdir()
    os.chown(str(tmp_path / 'theirs'), 12345, 12345)
    with pytest.raises(ModelError, match='can be exchanged by others.*user id 12345'):
        cache_dir.private_folder(str(tmp_path / 'theirs' / 'root'))


def test_folder_that_the_users_own_group_may_write_to_is_fine(tmp_path):
    """Many systems give each user a group of the same name, and a mask that lets it write."""
    (tmp_path / 'workspace').mkdir()
    (tmp_path / 'workspace').chmod(0o775)
    own = grp.getgrgid(os.getgid())
    if own.gr_name != pwd.getpwuid(os.getuid()).pw_name or set(own.gr_mem) - {own.gr_name}:
        pytest.skip('the user has no group of his own')
    root = str(tmp_path / 'workspace' / 'root')
    assert cache_dir.private_folder(root) == root


def test_symbolic_link_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'root').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(ModelError, match='symbolic link'):
        cache_dir.private_folder(str(tmp_path / 'root'))


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / 'root').write_text('')
    with pytest.raises(ModelError, match=r'Cached path is not private|cannot be used'):
        cache_dir.private_folder(str(tmp_path / 'root'), 'models')


def test_folder_of_another_user_is_refused(tmp_path):
    skip_unless_root()
    (tmp_path / 'root').mkdir()
    os.chown(str(tmp_path / 'root'), 12345, 12345)
    with pytest.raises(ModelError, match='belongs to user id 12345'):
        cache_dir.private_folder(str(tmp_path / 'root'))


def test_folder_that_cannot_be_created_names_the_variable(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ModelError, match='SEGFORMER_ROS_CACHE'):
        cache_dir.private_folder(str(tmp_path / 'file' / 'root'))


def test_private_file_is_accepted_and_its_size_returned(tmp_path):
    path = tmp_path / 'model.onnx'
    path.write_bytes(b'12345')
    path.chmod(0o644)
    assert cache_dir.check_private_file(str(path)).st_size == 5


def test_missing_file_is_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        cache_dir.check_private_file(str(tmp_path / 'absent'))


def test_writable_linked_or_special_file_is_refused(tmp_path):
    path = tmp_path / 'model.onnx'
    path.write_bytes(b'')
    path.chmod(0o666)
    with pytest.raises(ModelError, match='mode 0666'):
        cache_dir.check_private_file(str(path))
    path.chmod(0o600)
    (tmp_path / 'link').symlink_to(path)
    with pytest.raises(ModelError, match='symbolic link'):
        cache_dir.check_private_file(str(tmp_path / 'link'))
    os.mkfifo(str(tmp_path / 'fifo'), 0o600)
    with pytest.raises(ModelError, match='expected a regular file'):
        cache_dir.check_private_file(str(tmp_path / 'fifo'))


def test_replace_durably_leaves_only_the_new_content(tmp_path):
    (tmp_path / 'target').write_bytes(b'old')
    (tmp_path / 'temporary').write_bytes(b'new')
    cache_dir.replace_durably(str(tmp_path / 'temporary'), str(tmp_path / 'target'))
    assert (tmp_path / 'target').read_bytes() == b'new'
    assert [entry.name for entry in tmp_path.iterdir()] == ['target']


HOLDER = """
import sys, time
from segformer_ros.common import private_files as cache_dir
with cache_dir.exclusive_lock(sys.argv[1]):
    print('held', flush=True)
    sys.stdin.readline()
"""


def test_lock_of_another_process_is_waited_for_and_reported_once(tmp_path):
    lock = str(tmp_path / 'lock')
    holder = subprocess.Popen([sys.executable, '-c', HOLDER, lock], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b'held\n'
        waits = []
        with pytest.raises(ModelError, match='Another process holds the lock'):
            with cache_dir.exclusive_lock(lock, lambda: waits.append('told'), timeout_s=0.35):
                raise AssertionError('both hold the lock')
        assert waits == ['told']
        # A killed holder leaves no stale lock.
        holder.kill()
        holder.wait()
        with cache_dir.exclusive_lock(lock, timeout_s=30.0):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()


def test_lock_whose_file_its_last_holder_deleted_is_not_held_twice(tmp_path, monkeypatch):
    lock = str(tmp_path / 'lock')
    locking = fcntl.flock
    held = []

    def flock(descriptor, operation):
        # Between the opening of the file and its locking, the one who held it deletes it.
        if not held:
            held.append(descriptor)
            os.unlink(lock)
        locking(descriptor, operation)

    monkeypatch.setattr(fcntl, 'flock', flock)
    with cache_dir.exclusive_lock(lock, timeout_s=5.0):
        assert held
        with pytest.raises(ModelError, match='Another process holds the lock'):
            with cache_dir.exclusive_lock(lock, timeout_s=0.0):
                raise AssertionError('both hold the lock')


def test_lock_is_free_again_after_an_error_inside(tmp_path):
    lock = str(tmp_path / 'lock')
    with pytest.raises(KeyError):
        with cache_dir.exclusive_lock(lock):
            raise KeyError
    with cache_dir.exclusive_lock(lock, timeout_s=0.0):
        pass


def test_lock_file_behind_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / 'victim').write_text('')
    (tmp_path / 'lock').symlink_to(tmp_path / 'victim')
    with pytest.raises(ModelError, match='Lock file cannot be opened'):
        with cache_dir.exclusive_lock(str(tmp_path / 'lock')):
            raise AssertionError('followed the link')
