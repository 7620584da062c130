# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One command for pip, one executable each for ``ros2 run``, and the interpreter they run in."""

import os
import subprocess
import sys

import pytest
from segformer_ros.cli import main as main_module


def start(project_root, path, *arguments, **environment):
    variables = dict(os.environ, PYTHONPATH=project_root, **environment)
    return subprocess.run([sys.executable, path] + list(arguments), env=variables,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=60, check=False)


def executable(project_root, name):
    return os.path.join(project_root, 'executables', name)


def stand_in_runtime(folder):
    """Make what looks like a virtual environment; its interpreter says how it was called."""
    (folder / 'bin').mkdir(parents=True)
    (folder / 'pyvenv.cfg').write_text('')
    python = folder / 'bin' / 'python3'
    python.write_text('#!/bin/sh\necho runtime "$@"\n')
    python.chmod(0o755)
    return str(folder)


def test_each_command_has_a_module_and_an_executable(project_root):
    modules = {name[:-len('.py')] for name in os.listdir(
        os.path.join(project_root, 'segformer_ros', 'cli')) if name.endswith('.py')}
    found = set(os.listdir(os.path.join(project_root, 'executables')))
    assert set(main_module.COMMANDS) <= modules
    assert found == set(main_module.COMMANDS) | {'install_runtime'}
    assert all(os.access(executable(project_root, name), os.X_OK) for name in found)


def test_help_names_every_command(capsys):
    assert main_module.main(['--help']) == 0
    said = capsys.readouterr().out
    for name, what in main_module.COMMANDS.items():
        assert name in said and what in said


@pytest.mark.parametrize('module', ['segformer_ros', 'segformer_ros.cli.main'])
def test_the_package_runs_as_its_command(project_root, module):
    def run(*arguments):
        done = subprocess.run([sys.executable, '-m', module] + list(arguments), cwd=project_root,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, timeout=60, check=False)
        return done.returncode, done.stdout
    status, said = run('fetch_model', '--list')
    assert status == 0 and 'segformer_b0_ade20k' in said
    status, said = run('demolish')
    assert status == main_module.USAGE and 'demolish' in said


@pytest.mark.parametrize('arguments', [[], ['demolish']])
def test_a_wrong_command_is_refused(capsys, arguments):
    assert main_module.main(arguments) == main_module.USAGE
    assert 'usage: segformer_ros COMMAND' in capsys.readouterr().err


def test_an_executable_runs_the_command_of_its_name(project_root):
    done = start(project_root, executable(project_root, 'inspect_model'), '--help')
    assert done.returncode == 0
    assert done.stdout.startswith('usage: inspect_model')


def test_an_executable_goes_on_in_the_runtime(project_root, tmp_path):
    path = executable(project_root, 'doctor')
    done = start(project_root, path, '--no-ros',
                 SEGFORMER_ROS_RUNTIME=stand_in_runtime(tmp_path / 'runtime'))
    assert done.stdout == f'runtime {path} --no-ros\n'


def test_a_virtual_environment_in_use_stays(monkeypatch, tmp_path):
    stand_in_runtime(tmp_path / 'segformer_ros' / 'runtime')
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    monkeypatch.delenv('SEGFORMER_ROS_RUNTIME', raising=False)
    monkeypatch.setattr(os, 'execv', lambda *call: pytest.fail(f'started {call}'))
    monkeypatch.setattr(sys, 'prefix', '/somewhere')
    main_module.use_runtime()


def test_the_system_interpreter_takes_the_users_runtime(monkeypatch, tmp_path):
    folder = stand_in_runtime(tmp_path / 'segformer_ros' / 'runtime')
    calls = []
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    monkeypatch.delenv('SEGFORMER_ROS_RUNTIME', raising=False)
    monkeypatch.setattr(sys, 'prefix', sys.base_prefix)
    monkeypatch.setattr(sys, 'argv', ['/lib/segformer', '--ros-args'])
    monkeypatch.setattr(os, 'execv', lambda *call: calls.append(call))
    main_module.use_runtime()
    python = folder + '/bin/python3'
    assert calls[0] == (python, [python, '/lib/segformer', '--ros-args'])


