# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What an optimized model is made for."""

from typing import NamedTuple

from segformer_ros.model.spec import LOGITS
from segformer_ros.model.spec import ModelSpec

LOGSUMEXP = 'logsumexp'


class Target(NamedTuple):
    """
    The ends and the vocabulary of an optimized model.

    ``opset`` is 13 (normalisation in single operations) or 17 (``LayerNormalization``).
    ``uint8_input`` takes (1, H, W, 3) RGB and normalises in the graph; else the input stays
    float32 (1, 3, H, W). Logits come out as (1, h, w, classes): the argmax over neighbouring
    values is ten times faster than over planes. ``logsumexp`` adds an output (1, h, w).
    ``cast_first`` makes floats of a uint8 input before anything else touches it.
    ``fused_attention`` uses onnxruntime's own operation where the installed one has it.
    """

    name: str
    opset: int
    uint8_input: bool
    logsumexp: bool
    fused_attention: bool
    cast_first: bool

    def optimized_spec(self, spec: ModelSpec) -> ModelSpec:
        """
        Return the specification of the graph made for this target from one of ``spec``.

        Whatever the network made of its logits at the end is left out of it.
        """
        if self.uint8_input:
            spec = spec._replace(input_dtype='uint8', input_layout='nhwc', color_order='rgb')
        elif spec.input_dtype == 'float16':
            spec = spec._replace(input_dtype='float32')
        return spec._replace(output_layout='nhwc', output_kind=LOGITS,
                             logsumexp_name=LOGSUMEXP if self.logsumexp else None)


# On a CPU log-sum-exp costs the graph 3 ms of two threads and numpy 1.5 ms of one, so it is
# left to numpy. On a GPU it is as good as free.
ONNXRUNTIME = Target('onnxruntime', 13, True, False, True, False)
# Other execution providers of onnxruntime take the fused operation from the CPU provider, and
# lose more by the detour than it saves: OpenVINO 0.58 instead of 0.44 of the original's time.
ONNXRUNTIME_PORTABLE = Target('onnxruntime_portable', 13, True, False, False, False)
# TensorRT before 8.5 takes no uint8 input, before 8.6 no LayerNormalization. No version does
# anything with uint8 but cast it: TensorRT for RTX 1.7 refuses to transpose it.
TENSORRT_8_2 = Target('tensorrt_8_2', 13, False, True, False, True)
TENSORRT_8_6 = Target('tensorrt_8_6', 17, True, True, False, True)
