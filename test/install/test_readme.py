# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The first page of the README, followed literally on the versions of each Ubuntu.

The commands are read from the README, in their order, and typed into shells of a new user. They
end with a costmap; the time from ``git clone`` to the first grid is printed. ``pytest -s`` prints
each command too. ROS comes from wheels: Jazzy, and on CPython 3.14 Kilted. rosdep and ros2, which
have no wheels, are strict stand-ins.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from support import ros_graph
from support import stand_in_ros2
from support import ubuntu_python

SECTION = '## On a robot with ROS 2'
# What is typed into a terminal of its own and stays there.
STAYS = ('ros2 launch', 'ros2 run segformer_ros simulated_camera')
# What cannot be run here, and why.
LEFT_OUT = {
    'ros2 run segformer_ros fetch_model': 'no way to the weights from here',
    'ros2 launch segformer_ros segformer.launch.py image:=/camera/image_raw': 'needs the weights',
}
DEADLINE = 240.0
"""Seconds until a grid must have come from the start of the node; it takes some ten."""

# Looks on until the grid knows something of the floor.
SEES = '''
import time, numpy, rclpy
from nav_msgs.msg import OccupancyGrid
from rclpy.qos import DurabilityPolicy, QoSProfile
rclpy.init()
node = rclpy.create_node('looker')
known = []
node.create_subscription(
    OccupancyGrid, '/segformer/costmap', lambda grid: known.append(
        int((numpy.array(grid.data) >= 0).sum())),
    QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
while not known or known[-1] < 100:
    rclpy.spin_once(node, timeout_sec=0.2)
print('known', known[-1])
'''

# Takes the one command line of the README; says what is there and what has no wheel.
ROSDEP = '''#!{python}
import importlib, os, sys, xml.etree.ElementTree as tree
assert sys.argv[1:] == ['install', '--from-paths', 'src', '--ignore-src', '-y'], sys.argv
MODULES = {{'python3-jinja2': '', 'python3-numpy': 'numpy', 'python3-opencv': 'cv2',
           'python3-pil': 'PIL', 'python3-tqdm': '', 'python3-yaml': 'yaml',
           'python3-venv': 'venv'}}
NO_WHEEL = ('cv_bridge', 'launch', 'launch_ros', 'tf2_ros', 'vision_msgs')
(path,) = [os.path.join(parent, 'package.xml') for parent, _, names in os.walk('src')
           if 'package.xml' in names and not os.path.exists(os.path.join(
               parent, '..', 'COLCON_IGNORE')) and 'tools' not in parent]
for row in tree.parse(path).getroot().iter('exec_depend'):
    name = MODULES.get(row.text, row.text)
    if name and row.text not in NO_WHEEL:
        importlib.import_module(name)
print('rosdep stand-in: all there but', ', '.join(NO_WHEEL))
'''


def readme_lines(folder):
    """Return the command lines of the README's section, without comments."""
    with open(os.path.join(folder, 'README.md'), encoding='utf-8') as stream:
        section = stream.read().split(SECTION + '\n')[1].split('\n## ')[0]
    return [line for block in re.findall(r'```bash\n(.*?)```', section, re.DOTALL)
            for line in block.strip().split('\n') if not line.startswith('#')]