def test_a_runtime_of_another_user_is_not_run(monkeypatch, tmp_path):
    stand_in_runtime(tmp_path / 'segformer_ros' / 'runtime')
    calls = []
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    monkeypatch.delenv('SEGFORMER_ROS_RUNTIME', raising=False)
    monkeypatch.setattr(sys, 'prefix', sys.base_prefix)
    monkeypatch.setattr(os, 'execv', lambda *call: calls.append(call))
    owner = os.stat(str(tmp_path)).st_uid
    monkeypatch.setattr(os, 'getuid', lambda: owner + 1)
    main_module.use_runtime()
    assert [call for call in calls if str(tmp_path) in call[0]] == [] or owner == 0


@pytest.mark.parametrize('name', ['nowhere', 'mine', 'programs'])
def test_a_named_runtime_that_cannot_be_used_is_told_in_one_line(
        project_root, monkeypatch, capsys, tmp_path, name):
    """Whoever owns it decides; where it does not exist, that is said as well."""
    folder = str(tmp_path / name)
    me, real = os.getuid(), os.stat
    if name != 'nowhere':
        stand_in_runtime(tmp_path / name)

    def of_nobody(path, **options):
        found = real(path, **options)
        if path == (folder if name == 'mine' else os.path.join(folder, 'bin')):
            return os.stat_result(list(found[:4]) + [65534] + list(found[5:]))
        return found

    monkeypatch.setattr(main_module.os, 'stat', of_nobody)
    monkeypatch.setattr(os, 'execv', lambda *call: pytest.fail(f'started {call}'))
    monkeypatch.setattr(main_module.install, 'runtime_folders', list)
    monkeypatch.setenv('SEGFORMER_ROS_RUNTIME', folder)
    main_module.use_runtime()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'SEGFORMER_ROS_RUNTIME={folder} is passed over: ')
    assert ('there is no virtual environment' if name == 'nowhere' else
            f'belongs to user 65534, neither root nor user {me}') in line


def test_after_a_named_runtime_that_is_not_there_the_next_is_taken(monkeypatch, capsys, tmp_path):
    folder = stand_in_runtime(tmp_path / 'next')
    calls = []
    monkeypatch.setattr(sys, 'prefix', sys.base_prefix)
    monkeypatch.setattr(main_module.install, 'runtime_folders', lambda: [folder])
    monkeypatch.setenv('SEGFORMER_ROS_RUNTIME', str(tmp_path / 'nowhere'))

    class Started(Exception):
        pass

    def execv(*call):
        calls.append(call[0])
        raise Started

    monkeypatch.setattr(os, 'execv', execv)
    with pytest.raises(Started):
        main_module.use_runtime()
    assert calls == [folder + '/bin/python3']
    # Told once, by the interpreter that stays.
    assert capsys.readouterr().err == ''
    monkeypatch.setattr(sys, 'prefix', folder)
    main_module.use_runtime()
    assert 'is passed over' in capsys.readouterr().err
    assert len(calls) == 1


def test_the_doctor_tells_of_a_named_runtime_that_is_not_there(project_root, tmp_path):
    done = start(project_root, executable(project_root, 'doctor'), '--help',
                 SEGFORMER_ROS_RUNTIME=str(tmp_path / 'nowhere'))
    assert f'SEGFORMER_ROS_RUNTIME={tmp_path}/nowhere is passed over' in done.stdout


