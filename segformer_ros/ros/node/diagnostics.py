# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What /diagnostics says: pure functions from figures to status entries."""

from typing import Dict, Optional, TYPE_CHECKING

from segformer_ros.common import errors
from segformer_ros.inference.selection import status as selection_status
from segformer_ros.ros.io import status as io_status
from segformer_ros.ros.io.statistics import CameraReport
from segformer_ros.ros.io.statistics import Percentiles
from segformer_ros.ros.parameters.node import NodeParameters

if TYPE_CHECKING:
    from segformer_ros.ros.node.live_segmenter import Serving
    from segformer_ros.ros.node.supervisor import WatchdogState


def node_status(state: io_status.NodeState) -> io_status.Status:
    """Return the entry of the node itself."""
    values = [('lifecycle state', state.lifecycle), ('enabled', _yes_no(state.enabled)),
              ('time', state.time_source)]
    if state.missing:
        values.append(('not published', state.missing))
    if state.trouble:
        return io_status.Status(errors.ERROR, 'node', state.trouble, values)
    if state.neighbours:
        return io_status.Status(errors.WARN, 'node', state.neighbours, values)
    if state.lifecycle == 'active' and not state.enabled:
        return io_status.Status(errors.OK, 'node', 'active, switched off by ~/enable', values)
    return io_status.Status(errors.OK, 'node', state.lifecycle, values)


def backend_status(serving: 'Optional[Serving]') -> io_status.Status:
    """Return the entry of the runtime; None while there is none."""
    if serving is None or not serving.backend.is_open:
        return io_status.Status(errors.OK, 'backend', 'none: not configured', [])
    info, status = serving.backend.info, serving.status
    values = [('backend', info.name), ('version', info.version), ('device', info.device),
              ('precision', info.precision), ('model', status.model), ('runs', info.model_path),
              ('why', status.why)]
    values += sorted(info.details.items())
    values.append(('asked for', status.requested))
    if status.engine is not None:
        values.append(('engine', status.engine))
    if status.check is not None:
        result = 'passed' if status.check.passed else 'failed'
        values.append(('self-check', f'{result}: {status.check}'))
    message = f'{info.name} {info.precision} on {info.device}'
    under_way = _progress(status)
    if under_way:
        values.append(('under way', under_way))
        message = f'{message}; {under_way}'
    if status.job is not None:
        values.append(('under way, detail', status.job.detail))
    if status.level != errors.OK:
        message = f'{message}: {status.why}'
    return io_status.Status(status.level, 'backend', message, values)


def _progress(status: selection_status.SelectionStatus) -> str:
    """Return what is being done for a better backend, or nothing."""
    if status.preparing:
        return f'optimizing the model for {status.preparing}'
    if status.job is None:
        return ''
    job = status.job
    steps = f', step {job.step} of {job.steps}' if job.steps else ''
    return f'{job.stage} the {job.precision} engine for {job.elapsed:.0f} s{steps}'


def watchdog_status(state: 'Optional[WatchdogState]') -> io_status.Status:
    """Return the entry of what looks after the backend; None while there is none."""
    if state is None:
        return io_status.Status(errors.OK, 'watchdog', 'none: not configured', [])
    values = [('backends replaced', str(state.replaced)),
              ('abandoned threads', str(state.abandoned)), ('fallback', _yes_no(state.fallback))]
    if state.last:
        values.append(('last fault', state.last))
    if state.trouble:
        return io_status.Status(errors.ERROR, 'watchdog', state.trouble, values)
    if state.fallback:
        return io_status.Status(errors.WARN, 'watchdog', 'the fallback serves: ' + state.last,
                                values)
    return io_status.Status(errors.OK, 'watchdog', 'the backend answers', values)


def camera_status(camera: str, report: CameraReport, state: io_status.NodeState,
                  parameters: NodeParameters, extra: Dict[str, str],
                  silence: str = '') -> io_status.Status:
    """
    Return the entry of one camera.

    :param extra: further facts, shown at the end
    :param silence: why no image comes, where that is known
    """
    name = f'camera {camera}' if camera else 'camera'
    values = _figures(report) + sorted(extra.items())
    if not state.serving:
        return io_status.Status(errors.OK, name, 'not serving', values)
    # A rate limit below one frame in warn_after is no fault.
    pause = 1.0 / parameters.max_rate if parameters.max_rate > 0 else 0.0
    if report.since_served > parameters.error_after + pause:
        level = errors.ERROR
    elif report.since_served > parameters.warn_after + pause:
        level = errors.WARN
    elif report.frozen:
        return io_status.Status(errors.WARN, name, report.frozen, values)
    elif report.erring:
        return io_status.Status(errors.WARN, name,
                                'last frame gave no mask: ' + report.last_error, values)
    else:
        return io_status.Status(errors.OK, name, f'{report.output_rate:.1f} Hz', values)
    cause = _cause(report, parameters, silence)
    return io_status.Status(
        level, name, f'no mask for {report.since_served:.1f} s: {cause}', values)


def _cause(report: CameraReport, parameters: NodeParameters, silence: str) -> str:
    if report.since_received is None:
        return 'no image was ever received; ' + (
            silence or 'check the topic name and that the camera publishes')
    if report.since_received > parameters.warn_after:
        return f'no image for {report.since_received:.1f} s' + (silence and '; ' + silence)
    if report.erring:
        return report.last_error
    return 'images come, the network has not finished one'


def _figures(report: CameraReport) -> io_status.Pairs:
    values = [
        ('input rate [Hz]', f'{report.input_rate:.2f}'),
        ('output rate [Hz]', f'{report.output_rate:.2f}'),
        ('received', str(report.received)),
        ('published', str(report.published)),
        ('dropped for newer ones', str(report.dropped)),
        ('rejected input', str(report.rejected)),
        ('failed', str(report.failed)),
        ('stamps that went back', str(report.stamps_back)),
        ('since last image [s]', _seconds(report.since_received)),
        ('since last mask [s]', _seconds(report.since_served)),
        ('input age [s]', _seconds(report.input_age)),
        ('latency [ms]', _milliseconds(report.latency)),
    ]
    values += [(f'{stage} [ms]', _milliseconds(found))
               for stage, found in report.stages.items()]
    if report.encoding:
        width, height = report.size_wh
        values.append(('image', f'{width} x {height} {report.encoding}'))
    if report.last_error:
        values.append(('last error', report.last_error))
    return values


def _seconds(value: Optional[float]) -> str:
    return 'unknown' if value is None else f'{value:.3f}'


def _milliseconds(found: Optional[Percentiles]) -> str:
    return 'unknown' if found is None else f'p50 {1e3 * found.p50:.1f}, p95 {1e3 * found.p95:.1f}'


def _yes_no(value: bool) -> str:
    return 'yes' if value else 'no'
