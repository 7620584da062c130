# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The engines that are worth having for a model on this robot, best first."""

from typing import Tuple

from segformer_ros.inference import precision as precisions
from segformer_ros.inference.cuda_probe import GpuInfo
from segformer_ros.inference.engine_builder import EngineTask
from segformer_ros.inference.engine_key import BuilderSettings
from segformer_ros.inference.engine_key import engine_key
from segformer_ros.inference.tensorrt_api import load_tensorrt
from segformer_ros.inference.tensorrt_backend import RuntimeSettings
from segformer_ros.model.digest import sha256_of
from segformer_ros.model.spec import ModelSpec


def engine_tasks(model_path: str, spec: ModelSpec, wish: str, runtime: RuntimeSettings,
                 builder: BuilderSettings, gpu: GpuInfo) -> Tuple[EngineTask, ...]:
    """
    Return what to build for a model.

    :param model_path: an ONNX file
    :param wish: ``fp16`` or ``fp32``
    :param gpu: found before, since TensorRT is imported here
    :raises BackendError: TensorRT is missing or too old
    """
    wanted = precisions.wanted_precisions(wish)
    api = load_tensorrt(runtime.tensorrt_module)
    digest = sha256_of(model_path)
    inputs = (spec.input_tensor(),)
    return tuple(
        EngineTask(
            model_name=spec.name, model_path=model_path, inputs=inputs,
            output_name=spec.output_name, class_axis=1 if spec.output_layout == 'nchw' else 3,
            key=engine_key(digest, inputs, api, gpu, precision, builder),
            gpu=gpu, api=api, runtime=runtime, builder=builder)
        for precision in wanted)
