# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Serve with onnxruntime: the best graph and the best provider that are at hand."""

from typing import Callable, Sequence, Tuple

from segformer_ros.common.errors import SegformerRosError
from segformer_ros.inference.base.backend import OpenNetwork
from segformer_ros.inference.base.frames import convert_frame
from segformer_ros.inference.base.frames import Frame
from segformer_ros.inference.onnxrt import providers
from segformer_ros.inference.selection.status import SelectionSettings
from segformer_ros.model.optimize import target as optimize_target
from segformer_ros.model.optimize.jobs import OptimizeJobs
from segformer_ros.model.optimize.optimize import UNCHANGED


def request_optimized(graphs: OptimizeJobs, settings: SelectionSettings, has_gpu: bool) -> None:
    """Begin to optimize the model for what :func:`open_onnxruntime` would like to run."""
    for plan in _plans(settings, has_gpu):
        graphs.request(_target(plan))


def open_onnxruntime(graphs: OptimizeJobs, settings: SelectionSettings, has_gpu: bool,
                     bundled_frames: Callable[[], Sequence[Frame]]) -> OpenNetwork:
    """
    Open a model with onnxruntime.

    Until the graphs that were requested are there, the model runs as it is, on the last resort
    among the providers: comparing them takes seconds, and would be in vain.

    :param has_gpu: an NVIDIA GPU was found
    :param bundled_frames: input tensors for the original, to compare providers on; called only
        if there is a choice
    :raises BackendError: onnxruntime is not installed, or a named provider does not start
    :raises ModelError: the model cannot be loaded
    """
    plans = _plans(settings, has_gpu)
    targets = sorted({_target(plan) for plan in plans})
    prepared = [each for each in map(graphs.find, targets) if each is not None]
    if len(prepared) < len(targets):
        last = plans[-1]
        return OpenNetwork(last.open(graphs.original.path), graphs.original.spec,
                           'the model as it is, until its graph is prepared', is_final=False)
    spec = prepared[0].spec
    if any(each.spec != spec for each in prepared) or prepared[0].changes == UNCHANGED:
        return _open_original(graphs, plans, bundled_frames, prepared[0].detail)
    paths = {target: each.path for target, each in zip(targets, prepared)}
    try:
        choice = providers.open_fastest(plans, lambda plan: paths[_target(plan)], spec, [
            convert_frame(frame, graphs.original.spec, spec)
            for frame in (bundled_frames() if len(plans) > 1 else ())])
    except SegformerRosError as error:
        # What was exported always works, or tells better why not.
        return _open_original(graphs, plans, bundled_frames,
                              f'its graph cannot be opened: {error}')
    return OpenNetwork(choice.backend, spec, f'{choice.why}; graph {prepared[0].changes}')


def _open_original(graphs: OptimizeJobs, plans: Sequence[providers.ProviderPlan],
                   bundled_frames: Callable[[], Sequence[Frame]], reason: str) -> OpenNetwork:
    choice = providers.open_fastest(plans, lambda plan: graphs.original.path, graphs.original.spec,
                                    bundled_frames() if len(plans) > 1 else ())
    return OpenNetwork(choice.backend, graphs.original.spec, f'{choice.why}; {reason}')


def _target(plan: providers.ProviderPlan) -> optimize_target.Target:
    return (optimize_target.ONNXRUNTIME if plan.fused_attention
            else optimize_target.ONNXRUNTIME_PORTABLE)


def _plans(settings: SelectionSettings, has_gpu: bool) -> Tuple[providers.ProviderPlan, ...]:
    if settings.provider:
        return providers.named_plans(settings.provider, settings.threads)
    return providers.provider_plans(_available_providers(), has_gpu, settings.threads)


def _available_providers() -> Tuple[str, ...]:
    try:
        import onnxruntime
    except ImportError:
        # Opening a session tells that it is not installed, and the remedy.
        return ()
    return tuple(onnxruntime.get_available_providers())
