# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From a model's name to a segmenter that is ready, for scripts without a node."""

import os
from typing import Optional

from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.weights.resolve import resolve_model
from segformer_ros.segmentation.segmenter import Segmenter
from segformer_ros.segmentation.segmenter import SegmenterSettings


def load_model(model: str, settings: Optional[SegmenterSettings] = None,
               threads: int = 0) -> Segmenter:
    """
    Open a model on onnxruntime and return a segmenter that runs it.

    The network runs as its file says: nothing is downloaded, optimized or cached. Its classes
    are ``load_class_table(segmenter.spec.classes)``. ``segmenter.backend.close()`` frees the
    memory before the segmenter itself goes.

    :param model: a name of the catalogue such as ``segformer_sim``, the path of an ONNX file
        with its specification beside it, or the path of that specification
    :param settings: of the segmenter; by default those of ``SegmenterSettings()``
    :param threads: of the network and of the image kernels; 0 leaves the choice to them
    :raises ModelError: the model is missing, damaged, or does not fit its specification
    :raises BackendError: onnxruntime is missing or cannot run the model
    :raises ConfigurationError: the specification or a setting is wrong
    """
    stem, ending = os.path.splitext(model)
    found = resolve_model(stem + '.onnx', model) if ending == '.yaml' else resolve_model(model)
    backend = OnnxruntimeBackend(found.onnx_path, threads=threads)
    backend.open()
    try:
        return Segmenter(found.spec, backend, settings, threads=threads)
    except BaseException:
        backend.close()
        raise