class User:
    """
    Somebody with a new home folder, who types what the README says.

    :param root: folder whose files those of the user are, such as / or that of a Debian
    :param home: of the user, below it
    :param python: interpreter that is /usr/bin/python3 for them
    :param checkout: where the user finds this project
    :param variables: those that the setup file of ROS sets
    """

    def __init__(self, root, home, python, checkout, variables, domain):
        self._root, self._home = root, home
        self.home = root + home
        self._tools = os.path.join(home, 'bin')
        os.makedirs(root + self._tools)
        self._write('rosdep', ROSDEP.format(python=python))
        colcon = os.path.join(variables['AMENT_PREFIX_PATH'], 'bin', 'colcon')
        self._write('colcon', f'#!/bin/sh\nexec {colcon} "$@"\n')
        stand_in_ros2.install(root + self._tools, python,
                              checkout + '/test/support/stand_in_ros2.py')
        self._variables = dict(
            variables, HOME=home, PATH=self._tools + ':/usr/bin:/bin', LANG='C.UTF-8',
            ROS_DOMAIN_ID=str(domain), ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST',
            # The address in the README is this checkout.
            GIT_CONFIG_COUNT='2', GIT_CONFIG_KEY_0=f'url.file://{home}/origin.git.insteadOf',
            GIT_CONFIG_VALUE_0='https://github.com/segformer-ros/segformer_ros.git',
            GIT_CONFIG_KEY_1='safe.directory', GIT_CONFIG_VALUE_1='*')
        for name, value in os.environ.items():
            if name.lower().endswith('_proxy') or name.startswith('PIP_'):
                self._variables[name] = value
        self._terminals = []

    @property
    def settings(self):
        """Return the variables of the user as words of ``env``."""
        return [f'{name}={value}' for name, value in self._variables.items()]

    def _write(self, name, text):
        path = os.path.join(self._root + self._tools, name)
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(text)
        os.chmod(path, 0o755)

    def _words(self, script):
        """Return the words that run a script as the user."""
        raise NotImplementedError

    def types(self, line):
        """Type a line where the last one left off, and wait for its end."""
        state = os.path.join(self._home, '.state')
        before = f'. {state}\n' if os.path.exists(self._root + state) else 'cd\n'
        script = f'{before}{line}\n(declare -px; echo "cd $(pwd | sed "s/.*/\'&\'/")") > {state}'
        done = subprocess.run(self._words(script), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, timeout=600,
                              check=False)
        assert done.returncode == 0, f'{line}\n{done.stdout}'
        return done.stdout

    def opens_terminal(self, line):
        """Type a line into another terminal, as the README says, and leave it running."""
        print('$', line, '&')
        path = os.path.join(self.home, f'terminal_{len(self._terminals)}.txt')
        script = f'. ~/ros2_ws/install/setup.bash\nexec {line}'
        with open(path, 'w', encoding='utf-8') as log:
            process = subprocess.Popen(
                self._words(script), stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)
        self._terminals.append((process, path))

    def read(self):
        """Return what the other terminals show."""
        text = ''
        for _, path in self._terminals:
            with open(path, encoding='utf-8') as log:
                text += log.read()
        return text

    def leaves(self):
        """Press Ctrl-C in each terminal."""
        for process, _ in reversed(self._terminals):
            try:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(30)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class UserOfPinned(User):
    """
    A user of an Ubuntu whose interpreter lies elsewhere on this machine.

    Each command runs in a mount namespace of its own, where that interpreter is the system's and
    what goes below /opt goes into the user's folder.
    """

    def __init__(self, project_root, folder, version, pins, domain):
        python = ubuntu_python.system_python(project_root, version, pins)
        self._opt = os.path.join(folder, 'opt')
        for name in os.listdir('/opt') if os.path.isdir('/opt') else ():
            os.makedirs(os.path.join(self._opt, name))
        self._python = os.path.join(folder, 'home', 'bin', 'python3')
        super().__init__('', os.path.join(folder, 'home'), self._python, project_root,
                         ubuntu_python.ros_beside(project_root, version, python), domain)
        self._write('python3', f'#!/bin/sh\nexec {python} "$@"\n')

    def _words(self, script):
        return ['env', '-i'] + self.settings + [
            'unshare', '--mount', 'sh', '-c', 'opt=$1 python=$2 script=$3\n'
            'mount --bind "$python" /usr/bin/python3 || exit\n'
            'for each in /opt/*; do mount --rbind "$each" "$opt/${each##*/}" || exit; done\n'
            'mount --rbind "$opt" /opt && exec bash -e -c "$script"',
            'sh', self._opt, self._python, script]


