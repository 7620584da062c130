# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The command ``install_runtime`` keeps what apt installed, and the node's network runs with it.

Each Ubuntu is a CPython of its own, marked as externally managed, with exactly the versions of
numpy, OpenCV, Pillow and PyYAML that apt has there. Two systems are real: their packages come by
apt, and forky has the CPython of Ubuntu 26.04.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

import pytest
from support.ubuntu_python import debian_root
from support.ubuntu_python import environment_tool
from support.ubuntu_python import PINS
from support.ubuntu_python import run
from support.ubuntu_python import system_python

SUITES = {
    'bookworm': ('3.11', '1.24.2'),    # with a numpy 1, as the older Ubuntus
    'forky': ('3.14', '2.'),           # as Ubuntu 26.04
}
"""Suites of Debian with their CPython, and how the version of their numpy begins."""
VERSIONS = 'import cv2, numpy, PIL, yaml; ' \
    'print(numpy.__version__, cv2.__version__, PIL.__version__, yaml.__version__)'
# A picture through the shipped network; what a robot's camera would be.
FRAME = '''
import sys
import numpy
from segformer_ros.common import resources
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.spec import load_model_spec
from segformer_ros.segmentation.segmenter import Segmenter
spec = load_model_spec(resources.find('config/models/segformer_sim.yaml'))
with OnnxruntimeBackend(resources.find('models/segformer_sim.onnx'), threads=1) as backend:
    mask = Segmenter(spec, backend).segment(numpy.full((48, 64, 3), 90, numpy.uint8)).mask
print(sys.prefix, mask.shape, mask.dtype)
'''


# Modules that the installer asks for, with what it asks them.
STAND_INS_FOR_PACKAGES = '''
import sys
from unittest import mock
for name in ('numpy', 'cv2', 'PIL', 'yaml', 'onnx', 'onnxruntime'):
    sys.modules[name] = mock.MagicMock(__version__='1', __file__='/usr')
sys.modules['onnxruntime'].InferenceSession().run().__getitem__().tolist.return_value = [2, 4]
sys.modules['cv2'].resize().shape = (2, 2)
'''


@pytest.fixture
def script(project_root):
    """Return the path of the command."""
    return os.path.join(project_root, 'executables', 'install_runtime')


@pytest.mark.slow
@pytest.mark.parametrize('ubuntu', sorted(PINS))
def test_on_the_versions_of_ubuntu(project_root, script, tmp_path, ubuntu):
    version, pins = PINS[ubuntu]
    python = system_python(project_root, version, pins)
    runtime = str(tmp_path / 'runtime')
    before = run([python, '-c', VERSIONS]).stdout
    command = [script, '--python', python]
    first = run(command, SEGFORMER_ROS_RUNTIME=runtime).stdout
    for name in ('numpy', 'cv2', 'PIL', 'yaml'):
        assert f'install_runtime: {name} ' in first
    again = run(command, SEGFORMER_ROS_RUNTIME=runtime).stdout
    assert 'nothing to do' in again
    inside = os.path.join(runtime, 'bin', 'python3')
    assert run([inside, '-c', VERSIONS]).stdout == before
    assert run([python, '-c', VERSIONS]).stdout == before
    frame = run([inside, '-c', FRAME], PYTHONPATH=project_root).stdout
    assert frame.split('\n')[-2] == f'{runtime} (48, 64) uint8'

    # The executables find it: the interpreter of the system has no onnxruntime.
    doctor = [python, os.path.join(project_root, 'executables', 'doctor'), '--no-ros',
              '--backend', 'onnxruntime', '--model', 'segformer_sim']
    with_runtime = run(doctor, check=False, PYTHONPATH=project_root,
                       SEGFORMER_ROS_RUNTIME=runtime).stdout
    assert 'ok    onnxruntime' in with_runtime

    assert 'removed' in run(command + ['--undo'], SEGFORMER_ROS_RUNTIME=runtime).stdout
    assert not os.path.exists(runtime)
    assert run([python, '-c', VERSIONS]).stdout == before


