# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a measured run of the node says: figures, and what was aimed at."""

from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.performance import percentile_ms

# What the package wants to reach with SegFormer-B0 at 512 x 512 and images of 640 x 480.
LATENCY_GOAL = 1.15
IDLE_GOAL = 0.02
SHARE_GOAL = 0.1
AGE_GOAL = 1.2
# A median run of the bare network this much above the fastest one: others held the cores.
DISTURBED = 1.3
ANSWER_GOAL_MS = 50.0


class NodeRun(NamedTuple):
    """
    A steady drive of the node.

    ``rate`` is each camera's, Hz; ``masks`` holds camera, stamp and arrival of each mask,
    seconds of one clock; ``last`` camera and stamp of images after which a camera stopped, so
    that none superseded them however long they waited; ``answers`` seconds that each answer to
    ``get_parameters`` took; ``received``, ``published`` and ``superseded`` are the node's own
    counts; ``network`` seconds of bare runs; ``cpu`` the node's processor seconds meanwhile,
    ``idle`` its share of a core without images; ``page_faults`` minor ones meanwhile.
    """

    cameras: Sequence[str]
    rate: float
    sent: int
    masks: Sequence[Tuple[str, float, float]]
    last: Sequence[Tuple[str, float]]
    answers: Sequence[float]
    received: int
    published: int
    superseded: int
    network: Sequence[float]
    cpu: float
    idle: float
    page_faults: int
    first_mask: float
    peak_mb: float

    @property
    def network_ms(self) -> float:
        """Return the median of the bare runs."""
        return percentile_ms(self.network, 50)

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the time from stamp to arrival."""
        return percentile_ms([received - stamp for _, stamp, received in self.masks], percent)

    def age_ms(self, percent: float) -> float:
        """Return a percentile of the same, of images that another one followed."""
        last = frozenset(self.last)
        return percentile_ms([received - stamp for camera, stamp, received in self.masks
                              if (camera, stamp) not in last], percent)

    def masks_of_each(self) -> List[int]:
        """Return the masks of each camera, in their order."""
        served = [camera for camera, _, _ in self.masks]
        return [served.count(camera) for camera in self.cameras]


def figures(run: NodeRun) -> Dict[str, str]:
    """
    Return the figures as text by name.

    :raises InvalidInputError: no mask came
    """
    if not run.masks:
        raise InvalidInputError('No mask came', got=f'{run.sent} images sent')
    result = {
        'network alone': f'{run.network_ms:.2f} ms', 'network alone p95 / max':
            f'{percentile_ms(run.network, 95):.1f} / '
            f'{percentile_ms(run.network, 100):.1f} ms of '
            f'{len(run.network)} runs', 'latency p50 / p95 / max':
                '{:.1f} / {:.1f} / {:.1f} ms'.format(*map(run.latency_ms, (50, 95, 100))),
        'latency p50 / network': f'{run.latency_ms(50) / run.network_ms:.2f}',
        'fastest latency, fastest network': f'{run.latency_ms(0):.1f}, '
                                            f'{percentile_ms(run.network, 0):.1f} ms',
        'images sent, masks': f'{run.sent}, {len(run.masks)}', 'superseded': str(run.superseded),
        'lost on the way to the node': str(run.sent - run.received),
        'lost inside': str(run.received - run.published - run.superseded),
        'processor time a mask': f'{1e3 * run.cpu / len(run.masks):.0f} ms',
        'page faults a mask': f'{run.page_faults / len(run.masks):.0f}',
        'idle processor': f'{run.idle:.2%} of a core',
        'get_parameters p95': f'{percentile_ms(run.answers, 95):.1f} ms of {len(run.answers)} '
                              'answers' if run.answers else 'no answer',
        'process start to first mask': f'{run.first_mask:.2f} s',
        'peak memory of the process': f'{run.peak_mb:.0f} MB'
    }
    if len(run.cameras) > 1:
        result['masks of each camera'] = ', '.join(str(count) for count in run.masks_of_each())
    return result


def goals(run: NodeRun) -> List[Tuple[str, float, float]]:
    """
    Return what was aimed at: a sentence, the limit and the measured value.

    With one camera latency is the goal: that of the network and a little, and where images
    come faster than the network runs half a period more. With several it is fairness and the
    age of every mask: each waits for the others' turns at most, or for its next image. Images
    that no next one follows are left out there.
    """
    network, period = run.network_ms, 1e3 / run.rate
    rows: List[Tuple[str, float, float]] = [
        ('images lost other than superseded', 0.0,
         float(run.sent - run.published - run.superseded)),
        ('idle processor, % of a core', 100 * IDLE_GOAL, 100 * run.idle),
        ('get_parameters p95, ms', ANSWER_GOAL_MS,
         percentile_ms(run.answers, 95) if run.answers else float('inf'))]
    if len(run.cameras) == 1:
        saturated = network > period
        limit = LATENCY_GOAL * network + (period / 2 if saturated else 0.0)
        half = ' and half a period' if saturated else ''
        rows.append((f'latency p50, ms: {LATENCY_GOAL} networks{half}', limit, run.latency_ms(50)))
    else:
        counts = run.masks_of_each()
        mean = sum(counts) / len(counts)
        rows.append(('largest deviation from an equal share, %', 100 * SHARE_GOAL,
                     100 * max(abs(count - mean) for count in counts) / mean))
        limit = min(period, len(run.cameras) * network) + AGE_GOAL * network
        rows += [('age of the oldest mask, ms', limit, run.age_ms(100)),
                 ('age p95, ms', limit, run.age_ms(95))]
    return rows


def to_json(name: str, run: NodeRun) -> Dict[str, Any]:
    """
    Return name, figures and goals of a run for the report, and how far it was disturbed.

    ``slowdown`` is that of the bare network's median beside its fastest run, None if it ran
    undisturbed.

    :raises InvalidInputError: no mask came
    """
    slowdown = run.network_ms / percentile_ms(run.network, 0)
    return {'name': name, 'figures': figures(run), 'goals': goals(run),
            'slowdown': slowdown if slowdown > DISTURBED else None}
