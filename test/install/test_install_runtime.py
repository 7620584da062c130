# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The command ``install_runtime`` keeps what apt installed, and the node's network runs with it.

Each Ubuntu is a CPython of its own, marked as externally managed, with exactly the versions of
numpy, OpenCV, Pillow and PyYAML that apt has there. One Debian is real: its packages come by apt.
"""

import glob
import os
import shutil
import subprocess

import pytest

PINS = {
    '2204': ('3.10', ['numpy==1.21.5', 'opencv-python-headless==4.5.4.60', 'Pillow==9.0.1',
                      'PyYAML==5.4.1']),
    '2404': ('3.12', ['numpy==1.26.4', 'opencv-python-headless==4.6.0.66', 'Pillow==10.2.0',
                      'PyYAML==6.0.1']),
    '2604': ('3.14', ['numpy==2.3.5', 'opencv-python-headless==4.12.0.88', 'Pillow==12.1.1',
                      'PyYAML==6.0.3']),
}
DEBIAN = 'bookworm'    # with a numpy 1, as the older Ubuntus
DEBIAN_PACKAGES = 'python3-numpy,python3-opencv,python3-pil,python3-yaml,python3-venv'
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


def run(command, check=True, **environment):
    """Run a command without the variables of this test's own ROS and Python."""
    clean = {name: value for name, value in os.environ.items()
             if name not in ('PYTHONPATH', 'VIRTUAL_ENV', 'AMENT_PREFIX_PATH')}
    clean.update(environment)
    done = subprocess.run(command, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=900, check=False)
    assert done.returncode == 0 or not check, done.stdout
    return done


def system_python(project_root, version, pins):
    """Return an interpreter that stands for that of an Ubuntu; made once, and kept."""
    folder = os.path.join(project_root, '.venv-ubuntu-' + version)
    python = os.path.join(folder, 'bin', 'python3')
    record = os.path.join(folder, 'installed.txt')
    if os.path.exists(record):
        with open(record, encoding='utf-8') as stream:
            if stream.read() == ' '.join(pins):
                return python
    find = os.path.join(project_root, 'tools', 'environment', 'find_python.sh')
    original = run([find, version]).stdout.strip()
    if not original:
        pytest.skip(f'CPython {version} is not on this machine')
    prefix = run([original, '-c', 'import sys; print(sys.base_prefix)']).stdout.strip()
    if os.path.realpath(prefix) == '/usr':
        pytest.skip(f'CPython {version} is the system\'s, not one to copy')
    shutil.rmtree(folder, ignore_errors=True)
    for part in ('bin', 'lib'):
        shutil.copytree(os.path.join(prefix, part), os.path.join(folder, part), symlinks=True,
                        ignore=shutil.ignore_patterns(
                            '__pycache__', 'test', 'idlelib', '*.a', 'config-*',
                            'site-packages'))
    open(os.path.join(folder, 'COLCON_IGNORE'), 'w').close()
    run([python, '-m', 'ensurepip'])
    install = [python, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-warn-script-location']
    done = run(install + ['setuptools==65.5.0', 'wheel==0.45.1'], check=False)
    # PyYAML 5.4.1 has no wheel for Python 3.10, and no build isolation that still works.
    done = done if done.returncode else run(install + ['--no-build-isolation'] + pins, check=False)
    if done.returncode:
        pytest.skip(f'the packages of Ubuntu cannot be had here: {done.stdout[-500:]}')
    library = glob.glob(os.path.join(folder, 'lib', 'python3.*'))[0]
    with open(os.path.join(library, 'EXTERNALLY-MANAGED'), 'w', encoding='utf-8') as stream:
        stream.write('[externally-managed]\nError=as on Ubuntu\n')
    with open(record, 'w', encoding='utf-8') as stream:
        stream.write(' '.join(pins))
    return python


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


@pytest.fixture(scope='module')
def debian(project_root):
    """Return the folder of a Debian whose Python packages come by apt; made once, and kept."""
    if os.getuid() or not shutil.which('mmdebstrap') or not shutil.which('unshare'):
        pytest.skip('mmdebstrap, unshare and root are needed for a Debian of its own')
    folder = os.path.join(project_root, '.venv-debian')
    if not os.path.exists(os.path.join(folder, 'complete')):
        shutil.rmtree(folder, ignore_errors=True)
        # In a mount namespace of its own, so that nothing stays mounted below the folder.
        done = run(['unshare', '--mount', 'mmdebstrap', '--mode=root', '--variant=minbase',
                    '--aptopt=Apt::Install-Recommends "false"',
                    '--dpkgopt=path-exclude=/usr/share/doc/*',
                    '--dpkgopt=path-exclude=/usr/share/locale/*',
                    '--dpkgopt=path-exclude=/usr/share/man/*',
                    '--include=ca-certificates,' + DEBIAN_PACKAGES, DEBIAN, folder,
                    'http://deb.debian.org/debian'], check=False)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f'Debian cannot be had here: {done.stdout[-500:]}')
        for name in ('COLCON_IGNORE', 'complete'):
            open(os.path.join(folder, name), 'w').close()
    # The way to the internet that this machine has.
    for path in ('etc/resolv.conf', 'etc/hosts', 'etc/ssl/certs/ca-certificates.crt'):
        if os.path.exists('/' + path):
            shutil.copyfile('/' + path, os.path.join(folder, path))
    return folder


