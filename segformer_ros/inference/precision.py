# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
How an engine gets its precision, and what that precision is called.

Below TensorRT 10 the builder may use 16 bits wherever a flag permits; the layers that would not
survive that are pinned to 32 bits, and the builder must obey. From 10 on the ONNX file itself
says the precision of every value. A plain FP16 build of a float32 file is never made: SegFormer
then returns garbage on some GPUs.
"""

from typing import Any
from typing import List
from typing import NamedTuple
from typing import Optional
from typing import Tuple

from segformer_ros.errors import ConfigurationError
from segformer_ros.inference.tensorrt_api import TensorrtApi
from segformer_ros.model import fp32_regions
from segformer_ros.model import mixed_precision
from segformer_ros.model.fp32_regions import Step

FP32 = 'fp32'
MIXED = 'fp16+fp32'

PINS_REVISION = 'pinned-layers-1'


class Pins(NamedTuple):
    """How many layers of a network were pinned to 32 bits."""

    pinned: int
    layers: int


def wanted_precisions(wish: str) -> Tuple[str, ...]:
    """
    Return the precisions to try, best first.

    :param wish: ``fp16`` (mixed, then float32 if that fails its check) or ``fp32``
    """
    if wish == 'fp16':
        return (MIXED, FP32)
    if wish == 'fp32':
        return (FP32,)
    raise ConfigurationError('Unknown precision', got=repr(wish), expected='fp16 or fp32',
                             remedy='INT8 is not offered: SegFormer loses too much by it.')


def precision_route(api: TensorrtApi, precision: str) -> str:
    """Return what makes an engine of this precision, for its key."""
    if precision == FP32:
        return 'as the file'
    return mixed_precision.REVISION if api.strongly_typed else PINS_REVISION


def displayed(precision: str, tf32: bool) -> str:
    """Return the name to report: 32-bit products in TensorFloat-32 have 11 bits, not 24."""
    return precision.replace(FP32, 'tf32') if tf32 else precision


def permit_fp16_with_pins(api: TensorrtApi, network: Any, config: Any) -> Pins:
    """
    Permit FP16 in a weakly typed network, and pin what needs 32 bits.

    :param network: parsed, of TensorRT 8.2 to 8.6
    :return: how many layers were pinned
    """
    trt = api.module
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    steps = [_step(trt, layer) for layer in layers]
    regions = fp32_regions.find_fp32_regions(steps)
    pinned = 0
    for index in sorted(regions.union()):
        pinned += _pin(trt, layers[index])
    config.set_flag(trt.BuilderFlag.FP16)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    return Pins(pinned, len(layers))


def _step(trt: Any, layer: Any) -> Step:
    inputs = [layer.get_input(index) for index in range(layer.num_inputs)]
    outputs = [layer.get_output(index) for index in range(layer.num_outputs)]
    return Step(_kind(trt, layer.type), _names(inputs), _names(outputs))


def _names(tensors: List[Optional[Any]]) -> Tuple[str, ...]:
    # Optional inputs that are not given are None.
    return tuple(tensor.name for tensor in tensors if tensor is not None)


def _kind(trt: Any, layer_type: Any) -> str:
    kinds = (('SOFTMAX', fp32_regions.SOFTMAX), ('NORMALIZATION', fp32_regions.NORMALIZATION),
             ('REDUCE', fp32_regions.REDUCTION), ('ELEMENTWISE', fp32_regions.ELEMENTWISE),
             ('UNARY', fp32_regions.ELEMENTWISE), ('CONVOLUTION', fp32_regions.CONVOLUTION),
             ('MATRIX_MULTIPLY', fp32_regions.MATRIX_PRODUCT),
             ('FULLY_CONNECTED', fp32_regions.MATRIX_PRODUCT),
             ('CONSTANT', fp32_regions.CONSTANT))
    for name, kind in kinds:
        if hasattr(trt.LayerType, name) and layer_type == getattr(trt.LayerType, name):
            return kind
    return fp32_regions.OTHER


def _pin(trt: Any, layer: Any) -> bool:
    # Only layers that compute with floats take a precision; the builder refuses a network in
    # which an index or a shape got one. Constants have the precision of their reader.
    if layer.type in (trt.LayerType.CONSTANT, trt.LayerType.SHAPE):
        return False
    outputs = [layer.get_output(index) for index in range(layer.num_outputs)]
    if any(output.is_shape_tensor or output.dtype not in (trt.DataType.FLOAT, trt.DataType.HALF)
           for output in outputs):
        return False
    layer.precision = trt.DataType.FLOAT
    for index in range(layer.num_outputs):
        layer.set_output_type(index, trt.DataType.FLOAT)
    return True
