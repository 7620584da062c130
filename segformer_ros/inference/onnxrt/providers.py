# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Which execution provider of onnxruntime serves, and how it is set up.

What the installed build offers beside the CPU is tried: it must pass the self-check against
the CPU provider and be faster than it, or the CPU serves.
"""

import logging
import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple, TYPE_CHECKING

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.inference.base import mask_check
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.onnxrt import backend as onnxrt_backend
from segformer_ros.model.spec import ModelSpec

if TYPE_CHECKING:
    Frame = Mapping[str, arrays.Array]

CUDA, OPENVINO, XNNPACK = (
    'CUDAExecutionProvider', 'OpenVINOExecutionProvider', 'XnnpackExecutionProvider')
# Runs of each provider in a comparison; the fastest counts, since others may hold the cores.
TIMED_RUNS = 5
# A provider that is not faster by this much is not worth another library in the process.
WORTHWHILE = 0.95
_LOGGER = logging.getLogger(__name__)


class ProviderPlan(NamedTuple):
    """
    One way to run a session.

    ``threads`` is the session's own pool. ``fused_attention`` says whether onnxruntime's CPU
    operations may be in the graph (``ONNXRUNTIME``), or only standard ones
    (``ONNXRUNTIME_PORTABLE``). ``named`` says that the user asked for it: it need not be faster
    than another one, and an error of its start is not passed over.
    """

    provider: str
    options: Dict[str, str]
    threads: int
    fused_attention: bool
    named: bool = False

    def open(self, model_path: str) -> Backend:
        """
        Open a session.

        :raises BackendError: the provider does not start
        :raises ModelError: it cannot load the model
        """
        providers, options = [self.provider], [self.options]
        if self.provider != onnxrt_backend.CPU_PROVIDER:
            # Operations that a provider lacks go to the CPU.
            providers.append(onnxrt_backend.CPU_PROVIDER)
            options.append({})
        return onnxrt_backend.OnnxruntimeBackend(model_path, threads=self.threads,
                                                 providers=providers,
                                                 provider_options=options).open()


class Choice(NamedTuple):
    """An open backend, its plan, and a sentence on why it was taken."""

    backend: Backend
    plan: ProviderPlan
    why: str


def provider_plans(available: Sequence[str], has_gpu: bool,
                   threads: int = 0) -> Tuple[ProviderPlan, ...]:
    """
    Return what is worth trying, most promising first; the CPU is last and always there.

    TensorRT's provider is not among them: it builds engines inside the first inference, for
    minutes, in the thread that serves. Who wants it names it in the parameter.

    :param available: from ``onnxruntime.get_available_providers()``
    :param has_gpu: an NVIDIA GPU was found
    :param threads: 0 takes ``default_threads()``
    """
    threads = threads or onnxrt_backend.default_threads()
    plans = [_accelerator(name, threads) for name in (CUDA, OPENVINO, XNNPACK)
             if name in available and (has_gpu or name != CUDA)]
    plans.append(ProviderPlan(onnxrt_backend.CPU_PROVIDER, {}, threads, True))
    return tuple(plans)


def named_plans(provider: str, threads: int = 0) -> Tuple[ProviderPlan, ...]:
    """
    Return the plan of a provider that the user asks for, and the CPU to compare it with.

    :param provider: any name that onnxruntime knows
    :param threads: 0 takes ``default_threads()``
    """
    threads = threads or onnxrt_backend.default_threads()
    if provider == onnxrt_backend.CPU_PROVIDER:
        return (ProviderPlan(onnxrt_backend.CPU_PROVIDER, {}, threads, True),)
    # Of one graph, so that no second one is optimized for the comparison alone.
    return (_accelerator(provider, threads)._replace(named=True),
            ProviderPlan(onnxrt_backend.CPU_PROVIDER, {}, threads, False))


def _accelerator(provider: str, threads: int) -> ProviderPlan:
    if provider == OPENVINO:
        # float32: bfloat16, which some CPUs make faster, changes 0.6 to 1.6 % of the labels.
        return ProviderPlan(provider, {'device_type': 'CPU', 'precision': 'FP32',
                                       'num_of_threads': str(threads)}, threads, False)
    if provider == XNNPACK:
        # It has threads of its own; two pools would fight for the cores.
        return ProviderPlan(provider, {'intra_op_num_threads': str(threads)}, 1, False)
    return ProviderPlan(provider, {}, threads, False)


def open_fastest(plans: Sequence[ProviderPlan], graph_for: Callable[[ProviderPlan], str],
                 spec: ModelSpec, frames: 'Sequence[Frame]') -> Choice:
    """
    Try the plans and return the fastest that gives the CPU provider's masks.

    With the CPU alone nothing is tried. Otherwise it takes seconds.

    :param plans: from :func:`provider_plans` or :func:`named_plans`; the last one is the
        reference
    :param graph_for: path of the model for a plan
    :param spec: of those models, which all have the same inputs and outputs
    :param frames: input tensors to compare on
    :raises BackendError: onnxruntime is not installed or cannot run, or a named provider does
        not start
    :raises ModelError: the model cannot be loaded
    """
    reference = plans[-1]
    serving = Choice(reference.open(graph_for(reference)), reference, 'no other provider')
    if len(plans) == 1 or not frames:
        return serving
    expected, best_time = _try_out(serving.backend, spec, frames)
    refusals = []
    for plan in plans[:-1]:
        try:
            candidate = plan.open(graph_for(plan))
        except SegformerRosError as error:
            if plan.named:
                serving.backend.close()
                raise
            refusals.append(f'{plan.provider} does not start: {error}')
            continue
        try:
            masks, seconds = _try_out(candidate, spec, frames)
        except SegformerRosError as error:
            candidate.close()
            refusals.append(f'{plan.provider} fails: {error}')
            continue
        check = mask_check.compare_masks(expected, masks, finite=bool(np.isfinite(seconds)),
                                         live_frames=0, bundled_frames=len(frames))
        why = (f'{plan.provider} takes {seconds / best_time:.2f} of the time of '
               f'{serving.plan.provider}, {check}')
        if check.passed and (plan.named or seconds < WORTHWHILE * best_time):
            serving.backend.close()
            serving, best_time = Choice(candidate, plan, why), seconds
        else:
            candidate.close()
            refusals.append(why + ('' if check.passed else ', ' + check.reason))
    for refusal in refusals:
        _LOGGER.warning('Execution provider not used: %s', refusal)
    return serving._replace(why='; '.join([serving.why] + refusals))


def _try_out(backend: Backend, spec: ModelSpec, frames: 'Sequence[Frame]') -> Tuple[
        List[arrays.Array], float]:
    """Return the mask of each frame and the fastest run in seconds, or infinity after NaN."""
    masks, best = [], float('inf')
    finite = True
    for frame in frames:
        values = backend.infer(frame)[spec.output_name]
        finite = finite and bool(np.isfinite(values).all())
        # A copy: the buffer of labels is the backend's, and holds the next frame's soon.
        masks.append(mask_check.class_ids(
            values, spec.output_kind, mask_check.class_axis_of(spec)).copy())
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        backend.infer(frames[0])
        best = min(best, time.perf_counter() - started)
    return masks, best if finite else float('inf')
