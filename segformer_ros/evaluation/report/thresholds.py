# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bounds on figures, so that a pipeline can refuse a model that is worse."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.strict_yaml import nearest_text
from segformer_ros.evaluation.metrics.performance import PERCENTILES
from segformer_ros.evaluation.metrics.performance import TOTAL

IOU_OF_CLASS = 'iou:'

# Short names of figures: where they stand in a document.
Figures = Mapping[str, Tuple[str, ...]]

FIGURES: Dict[str, Tuple[str, ...]] = {
    'miou': ('figures', 'mean_iou'), 'accuracy': ('figures', 'pixel_accuracy'),
    'mean_accuracy': ('figures', 'mean_accuracy'), 'fwiou': ('figures', 'frequency_weighted_iou'),
    'boundary_iou': ('figures', 'mean_boundary_iou'), 'calibration_error':
        ('figures', 'calibration_error'), 'flicker': ('figures', 'flicker'), 'steady_flicker':
            ('figures', 'steady_flicker'), 'left_out': ('left_out', 'frames'), 'grid_agreement':
                ('figures', 'grid_agreement'), 'grid_recall': ('figures', 'grid_recall'),
    'grid_precision': ('figures', 'grid_precision'), 'grid_obstacles_found':
        ('figures', 'grid_obstacles_found'), 'grid_marks_justified':
            ('figures', 'grid_marks_justified'), 'grid_ground_free':
                ('figures', 'grid_ground_free'), 'grid_ground_blocked':
                    ('figures', 'grid_ground_blocked'), 'grid_obstacles_free':
                        ('figures', 'grid_obstacles_free'), 'frames': ('frames', ), 'fps':
        ('performance', 'frames_per_second'), 'memory_mb': ('performance', 'peak_memory_mb')
}
_LATENCIES = {f'latency_p{percent}_ms': ('performance', 'latency_ms', TOTAL, f'p{percent}')
              for percent in PERCENTILES}
FIGURES.update(_LATENCIES)

# Figures of which less is better.
LESS_IS_BETTER = frozenset({'calibration_error', 'flicker', 'steady_flicker', 'left_out',
                            'memory_mb', 'grid_ground_blocked',
                            'grid_obstacles_free'}.union(_LATENCIES))


class Bound(NamedTuple):
    """A figure and its limit."""

    name: str
    limit: float


def parse_bound(text: str, default_name: Optional[str] = None, known: Figures = FIGURES) -> Bound:
    """
    Read ``name=number``.

    :param text: such as ``miou=0.35`` or ``iou:road=0.7``
    :param default_name: what a number alone means; None: an error
    :param known: figures that there are
    :raises ConfigurationError: no such figure, or not a number
    """
    name, equals, limit = text.rpartition('=')
    if not equals and default_name is not None:
        name, limit = default_name, text
    has_classes = known is FIGURES
    if name not in known and not (has_classes and name.startswith(IOU_OF_CLASS)):
        raise ConfigurationError(
            'Unknown figure', got=repr(name or text), expected='NAME=NUMBER with one of ' +
            ', '.join(sorted(known) + ['iou:CLASS'] * has_classes),
            remedy=nearest_text(name, known))
    try:
        return Bound(name, float(limit))
    except ValueError as error:
        raise ConfigurationError('Not a number', got=repr(text),
                                 expected=f'for example {name}=0.35') from error


def figure_of(document: Dict[str, Any], name: str, known: Figures = FIGURES) -> Optional[float]:
    """
    Return a figure of a report, None where it has no value.

    :param document: of a report
    :param name: a key of ``known``, or ``iou:CLASS``
    :param known: figures that there are
    :raises ConfigurationError: no such class in the report
    """
    if name.startswith(IOU_OF_CLASS):
        wanted = name[len(IOU_OF_CLASS):]
        for entry in document['by_class']:
            if entry['name'] == wanted:
                return None if entry['iou'] is None else float(entry['iou'])
        raise ConfigurationError('No such class in the report', got=repr(wanted),
                                 expected='one of ' + ', '.join(document['classes']))
    value: Any = document
    for key in known[name]:
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None else float(value)


def failures(document: Dict[str, Any], at_least: List[Bound], at_most: List[Bound],
             known: Figures = FIGURES) -> List[str]:
    """
    Return a sentence for every bound that does not hold; a figure without a value fails.

    :param document: of a report
    :param at_least: lower limits, which may be met exactly
    :param at_most: upper limits, likewise
    :param known: figures that there are
    """
    found = []
    for bounds, sign, word in ((at_least, 1, 'below'), (at_most, -1, 'above')):
        for bound in bounds:
            value = figure_of(document, bound.name, known)
            if value is None:
                found.append(f'{bound.name} has no value')
            elif sign * value < sign * bound.limit:
                found.append(f'{bound.name} is {value:g}, {word} {bound.limit:g}')
    return found
