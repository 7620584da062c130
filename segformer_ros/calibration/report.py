# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A calibrated mount as text, as parameters of the node, for TF and for URDF."""

import math
from typing import List, Tuple

from segformer_ros.calibration.findings import Findings
from segformer_ros.calibration.motion_log import Joint
from segformer_ros.common import arrays
from segformer_ros.costmap.geometry.camera_poses import Mount

_UNITS = {'height': ('m', 3), 'delay': ('s', 3)}
_DEGREES = ('deg', 2)


def roll_pitch_yaw(rotation: arrays.Float64) -> Tuple[float, float, float]:
    """
    Return the fixed-axis angles of a rotation in radians, as URDF and TF's tools take them.

    :param rotation: (3, 3) or (4, 4), parent_from_child
    """
    sine = max(-1.0, min(1.0, -float(rotation[2, 0])))
    if abs(sine) > 1.0 - 1e-12:
        # Roll and yaw turn about one axis: all of it counts as yaw.
        return 0.0, math.copysign(math.pi / 2.0, sine), math.atan2(-rotation[0, 1], rotation[1, 1])
    return (math.atan2(rotation[2, 1], rotation[2, 2]), math.asin(sine),
            math.atan2(rotation[1, 0], rotation[0, 0]))


def as_table(findings: Findings) -> str:
    """Return what was found, for people."""
    lines = [f'{findings.camera}: {findings.frames} images, {findings.points} tracks'
             + (f', {findings.pixel:.2f} px each' if findings.quantities else '')]
    if findings.quantities:
        lines.append(f'  {"":<7} {"found":>9} {"+-":>8}      {"start":>9} {"transform":>10}')
    for quantity in findings.quantities:
        unit, digits = _UNITS.get(quantity.name, _DEGREES)
        told = '-' if quantity.told is None else f'{quantity.told:.{digits}f}'
        found = f'{quantity.value:.{digits}f}' if quantity.is_determined else '?'
        lines.append(f'  {quantity.name:<7} {found:>9} {quantity.deviation:>8.{digits}f} '
                     f'{unit:<4} {quantity.start:>9.{digits}f} {told:>10}'
                     + ('' if quantity.is_determined else '  not determined'))
    lines += ['  ' + remark for remark in findings.remarks]
    return '\n'.join(lines)


def as_parameters(findings: Findings, camera: str = '', node: str = 'segformer') -> str:
    """
    Return a parameter file of the node with ``mount.*``.

    Angles are in the unit of these parameters, radians; the comments say degrees.

    :param camera: its name among ``cameras``; empty for the only one
    """
    mount, lines = findings.mount, []
    own = {quantity.name: quantity for quantity in findings.quantities}
    indent = '    '
    for name, value in _parameters(mount):
        quantity = own.get(name)
        note = ''
        if quantity is not None:
            unit, digits = _UNITS.get(name, _DEGREES)
            note = (f'  # {quantity.value:.{digits}f} +- {quantity.deviation:.{digits}f} {unit}'
                    if quantity.is_determined
                    else '  # not determined by the drive')
        lines.append(f'{indent}{camera + "." if camera else ""}mount.{name}: {value}{note}')
    said = [] if not camera else [
        f'# Of the camera {camera} of several: "cameras" of the node has to name it so.']
    return '\n'.join(said + [f'{node}:', '  ros__parameters:'] + lines) + '\n'


def as_transform(joint: Joint) -> str:
    """Return a line for the shell that publishes the transform."""
    x, y, z, roll, pitch, yaw = _numbers(joint)
    return (f'ros2 run tf2_ros static_transform_publisher --x {x} --y {y} --z {z} '
            f'--roll {roll} --pitch {pitch} --yaw {yaw} '
            f'--frame-id {joint.parent} --child-frame-id {joint.child}')


def as_urdf(joint: Joint) -> str:
    """Return the origin of the joint for a robot's description."""
    numbers = _numbers(joint)
    return (f'<!-- joint from {joint.parent} to {joint.child} -->\n'
            f'<origin xyz="{" ".join(numbers[:3])}" rpy="{" ".join(numbers[3:])}"/>')


def _numbers(joint: Joint) -> List[str]:
    place = [float(value) for value in joint.parent_from_child[:3, 3]]
    return [f'{value + 0.0:.5f}'
            for value in place + list(roll_pitch_yaw(joint.parent_from_child))]


def _parameters(mount: Mount) -> List[Tuple[str, str]]:
    rows = [('height', f'{mount.height:.4f}')]
    rows += [(name, f'{getattr(mount, name):.5f}')
             for name in ('pitch', 'roll', 'yaw')]
    return rows + [(name, f'{getattr(mount, name):.4f}') for name in ('x', 'y')]
