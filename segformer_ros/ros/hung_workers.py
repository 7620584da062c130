# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The threads that were given up, over all configurations of a process."""

from typing import List

from segformer_ros.ros.worker import InferenceWorker

MAX_HUNG = 4
"""
Threads that hang at once. Each keeps a network in memory, and nothing but the end of the process
frees it: with so many the node asks for that end, and whoever started it starts it anew.
"""


class HungWorkers:
    """Keeps them, since neither cleanup nor another configure ends them."""

    def __init__(self) -> None:
        self._workers: List[InferenceWorker] = []
        self._wants_end = False
        self.total = 0
        """How many there ever were."""

    def __len__(self) -> int:
        return len(self._workers)

    def __contains__(self, worker: object) -> bool:
        return worker in self._workers

    @property
    def is_hopeless(self) -> bool:
        """Tell whether only another process can help."""
        return self._wants_end or len(self._workers) >= MAX_HUNG

    def add(self, worker: InferenceWorker) -> None:
        """Note one that does not end."""
        self._workers.append(worker)
        self.total += 1

    def ask_for_end(self) -> None:
        """Note that nobody will try again in this process."""
        self._wants_end = True

    def prune(self) -> None:
        """Forget those that have ended after all."""
        self._workers = [worker for worker in self._workers if worker.is_alive]
