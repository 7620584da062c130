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


def test_undo_twice_and_help(script, tmp_path):
    runtime = str(tmp_path / 'runtime')
    assert 'nothing to undo' in run([script, '--undo'], SEGFORMER_ROS_RUNTIME=runtime).stdout
    assert '--undo' in run([script, '--help']).stdout
    assert run([script, '--unknown'], check=False).returncode == 64