class UserOfDebian(User):
    """A user of a Debian in a folder, with CPython 3.14."""

    def __init__(self, project_root, folder, home, domain):
        self._enter = [ubuntu_python.environment_tool(project_root, 'in_root.sh'), folder]
        super().__init__(folder, home, '/usr/bin/python3', '/checkout',
                         ubuntu_python.ros_in_debian(project_root, folder), domain)

    def _words(self, script):
        return self._enter + self.settings + ['bash', '-e', '-c', script]


def new_user(project_root, folder, ubuntu, domain):
    """Return somebody who never had this project, on the versions of an Ubuntu."""
    version, pins = ubuntu_python.PINS[ubuntu]
    if ubuntu != '2604':
        return version, UserOfPinned(project_root, folder, version, pins, domain)
    root = ubuntu_python.debian_root(project_root, 'forky')
    home = tempfile.mkdtemp(prefix='user_', dir=os.path.join(root, 'home'))
    # What another test installed there. The core's tests have a folder of their own beside it.
    shutil.rmtree(root + '/opt/segformer_ros/runtime', ignore_errors=True)
    return version, UserOfDebian(project_root, root, home[len(root):], domain)


def test_section_ends_with_a_costmap_and_names_what_is_left_out(project_root):
    lines = readme_lines(project_root)
    assert lines[0].endswith('git clone https://github.com/segformer-ros/segformer_ros.git')
    assert any(line.endswith('ros2 topic echo --once --no-arr /segformer/costmap')
               for line in lines)
    for start in LEFT_OUT:
        assert any(line.startswith(start) for line in lines), start
    kept = [line for line in lines if not line.startswith(tuple(LEFT_OUT))]
    assert len(kept) >= len(lines) - 4 and len(kept) >= 8


@pytest.mark.slow
@pytest.mark.parametrize('ubuntu', sorted(ubuntu_python.PINS))
def test_followed_literally_it_ends_with_a_costmap(project_root, tmp_path, pytestconfig, ubuntu):
    if os.getuid() or not shutil.which('unshare') or subprocess.run(
            ['unshare', '--mount', 'true'], check=False).returncode:
        pytest.skip('mounting is not permitted here')
    lines = readme_lines(project_root)
    with ros_graph.private_domain() as domain:
        version, user = new_user(project_root, str(tmp_path), ubuntu, domain)
        subprocess.run(['git', 'clone', '--quiet', '--bare', project_root,
                        os.path.join(user.home, 'origin.git')], check=True)
        began = time.monotonic()
        try:
            follow(user, lines)
            known = user.types(f'timeout {DEADLINE:.0f} python3 -c {shlex.quote(SEES)}')
            seconds = time.monotonic() - began
            clone = os.path.join(user.home, 'ros2_ws', 'src', 'segformer_ros')
            assert readme_lines(clone) == lines, 'the clone has another README: commit first'
        except AssertionError as error:
            raise AssertionError(f'{error}\n{user.read()}') from None
        finally:
            user.leaves()
            shutil.rmtree(user.home)
    assert int(known.split()[-1]) >= 100
    # Also where the output of tests that pass is kept back.
    with pytestconfig.pluginmanager.getplugin('capturemanager').global_and_fixture_disabled():
        print(f'\nREADME on Ubuntu {ubuntu[:2]}.{ubuntu[2:]}, Python {version}: '
              f'{seconds:.0f} s from git clone to the first grid')


def follow(user, lines):
    """Type the lines of the section into the user's terminals, in their order."""
    for line in lines:
        reason = next((LEFT_OUT[start] for start in LEFT_OUT if line.startswith(start)), None)
        if reason:
            print('#', line, '   left out:', reason)
        elif line.startswith(STAYS):
            user.opens_terminal(line)
        else:
            print('$', line)
            said = user.types(line)
            if line.startswith('ros2 topic echo'):
                print(said)
                assert 'frame_id: odom' in said and 'resolution: 0.05' in said, said
