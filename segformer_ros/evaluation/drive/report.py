# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a drive tells at its end: figures as JSON and as a page."""

from typing import Any, Dict, List, NamedTuple, Sequence

from segformer_ros.common.time import percentile
from segformer_ros.evaluation.drive import judge


class Costs(NamedTuple):
    """
    What a drive took.

    ``simulated`` and ``wall`` seconds; ``processor`` seconds by process; ``latencies`` seconds
    from an image's stamp to its clouds, of simulated time.
    """

    simulated: float
    wall: float
    processor: Dict[str, float]
    latencies: Sequence[float]


def summary(world: str, seed: int, model: str, goals: List[judge.GoalFigures], costs: Costs
            ) -> Dict[str, Any]:
    """Return all figures of a drive, ready for JSON."""
    ratios = [ratio for ratio in map(judge.path_ratio, goals) if ratio is not None]
    latencies = sorted(costs.latencies)
    return {
        'world': world, 'seed': seed, 'model': model,
        'goals': len(goals), 'reached': sum(goal.reached for goal in goals),
        'contacts': sum(goal.contacts for goal in goals),
        'stops_without_cause': sum(goal.stops for goal in goals),
        'least_clearance': _rounded(min((goal.clearance for goal in goals), default=None)),
        'length': _rounded(sum(goal.length for goal in goals)),
        'worst_path_ratio': _rounded(max(ratios, default=None)),
        'simulated_seconds': _rounded(costs.simulated), 'wall_seconds': _rounded(costs.wall),
        'real_time_factor': _rounded(costs.simulated / costs.wall if costs.wall else None),
        'image_to_costmap': {
            'p50': _rounded(percentile(latencies, 0.50)) if latencies else None,
            'p95': _rounded(percentile(latencies, 0.95)) if latencies else None},
        'processor_seconds': {name: _rounded(value) for name, value in costs.processor.items()},
        'by_goal': [goal.as_json() for goal in goals]}


def page(figures: Dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [
        '# Drive', '',
        f'World `{figures["world"]}`, seed {figures["seed"]}, model `{figures["model"]}`. '
        f'{figures["reached"]} of {figures["goals"]} goals reached, {figures["contacts"]} '
        f'contacts, {figures["stops_without_cause"]} stops without cause, least clearance '
        f'{_text(figures["least_clearance"])} m, way at most '
        f'{_text(figures["worst_path_ratio"])} times the best on the true map.', '',
        '| goal | reached | time | length | best | clearance | contacts | stops |',
        '|---|---|---|---|---|---|---|---|']
    lines += ['| {x:.1f}, {y:.1f} | {} | {seconds:.1f} s | {length:.1f} m | {} m | '
              '{clearance:.2f} m | {contacts} | {stops} |'.format(
                  'yes' if goal['reached'] else 'no', _text(goal['best']), **goal)
              for goal in figures['by_goal']]
    latency = figures['image_to_costmap']
    lines += ['', f'{figures["simulated_seconds"]} simulated seconds in '
              f'{figures["wall_seconds"]} s: real-time factor {figures["real_time_factor"]}. '
              f'Image to costmap {_text(latency["p50"])} s (p50), {_text(latency["p95"])} s (p95) '
              'of simulated time.', '', 'Processor time: ' + ', '.join(
                  f'{name} {value} s' for name, value in figures['processor_seconds'].items())
              + '.', '']
    return '\n'.join(lines)


def _rounded(value: Any) -> Any:
    return None if value is None else round(float(value), 3)


def _text(value: Any) -> str:
    return '-' if value is None else f'{value:.2f}'
