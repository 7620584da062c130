# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``segformer_ros``, the executables of ``ros2 run``, and their interpreter."""

import importlib
import os
import sys
from typing import List, Optional

from segformer_ros.common import install

COMMANDS = {
    'bag_player': 'play a recording, where "ros2 bag play" is not installed',
    'benchmark': 'measure where a frame\'s time goes',
    'build_engine': 'build, check and list TensorRT engines',
    'calibrate_int8': 'prepare TensorRT engines with 8-bit integers from your own images',
    'calibrate_mount': 'find how cameras are mounted, from a drive',
    'demo': 'run node and simulated camera; write pictures and figures',
    'doctor': 'say what is there, what is missing and what to do',
    'drive': 'let a simulated robot drive by the costmap, without Nav2',
    'evaluate': 'score a recording or a data set',
    'fetch_model': 'download weights',
    'hardware_report': 'say what this machine is and does, to attach to an issue',
    'inspect_model': 'say what an ONNX file takes and returns',
    'replay_evaluation': 'play a recording into the live node; latency and drops',
    'segformer': 'the node',
    'simulated_camera': 'a robot with a camera in the simulated world, with truth and TF',
}
"""Name of each command, which is also its module in this folder, and what it does."""

APT_PACKAGES = {'cv2': 'python3-opencv', 'numpy': 'python3-numpy', 'PIL': 'python3-pil',
                'yaml': 'python3-yaml'}
FAILED = 2
"""Exit status where a Python package is missing: an error for doctor, a wrong start for a node."""
USAGE = 64
"""Exit status of a wrong command line, EX_USAGE of sysexits.h."""


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command that the first argument names.

    :param arguments: of the command line, without the program's name
    :return: exit status of the command; 64 where there is no such command
    """
    if arguments is None:
        use_runtime()
        arguments = sys.argv[1:]
    if arguments[:1] in (['-h'], ['--help']):
        sys.stdout.write(_usage())
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        problem = f'no command {arguments[0]!r}' if arguments else 'which command?'
        sys.stderr.write(f'segformer_ros: {problem}\n{_usage()}')
        return USAGE
    return run(arguments[0], arguments[1:])


def run_executable() -> int:
    """Run the command that bears the name of the executable's file, as ``ros2 run`` does."""
    use_runtime()
    return run(os.path.basename(sys.argv[0]), sys.argv[1:])


def run_module() -> int:
    """Run the command whose file was started, as ``python -m segformer_ros.cli.doctor`` does."""
    return run(os.path.splitext(os.path.basename(sys.argv[0]))[0], sys.argv[1:])


def run(name: str, arguments: List[str]) -> int:
    """
    Run a command; say which package is missing where an import fails.

    :param name: one of :data:`COMMANDS`
    :param arguments: of the command, ROS arguments among them
    :return: its exit status
    """
    # Commands and rclpy read the process's own command line.
    sys.argv = [name] + arguments
    try:
        status = importlib.import_module('segformer_ros.cli.' + name).main()
    except ImportError as error:
        remedy = _remedy(error)
        if not remedy:
            raise
        sys.stderr.write(
            f'{name}: a Python package cannot be imported: {error} ({sys.executable})\n'
            f'{remedy}\n')
        return FAILED
    return int(status or 0)


def use_runtime() -> None:
    """
    Go on in the virtual environment that ``install_runtime`` made, where there is one.

    The process stays the same, so that signals of ``ros2 launch`` still reach it. A virtual
    environment that is in use already stays, unless ``SEGFORMER_ROS_RUNTIME`` names another.
    One that is named and cannot be used is told on stderr.
    """
    named = os.environ.get(install.VARIABLE)
    folders = [named] if named else []
    if sys.prefix == sys.base_prefix:
        folders += install.runtime_folders()
    passed_over = ''
    for folder in folders:
        if os.path.realpath(folder) == os.path.realpath(sys.prefix):
            break
        problem = _problem_of(folder)
        if not problem:
            python = os.path.join(folder, 'bin', 'python3')
            os.execv(python, [python] + sys.argv)
        if folder == named:
            passed_over = (f'{install.VARIABLE}={named} is passed over: {problem}, or unset '
                           'the variable.\n')
    # Not before: the interpreter of the next folder comes here as well.
    sys.stderr.write(passed_over)


def _problem_of(folder: str) -> str:
    """Return why a virtual environment must not or cannot be run, and what to do; or nothing."""
    programs = os.path.join(folder, 'bin')
    python = os.path.join(programs, 'python3')
    if not os.path.isfile(os.path.join(folder, 'pyvenv.cfg')):
        return f'there is no virtual environment. Make it with "{install.COMMAND}"'
    # Root must not run what another user put there, by HOME or by the variable.
    for path in (folder, programs):
        owner = os.stat(path).st_uid if os.path.exists(path) else os.getuid()
        if owner not in (0, os.getuid()):
            return (f'{path} belongs to user {owner}, neither root nor user {os.getuid()}. Give '
                    'it to root (chown), name another folder')
    if not os.access(python, os.X_OK):
        return f'{python} cannot be run. Make it with "{install.COMMAND}"'
    return ''


def _remedy(error: ImportError) -> str:
    """Return what to do about a failed import, or nothing where that is not known."""
    top = (error.name or '').split('.')[0]
    if isinstance(error, ModuleNotFoundError) and top in APT_PACKAGES:
        return (f'Install it: sudo apt install {APT_PACKAGES[top]} (without ROS, in a virtual '
                f'environment, from the checkout: pip install ".[standalone]").')
    if isinstance(error, ModuleNotFoundError) and (
            top == 'rclpy' or top.endswith(('_msgs', '_srvs', '_interfaces'))):
        return 'Source the setup file of ROS 2 and of the workspace.'
    if 'numpy' in str(error):
        return ('OpenCV does not fit the numpy that is found first. Where pip put a numpy before '
                'the one of apt: python3 -m pip uninstall numpy')
    return ''


def _usage() -> str:
    rows = [f'  {name:<18} {COMMANDS[name]}' for name in sorted(COMMANDS)]
    return '\n'.join(['usage: segformer_ros COMMAND [ARGUMENTS]', '', *rows, '',
                      'segformer_ros COMMAND --help explains one.', ''])


if __name__ == '__main__':
    raise SystemExit(main())
