# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Serve with onnxruntime: the provider that was named, or the fastest that works here."""

from typing import Callable
from typing import NamedTuple
from typing import Sequence
from typing import Tuple
from typing import TYPE_CHECKING

from segformer_ros.inference.backend import Backend
from segformer_ros.inference.onnxruntime_backend import CPU_PROVIDER
from segformer_ros.inference.onnxruntime_backend import OnnxruntimeBackend
from segformer_ros.inference.providers import open_fastest
from segformer_ros.inference.providers import provider_plans
from segformer_ros.inference.providers import ProviderPlan
from segformer_ros.model.spec import ModelSpec

if TYPE_CHECKING:
    from segformer_ros.inference.engine_trial import Frame


class OpenNetwork(NamedTuple):
    """An open backend, what it takes and returns, and why it was taken."""

    backend: Backend
    spec: ModelSpec
    why: str


def open_onnxruntime(graph_for: Callable[[ProviderPlan], str], spec: ModelSpec, threads: int,
                     providers: Sequence[str], has_gpu: bool,
                     frames: 'Callable[[], Sequence[Frame]]') -> OpenNetwork:
    """
    Open a model with onnxruntime.

    :param graph_for: path of the ONNX file for a plan
    :param spec: of those files
    :param threads: 0 chooses by the machine
    :param providers: to use, by preference; empty: the fastest that passes the self-check
    :param has_gpu: an NVIDIA GPU was found
    :param frames: input tensors to compare providers on; called only if there is a choice
    :raises BackendError: onnxruntime is not installed, or a named provider does not start
    :raises ModelError: the model cannot be loaded
    """
    if providers:
        named = ProviderPlan(providers[0], {}, threads, providers[0] == CPU_PROVIDER)
        backend = OnnxruntimeBackend(graph_for(named), threads=threads, providers=providers)
        return OpenNetwork(backend.open(), spec, 'providers as named')
    plans = provider_plans(_available_providers(), has_gpu, threads)
    choice = open_fastest(plans, graph_for, spec, frames() if len(plans) > 1 else ())
    return OpenNetwork(choice.backend, spec, choice.why)


def _available_providers() -> Tuple[str, ...]:
    try:
        import onnxruntime
    except ImportError:
        # Opening a session tells that it is not installed, and the remedy.
        return ()
    return tuple(onnxruntime.get_available_providers())
