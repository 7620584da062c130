# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the launch files make of their arguments: none of them may do nothing in silence."""

import difflib
import os
from typing import Dict, List, Mapping, Optional, Sequence

from segformer_ros.common.errors import ConfigurationError

PACKAGE = 'segformer_ros'
ASSIGNMENT = ':='
CAMERA_INPUTS = ('image', 'camera_info', 'depth')
"""
What may follow the name of a camera in an argument: ``front.image:=/front/image_raw``; each is
the topic of the parameter with ``_topic``.
"""
CAMERA_SETTINGS = ('image_transport', 'depth_transport')
"""What may, as the parameter of that name: ``front.depth_transport:=raw``."""


def camera_names(text: str) -> List[str]:
    """Return the names in ``[front,left]`` or ``front,left``; none in an empty text."""
    names = [name.strip(' \'"') for name in text.strip(' []').split(',')]
    return [name for name in names if name]


def file_given(name: str, path: str) -> str:
    """
    Return the path of an argument that is a file.

    launch passes a missing parameter file over with a warning, and the defaults drive.

    :param name: of the argument
    :raises ConfigurationError: there is no such file
    """
    found = os.path.expanduser(path)
    if not os.path.isfile(found):
        raise ConfigurationError(f'Wrong value of {name}', got=repr(path), expected='a file',
                                 remedy=f'Correct {name}{ASSIGNMENT}...')
    return found


def camera_topics(cameras: Sequence[str], given: Mapping[str, str]) -> Dict[str, str]:
    """
    Return the parameters for arguments such as ``front.image:=/front/image_raw``.

    :param cameras: names
    :param given: all arguments by name; what is not of a camera is passed over
    :raises ConfigurationError: such an argument names no camera
    """
    parameters = {}
    for name, value in given.items():
        camera, _, rest = name.partition('.')
        if rest not in CAMERA_INPUTS + CAMERA_SETTINGS:
            continue
        if camera not in cameras:
            near = difflib.get_close_matches(camera, cameras, 1)
            raise ConfigurationError(
                f'Argument {name} does nothing', got=f'cameras {list(cameras)}',
                expected=f'{camera} among cameras{ASSIGNMENT}[...]',
                remedy=f'Meant: {near[0]}.{rest}?' if near else None)
        parameters[f'{name}_topic' if rest in CAMERA_INPUTS else name] = value
    return parameters


def check(command_line: Sequence[str], arguments: Sequence[str], folder: str,
          files: Sequence[str], declared: Sequence[str],
          cameras: Optional[Sequence[str]] = None) -> None:
    """
    Refuse arguments that no launch file declares, where ros2 launch started one of ours.

    ros2 launch takes any name without a word. Where another launch file includes one of ours,
    the arguments are its own.

    :param command_line: of the process
    :param arguments: those of launch, such as ``image:=/camera/image_raw``
    :param folder: of our launch files
    :param files: names of the launch files whose arguments are ``declared``
    :param declared: names
    :param cameras: names, where those of :func:`camera_topics` are as good, else None
    :raises ConfigurationError: an argument does nothing
    """
    if not _is_started(command_line, folder, files):
        return
    settings = () if cameras is None else CAMERA_INPUTS + CAMERA_SETTINGS
    of_cameras = [f'{camera}.{rest}' for camera in cameras or () for rest in settings]
    for argument in arguments:
        name, _, _ = argument.partition(ASSIGNMENT)
        if name in declared or name.partition('.')[2] in settings:
            continue
        known = of_cameras if '.' in name and of_cameras else sorted(declared)
        near = difflib.get_close_matches(name, known, 1)
        raise ConfigurationError(
            f'Argument {name} does nothing', expected='one of ' + ', '.join(known),
            remedy=f'Meant: {near[0]}?' if near else None)


def _is_started(command_line: Sequence[str], folder: str, files: Sequence[str]) -> bool:
    for before, word in zip(['', *command_line], command_line):
        if os.path.basename(word) in files and (
                before == PACKAGE or os.path.realpath(os.path.dirname(os.path.abspath(word)))
                == os.path.realpath(folder)):
            return True
    return False