@pytest.mark.slow
def test_a_damaged_runtime_is_made_anew(project_root, script, tmp_path):
    python = system_python(project_root, *PINS['2404'])
    runtime = tmp_path / 'runtime'
    command = [script, '--python', python]
    run(command, SEGFORMER_ROS_RUNTIME=str(runtime))
    shutil.rmtree(glob.glob(str(runtime / 'lib' / 'python3*' / 'site-packages' / 'onnx'))[0])
    said = run(command, SEGFORMER_ROS_RUNTIME=str(runtime)).stdout
    assert 'does not work any more' in said and "No module named 'onnx'" in said
    assert 'nothing to do' in run(command, SEGFORMER_ROS_RUNTIME=str(runtime)).stdout


@pytest.fixture(params=sorted(SUITES))
def debian(request, project_root):
    """Return a suite and the folder of that Debian, whose packages come by apt; kept."""
    return request.param, debian_root(project_root, request.param)


@pytest.mark.slow
def test_on_a_real_debian(project_root, debian):
    suite, folder = debian

    def inside(*command):
        return run([environment_tool(project_root, 'in_root.sh'), folder] + list(command),
                   check=False)

    script = '/checkout/executables/install_runtime'
    inside(script, '--undo')
    assert inside('python3', '-c', 'import sys; print("%d.%d" % sys.version_info[:2])'
                  ).stdout.strip() == SUITES[suite][0]
    assert glob.glob(os.path.join(folder, 'usr', 'lib', 'python3.*', 'EXTERNALLY-MANAGED'))
    packages = inside('dpkg', '--list').stdout
    before = inside('python3', '-c', VERSIONS).stdout
    assert before.startswith(SUITES[suite][1])
    done = inside(script)
    assert done.returncode == 0, done.stdout
    assert re.search(r'numpy \S+ stays as it was: /usr/lib/python3/dist-packages', done.stdout)
    assert 'nothing to do' in inside(script).stdout
    assert inside('python3', '-c', VERSIONS).stdout == before
    assert inside('dpkg', '--list').stdout == packages

    runtime = '/opt/segformer_ros/runtime'
    frame = inside('PYTHONPATH=/checkout', runtime + '/bin/python3', '-c', FRAME)
    assert frame.stdout.split('\n')[-2] == f'{runtime} (48, 64) uint8', frame.stdout
    # Started by the system's Python, as ros2 run does, without any variable set.
    doctor = inside('PYTHONPATH=/checkout', '/checkout/executables/doctor', '--no-ros', '--model',
                    'segformer_sim', '--backend', 'onnxruntime')
    assert 'ok    onnxruntime' in doctor.stdout, doctor.stdout
    assert inside(script, '--undo').returncode == 0
    assert not os.path.exists(folder + runtime)


def test_a_folder_of_others_is_left_alone(script, tmp_path):
    (tmp_path / 'mine.txt').write_text('mine')
    for arguments in ([], ['--undo']):
        done = run([script] + arguments, check=False, SEGFORMER_ROS_RUNTIME=str(tmp_path))
        assert done.returncode == 1
        assert 'was not made by this command' in done.stdout
    assert (tmp_path / 'mine.txt').read_text() == 'mine'


def test_an_interpreter_without_the_packages_of_apt_is_told_so(script, tmp_path):
    python = tmp_path / 'python3'
    python.write_text('#!/bin/sh\ncase $2 in *version_info*) echo 3.12;; '
                      '*) echo "cv2 cannot be imported: numpy"; exit 1;; esac\n')
    python.chmod(0o755)
    done = run([script, '--python', str(python)], check=False,
               SEGFORMER_ROS_RUNTIME=str(tmp_path / 'runtime'))
    assert done.returncode == 1
    assert 'cv2 cannot be imported: numpy' in done.stdout
    assert 'sudo apt install python3-numpy python3-opencv' in done.stdout
    assert 'pip uninstall numpy' in done.stdout
    assert not (tmp_path / 'runtime').exists()


