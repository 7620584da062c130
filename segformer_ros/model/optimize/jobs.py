# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The optimized models of one original: what is cached at once, the rest in the background."""

import importlib.util
import logging
import time
from typing import Dict, List, Optional, Tuple

from segformer_ros.common import install
from segformer_ros.model.optimize import optimize
from segformer_ros.model.optimize.cache import OptimizedModelCache
from segformer_ros.model.optimize.target import Target
from segformer_ros.model.optimize.worker import OptimizeProcess
from segformer_ros.model.spec import ModelSpec

_POLL_S = 0.02
_LOGGER = logging.getLogger(__name__)


class OptimizeJobs:
    """
    Optimizes for one target at a time, in a process of its own; no call but ``wait`` waits.

    Optimizing takes seconds on a workstation and minutes on a small board, where the model
    serves as it is meanwhile.

    :param onnx_path: the original
    :param spec: of the original, or of the size that it is wanted at
    :param rewrite: False uses the original for every target
    :param runnable: path and specification of what takes the original's place, where that does
        not run at the size that is wanted
    """

    def __init__(self, onnx_path: str, spec: ModelSpec, rewrite: bool = True,
                 runnable: Optional[Tuple[str, ModelSpec]] = None) -> None:
        self._source = (onnx_path, spec)
        path, own_spec = runnable or self._source
        self.original = optimize.OptimizedModel(path, own_spec, optimize.UNCHANGED,
                                                'the file as it is')
        self._rewrite = rewrite
        self._found: Dict[Target, optimize.OptimizedModel] = {}
        self._wanted: List[Target] = []
        self._child: Optional[OptimizeProcess] = None

    def find(self, target: Target, is_made: bool = False) -> Optional[optimize.OptimizedModel]:
        """
        Return the model for a target if it is there, or the original if it stays the best.

        :param is_made: it was just made, and the outcome is taken as it is
        :return: None while it is not made: :meth:`request` it
        :raises ModelError: the model file is missing
        """
        if not self._rewrite:
            return self.original
        if target not in self._found:
            metadata = self._cache(target).read()
            if not is_made:
                metadata = optimize.usable(metadata)
            if metadata is not None:
                found = optimize.from_metadata(*self._source, target, metadata)
                self._found[target] = found if found.changes != optimize.UNCHANGED else \
                    self.original._replace(detail=found.detail)
            elif importlib.util.find_spec('onnx') is None:
                self._pass_through(target, 'onnx is not installed. ' + install.RUNTIME)
        return self._found.get(target)

    def request(self, target: Target) -> None:
        """Optimize for a target, after those requested before; again does nothing."""
        if self.find(target) is None and target not in self._wanted:
            self._wanted.append(target)
            self._begin()

    def poll(self) -> bool:
        """Take the next step; return whether a requested model can be found now."""
        if self._child is None:
            return False
        outcome = self._child.poll()
        if outcome is None:
            return False
        self._child.close()
        self._child = None
        target = self._wanted.pop(0)
        if self.find(target, is_made=True) is None:
            self._pass_through(target, outcome)
        self._begin()
        return True

    def wait(self, seconds: float) -> None:
        """Wait until every request is done, or the time is up."""
        deadline = time.monotonic() + seconds
        while self._child is not None and time.monotonic() < deadline:
            if not self.poll():
                time.sleep(_POLL_S)

    @property
    def preparing(self) -> str:
        """Return the name of the target that is being optimized for, or nothing."""
        return '' if self._child is None else self._wanted[0].name

    def close(self) -> None:
        """Give up what was requested; what is there can still be found."""
        self._wanted.clear()
        if self._child is not None:
            self._child.close()
            self._child = None

    def _begin(self) -> None:
        while self._child is None and self._wanted:
            target = self._wanted[0]
            _LOGGER.info('Optimizing %s for %s in a process of its own: once', self._source[0],
                         target.name)
            try:
                self._child = OptimizeProcess(*self._source, target)
            except OSError as error:
                self._wanted.pop(0)
                self._pass_through(target, f'its process does not start: {error}')

    def _pass_through(self, target: Target, reason: str) -> None:
        self._found[target] = optimize.passthrough(self.original.path, self.original.spec, reason)

    def _cache(self, target: Target) -> OptimizedModelCache:
        return optimize.open_cache(*self._source, target)
