# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The deployment graphs of one model: what is cached at once, the rest while others work."""

import importlib.util
import logging
import time
from typing import Dict, List, Optional

from segformer_ros.model.optimize import optimize as graph
from segformer_ros.model.optimize.cache import OptimizedModelCache
from segformer_ros.model.optimize.target import Target
from segformer_ros.model.optimize.worker import OptimizeProcess
from segformer_ros.model.optimize.writer import INSTALL_ONNX
from segformer_ros.model.spec import ModelSpec

_POLL_S = 0.02
_LOGGER = logging.getLogger(__name__)


class OptimizeJobs:
    """
    Prepares graphs one at a time, each in a process of its own; no call but ``wait`` waits.

    Preparing takes seconds on a workstation and minutes on a small board, where the model
    serves as it is meanwhile.

    :param onnx_path: the original
    :param spec: of the original
    :param rewrite: False uses the original for every target
    """

    def __init__(self, onnx_path: str, spec: ModelSpec, rewrite: bool = True) -> None:
        self.original = graph.OptimizedModel(onnx_path, spec, graph.UNCHANGED, 'the file as it is')
        self._rewrite = rewrite
        self._found: Dict[Target, graph.OptimizedModel] = {}
        self._wanted: List[Target] = []
        self._child: Optional[OptimizeProcess] = None

    def find(self, target: Target, is_made: bool = False) -> Optional[graph.OptimizedModel]:
        """
        Return the graph for a target if it is there, or if there will never be one.

        :param is_made: it was just prepared, and what came of it is taken as it is
        :return: None while it is not prepared: :meth:`request` it
        :raises ModelError: the model file is missing
        """
        if not self._rewrite:
            return self.original
        if target not in self._found:
            facts = self._cache(target).read()
            if not is_made:
                facts = graph.usable(facts)
            if facts is not None:
                self._found[target] = graph.from_metadata(
                    self.original.path, self.original.spec, target, facts)
            elif importlib.util.find_spec('onnx') is None:
                self._leave_alone(target, 'onnx is not installed. ' + INSTALL_ONNX)
        return self._found.get(target)

    def request(self, target: Target) -> None:
        """Prepare a graph, after those that were requested before; again does nothing."""
        if self.find(target) is None and target not in self._wanted:
            self._wanted.append(target)
            self._begin()

    def poll(self) -> bool:
        """Take the next step; tell whether a graph that was requested can be found now."""
        if self._child is None:
            return False
        words = self._child.poll()
        if words is None:
            return False
        self._child.close()
        self._child = None
        target = self._wanted.pop(0)
        if self.find(target, is_made=True) is None:
            self._leave_alone(target, words)
        self._begin()
        return True

    def wait(self, seconds: float) -> None:
        """Wait until nothing is being prepared any more, or the time is up."""
        deadline = time.monotonic() + seconds
        while self._child is not None and time.monotonic() < deadline:
            if not self.poll():
                time.sleep(_POLL_S)

    @property
    def preparing(self) -> str:
        """Return the name of the target whose graph is being prepared, or nothing."""
        return '' if self._child is None else self._wanted[0].name

    def close(self) -> None:
        """Give up what is being prepared; what is there can still be found."""
        self._wanted.clear()
        if self._child is not None:
            self._child.close()
            self._child = None

    def _begin(self) -> None:
        while self._child is None and self._wanted:
            target = self._wanted[0]
            _LOGGER.info('Preparing %s for %s in a process of its own: once', self.original.path,
                         target.name)
            try:
                self._child = OptimizeProcess(self.original.path, self.original.spec, target)
            except OSError as error:
                self._wanted.pop(0)
                self._leave_alone(target, f'its process does not start: {error}')

    def _leave_alone(self, target: Target, reason: str) -> None:
        self._found[target] = graph.passthrough(self.original.path, self.original.spec, reason)

    def _cache(self, target: Target) -> OptimizedModelCache:
        return graph.open_cache(self.original.path, self.original.spec, target)