def test_a_python_without_tested_packages_is_refused(script, tmp_path):
    python = tmp_path / 'python3'
    python.write_text('#!/bin/sh\necho 3.8\n')
    python.chmod(0o755)
    done = run([script, '--python', str(python)], check=False,
               SEGFORMER_ROS_RUNTIME=str(tmp_path / 'runtime'))
    assert done.returncode == 1
    assert 'no tested set of packages for Python 3.8' in done.stdout


def test_a_new_environment_that_does_not_work_leaves_the_old_one(script, tmp_path):
    # Its environments have no other Python than itself.
    python, runtime = tmp_path / 'python3', tmp_path / 'runtime'
    python.write_text('#!/bin/sh\ncase "$*" in *"-m venv"*) for new; do :; done; '
                      'mkdir -p "$new/bin"; cp "$0" "$new/bin/python3";; '
                      '*version_info*) echo 3.12;; *InferenceSession*) echo wrong sum; exit 1;; '
                      '*numpy*) echo numpy 1 /usr;; esac\n')
    python.chmod(0o755)
    runtime.mkdir()
    (runtime / 'segformer_ros_runtime.txt').write_text('older')
    done = run([script, '--python', str(python)], check=False, SEGFORMER_ROS_RUNTIME=str(runtime))
    assert done.returncode == 1
    assert 'does not work; nothing was changed.\n  wrong sum' in done.stdout
    assert (runtime / 'segformer_ros_runtime.txt').read_text() == 'older'
    assert sorted(os.listdir(str(tmp_path))) == ['python3', 'runtime']


# An interpreter whose environments hold copies of itself, as far as the installer asks.
STAND_IN = r"""#!/bin/sh
case "$*" in
    *"-m venv"*)
        for new; do :; done
        mkdir -p "$new/bin"
        cp "$0" "$new/bin/python3"
        printf 'VIRTUAL_ENV=%s\nexport VIRTUAL_ENV\n' "$new" > "$new/bin/activate"
        printf '#!%s/bin/python3\nscript\n' "$new" > "$new/bin/tool"
        printf 'command = python -m venv %s\n' "$new" > "$new/pyvenv.cfg" ;;
    *"config list"*) cat "$(dirname "$0")/../../pip_config" "$PIP_CONFIG_FILE" 2> /dev/null ;;
    *"pip install"*)
        env | grep ^PIP_ | sort > "$PIP_LOG_HERE"
        sleep "${PIP_TAKES:-0}" ;;
    *version_info*) echo 3.12 ;;
    *InferenceSession*) exit "${CHECK_STATUS:-0}" ;;
    *importlib*) echo numpy 1 /usr ;;
esac
"""


@pytest.fixture
def stand_in(tmp_path):
    """Return a folder for environments, and a function that runs the installer there."""
    folder = tmp_path / 'there'
    folder.mkdir()
    python = tmp_path / 'python3'
    python.write_text(STAND_IN)
    python.chmod(0o755)

    def environment(runtime, **more):
        return dict({'SEGFORMER_ROS_RUNTIME': runtime, 'PIP_CONFIG_FILE': '/dev/null',
                     'PIP_LOG_HERE': str(tmp_path / 'pip_saw')}, **more)

    return folder, ['--python', str(python)], environment


def test_a_neighbour_with_a_similar_name_is_left_alone(script, stand_in):
    folder, arguments, environment = stand_in
    neighbour = folder / 'runtime.new'
    neighbour.mkdir()
    (neighbour / 'mine.txt').write_text('mine')
    (folder / 'runtime.new.log').write_text('mine')
    run([script] + arguments, **environment(str(folder / 'runtime')))
    assert (neighbour / 'mine.txt').read_text() == 'mine'
    assert (folder / 'runtime.new.log').read_text() == 'mine'
    assert sorted(os.listdir(str(folder))) == ['runtime', 'runtime.new', 'runtime.new.log']


@pytest.mark.parametrize('spelling', ['{}/runtime/', '{}/runtime//', '{}/./x/../runtime',
                                      'there/runtime/'])
