# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One whole evaluation: find the inputs, run them, build the report."""

import datetime
import logging
import time
from typing import Callable, Dict, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common.errors import InvalidInputError
from segformer_ros.evaluation.metrics.grid_agreement import GridCounts
from segformer_ros.evaluation.report import document
from segformer_ros.evaluation.report import format as report_format
from segformer_ros.evaluation.run import job as run_job
from segformer_ros.evaluation.run.parallel import Parallel
from segformer_ros.evaluation.run.parallel import run_sources
from segformer_ros.evaluation.sources.bag_source import RecordedSource
from segformer_ros.evaluation.sources.frames import FrameSource
from segformer_ros.evaluation.sources.inputs import find_inputs
from segformer_ros.evaluation.sources.inputs import InputOptions
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.weights.resolve import resolve_model

# Called with the frames done so far and the expected number of all, None if not known.
OnProgress = Callable[[int, Optional[int]], None]


_log = logging.getLogger(__name__)


class NoFramesError(InvalidInputError):
    """All frames were left out."""


class Request(NamedTuple):
    """
    What to evaluate.

    ``against`` is LABELS, REFERENCE (labels are masks of an earlier run, or the job has a
    reference network) or NOTHING. ``notes`` are remarks for the report.
    """

    paths: Tuple[str, ...]
    inputs: InputOptions
    job: run_job.Job
    parallel: Parallel
    against: str
    notes: Tuple[str, ...] = ()


def evaluate(request: Request, folder: str,
             on_progress: OnProgress = lambda done, total: None) -> document.Report:
    """
    Run every frame of every input.

    :param request: what to evaluate
    :param folder: for working files, which the report reads until it is written
    :param on_progress: told how far it is
    :return: the report
    :raises ConfigurationError: a path, topic, mapping or setting cannot be used
    :raises NoFramesError: all frames were left out; the message says why
    :raises InvalidInputError: there are none, or no input could be read
    :raises SegformerRosError: the network cannot be opened or failed
    """
    started = time.perf_counter()
    job = request.job
    # Mistakes that concern every frame are told before the first one is read.
    spec = resolve_model(job.network.model, job.network.spec_path).spec
    label_map = run_job.find_label_map(job.mapping, load_class_table(spec.classes))
    inputs = find_inputs(request.paths, request.inputs)
    if not inputs.sources:
        # Whole sentences, each with what was got.
        raise InvalidInputError('No input could be read',
                                remedy=' '.join(item.message for item in inputs.left_out))
    inputs = inputs._replace(notes=list(request.notes) + list(inputs.notes))
    expected = [source.expected_frames() for source in inputs.sources]
    total = None if None in expected else sum(frames or 0 for frames in expected)
    done = [0]

    def on_frames(frames: int) -> None:
        done[0] += frames
        on_progress(done[0], total)

    on_progress(0, total)
    outcomes = run_sources(job, inputs.sources, folder, request.parallel, on_frames)
    workers = min(request.parallel.workers, len(inputs.sources))
    date = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC')
    report = document.build_report(job, inputs, outcomes, label_map, spec, request.against,
                                   time.perf_counter() - started, workers, date)
    if not report.document['frames']:
        left_out = report.document['left_out']
        first = left_out['listed'][0]['message'] if left_out['listed'] else 'no images at all'
        kind = NoFramesError if left_out['frames'] else InvalidInputError
        raise kind('No frame could be evaluated', got=f"{left_out['frames']} left out",
                   remedy=f'The first: {first}')
    for entry in report.document['inputs']:
        refusal = report_format.refusal_text(entry['costmap']) if entry['costmap'] else ''
        if refusal:
            _log.warning('%s: %s', entry['name'], refusal)
    if job.costmap and job.costmap.compares:
        _refuse_empty_comparisons(inputs.sources, outcomes)
    return report


def _refuse_empty_comparisons(sources: Sequence[FrameSource],
                              outcomes: Sequence[run_job.Outcome]) -> None:
    """Raise where no grid of a recording could be compared, whatever the others gave."""
    recordings: Dict[str, GridCounts] = {}
    for source, outcome in zip(sources, outcomes):
        # Photos have no grids.
        if not isinstance(source, RecordedSource):
            continue
        recordings.setdefault(source.group, GridCounts()).merge(outcome.result.totals.grids)
    for name, found in recordings.items():
        if not found.compared:
            raise InvalidInputError(
                f'No grid of {name} could be compared with its reference',
                got=f'{found.grids} grids, {found.missing} frames without one',
                remedy=f"The first: {found.first_gap or found.first_problem or 'no frame'}")


def comparison_of(has_labels: bool, is_reference: bool) -> str:
    """Return LABELS, REFERENCE or NOTHING."""
    if is_reference:
        return document.REFERENCE
    return document.LABELS if has_labels else document.NOTHING
