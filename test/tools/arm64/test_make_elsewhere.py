# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""make demo and make test on a machine for which there are no wheels of ROS 2."""

import os
import shutil
import subprocess

import pytest


def make(project_root, target, path, *settings, **variables):
    environment = {'PATH': path, 'HOME': '/nonexistent', **variables}
    return subprocess.run(['make', '--no-print-directory', target, 'MACHINE=aarch64',
                           'SYSTEM_RUNTIME=/nonexistent', *settings],
                          cwd=project_root, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=60)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Return a folder with a python3 that has no ROS, and what make needs."""
    if shutil.which('make') is None:
        pytest.skip('make is not installed')
    folder = tmp_path / 'bin'
    folder.mkdir()
    (folder / 'python3').write_text('#!/bin/sh\necho "$@" >> "$0.calls"\nexit "${ANSWER:-1}"\n')
    (folder / 'python3').chmod(0o755)
    return folder


@pytest.mark.parametrize('target', ['demo', 'drive', 'test'])
def test_without_ros_one_line_says_what_to_do(project_root, tools, target):
    done = make(project_root, target, f'{tools}:/usr/bin:/bin')
    assert done.returncode == 2
    line, blame = done.stdout.splitlines()
    assert line.startswith(f'make {target}: the wheels of ROS 2 are for x86-64 and this is aarch')
    assert 'source /opt/ros/DISTRO/setup.bash' in line
    assert blame.startswith('make: ***')
    assert 'pip' not in done.stdout


@pytest.mark.parametrize('target', ['drive-bench', 'test-nodes', 'soak'])
def test_what_needs_the_wheels_says_so_and_builds_nothing(project_root, tools, tmp_path, target):
    done = make(project_root, target, f'{tools}:/usr/bin:/bin', f'VENV={tmp_path}/main',
                f'ROBOT={tmp_path}/robot', f'ROBOT_PYTHON={tools}/python3', ANSWER='0')
    assert done.returncode == 2
    told = [line for line in done.stdout.splitlines() if 'the wheels of ROS 2 are for' in line]
    assert any('source /opt/ros/DISTRO/setup.bash' in line for line in told)
    assert not (tmp_path / 'main').exists() and not (tmp_path / 'robot').exists()
    assert ' -m pip ' not in done.stdout


def test_sourced_ros_is_used(project_root, tools):
    for name in ('demo', 'drive'):
        done = make(project_root, name, f'{tools}:/usr/bin:/bin', ANSWER='0')
        assert done.returncode == 0, done.stdout
        assert (tools / 'python3.calls').read_text().splitlines()[-1] == \
            f'-m segformer_ros.cli.{name} --output {name}_output'
    done = make(project_root, 'test', f'{tools}:/usr/bin:/bin', ANSWER='0')
    assert '-m pytest test/common' in (tools / 'python3.calls').read_text().splitlines()[-1]


def test_environment_of_install_runtime_is_taken_where_it_is(project_root, tools, tmp_path):
    runtime = tmp_path / 'runtime' / 'bin'
    runtime.mkdir(parents=True)
    shutil.copy(str(tools / 'python3'), str(runtime / 'python3'))
    done = make(project_root, 'demo', '/usr/bin:/bin', ANSWER='0',
                SEGFORMER_ROS_RUNTIME=os.path.dirname(str(runtime)))
    assert done.returncode == 0, done.stdout
    assert (runtime / 'python3.calls').exists()
