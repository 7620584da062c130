# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The document of one evaluation: what its JSON file holds and Markdown and HTML show.

Everything but its part ``performance`` is the same in every run on the same input.
"""

import json
from typing import Any, Dict, IO, Iterator, List, NamedTuple, Optional, Sequence

from segformer_ros.common import arrays
from segformer_ros.common import errors
from segformer_ros.evaluation.metrics import performance
from segformer_ros.evaluation.metrics.confusion import mean_of_known
from segformer_ros.evaluation.metrics.confusion import score
from segformer_ros.evaluation.metrics.grid_agreement import GridPicture
from segformer_ros.evaluation.metrics.height_agreement import RANGES
from segformer_ros.evaluation.metrics.label_map import LabelMap
from segformer_ros.evaluation.metrics.totals import Totals
from segformer_ros.evaluation.metrics.two_value_labels import refuse_two_values
from segformer_ros.evaluation.run import records
from segformer_ros.evaluation.run.job import Job
from segformer_ros.evaluation.run.job import Outcome
from segformer_ros.evaluation.run.worst_frames import worst_of
from segformer_ros.evaluation.run.worst_frames import WorstFrame
from segformer_ros.evaluation.sources.frames import Inputs
from segformer_ros.model.spec import ModelSpec

# Raised when a reader of older reports would be misled.
FORMAT = 1

# What the masks were compared with.
LABELS = 'labels'
REFERENCE = 'reference'
NOTHING = 'nothing'
# The one part that differs from run to run stands last.
VARYING = 'performance'


class Report(NamedTuple):
    """
    A finished evaluation.

    ``document`` holds plain values. ``records_paths`` has the records of each source's frames,
    ``timings`` their (F, 4) seconds and ``quality`` (F,) the share of right pixels, or the mean
    confidence without labels. ``worst`` and ``grids`` are the pictures.
    """

    document: Dict[str, Any]
    records_paths: List[str]
    timings: arrays.Float64
    quality: arrays.Float64
    worst: List[WorstFrame]
    grids: Sequence[GridPicture] = ()


def build_report(job: Job, inputs: Inputs, outcomes: Sequence[Outcome], label_map: LabelMap,
                 spec: ModelSpec, against: str, wall_seconds: float, workers: int,
                 date: str) -> Report:
    """
    Put together what was counted.

    :param job: what was done
    :param inputs: what was found
    :param outcomes: by source, at least one
    :param label_map: of the job
    :param spec: of its network
    :param against: LABELS, REFERENCE or NOTHING
    :param wall_seconds: of the whole evaluation
    :param workers: processes that worked
    :param date: of the run, for people
    :raises InvalidInputError: the labels are masks of 0 and 255
    """
    total = Totals(len(label_map.truth), job.run.with_boundary)
    for item in inputs.left_out:
        total.leave_out(item)
    for outcome in outcomes:
        total.merge(outcome.result.totals)
    worst = worst_of([outcome.result.worst for outcome in outcomes], job.run.worst)
    paths = [outcome.result.records_path for outcome in outcomes]
    timings, quality = records.read_series(paths)
    compared = against != NOTHING and total.labelled_frames > 0
    if compared and against == LABELS:
        refuse_two_values(total.confusion.class_counts(), total.ignored_pixels, label_map, spec)
    document: Dict[str, Any] = {
        'format': FORMAT,
        'network': _without_details(outcomes[0].network),
        'reference': _without_details(outcomes[0].reference),
        'against': against,
        'mapping': label_map.name,
        'classes': list(label_map.truth.names),
        'colors': label_map.truth.colors.tolist(),
        'rotate': job.run.rotate,
        'frames': total.frames,
        'labelled_frames': total.labelled_frames,
        'inputs': [_input(outcome, bool(job.costmap)) for outcome in outcomes],
        'left_out': _left_out(total),
        'ignored_share': records.rounded(_ignored_share(total)) if compared else None,
        'notes': list(inputs.notes) + _notes_on_labels(total, label_map, compared, against),
        'figures': _figures(total, compared),
        'by_class': _by_class(total, label_map) if compared else [],
        'confusion': total.confusion.to_rows() if compared else [],
        'calibration': _calibration(total) if compared else None,
        'costmap': _costmap(total) if job.costmap else None,
        'worst': [{'source': frame.source, 'position': frame.position, 'name': frame.name,
                   'score': records.rounded(frame.score)} for frame in worst],
        'performance': _performance(outcomes, timings, wall_seconds, workers, date),
    }
    grids = [picture for outcome in outcomes
             for picture in outcome.result.totals.grids.pictures]
    return Report(document, paths, timings, quality, worst, grids)


def _ignored_share(total: Totals) -> float:
    return total.ignored_pixels / total.label_pixels if total.label_pixels else float('nan')


def _notes_on_labels(total: Totals, label_map: LabelMap, compared: bool,
                     against: str) -> List[str]:
    if not compared or against != LABELS or not total.ignored_pixels:
        return []
    return [f'Labels: {_ignored_share(total):.1%} of the labelled pixels are left out, by '
            f'mapping {label_map.name}.']


def _without_details(facts: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    # Threads and the like change the speed alone, and from one machine to the next.
    return facts and {key: value for key, value in facts.items() if key != 'details'}


def _input(outcome: Outcome, with_costmap: bool) -> Dict[str, Any]:
    result = outcome.result
    figures = score(result.totals.confusion.class_counts())
    return {'name': result.name, 'consecutive': result.consecutive,
            'frames': result.totals.frames, 'labelled_frames': result.totals.labelled_frames,
            'left_out': sum(result.totals.left_out_frames.values()),
            'pixel_accuracy': records.rounded(figures.pixel_accuracy),
            'mean_iou': records.rounded(figures.mean_iou),
            'costmap': _costmap(result.totals) if with_costmap else None}


def _left_out(total: Totals) -> Dict[str, Any]:
    return {'frames': sum(total.left_out_frames.values()),
            'inputs_of_unknown_loss': total.unknown_losses,
            'by_reason': dict(sorted(total.left_out_frames.items())),
            'listed': [{'name': item.name, 'reason': item.reason, 'message': item.message,
                        'frames': item.frames} for item in total.left_out_listed]}


def _figures(total: Totals, compared: bool) -> Dict[str, Optional[float]]:
    changed = records.rounded(total.consistency.changed_share())
    figures: Dict[str, Optional[float]] = {'flicker': changed}
    if total.grids.heights:
        # Of the widest range, which holds the others.
        shares = total.grids.heights[-1].shares()
        figures.update({
            'grid_obstacles_found': records.rounded(shares['marked_2']),
            'grid_marks_justified': records.rounded(shares['justified_2']),
            'grid_ground_free': records.rounded(shares['ground_free']),
            'grid_ground_blocked': records.rounded(shares['ground_blocked']),
            'grid_obstacles_free': records.rounded(shares['standing_free'])})
    if total.grids.compared:
        agreement = total.grids.agreement
        figures.update({
            'grid_agreement': records.rounded(agreement.agreement()),
            'grid_recall': records.rounded(agreement.recall()),
            'grid_precision': records.rounded(agreement.precision()),
            'grid_cost_error': None if total.grids.heights
            else records.rounded(agreement.mean_cost_error())})
    if not compared:
        return figures
    scores = score(total.confusion.class_counts())
    figures.update({
        'mean_iou': records.rounded(scores.mean_iou),
        'pixel_accuracy': records.rounded(scores.pixel_accuracy),
        'mean_accuracy': records.rounded(scores.mean_accuracy),
        'frequency_weighted_iou': records.rounded(scores.frequency_weighted_iou),
        'mean_boundary_iou': None if total.boundary is None else records.rounded(
            mean_of_known(total.boundary.iou())),
        'calibration_error': records.rounded(total.confidence.expected_error()),
        'steady_flicker': records.rounded(total.consistency.steady_changed_share())
    })
    return figures


def _by_class(total: Totals, label_map: LabelMap) -> List[Dict[str, Any]]:
    counts = total.confusion.class_counts()
    scores = score(counts)
    outline = None if total.boundary is None else total.boundary.iou()
    return [{'name': name, 'iou': records.rounded(scores.iou[i]),
             'boundary_iou': None if outline is None else records.rounded(outline[i]),
             'accuracy': records.rounded(scores.accuracy[i]),
             'precision': records.rounded(scores.precision[i]),
             'truth_pixels': int(counts.truth[i]), 'predicted_pixels': int(counts.predicted[i])}
            for i, name in enumerate(label_map.truth.names)]


def _calibration(total: Totals) -> Dict[str, Any]:
    rows = total.confidence.reliability()
    return {'pixels': [int(value) for value in rows.pixels],
            'confidence': [records.rounded(value) for value in rows.confidence],
            'accuracy': [records.rounded(value) for value in rows.accuracy]}


def _costmap(total: Totals) -> Dict[str, Any]:
    grids = total.grids
    return {'grids': grids.grids, 'without': grids.missing, 'compared': grids.compared,
            'first_problem': grids.first_problem, 'first_gap': grids.first_gap,
            'depth_refused': grids.depth_refused, 'first_refusal': grids.first_refusal,
            'cells': grids.agreement._asdict(),
            'agreement': records.rounded(grids.agreement.agreement()),
            'heights': [dict(counts._asdict(), range=limit, shares={
                name: records.rounded(share) for name, share in counts.shares().items()})
                for limit, counts in zip(RANGES, grids.heights)]}


def _performance(outcomes: Sequence[Outcome], timings: arrays.Float64,
                 wall_seconds: float, workers: int, date: str) -> Dict[str, Any]:
    usage = performance.add_usages([outcome.result.usage for outcome in outcomes])
    latency = performance.latency_table(timings)
    frames = len(timings)
    return {
        'date': date,
        'machine': performance.machine_description(),
        'backend': outcomes[0].network['details'],
        'workers': workers,
        'latency_ms': latency,
        # Of one camera served by one process, as the live node does it.
        'frames_per_second': round(1000.0 / latency[performance.TOTAL]['mean'], 2)
        if latency else None,
        'wall_seconds': round(wall_seconds, 3),
        'cpu_seconds': round(usage.cpu_seconds, 3),
        'cpu_seconds_per_frame': round(usage.cpu_seconds / frames, 4) if frames else None,
        'peak_memory_mb': round(usage.peak_bytes / 1e6, 1),
    }


def write_json(report: Report, path: str) -> None:
    """
    Write the report; frames are streamed, so that their number does not matter.

    Files of two runs on the same input are equal up to the line ``"performance"``.

    :param report: finished
    :param path: is overwritten
    """
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write('{\n')
        for key, value in report.document.items():
            if key != VARYING:
                stream.write(f'{json.dumps(key)}: {_value(value)},\n')
        stream.write('"per_frame": [\n')
        _write_lines(stream, _frame_lines(report))
        stream.write(f'],\n"{VARYING}": {_value(report.document[VARYING])},\n')
        stages = json.dumps(list(performance.STAGES))
        stream.write(f'"timings_seconds": {{"stages": {stages}, "per_frame": [\n')
        _write_lines(stream, (records.compact_json([round(float(t), 6) for t in row])
                              for row in report.timings))
        stream.write(']}\n}\n')


def read_json(path: str) -> Dict[str, Any]:
    """
    Read a report.

    :param path: as :func:`write_json` wrote it
    :return: the document, with ``per_frame`` and ``timings_seconds``
    :raises ConfigurationError: unreadable, no report, or of another version
    """
    try:
        with open(path, encoding='utf-8') as stream:
            document = json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        raise errors.ConfigurationError('Report cannot be read', got=f'{path} ({error})',
                                        expected='a report.json of evaluate') from error
    found = document.get('format') if isinstance(document, dict) else None
    if found != FORMAT or 'per_frame' not in document:
        raise errors.ConfigurationError('Not a report of this version',
                                        got=f'{path} (format {found})',
                                        expected=f'format {FORMAT}',
                                        remedy='Evaluate again with this version.')
    result: Dict[str, Any] = document
    return result


def _value(value: Any) -> str:
    """Return JSON with one line for every entry of a list of lists or mappings."""
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        lines = ',\n'.join(records.compact_json(entry) for entry in value)
        return f'[\n{lines}]'
    return records.compact_json(value)


def _frame_lines(report: Report) -> Iterator[str]:
    for number, path in enumerate(report.records_paths):
        for record in records.read_records(path):
            yield records.compact_json(dict(record.facts, input=number))


def _write_lines(stream: IO[str], lines: Iterator[str]) -> None:
    pending: List[str] = []
    for line in lines:
        if pending:
            stream.write(pending.pop() + ',\n')
        pending.append(line)
    stream.write(''.join(line + '\n' for line in pending))