def test_the_folder_is_the_same_however_it_is_spelled(script, stand_in, monkeypatch, spelling):
    folder, arguments, environment = stand_in
    monkeypatch.chdir(str(folder.parent))
    named = environment(spelling.format(folder))
    run([script] + arguments, **named)
    record = folder / 'runtime' / 'segformer_ros_runtime.txt'
    assert record.exists()
    record.write_text('older')
    assert 'made anew' in run([script] + arguments, **named).stdout
    assert 'onnxruntime' in record.read_text()
    assert os.listdir(str(folder)) == ['runtime']
    assert 'removed' in run([script, '--undo'], **named).stdout
    assert os.listdir(str(folder)) == []


@pytest.mark.parametrize('name', ['runtime', 'my run&time'])
def test_scripts_and_activation_name_the_folder_that_stays(script, stand_in, name):
    folder, arguments, environment = stand_in
    runtime = folder / name
    run([script] + arguments, **environment(str(runtime)))
    assert (runtime / 'bin' / 'activate').read_text() == \
        f'VIRTUAL_ENV={runtime}\nexport VIRTUAL_ENV\n'
    assert (runtime / 'bin' / 'tool').read_text() == f'#!{runtime}/bin/python3\nscript\n'
    assert (runtime / 'pyvenv.cfg').read_text() == f'command = python -m venv {runtime}\n'
    assert os.access(str(runtime / 'bin' / 'python3'), os.X_OK)
    assert 'nothing to do' in run([script] + arguments, **environment(str(runtime))).stdout


def test_scripts_of_an_earlier_version_learn_their_place_and_nothing_is_downloaded(
        script, stand_in):
    folder, arguments, environment = stand_in
    runtime = folder / 'runtime'
    run([script] + arguments, **environment(str(runtime)))
    activate = runtime / 'bin' / 'activate'
    activate.write_text(f'VIRTUAL_ENV={runtime}.new\n')
    said = run([script] + arguments, **environment(str(runtime))).stdout
    assert 'name their place now' in said and 'nothing to do' in said
    assert 'installing into' not in said
    assert f'VIRTUAL_ENV={runtime}\n' in activate.read_text()


def test_what_a_killed_run_left_is_removed_by_the_next_that_installs(script, stand_in):
    folder, arguments, environment = stand_in
    left, other = folder / '.install_runtime.aB3dE6gH', folder / '.install_runtime.notes'
    for each in (left, other):
        each.mkdir()
        (each / 'file').write_text('')
    run([script] + arguments, **environment(str(folder / 'runtime')))
    assert not left.exists() and other.exists()


def test_a_real_environment_can_be_activated_after_it_was_moved(script, stand_in, tmp_path):
    folder, _, environment = stand_in
    # A real venv; only what pip would install is left out.
    (tmp_path / 'path' / 'pip').mkdir(parents=True)
    (tmp_path / 'path' / 'pip' / '__main__.py').write_text('')
    (tmp_path / 'path' / 'sitecustomize.py').write_text(STAND_INS_FOR_PACKAGES)
    runtime = str(folder / 'run time')
    run([script, '--python', sys.executable], PYTHONPATH=str(tmp_path / 'path'),
        **environment(runtime))
    said = run(['bash', '-c', '. "$0/bin/activate"; echo "$VIRTUAL_ENV"; command -v python3',
                runtime]).stdout
    assert said.splitlines() == [runtime, runtime + '/bin/python3']


def test_pip_installs_into_the_environment_whatever_its_variables_say(script, stand_in, tmp_path):
    folder, arguments, environment = stand_in
    index = {'PIP_INDEX_URL': 'https://robots.example/simple', 'PIP_CERT': '/etc/mine.pem',
             'PIP_FIND_LINKS': '/wheels', 'PIP_NO_INDEX': '1'}
    away = {name: str(tmp_path / 'away') for name in (
        'PIP_TARGET', 'PIP_PREFIX', 'PIP_ROOT', 'PIP_CONSTRAINT')}
    run([script] + arguments, **environment(str(folder / 'runtime'), PIP_USER='1', **away,
                                            **index))
    saw = dict(line.split('=', 1) for line in (tmp_path / 'pip_saw').read_text().splitlines())
    assert {name: saw.get(name) for name in index} == index
    assert set(away) & set(saw) == set()
    assert saw['PIP_USER'] == '0'


