# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What /diagnostics says about the costmap: a pure function from figures to an entry."""

from types import MappingProxyType
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from segformer_ros.common import errors
from segformer_ros.ros.io import status
from segformer_ros.ros.io.statistics import CameraReport
from segformer_ros.ros.parameters.node import NodeParameters

NAME = 'costmap'
# Grids may come this much slower than asked for before it is worth a word.
_LEAST_RATE = 0.7


class CostmapState(NamedTuple):
    """
    The costmap at one moment.

    ``reports`` by camera: what became of its masks. ``grid_rate``: per second; None until it can
    be told. ``known``: share of the cells, 0..1. ``oldest``: seconds, age of the stalest known
    cell. ``jumps``: times that the clock went back. ``ground_frame``: the one in use.
    ``clock_fault``: what is wrong with simulated time, or nothing. ``depth_refusals`` by camera:
    why its newest depth image was not used. ``imu_fault``: why the IMU was not used for the newest
    image, or nothing. ``imu``: what is told of it. ``mount_faults`` and ``mounts``: likewise of
    the watch on mounts.
    """

    reports: Dict[str, CameraReport]
    grid_rate: Optional[float]
    known: float
    oldest: float
    jumps: int
    transforms: str
    profile: str
    ground_frame: str
    clock_fault: str = ''
    depth_refusals: Mapping[str, str] = MappingProxyType({})
    imu_fault: str = ''
    imu: Tuple[Tuple[str, str], ...] = ()
    mount_faults: Tuple[str, ...] = ()
    mounts: Tuple[Tuple[str, str], ...] = ()


def costmap_status(costmap: Optional[CostmapState], trouble: str, state: status.NodeState,
                   parameters: NodeParameters) -> status.Status:
    """
    Return the entry of the costmap.

    :param costmap: None where there is none
    :param trouble: why there is none, though it was asked for
    """
    if trouble:
        return status.Status(errors.ERROR, NAME, 'off: ' + trouble, [])
    if not parameters.costmap.costmap:
        return status.Status(errors.OK, NAME, 'off, as the parameter costmap says', [])
    if costmap is None:
        return status.Status(errors.OK, NAME, 'none: not configured', [])
    values = _figures(costmap, parameters)
    if not state.serving:
        return status.Status(errors.OK, NAME, 'not serving', values)
    faults = [fault for fault in (
        _fault(camera, report, parameters) for camera, report in costmap.reports.items()
        if not (costmap.clock_fault and _is_of_the_clock(report, costmap.clock_fault)))
        if fault is not None]
    if costmap.clock_fault:
        faults.insert(0, (errors.WARN, costmap.clock_fault))
    faults += [(errors.WARN, f'{camera + ": " if camera else ""}depth is left out: {reason}')
               for camera, reason in costmap.depth_refusals.items()]
    if costmap.imu_fault:
        faults.append((errors.WARN, 'the IMU is not used, and the ground is taken to be level '
                       f'with the robot: {costmap.imu_fault}'))
    faults += [(errors.WARN, fault) for fault in costmap.mount_faults]
    asked = parameters.costmap.costmap_rate
    if costmap.grid_rate is not None and costmap.grid_rate < _LEAST_RATE * asked:
        faults.append(
            (errors.WARN, f'{costmap.grid_rate:.1f} grids per second instead of {asked:.1f}'))
    if faults:
        return status.Status(max(level for level, _ in faults), NAME,
                             '; '.join(text for _, text in faults), values)
    return status.Status(errors.OK, NAME, f'{100.0 * costmap.known:.0f} % of the cells known',
                         values)


def _is_of_the_clock(report: CameraReport, clock_fault: str) -> bool:
    """Return whether a clock that does not run is all that keeps a camera's masks out."""
    return not report.frozen and (not report.erring or clock_fault in report.last_error)


def _fault(camera: str, report: CameraReport, parameters: NodeParameters
           ) -> Optional[Tuple[int, str]]:
    prefix = camera + ': ' if camera else ''
    pause = 1.0 / parameters.max_rate if parameters.max_rate > 0 else 0.0
    silence = report.since_served - pause
    if silence > parameters.warn_after:
        # A frozen stamp is what keeps each mask out, whatever is said of the last one.
        cause = report.frozen or (report.last_error if report.erring else 'no mask comes')
        return (errors.ERROR if silence > parameters.error_after else errors.WARN,
                f'{prefix}nothing new for {report.since_served:.1f} s: {cause}')
    if report.frozen:
        return errors.WARN, prefix + report.frozen
    if report.erring:
        return errors.WARN, f'{prefix}last mask was of no use: {report.last_error}'
    fading = parameters.costmap.settings.fusion.dynamic_decay_time
    if report.input_age is not None and report.input_age > fading:
        return errors.WARN, (
            f'{prefix}masks come {report.input_age:.1f} s after their images, and what moves has '
            f'faded by then: raise fusion.dynamic_decay_time above {fading} s')
    return None


def _figures(costmap: CostmapState, parameters: NodeParameters) -> List[Tuple[str, str]]:
    values = [
        ('grid rate [Hz]', 'unknown' if costmap.grid_rate is None else f'{costmap.grid_rate:.2f}'),
        ('known cells [%]', f'{100.0 * costmap.known:.1f}'),
        ('oldest known cell [s]', f'{costmap.oldest:.2f}'),
        ('clock went back', str(costmap.jumps)),
        ('transforms', costmap.transforms),
        ('frames', f'{costmap.ground_frame} in {parameters.costmap.odom_frame}'),
        ('cost profile', costmap.profile),
    ]
    values += costmap.imu + costmap.mounts
    for camera, report in costmap.reports.items():
        prefix = camera + ': ' if camera else ''
        values += [
            (prefix + 'mask age [s]',
             'unknown' if report.input_age is None else f'{report.input_age:.2f}'),
            (prefix + 'masks used', str(report.published)),
            (prefix + 'masks dropped for newer ones', str(report.dropped)),
            (prefix + 'masks of no use', str(report.failed + report.rejected)),
        ]
        values += [(f'{prefix}{stage} [ms]',
                    f'p50 {1e3 * found.p50:.1f}, p95 {1e3 * found.p95:.1f}')
                   for stage, found in report.stages.items()]
        if report.last_error:
            values.append((prefix + 'last error', report.last_error))
    return values


def notes(parameters: NodeParameters) -> List[str]:
    """Return what the log says at the start of what else would be found out late."""
    costmap = parameters.costmap
    found = [f"{camera.name + ': ' if camera.name else ''}mount from parameters, "
             f'{camera.mount_height} m high; TF of the camera is not used.'
             for camera in parameters.cameras if camera.mount_height > 0.0]
    if not costmap.has_odometry:
        found.append(f'No odometry: each image stands for itself in {costmap.odom_frame}.')
    if costmap.frames.is_nadir and (costmap.imu_topic or costmap.mount_watch_enabled):
        found.append('imu.topic and mount_watch do nothing with projection.mode: overhead.')
    if costmap.mount_watch_apply and not costmap.mount_watch_enabled:
        found.append('mount_watch.apply does nothing without mount_watch.enabled: true.')
    return found
