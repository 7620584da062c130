# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Time several ways to do the same in one run, so that their ratios mean something.

A machine's speed drifts by tens of per cent from minute to minute. Each round runs every
variant once, in a random order; a ratio is the median over rounds of paired times. Rounds in
which other processes held the cores are left out where enough others remain.
"""

import random
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

# Share of a sample's time for which some process waited for a core, above which the sample is
# not counted as quiet. The kernel tells it: Documentation/accounting/psi.rst.
QUIET_SHARE = 0.04
# With fewer quiet rounds all rounds are used, and the result says so.
MIN_QUIET_ROUNDS = 7
PRESSURE_FILE = '/proc/pressure/cpu'
TOTAL = 'total'


class Run(NamedTuple):
    """
    What one run took.

    ``stages`` are seconds by stage, whose sum is the run's time; ``network_cpu`` is processor
    seconds of all threads while the network ran.
    """

    stages: Dict[str, float]
    network_cpu: float = 0.0


class Variant(NamedTuple):
    """``run`` does the work once."""

    name: str
    run: Callable[[], Run]


class Sample(NamedTuple):
    """
    One run of one variant.

    ``stages`` are seconds, their sum under ``total``; ``cpu`` is processor seconds of all
    threads of this process, ``beside_cpu`` without the network's; ``stalled`` the share 0..1
    of the time for which some process waited for a core, or None where the kernel does not
    tell.
    """

    stages: Dict[str, float]
    cpu: float
    beside_cpu: float
    stalled: Optional[float]


class PairedTiming:
    """
    The samples of all variants and what they say.

    ``quiet``: whether only undisturbed rounds are counted; ``rounds`` is how many were
    run, ``counted`` how many are.

    :param samples: of each variant, one a round
    """

    def __init__(self, samples: Dict[str, List[Sample]]) -> None:
        self._samples = samples
        self.names = list(samples)
        self.rounds = min(len(row) for row in samples.values())
        self._counted = quiet_rounds(samples)
        self.quiet = len(self._counted) >= MIN_QUIET_ROUNDS
        if not self.quiet:
            self._counted = list(range(self.rounds))
        self.counted = len(self._counted)

    def stages(self, name: str) -> Dict[str, float]:
        """Return the median of each stage and of ``total``, in seconds."""
        return {stage: self.sum_of(name, [stage]) for stage in self._of(name)[0].stages}

    def cpu(self, name: str) -> float:
        """Return the median of the processor seconds of a run, over all threads."""
        return float(np.median([sample.cpu for sample in self._of(name)]))

    def beside_cpu(self, name: str) -> float:
        """Return the same without the network's share."""
        return float(np.median([sample.beside_cpu for sample in self._of(name)]))

    def ratio(self, name: str, other: str) -> float:
        """Return the median over rounds of one variant's time divided by another's."""
        return float(np.median([one.stages[TOTAL] / two.stages[TOTAL]
                                for one, two in zip(self._of(name), self._of(other))]))

    def cpu_ratio(self, name: str, other: str) -> float:
        """Return the same of processor time, which other processes disturb less."""
        return float(np.median([one.cpu / two.cpu
                                for one, two in zip(self._of(name), self._of(other))]))

    def sum_of(self, name: str, stages: Sequence[str]) -> float:
        """Return the median over rounds of some stages' sum, in seconds."""
        return float(np.median([sum(sample.stages[stage] for stage in stages)
                                for sample in self._of(name)]))

    def fastest(self, name: str, stages: Sequence[str] = (TOTAL,)) -> float:
        """
        Return the least sum of some stages over all rounds, in seconds.

        On a busy machine it tells best what the work itself takes.
        """
        return min(sum(sample.stages[stage] for stage in stages) for sample in self._samples[name])

    def _of(self, name: str) -> List[Sample]:
        return [self._samples[name][index] for index in self._counted]


def time_in_pairs(variants: Sequence[Variant], rounds: int, time_limit: float = 0.0,
                  seed: int = 0) -> PairedTiming:
    """
    Run the variants in turn, round by round.

    :param variants: of different names
    :param rounds: quiet rounds that are wanted
    :param time_limit: seconds for which to go on looking for quiet ones; ``rounds`` rounds are
        run in any case
    :param seed: of the order
    """
    shuffle = random.Random(seed).shuffle
    for variant in variants:
        variant.run()
    samples: Dict[str, List[Sample]] = {variant.name: [] for variant in variants}
    deadline = time.monotonic() + time_limit
    done = 0
    while done < rounds or (len(quiet_rounds(samples)) < rounds and time.monotonic() < deadline):
        order = list(variants)
        shuffle(order)
        for variant in order:
            samples[variant.name].append(take_sample(variant.run))
        done += 1
    return PairedTiming(samples)


def take_sample(run: Callable[[], Run]) -> Sample:
    """Run once and look at the clocks."""
    pressure, cpu, started = stalled_seconds(), time.process_time(), time.perf_counter()
    done = run()
    wall = time.perf_counter() - started
    cpu, after = time.process_time() - cpu, stalled_seconds()
    stalled = None if pressure is None or after is None else (after - pressure) / wall
    return Sample(dict(done.stages, **{TOTAL: sum(done.stages.values())}), cpu,
                  cpu - done.network_cpu, stalled)


def stalled_seconds() -> Optional[float]:
    """Return for how long some process has waited for a core, or None if untold."""
    try:
        with open(PRESSURE_FILE, encoding='ascii') as stream:
            return 1e-6 * int(stream.readline().rsplit('=', 1)[1])
    except (OSError, ValueError, IndexError):
        return None


def quiet_rounds(samples: Dict[str, List[Sample]]) -> List[int]:
    """Return the rounds in which nothing else held the cores during any variant's run."""
    rounds = min(len(row) for row in samples.values())
    # Where the kernel is silent every round counts as quiet: there is nothing to sort by.
    return [index for index in range(rounds) if all(
        (row[index].stalled or 0.0) < QUIET_SHARE for row in samples.values())]
