# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Which graph of a model engines are built from.

Node and ``build_engine`` both ask here: so the command builds the engines that the node looks
for.
"""

from segformer_ros.inference.engine_tasks import EngineModel
from segformer_ros.inference.tensorrt_api import TensorrtApi
from segformer_ros.model.graph_child import prepare_in_child
from segformer_ros.model.graph_target import Target
from segformer_ros.model.graph_target import TENSORRT_8_2
from segformer_ros.model.graph_target import TENSORRT_8_6
from segformer_ros.model.spec import ModelSpec


def engine_target(api: TensorrtApi) -> Target:
    """Return the target of the graphs for a version of TensorRT."""
    # uint8 inputs and LayerNormalization both exist from 8.6 on, and so does this.
    modern = hasattr(getattr(api.module, 'BuilderFlag', None), 'VERSION_COMPATIBLE')
    return TENSORRT_8_6 if modern else TENSORRT_8_2


def deployed_engine_model(model_path: str, spec: ModelSpec, api: TensorrtApi) -> EngineModel:
    """
    Return the file that engines of a model are built from; prepares it if need be, for seconds.

    :raises ModelError: the model file is missing
    """
    prepared = prepare_in_child(model_path, spec, engine_target(api))
    return EngineModel(prepared.path, prepared.spec)