def test_a_configuration_of_pip_that_installs_elsewhere_is_told(script, stand_in, tmp_path):
    folder, arguments, environment = stand_in
    settings = tmp_path / 'pip.conf'
    settings.write_text("global.index-url='https://robots.example'\ninstall.target='/away'\n")
    done = run([script] + arguments, check=False, **environment(
        str(folder / 'runtime'), PIP_CONFIG_FILE=str(settings)))
    assert done.returncode == 1
    assert "sends packages elsewhere: install.target='/away'" in done.stdout
    assert os.listdir(str(folder)) == []


def test_a_check_that_ends_without_a_word_is_named(script, stand_in):
    folder, arguments, environment = stand_in
    done = run([script] + arguments, check=False,
               **environment(str(folder / 'runtime'), CHECK_STATUS='139'))
    assert done.returncode == 1
    assert re.search(r'does not work; nothing was changed\.\n'
                     r'  \S+/bin/python3 ended with status 139 while it computed', done.stdout)
    assert os.listdir(str(folder)) == []


def test_two_installers_at_once_work_one_after_the_other(script, stand_in):
    folder, arguments, environment = stand_in
    variables = dict(os.environ, **environment(str(folder / 'runtime'), PIP_TAKES='3'))
    first, second = [subprocess.Popen([script] + arguments, env=variables, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                     for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0] for process in (first, second))
    assert [first.returncode, second.returncode] == [0, 0], said
    (waited,) = [text for text in said if 'waiting for another install_runtime' in text]
    assert 'nothing to do' in waited
    assert os.listdir(str(folder)) == ['runtime']


def test_without_home_the_home_of_the_user_is_taken(script, tmp_path):
    # A home that nobody writes to: getent answers as for a user who has one.
    (tmp_path / 'getent').write_text(f'#!/bin/sh\necho "u:x:5:5::{tmp_path}/home:/bin/sh"\n')
    (tmp_path / 'id').write_text('#!/bin/sh\necho 5\n')
    for name in ('getent', 'id'):
        (tmp_path / name).chmod(0o755)
    command = ['env', '-u', 'HOME', '-u', 'XDG_DATA_HOME', '-u', 'SEGFORMER_ROS_RUNTIME',
               'PATH={}:{}'.format(tmp_path, os.environ['PATH']), script, '--undo']
    done = run(command)
    assert f'there is no {tmp_path}/home/.local/share/segformer_ros/runtime' in done.stdout
    (tmp_path / 'getent').write_text('#!/bin/sh\nexit 2\n')
    done = run(command, check=False)
    assert done.returncode == 1
    assert 'HOME is not set, and user 5 has no home folder.' in done.stdout


def test_an_environment_of_another_user_is_not_run(script, stand_in, tmp_path):
    folder, arguments, environment = stand_in
    runtime = folder / 'runtime'
    run([script] + arguments, **environment(str(runtime)))
    python = runtime / 'bin' / 'python3'
    python.write_text(f'#!/bin/sh\ntouch {tmp_path}/was_run\n')
    # Only root can give a folder away.
    (tmp_path / 'stat').write_text('#!/bin/sh\necho 65534\n')
    (tmp_path / 'stat').chmod(0o755)
    path = '{}:{}'.format(tmp_path, os.environ['PATH'])
    done = run([script] + arguments, check=False, **environment(str(runtime), PATH=path))
    assert done.returncode == 1
    assert f'{runtime} belongs to user 65534, neither root nor user' in done.stdout
    assert not (tmp_path / 'was_run').exists()
    assert 'removed' in run([script, '--undo'], **environment(str(runtime), PATH=path)).stdout


def test_undo_twice_and_help(script, tmp_path):
    runtime = str(tmp_path / 'runtime')
    assert 'nothing to undo' in run([script, '--undo'], SEGFORMER_ROS_RUNTIME=runtime).stdout
    assert '--undo' in run([script, '--help']).stdout
    assert run([script, '--unknown'], check=False).returncode == 64
