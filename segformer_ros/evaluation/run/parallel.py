# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Evaluate many sources: one after the other, in processes of this machine, or on a cluster.

Sources are independent and their results are merged in the order of the sources, so that the
report does not depend on how many worked on it. A source is one file of a recording or a fixed
slice of a data set.
"""

import concurrent.futures
import importlib
import multiprocessing
import os
import sys
import tempfile
import threading
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from segformer_ros.common import install
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.evaluation.run import job as run_job
from segformer_ros.evaluation.sources.frames import FrameSource

# A source whose worker was lost is tried so often again.
RETRIES = 3

# Called with the number of frames that are done since the last call.
OnFrames = Callable[[int], None]


class Parallel(NamedTuple):
    """
    Where the work is done.

    ``workers`` processes of this machine; or, with ``scheduler``, the workers of a Dask cluster
    (``tcp://host:8786``), which must see the inputs under the same paths.
    """

    workers: int = 1
    scheduler: Optional[str] = None


def run_sources(job: run_job.Job, sources: Sequence[FrameSource], folder: str, parallel: Parallel,
                on_frames: OnFrames = lambda frames: None) -> List[run_job.Outcome]:
    """
    Evaluate every source.

    :param job: what to do with each
    :param sources: in the order of the report
    :param folder: for the records of the frames, one file a source
    :param parallel: where the work is done
    :param on_frames: called with the number of frames done since the last call
    :return: by source
    :raises BackendError: a worker process was lost
    """
    if parallel.scheduler is None and (parallel.workers == 1 or len(sources) <= 1):
        return _run_here(job, sources, folder, on_frames)
    finished = _run_on_cluster(job, sources, parallel.scheduler) if parallel.scheduler else \
        _run_in_processes(job, sources, parallel.workers)
    outcomes: Dict[int, run_job.Outcome] = {}
    for number, (outcome, records) in finished:
        path = _records_path(folder, number)
        with open(path, 'wb') as stream:
            stream.write(records)
        outcomes[number] = outcome._replace(result=outcome.result._replace(records_path=path))
        totals = outcome.result.totals
        on_frames(totals.frames + sum(totals.left_out_frames.values()))
    return [outcomes[number] for number in range(len(sources))]


def _run_here(job: run_job.Job, sources: Sequence[FrameSource], folder: str,
              on_frames: OnFrames) -> List[run_job.Outcome]:
    with run_job.JobRunner(job) as runner:
        return [runner.run(source, _records_path(folder, number), lambda: on_frames(1))
                for number, source in enumerate(sources)]


def _run_in_processes(job: run_job.Job, sources: Sequence[FrameSource],
                      workers: int) -> Iterator[Tuple[int, Tuple[run_job.Outcome, bytes]]]:
    if sys.version_info < (3, 7):
        raise ConfigurationError('Several workers need a newer Python',
                                 got=sys.version.split()[0], expected='3.7 or newer')
    # spawn: a forked copy of a process with onnxruntime's or CUDA's threads may hang.
    options: Dict[str, Any] = {'mp_context': multiprocessing.get_context('spawn')}
    with concurrent.futures.ProcessPoolExecutor(min(workers, len(sources)), **options) as pool:
        futures = {pool.submit(run_one, job, source): number
                   for number, source in enumerate(sources)}
        try:
            for future in concurrent.futures.as_completed(futures):
                yield futures[future], future.result()
        except concurrent.futures.process.BrokenProcessPool as error:
            raise BackendError('A worker process ended by itself', got=error,
                               remedy='Most often memory ran out: take fewer workers.') from error
        finally:
            for future in futures:
                future.cancel()


def _run_on_cluster(job: run_job.Job, sources: Sequence[FrameSource],
                    address: str) -> Iterator[Tuple[int, Tuple[run_job.Outcome, bytes]]]:
    try:
        distributed: Any = importlib.import_module('distributed')
    except ImportError as error:
        raise ConfigurationError('distributed cannot be imported', got=error,
                                 remedy=install.with_extra('distributed')) from error
    try:
        client = distributed.Client(address)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            'No scheduler there', got=f'{address} ({error})',
            expected='the address of a Dask scheduler, such as tcp://host:8786') from error
    with client:
        futures = {client.submit(run_one, job, source, retries=RETRIES, pure=False): number
                   for number, source in enumerate(sources)}
        for future in distributed.as_completed(futures):
            try:
                yield futures[future], future.result()
            except distributed.KilledWorker as error:
                raise BackendError(
                    'The workers of the cluster were lost again and again', got=error,
                    remedy='Look into their logs; most often memory ran out.') from error
            # Without this the cluster would hold every result until the end.
            future.release()


# One in each worker process, since opening a network takes seconds.
_runners: Dict[run_job.Job, run_job.JobRunner] = {}

# A Dask worker may have several threads; a network has one user at a time.
_one_at_a_time = threading.Lock()


def run_one(job: run_job.Job, source: FrameSource) -> Tuple[run_job.Outcome, bytes]:
    """
    Evaluate one source in a worker process.

    :param job: what to do
    :param source: where the frames come from
    :return: the outcome, and the content of its file of records
    """
    with _one_at_a_time, tempfile.TemporaryDirectory() as folder:
        if job not in _runners:
            while _runners:
                _runners.popitem()[1].close()
            _runners[job] = run_job.JobRunner(job)
        path = os.path.join(folder, 'records')
        outcome = _runners[job].run(source, path)
        with open(path, 'rb') as stream:
            return outcome, stream.read()


def _records_path(folder: str, number: int) -> str:
    return os.path.join(folder, f'{number:05d}.jsonl')
