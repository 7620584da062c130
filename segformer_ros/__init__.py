# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Semantic masks and a Nav2 costmap from ordinary cameras.

The names below are imported when they are first used: ``import segformer_ros`` itself imports
neither numpy nor OpenCV.
"""

import importlib
import sys
import types
from typing import Any, List, TYPE_CHECKING

if TYPE_CHECKING:
    from segformer_ros.costmap.pipeline import CostmapPipeline
    from segformer_ros.model.classes import ClassTable
    from segformer_ros.segmentation.load_model import load_model
    from segformer_ros.segmentation.segmenter import Segmenter

__all__ = ['ClassTable', 'CostmapPipeline', 'Segmenter', 'load_model']

_MODULES = {
    'ClassTable': 'segformer_ros.model.classes',
    'CostmapPipeline': 'segformer_ros.costmap.pipeline',
    'Segmenter': 'segformer_ros.segmentation.segmenter',
    'load_model': 'segformer_ros.segmentation.load_model',
}


class _LazyModule(types.ModuleType):
    """A module that imports its names late; Python 3.6 has no ``__getattr__`` of modules."""

    def __getattr__(self, name: str) -> Any:
        """Import a name on its first use."""
        if name not in _MODULES:
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        value = getattr(importlib.import_module(_MODULES[name]), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> List[str]:
        """Return the names, whether imported already or not."""
        return sorted(set(super().__dir__()) | set(_MODULES))


sys.modules[__name__].__class__ = _LazyModule
