# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""ONNX file to engine plan, in one blocking call; runs in the builder's own process."""

import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.private_files import check_private_file
from segformer_ros.inference.trt import key as trt_key
from segformer_ros.inference.trt.api import TensorrtApi
from segformer_ros.inference.trt.cache import EngineCache
from segformer_ros.model.optimize import fp32_regions
from segformer_ros.model.optimize.mixed_precision import convert_to_mixed_precision


class Pins(NamedTuple):
    """How many layers of a network were pinned to 32 bits."""

    pinned: int
    layers: int


def displayed(precision: str, tf32: bool) -> str:
    """Return the name to report: 32-bit products in TensorFloat-32 have 11 bits, not 24."""
    return precision.replace(trt_key.FP32, 'tf32') if tf32 else precision


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
    for index in sorted(regions.union() - _integer_layers(trt, layers)):
        pinned += _pin(trt, layers[index])
    config.set_flag(trt.BuilderFlag.FP16)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    return Pins(pinned, len(layers))


def _integer_layers(trt: Any, layers: List[Any]) -> Set[int]:
    # Pairs and the products between integers: a pin to 32 bits would undo them.
    pairs = [getattr(trt.LayerType, name) for name in ('QUANTIZE', 'DEQUANTIZE')]
    back = {layer.get_output(0).name for layer in layers if layer.type == pairs[1]}
    return {index for index, layer in enumerate(layers)
            if layer.type in pairs or (layer.num_inputs > 0 and layer.get_input(0) is not None
                                       and layer.get_input(0).name in back)}


def _permit_int8(trt: Any, builder: Any, config: Any) -> None:
    # A weakly typed network may not hold pairs without it. A typed one takes no such flag.
    if not builder.platform_has_fast_int8:
        raise BackendError('This GPU has no fast INT8', expected='precision fp16 or fp32')
    config.set_flag(trt.BuilderFlag.INT8)


def _step(trt: Any, layer: Any) -> fp32_regions.Step:
    inputs = [layer.get_input(index) for index in range(layer.num_inputs)]
    outputs = [layer.get_output(index) for index in range(layer.num_outputs)]
    return fp32_regions.Step(_kind(trt, layer.type), _names(inputs), _names(outputs))


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


MIB = 1 << 20

# What the builder may take beside its own kernels, by name; None leaves TensorRT's default.
# cuBLAS and cuDNN cost hundreds of megabytes on a small Jetson (docs/jetson.md).
TACTIC_SOURCES: Dict[str, Optional[Tuple[str, ...]]] = {
    'default': None, 'cublas': ('CUBLAS',), 'none': ()}

# Called with a phase of the build, and its step and number of steps (0: not known).
ProgressCallback = Callable[[str, int, int], None]


class BuildRequest(NamedTuple):
    """
    What to build.

    ``model_path`` is a float32 network, and a quantized one for 8-bit integers. ``shapes`` fixes
    dynamic dimensions, by input name. ``timing_cache`` is a file that is read if present and
    written after the build; empty for none. ``optimization_level`` is None for TensorRT's
    default.
    """

    model_path: str
    plan_path: str
    precision: str
    shapes: Dict[str, List[int]]
    tensorrt_module: str
    device_index: int
    workspace_mib: int
    tactic_sources: str
    tf32: bool
    optimization_level: Optional[int]
    timing_cache: str
    probe_gpu: bool


class BuiltEngine(NamedTuple):
    """A plan and what it is; ``fp32_parts`` of ``parts`` layers or nodes keep 32 bits."""

    plan: bytes
    precision: str
    fp32_parts: int
    parts: int
    tensorrt_version: str