def in_debian(folder, *command, **environment):
    """Run a command in the Debian; its mounts live no longer than it does."""
    variables = {name: value for name, value in os.environ.items()
                 if name.lower() in ('http_proxy', 'https_proxy', 'no_proxy')}
    variables.update(environment, HOME='/root', PATH='/usr/sbin:/usr/bin:/sbin:/bin')
    return run(['unshare', '--mount', 'sh', '-c',
                'mount --rbind /proc "$1/proc" && shift && exec env -i "$@"', 'sh', folder]
               + [f'{name}={value}' for name, value in variables.items()]
               + ['/usr/sbin/chroot', folder] + list(command), check=False)


@pytest.mark.slow
def test_on_a_real_debian(project_root, debian):
    if in_debian(debian, 'true').returncode:
        pytest.skip('mounting is not permitted here')
    checkout = os.path.join(debian, 'opt', 'checkout')
    shutil.rmtree(checkout, ignore_errors=True)
    for part in ('segformer_ros', 'config', 'models', 'executables', 'tools'):
        shutil.copytree(os.path.join(project_root, part), os.path.join(checkout, part),
                        symlinks=True, ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copy(os.path.join(project_root, 'package.xml'), checkout)
    script = '/opt/checkout/executables/install_runtime'
    in_debian(debian, script, '--undo')

    assert glob.glob(os.path.join(debian, 'usr', 'lib', 'python3.*', 'EXTERNALLY-MANAGED'))
    packages = in_debian(debian, 'dpkg', '--list').stdout
    before = in_debian(debian, 'python3', '-c', VERSIONS).stdout
    done = in_debian(debian, script)
    assert done.returncode == 0, done.stdout
    assert 'numpy 1.24.2 stays as it was: /usr/lib/python3/dist-packages' in done.stdout
    assert 'nothing to do' in in_debian(debian, script).stdout
    assert in_debian(debian, 'python3', '-c', VERSIONS).stdout == before
    assert in_debian(debian, 'dpkg', '--list').stdout == packages

    runtime = '/opt/segformer_ros/runtime'
    frame = in_debian(debian, runtime + '/bin/python3', '-c', FRAME, PYTHONPATH='/opt/checkout')
    assert frame.stdout.split('\n')[-2] == f'{runtime} (48, 64) uint8', frame.stdout
    # Started by the system's Python, as ros2 run does, without any variable set.
    doctor = in_debian(debian, '/opt/checkout/executables/doctor', '--no-ros', '--model',
                       'segformer_sim', '--backend', 'onnxruntime', PYTHONPATH='/opt/checkout')
    assert 'ok    onnxruntime' in doctor.stdout, doctor.stdout
    assert in_debian(debian, script, '--undo').returncode == 0
    assert not os.path.exists(debian + runtime)


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


def test_undo_twice_and_help(script, tmp_path):
    runtime = str(tmp_path / 'runtime')
    assert 'nothing to undo' in run([script, '--undo'], SEGFORMER_ROS_RUNTIME=runtime).stdout
    assert '--undo' in run([script, '--help']).stdout
    assert run([script, '--unknown'], check=False).returncode == 64
