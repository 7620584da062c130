# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The engines that are worth having for a model on this robot, best first."""

from typing import NamedTuple
from typing import Tuple

from segformer_ros.inference import precision as precisions
from segformer_ros.inference.cuda_probe import GpuInfo
from segformer_ros.inference.engine_builder import EngineTask
from segformer_ros.inference.engine_key import BuilderSettings
from segformer_ros.inference.engine_key import engine_key
from segformer_ros.inference.tensorrt_api import TensorrtApi
from segformer_ros.inference.tensorrt_backend import RuntimeSettings
from segformer_ros.model.digest import model_digest
from segformer_ros.model.spec import ModelSpec


class EngineModel(NamedTuple):
    """An ONNX file and what it takes and returns."""

    path: str
    spec: ModelSpec


def engine_tasks(model: EngineModel, wish: str, api: TensorrtApi, runtime: RuntimeSettings,
                 builder: BuilderSettings, gpu: GpuInfo) -> Tuple[EngineTask, ...]:
    """
    Return what to build for a model.

    :param model: what engines are built from and compared with
    :param wish: ``fp16`` or ``fp32``
    :raises ConfigurationError: another wish
    """
    digest = model_digest(model.path)
    inputs = (model.spec.input_tensor(),)
    return tuple(
        EngineTask(
            model_name=model.spec.name, model_path=model.path, inputs=inputs,
            output_name=model.spec.output_name,
            class_axis=1 if model.spec.output_layout == 'nchw' else 3,
            key=engine_key(digest, inputs, api, gpu, precision, builder),
            gpu=gpu, api=api, runtime=runtime, builder=builder)
        for precision in precisions.wanted_precisions(wish))
