# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A compiler is code that runs as the user: only one that nobody else could have put there."""

import os

import pytest
from segformer_ros.common.compiled import compiler
from segformer_ros.common.errors import BackendError
from support.other_user import skip_unless_root


def put(folder, name='cc', script='exit 0', mode=0o755):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text('#!/bin/sh\n' + script + '\n')
    path.chmod(mode)
    return str(path)


def test_first_of_the_search_path_is_found_by_its_absolute_path(tmp_path):
    one, other = put(tmp_path / 'one'), put(tmp_path / 'two')
    path = os.pathsep.join([str(tmp_path / 'empty'), str(tmp_path / 'one'), str(tmp_path / 'two')])
    assert compiler.find_compiler({'PATH': path}) == (one, ())
    os.unlink(one)
    assert compiler.find_compiler({'PATH': path}) == (other, ())


@pytest.mark.parametrize('entry', ['.', '', 'bin', './bin', '../bin'])
def test_relative_entries_of_the_search_path_are_not_looked_at(tmp_path, monkeypatch, entry):
    put(tmp_path / 'bin')
    put(tmp_path)
    monkeypatch.chdir(tmp_path / 'bin' if entry == '../bin' else tmp_path)
    assert compiler.find_compiler({'PATH': entry}) == (None, ())
    trusted = put(tmp_path / 'trusted', 'clang')
    path = os.pathsep.join([entry, str(tmp_path / 'trusted')])
    assert compiler.find_compiler({'PATH': path}) == (trusted, ())


@pytest.mark.parametrize('mode', [0o777, 0o775, 0o757])
def test_folder_that_others_may_write_to_is_passed_over(tmp_path, mode):
    planted = put(tmp_path / 'open')
    # The group of root's or the user's own name would hold nobody else.
    os.chown(str(tmp_path / 'open'), -1, os.getgid() if os.geteuid() else 12345)
    (tmp_path / 'open').chmod(mode)
    found = compiler.find_compiler({'PATH': str(tmp_path / 'open')})
    if os.geteuid() or mode != 0o775 or found.path is None:
        assert found.path is None
    assert found.passed_over[0].startswith(planted + ': Folder can be exchanged by others')


def test_folder_below_one_that_others_may_write_to_is_passed_over(tmp_path):
    put(tmp_path / 'open')
    inner = put(tmp_path / 'open' / 'inner')
    (tmp_path / 'open').chmod(0o777)
    found = compiler.find_compiler({'PATH': os.path.dirname(inner)})
    assert found.path is None
    assert str(tmp_path / 'open') in found.passed_over[0]
    # Where nobody can exchange what is another's, as in /tmp, it is fine.
    (tmp_path / 'open').chmod(0o1777)
    assert compiler.find_compiler({'PATH': os.path.dirname(inner)}).path == inner


def test_program_that_others_may_write_to_is_passed_over(tmp_path):
    put(tmp_path / 'bin', mode=0o777)
    found = compiler.find_compiler({'PATH': str(tmp_path / 'bin')})
    assert found.path is None
    assert 'could be changed by others' in found.passed_over[0]


def test_link_to_a_program_that_others_could_have_put_there_is_passed_over(tmp_path):
    planted = put(tmp_path / 'open', 'planted')
    (tmp_path / 'open').chmod(0o777)
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'cc').symlink_to(planted)
    assert compiler.find_compiler({'PATH': str(tmp_path / 'bin')}).path is None


def test_program_of_another_user_is_passed_over(tmp_path):
    skip_unless_root()
    path = put(tmp_path / 'bin')
    assert compiler.find_compiler({'PATH': str(tmp_path / 'bin')}).path == path
    os.chown(path, 12345, 0)
    assert compiler.find_compiler({'PATH': str(tmp_path / 'bin')}).path is None


def test_a_real_compiler_of_this_machine_is_trusted():
    found = compiler.find_compiler()
    if found.path is None:
        pytest.skip('no C compiler')
    assert os.path.isabs(found.path)


def test_a_compiler_learns_no_variables_that_name_programs_or_headers(tmp_path, monkeypatch):
    work = tmp_path / 'work'
    work.mkdir()
    path = put(tmp_path / 'bin', script='env; pwd')
    (tmp_path / 'open').mkdir()
    (tmp_path / 'open').chmod(0o777)
    monkeypatch.setenv('PATH', os.pathsep.join(['.', str(tmp_path / 'open'), '/usr/bin', '/bin']))
    for name in ('CPATH', 'COMPILER_PATH', 'GCC_EXEC_PREFIX', 'LD_PRELOAD_TEST', 'LIBRARY_PATH'):
        monkeypatch.setenv(name, '/elsewhere')
    told = compiler.run_compiler(path, [], str(work))
    assert '/elsewhere' not in told
    assert f'PATH=/usr/bin{os.pathsep}/bin\n' in told
    assert f'TMPDIR={work}\n' in told
    assert told.endswith(str(work) + '\n')


def test_a_failure_is_told_with_its_words(tmp_path):
    path = put(tmp_path / 'bin', script='echo no disk left; exit 3')
    with pytest.raises(BackendError, match='status 3: no disk left'):
        compiler.run_compiler(path, [], str(tmp_path))