def build_engine(api: TensorrtApi, request: BuildRequest,
                 on_progress: ProgressCallback) -> BuiltEngine:
    """
    Build an engine; takes minutes to tens of minutes on a small Jetson.

    :raises ModelError: TensorRT cannot read the model
    :raises BackendError: TensorRT could not build, or the precision cannot be had here
    :raises StorageError: the timing cache cannot be written; the larger plan could not be
    """
    trt = api.module
    # The default logger prints warnings and errors; whoever started this process reads them.
    logger = trt.Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(_creation_flags(api))
    config = builder.create_builder_config()
    mixed = request.precision in (trt_key.MIXED, trt_key.INT8)
    fp32_parts = 0
    parts = 0
    if mixed and api.strongly_typed:
        on_progress('mixed-precision ONNX', 0, 0)
        model = convert_to_mixed_precision(request.model_path)
        content, fp32_parts, parts = model
    else:
        content = _read(request.model_path)
    on_progress('parsing', 0, 0)
    parser = trt.OnnxParser(network, logger)
    # Weights in files of their own are looked for beside the path.
    if not parser.parse(content, os.path.abspath(request.model_path)):
        raise _unreadable(api, parser, request.model_path)
    _fix_shapes(network, request.shapes)
    if mixed and not api.strongly_typed:
        if not builder.platform_has_fast_fp16:
            raise BackendError('This GPU has no fast FP16', expected='precision fp32')
        if request.precision == trt_key.INT8:
            _permit_int8(trt, builder, config)
        fp32_parts, parts = permit_fp16_with_pins(api, network, config)
        if fp32_parts == 0:
            raise BackendError('No layer was found to keep in 32 bits', got=request.model_path,
                               remedy='Use precision: fp32.')
    _configure(trt, config, request)
    timing_cache = _load_timing_cache(config, request.timing_cache)
    monitor = _monitor(trt, on_progress)
    if monitor is not None:
        config.progress_monitor = monitor
    on_progress('building', 0, 0)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError('TensorRT could not build the engine', got='no plan',
                           remedy='The reason is in the lines that TensorRT printed.')
    if timing_cache is not None:
        _save_timing_cache(config, request.timing_cache)
    return BuiltEngine(bytes(plan), displayed(request.precision, request.tf32),
                       fp32_parts, parts, api.version)


def _creation_flags(api: TensorrtApi) -> int:
    kinds = api.module.NetworkDefinitionCreationFlag
    if api.strongly_typed:
        return 1 << int(kinds.STRONGLY_TYPED)
    return 1 << int(kinds.EXPLICIT_BATCH)


def _read(path: str) -> bytes:
    try:
        with open(path, 'rb') as stream:
            return stream.read()
    except OSError as error:
        raise ModelError('Model file cannot be read', got=f'{path} ({error.strerror})') from error


def _unreadable(api: TensorrtApi, parser: Any, path: str) -> ModelError:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    text = '; '.join(f'node {error.node()}: {error.desc()}' for error in errors)
    return ModelError(
        f'TensorRT {api.version} cannot read the model {path}', got=text,
        remedy='TensorRT 8.2 reads opset 13 with float inputs, 8.4 and 8.5 opset 17 without '
               'LayerNormalization: fetch or export the model for it.')


def _fix_shapes(network: Any, shapes: Dict[str, List[int]]) -> None:
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if tensor.name in shapes:
            tensor.shape = tuple(shapes[tensor.name])


def _configure(trt: Any, config: Any, request: BuildRequest) -> None:
    workspace = request.workspace_mib * MIB
    if hasattr(config, 'set_memory_pool_limit'):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    else:
        config.max_workspace_size = workspace
    # On by default: products of 32-bit layers would silently be rounded to 11 bits.
    if request.tf32:
        config.set_flag(trt.BuilderFlag.TF32)
    else:
        config.clear_flag(trt.BuilderFlag.TF32)
    sources = TACTIC_SOURCES[request.tactic_sources]
    # From 10 on these libraries are off by default, in 11 they are gone.
    if sources is not None and not hasattr(config, 'progress_monitor'):
        mask = 0
        for name in sources:
            mask |= 1 << int(getattr(trt.TacticSource, name))
        config.set_tactic_sources(mask)
    if request.optimization_level is not None and hasattr(config, 'builder_optimization_level'):
        config.builder_optimization_level = request.optimization_level


def _load_timing_cache(config: Any, path: str) -> Optional[Any]:
    # Kernels that were timed once need not be timed again for another precision or a retry.
    if not path:
        return None
    content = b''
    if os.path.exists(path):
        check_private_file(path)
        content = _read(path)
    cache = config.create_timing_cache(content)
    # False: a cache of another device or version does not match and is not taken.
    if cache is None or not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b'')
        config.set_timing_cache(cache, False)
    return cache


def _save_timing_cache(config: Any, path: str) -> None:
    folder, file_name = os.path.split(path)
    EngineCache(folder).write(file_name, bytes(config.get_timing_cache().serialize()))


def _monitor(trt: Any, on_progress: ProgressCallback) -> Optional[Any]:
    # Introduced with 10.0.
    if not hasattr(trt, 'IProgressMonitor'):
        return None

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: Dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            self._steps[phase_name] = num_steps
            on_progress(phase_name, 0, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            on_progress(phase_name, step, self._steps.get(phase_name, 0))
            return True

    return Monitor()
