# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The selector as the node uses it: every runtime gets the graph that it runs fastest.

The command ``build_engine`` asks here, too, so that it builds the engines that the node looks
for.
"""

from typing import Callable
from typing import Sequence

from segformer_ros.errors import ModelError
from segformer_ros.inference.cuda_probe import GpuInfo
from segformer_ros.inference.cuda_probe import probe_gpu
from segformer_ros.inference.engine_tasks import EngineModel
from segformer_ros.inference.engine_trial import Frame
from segformer_ros.inference.live_frames import convert_frame
from segformer_ros.inference.onnxruntime_serving import open_onnxruntime
from segformer_ros.inference.onnxruntime_serving import OpenNetwork
from segformer_ros.inference.providers import ProviderPlan
from segformer_ros.inference.selection import BackendSelector
from segformer_ros.inference.selection_status import SelectionSettings
from segformer_ros.inference.tensorrt_api import TensorrtApi
from segformer_ros.model import graph
from segformer_ros.model import graph_target
from segformer_ros.model.graph_child import prepare_in_child
from segformer_ros.model.spec import ModelSpec


def make_selector(model_path: str, spec: ModelSpec, settings: SelectionSettings,
                  bundled_frames: Callable[[], Sequence[Frame]],
                  probe: Callable[[int], GpuInfo] = probe_gpu) -> BackendSelector:
    """
    Return a closed selector for a model, whose runtimes get graphs of their own.

    The first opening of a model prepares its graphs, in a process of its own: seconds. Without
    the package ``onnx`` the model is used as it is.

    :param model_path: an ONNX file as it was exported or fetched
    :param spec: of that file; :attr:`BackendSelector.spec` is that of the graph that serves
    :param bundled_frames: input tensors as ``spec`` says
    """
    return BackendSelector(
        model_path, spec, settings, bundled_frames, probe,
        lambda has_gpu: open_deployed(model_path, spec, settings, has_gpu, bundled_frames),
        lambda api: deployed_engine_model(model_path, spec, api))


def deployed_engine_model(model_path: str, spec: ModelSpec, api: TensorrtApi) -> EngineModel:
    """
    Return the file that engines of a model are built from.

    :raises ModelError: the model file is missing
    """
    # uint8 inputs and LayerNormalization both exist from 8.6 on, and so does this.
    modern = hasattr(getattr(api.module, 'BuilderFlag', None), 'VERSION_COMPATIBLE')
    target = graph_target.TENSORRT_8_6 if modern else graph_target.TENSORRT_8_2
    prepared = prepare_in_child(model_path, spec, target)
    return EngineModel(prepared.path, prepared.spec)


def open_deployed(model_path: str, spec: ModelSpec, settings: SelectionSettings, has_gpu: bool,
                  bundled_frames: Callable[[], Sequence[Frame]]) -> OpenNetwork:
    """
    Open the graph of a model that was made for onnxruntime.

    :raises BackendError: onnxruntime is not installed, or a named provider does not start
    :raises ModelError: the model cannot be loaded
    """
    prepared = prepare_in_child(model_path, spec, graph_target.ONNXRUNTIME)

    def graph_for(plan: ProviderPlan) -> str:
        if plan.fused_attention or prepared.changes == graph.UNCHANGED:
            return prepared.path
        portable = prepare_in_child(model_path, spec, graph_target.ONNXRUNTIME_PORTABLE)
        if portable.spec != prepared.spec:
            raise ModelError('No graph for {}'.format(plan.provider), got=portable.detail)
        return portable.path

    return open_onnxruntime(
        graph_for, prepared.spec, settings.threads, settings.providers, has_gpu,
        lambda: [convert_frame(frame, spec, prepared.spec) for frame in bundled_frames()])
