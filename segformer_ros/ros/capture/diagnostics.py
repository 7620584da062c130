# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What /diagnostics says about capture: a pure function from figures to an entry."""

from typing import NamedTuple, Optional, Sequence, Tuple

from segformer_ros.capture.recorder import RecorderState
from segformer_ros.capture.store import MIB
from segformer_ros.common import errors
from segformer_ros.ros.io import status
from segformer_ros.ros.parameters.capture import CaptureParameters

NAME = 'capture'


class CaptureState(NamedTuple):
    """
    Capture at one moment.

    ``busy``: frames that were not looked at, because another one was in work. ``blind_to``: what
    cannot be judged here, with the reason. ``lidar``: what is to be told of one.
    """

    recorder: RecorderState
    folder: str
    busy: int
    blind_to: Sequence[str]
    lidar: Sequence[Tuple[str, str]] = ()


def capture_status(capture: Optional[CaptureState], parameters: CaptureParameters
                   ) -> status.Status:
    """
    Return the entry of capture.

    :param capture: None while the node is not configured
    """
    off = 'off; ~/capture keeps single frames'
    if capture is None:
        return status.Status(errors.OK, NAME, 'none: not configured' if parameters.enabled
                             else off, [])
    recorder = capture.recorder
    values = [('folder', capture.folder)]
    if recorder.frames is not None and recorder.bytes is not None:
        values += [('frames in it', str(recorder.frames)),
                   ('size [MiB]', f'{recorder.bytes / MIB:.1f}')]
    values += [(f'kept, {reason}', str(count)) for reason, count in recorder.kept.items()]
    values += [('held back by max_rate', str(recorder.held_back)),
               ('not looked at, busy', str(capture.busy)),
               ('made way for newer ones', str(recorder.made_way)),
               ('failed', str(recorder.failed))]
    if recorder.last:
        values.append(('last', recorder.last))
    values += list(capture.lidar)
    values += [('not judged', text) for text in capture.blind_to]
    if recorder.trouble and parameters.enabled:
        return status.Status(errors.WARN, NAME, 'nothing is kept: ' + recorder.trouble, values)
    if not parameters.enabled:
        values += [('last fault', recorder.trouble)] * bool(recorder.trouble)
        return status.Status(errors.OK, NAME, off, values)
    return status.Status(errors.OK, NAME, f'{sum(recorder.kept.values())} frames kept', values)