@pytest.mark.parametrize('command, missing, remedy', [
    pytest.param(command, missing, remedy, marks=(
        # One row of each kind; a process takes half a second.
        () if (command, missing) in (('segformer', 'cv2'), ('evaluate', 'PIL')) else
        pytest.mark.slow))
    for command in ('segformer', 'evaluate') for missing, remedy in (
        ('cv2', 'sudo apt install python3-opencv'), ('PIL', 'sudo apt install python3-pil'),
        ('numpy', 'sudo apt install python3-numpy'), ('yaml', 'sudo apt install python3-yaml'))]
    # Evaluations need no ROS.
    + [('segformer', 'sensor_msgs', 'Source the setup file of ROS 2')])
def test_a_missing_package_is_told_without_a_traceback(project_root, missing, remedy, command):
    code = (f'import sys; sys.modules[{missing!r}] = None\n'
            f'from segformer_ros.cli.main import main; raise SystemExit(main([{command!r}]))')
    done = subprocess.run(
        [sys.executable, '-c', code], env=dict(os.environ, PYTHONPATH=project_root),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
    assert done.returncode == main_module.FAILED, done.stderr
    assert 'Traceback' not in done.stderr
    assert remedy in done.stderr


WITH_ROS = ('bag_player', 'demo', 'drive', 'segformer', 'simulated_camera')
"""Commands that need ROS before they look at what they are given."""


@pytest.mark.parametrize('command, missing', [
    pytest.param(command, missing, marks=(
        pytest.mark.slow if missing == 'yaml' and command != 'evaluate' else ()))
    for command in sorted(set(main_module.COMMANDS) - {'doctor'})
    for missing in ('numpy', 'yaml')] + [
    # The hardware report goes on without pictures.
    (command, missing) for command, missing in (
        ('evaluate', 'cv2'), ('evaluate', 'PIL'), ('hardware_report', 'cv2'),
        ('segformer', 'cv2'), ('segformer', 'PIL'))] + [
    (command, 'rclpy') for command in WITH_ROS])
def test_a_missing_package_of_a_module_that_python_starts_is_told_in_a_sentence(
        project_root, tmp_path, command, missing):
    # As where it is not installed: for each process that finds this on its path.
    (tmp_path / 'sitecustomize.py').write_text(
        f'import sys; sys.modules[{missing!r}] = None\n')
    done = subprocess.run(
        [sys.executable, '-m', f'segformer_ros.cli.{command}',
         *(['no_such_bag'] if command == 'bag_player' else [])],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), project_root])),
        cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        universal_newlines=True, timeout=60)
    assert 'Traceback' not in done.stderr
    assert done.returncode == main_module.FAILED, done.stderr
    sentence, remedy = done.stderr.splitlines()
    assert sentence.startswith(f'{command}: a Python package cannot be imported: ')
    assert missing in sentence
    assert remedy.startswith('Source the setup file' if missing == 'rclpy'
                             else 'Install it: sudo apt install python3-')


@pytest.mark.parametrize('command', sorted(main_module.COMMANDS))
def test_a_module_that_python_starts_is_its_command(project_root, command):
    done = subprocess.run(
        [sys.executable, '-m', f'segformer_ros.cli.{command}', '--help'], timeout=60,
        env=dict(os.environ, PYTHONPATH=project_root), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f'usage: {command} ')


def test_an_opencv_that_does_not_fit_numpy_is_told(monkeypatch, capsys):
    def fail(name):
        raise ImportError('numpy.core.multiarray failed to import')

    monkeypatch.setattr(sys, 'argv', ['segformer'])
    monkeypatch.setattr(main_module.importlib, 'import_module', fail)
    assert main_module.run('segformer', []) == main_module.FAILED
    assert 'pip uninstall numpy' in capsys.readouterr().err


def test_an_error_of_our_own_is_not_hidden(monkeypatch):
    def fail(name):
        raise ImportError('cannot import name x', name='segformer_ros.common')

    monkeypatch.setattr(sys, 'argv', ['segformer'])
    monkeypatch.setattr(main_module.importlib, 'import_module', fail)
    with pytest.raises(ImportError):
        main_module.run('segformer', [])
