# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Checks of what the node imports and of ROS's variables; imports the standard library alone."""

import os
import subprocess
import sys
import tempfile
from typing import Dict, List, NamedTuple, Optional

from segformer_ros.common import errors
from segformer_ros.common import install
from segformer_ros.common.compiled import compiler
from segformer_ros.ros.doctor.check_result import CheckResult

TIMEOUT = 120.0
"""Seconds; importing everything takes five on a slow board."""
ENDED = 'the process that tried it ended'
LAST_DOMAIN = 232
"""The highest id whose ports exist."""
# Prints a line before and after each import, so that a part that kills the process is known.
# Imports make no garbage; looking for it would take a quarter of the time.
PROBE = '''
import gc, importlib, sys
gc.disable()
for name in sys.argv[1:]:
    print('try', name, flush=True)
    try:
        module = importlib.import_module(name)
        text = 'ok ' + str(getattr(module, '__version__', ''))
    except BaseException as error:
        text = 'no ' + type(error).__name__ + ': ' + str(error)
    print(' '.join(text.split()), flush=True)
'''


class Part(NamedTuple):
    """One module that the node imports; ``level`` is that of its absence."""

    module: str
    level: int
    remedy: str


PARTS = (
    Part('numpy', errors.ERROR, 'sudo apt install python3-numpy'),
    Part('yaml', errors.ERROR, 'sudo apt install python3-yaml'),
    Part('cv2', errors.ERROR, 'sudo apt install python3-opencv'),
    Part('PIL.Image', errors.ERROR, 'sudo apt install python3-pil'),
    Part('onnx', errors.WARN, 'Without it the graph is run as it was exported, which is slower. '
         + install.RUNTIME))
ROS_REMEDY = 'Source the setup file of ROS 2 and of the workspace, or give --no-ros.'
ROS_PARTS = tuple(
    Part(name, errors.ERROR, ROS_REMEDY) for name in (
        'rclpy', 'builtin_interfaces.msg', 'diagnostic_msgs.msg', 'geometry_msgs.msg',
        'lifecycle_msgs.msg', 'nav_msgs.msg', 'rcl_interfaces.msg', 'rosgraph_msgs.msg',
        'sensor_msgs.msg', 'std_msgs.msg', 'std_srvs.srv', 'tf2_msgs.msg',
        'visualization_msgs.msg')) + (
    Part('vision_msgs.msg', errors.WARN, 'Without it there is no label_info: '
         'sudo apt install ros-$ROS_DISTRO-vision-msgs'),
    # Whatever else it imports.
    Part('segformer_ros.ros.node.segformer_node', errors.ERROR,
         'Mend what is named above first; then build the workspace again.'))


def check_parts(with_ros: bool) -> List[CheckResult]:
    """
    Import what the node imports, in a process of its own, and look for a compiler.

    :param with_ros: also what the node needs of ROS
    """
    parts = PARTS + (ROS_PARTS if with_ros else ())
    answers = _answers([part.module for part in parts])
    found, results = [], []
    for part in parts:
        answer = answers.get(part.module, 'no answer')
        if answer.startswith('ok'):
            found.append(f'{part.module.partition(".")[0]} {answer[3:]}'.strip())
            continue
        results.append(CheckResult(
            part.level, 'parts', f'{part.module} cannot be imported: {answer[3:] or answer}',
            part.remedy))
    if found:
        results.insert(0, CheckResult(errors.OK, 'parts', ', '.join(dict.fromkeys(found))
                                      + f' for {sys.executable}'))
    return results + [check_compiler()]


def check_compiler() -> CheckResult:
    """Look for the C compiler that builds the kernels."""
    found = compiler.find_compiler()
    if found.path is None:
        return CheckResult(
            errors.WARN, 'compiler', 'none of {}: numpy does what compiled code would do '
            'faster'.format('; '.join((', '.join(compiler.NAMES),) + found.passed_over)),
            'sudo apt install gcc libc6-dev')
    return CheckResult(errors.OK, 'compiler', found.path)


def check_domain(value: Optional[str]) -> Optional[CheckResult]:
    """
    Return what is wrong with ROS_DOMAIN_ID, None where nothing is.

    :param value: of the variable, None where it is not set
    """
    if not value or (value.isdigit() and int(value) <= LAST_DOMAIN):
        return None
    return CheckResult(
        errors.ERROR, 'ros', f'ROS_DOMAIN_ID is {value[:40]!r}; expected a number from 0 to '
        f'{LAST_DOMAIN}', 'Set it to a number, the same for every process of the robot; no node '
        'starts before.')


def check_log_folder() -> Optional[CheckResult]:
    """Return what is wrong with the folder that rcl logs to, None where nothing is."""
    home = os.environ.get('ROS_HOME') or os.path.join('~', '.ros')
    folder = os.path.expanduser(os.environ.get('ROS_LOG_DIR') or os.path.join(home, 'log'))
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return CheckResult(
            errors.ERROR, 'ros', f'the log folder {folder} cannot be written to: '
            f'{error.strerror}', 'Make it writable, or set ROS_LOG_DIR to another folder; no '
            'node starts before.')


def _answers(modules: List[str]) -> Dict[str, str]:
    answers: Dict[str, str] = {}
    left = list(modules)
    while left:
        try:
            done = subprocess.run(
                [sys.executable, '-c', PROBE] + left, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, timeout=TIMEOUT, check=False)
            output, end = done.stdout, f'no {ENDED} with {done.returncode}'
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b''
            end = f'no {ENDED}, since it took {TIMEOUT:.0f} s'
        tried = ''
        for line in output.decode('utf-8', 'replace').splitlines():
            word, _, rest = line.partition(' ')
            if word == 'try' and rest in left:
                tried, answers[rest] = rest, end
            elif tried and word in ('ok', 'no'):
                answers[tried] = line
        if not tried:
            return answers
        # Where a part killed the process, the others are tried without it.
        left = left[left.index(tried) + 1:]
    return answers
