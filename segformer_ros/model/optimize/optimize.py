# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Make the model that a runtime runs fastest from the one that an exporter wrote.

The result computes the same: it is compared with the original before it is used. The original
always works too, and is what is used where ``onnx`` is not installed.
"""

import hashlib
import importlib
import logging
import os
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Type

from segformer_ros.common import arrays
from segformer_ros.common.digest import sha256_of_values
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import ModelError
from segformer_ros.common.machine import machine_identity
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.common.text import one_line
from segformer_ros.model import spec as model_spec
from segformer_ros.model.onnx_file import half
from segformer_ros.model.onnx_file import header as onnx_header
from segformer_ros.model.optimize import io_adapters
from segformer_ros.model.optimize import segformer_builder
from segformer_ros.model.optimize import tail
from segformer_ros.model.optimize import verify
from segformer_ros.model.optimize.cache import OptimizedModelCache
from segformer_ros.model.optimize.reader import UnsupportedGraphError
from segformer_ros.model.optimize.segformer_parser import parse_segformer
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.optimize.target import Target
from segformer_ros.model.optimize.writer import import_onnx
from segformer_ros.model.spec import ModelSpec
from segformer_ros.model.spec import TensorSpec

# Raised with every change of what is written, so that cached models are made again.
REVISION = 6
FOLDED = 'folded'
ENDS_ONLY = 'ends only'
UNCHANGED = 'unchanged'
FAILURES, MOST_FAILURES = 'runtime_failures', 3
"""A key of the metadata, how often the runtime failed; after how many it is not asked again."""
_LONGEST_REASON = 300
_LOGGER = logging.getLogger(__name__)


class OptimizedModel(NamedTuple):
    """
    What to run instead of the original.

    ``path`` and ``spec`` belong together; they are the original's where ``changes`` is
    ``unchanged``. ``changes`` is ``folded`` where the whole network was rewritten, ``ends
    only`` where input and output were. ``detail`` is a sentence for logs and diagnostics.
    """

    path: str
    spec: ModelSpec
    changes: str
    detail: str


def optimize(onnx_path: str, spec: ModelSpec, target: Target = ONNXRUNTIME,
             pictures: Optional[Sequence[arrays.UInt8]] = None) -> OptimizedModel:
    """
    Return the optimized model, from the cache or newly made and compared.

    Making it takes a few seconds and several times the model's size in memory.

    :param onnx_path: the original
    :param spec: of the original
    :param target: the runtime that it is for
    :param pictures: (H, W, 3) RGB at the input's size to compare with, by default made ones
    :raises ModelError: the file is missing, or one of its weights
    """
    cache = open_cache(onnx_path, spec, target)
    metadata = usable(cache.read())
    if metadata is None:
        try:
            import_onnx()
        except BackendError as error:
            return passthrough(onnx_path, spec, str(error))
        with tempfile.TemporaryDirectory(prefix='segformer_ros_graph_') as folder:
            metadata, path = _make(onnx_path, spec, target, folder, pictures)
            if metadata[FAILURES]:
                metadata[FAILURES] += (cache.read() or {}).get(FAILURES, 0)
            try:
                metadata = cache.write(metadata, path)
            except ModelError as error:
                return passthrough(onnx_path, spec, str(error))
    return from_metadata(onnx_path, spec, target, metadata)


def write_rewritten(onnx_path: str, spec: ModelSpec, target: Target,
                    path: str) -> Tuple[str, str]:
    """
    Write the graph that would be compared for a target first; nothing is run or compared here.

    :param path: of the graph; not written where the original is used as it is
    :return: ``changes`` and ``detail`` as in :class:`OptimizedModel`
    :raises BackendError: onnx is not installed
    """
    refusals = []
    try:
        original = _read_original(onnx_path, spec)
    except UnsupportedGraphError as error:
        return UNCHANGED, str(error)
    for changes, rewrite in ((FOLDED, _fold), (ENDS_ONLY, _change_ends)):
        try:
            made = rewrite(original.model, original.spec, target)
            import_onnx().save(made.model, path)
        except (UnsupportedGraphError,) + _onnx_errors() as error:
            refusals.append(f'{changes}: {_short(error)}')
        else:
            return changes, '; '.join([made.outline + original.note] + refusals)
    return UNCHANGED, '; '.join(refusals)


def open_cache(onnx_path: str, spec: ModelSpec, target: Target) -> OptimizedModelCache:
    """
    Return where the optimized model lies or will lie.

    :raises ModelError: the file is missing, or one of its weights
    """
    if not os.path.isfile(onnx_path):
        raise ModelError('Model file not found', got=onnx_path, expected='an ONNX file',
                         remedy='Check the path, or fetch a model: fetch_model.')
    # What the runtime is decides which operations may be used, and was compared with. On another
    # processor it computes otherwise: a graph that was copied is compared there first.
    machine = machine_identity()
    # What classes are called, by a table that may lie anywhere, is nothing to a graph.
    key = sha256_of_values([
        REVISION, onnx_header.model_digest(onnx_path), spec._replace(classes=''), target,
        _runtime_version(), machine])
    return OptimizedModelCache(onnx_path, target.name,
                               hashlib.sha256(machine.encode('utf-8')).hexdigest(),
                               spec.input_size_wh, key)


def usable(metadata: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """
    Return the cached metadata, or None where the model is to be optimized, perhaps again.

    Where the runtime failed, for want of memory say, it may do better at the next start.
    """
    if metadata is None or 0 < metadata.get(FAILURES, 0) < MOST_FAILURES:
        return None
    return metadata


def from_metadata(onnx_path: str, spec: ModelSpec, target: Target,
                  metadata: Dict[str, Any]) -> OptimizedModel:
    """Return the optimized model that cached metadata describe, or the original."""
    if metadata['changes'] == UNCHANGED:
        return passthrough(onnx_path, spec, metadata['detail'])
    # A network that enlarged its logits itself no longer does.
    width, height = metadata.get('output_size_wh', spec.output_size_wh)
    return OptimizedModel(
        metadata['path'], target.optimized_spec(spec._replace(output_size_wh=(width, height))),
        metadata['changes'], metadata['detail'])


def passthrough(onnx_path: str, spec: ModelSpec, reason: str) -> OptimizedModel:
    """Return the original, with a warning."""
    _LOGGER.warning('%s is used as it is; a model optimized for this runtime would be faster: %s',
                    onnx_path, reason)
    return OptimizedModel(onnx_path, spec, UNCHANGED, reason)


def _make(onnx_path: str, spec: ModelSpec, target: Target, folder: str,
          pictures: Optional[Sequence[arrays.UInt8]]) -> Tuple[
              Dict[str, Any], Optional[str]]:
    """Return metadata and path of the most thorough rewrite that agrees with the original."""
    _LOGGER.info('Optimizing %s for %s: once, a few seconds', onnx_path, target.name)
    refusals: List[str] = []
    failures = 0
    try:
        original = _read_original(onnx_path, spec, folder)
        native = native_spec(onnx_header.read_onnx_header(onnx_path), original.spec)
    except ModelError as error:
        return {'changes': UNCHANGED, 'detail': str(error), FAILURES: 0}, None
    model, spec = original.model, original.spec
    if native.input_size_wh != spec.input_size_wh:
        return _make_resized(original, native, target, folder, pictures)
    for changes, rewrite in ((FOLDED, _fold), (ENDS_ONLY, _change_ends)):
        path = os.path.join(folder, changes.replace(' ', '_') + '.onnx')
        try:
            made = rewrite(model, spec, target)
            import_onnx().save(made.model, path)
            agreement = verify.compare(original.path, spec, path,
                                       target.optimized_spec(made.spec), pictures, made.cut)
        except _onnx_errors() as error:
            # onnx itself finds fault with what was made of a file that is not quite right.
            refusals.append(f'{changes}: {_short(error)}')
            continue
        except (UnsupportedGraphError, BackendError) as error:
            failures = failures or int(isinstance(error, BackendError))
            refusals.append(f'{changes}: {error}')
            continue
        if agreement.is_exact:
            detail = '; '.join([made.outline + original.note, str(agreement)] + refusals)
            level = logging.INFO if changes == FOLDED else logging.WARNING
            _LOGGER.log(level, '%s for %s, %s: %s', onnx_path, target.name, changes, detail)
            return {'changes': changes, 'detail': detail, FAILURES: failures,
                    'output_size_wh': list(made.spec.output_size_wh),
                    'max_logit_difference': agreement.max_logit_difference,
                    'mask_agreement': agreement.mask_agreement}, path
        refusals.append(f'{changes}: {agreement}')
    return {'changes': UNCHANGED, 'detail': '; '.join(refusals), FAILURES: failures}, None


def native_spec(header: onnx_header.OnnxHeader, spec: ModelSpec) -> ModelSpec:
    """Return a specification with the sizes that the file itself has, where it fixes them."""
    height_axis = 2 if spec.input_layout == 'nchw' else 1
    return spec._replace(
        input_size_wh=_size_of(header.inputs, spec.input_name, height_axis) or spec.input_size_wh,
        output_size_wh=_size_of(header.outputs, spec.output_name,
                                2 if spec.output_layout == 'nchw' else 1) or spec.output_size_wh)


def _size_of(tensors: Sequence[TensorSpec], name: str,
             height_axis: int) -> Optional[Tuple[int, int]]:
    for tensor in tensors:
        if tensor.name == name and len(tensor.shape) > height_axis + 1:
            height, width = tensor.shape[height_axis:height_axis + 2]
            if height is not None and width is not None:
                return width, height
    return None


def _make_resized(original: '_Original', native: ModelSpec, target: Target, folder: str,
                  pictures: Optional[Sequence[arrays.UInt8]]) -> Tuple[
                      Dict[str, Any], Optional[str]]:
    """
    Write a network of a fixed size at another one.

    The original does not run at that size. So the layers that were read are first written at
    the original's, where the result must agree with it, and then at the new one.
    """
    failures = 0
    model, spec = original.model, original.spec
    paths = [os.path.join(folder, name + '.onnx') for name in ('native', FOLDED)]
    try:
        at_native, resized = _fold(model, native, target), _fold(model, spec, target)
        for path, made in zip(paths, (at_native, resized)):
            import_onnx().save(made.model, path)
        agreement = verify.compare(original.path, native, paths[0],
                                   target.optimized_spec(at_native.spec), pictures, at_native.cut)
    except _onnx_errors() as error:
        reason = _short(error)
    except (UnsupportedGraphError, BackendError) as error:
        failures = int(isinstance(error, BackendError))
        reason = str(error)
    else:
        reason = str(agreement)
        if agreement.is_exact:
            detail = '{}{} at {} x {} instead of {} x {}; there {}'.format(
                resized.outline, original.note, *spec.input_size_wh, *native.input_size_wh,
                agreement)
            return {'changes': FOLDED, 'detail': detail, FAILURES: failures,
                    'output_size_wh': list(resized.spec.output_size_wh),
                    'max_logit_difference': agreement.max_logit_difference,
                    'mask_agreement': agreement.mask_agreement}, paths[1]
    return {'changes': UNCHANGED, FAILURES: failures, 'detail': 'its size is fixed to {} x {}, '
            'and it is not a SegFormer that could be written anew: {}'.format(
                *native.input_size_wh, reason)}, None


class _Original(NamedTuple):
    """
    The network to rewrite, with 32-bit floats.

    ``path`` is the file to compare with: the user's, or one of the same network with float32 in
    place of float16, which ``note`` says.
    """

    path: str
    model: Any
    spec: ModelSpec
    note: str


def _read_original(onnx_path: str, spec: ModelSpec, folder: Optional[str] = None) -> _Original:
    """
    Read a network; what had to be changed for it is written into ``folder``, if there is one.

    :raises UnsupportedGraphError: it cannot be read, or has ends that are not rewritten
    """
    if spec.input_layout != 'nchw' or spec.input_dtype == 'uint8' \
            or spec.output_layout == 'nhwc':
        raise UnsupportedGraphError('its ends are not those of an export')
    path = onnx_path
    try:
        model = _without_functions(import_onnx().load(onnx_path))
        wide = half.widened(model)
        if wide is not None and folder is not None:
            path = os.path.join(folder, 'float32.onnx')
            import_onnx().save(wide, path)
    except (OSError,) + _onnx_errors() as error:
        # OSError: a file of weights that is missing.
        raise UnsupportedGraphError(f'onnx cannot read {onnx_path}', got=_short(error)) from error
    if wide is None:
        return _Original(path, model, spec, '')
    return _Original(path, wide, spec._replace(input_dtype='float32'), ', float16 as float32')


def _without_functions(model: Any) -> Any:
    """
    Return a network with the nodes of the file's own functions in place of their calls.

    :raises UnsupportedGraphError: the installed onnx cannot put them there
    """
    if not getattr(model, 'functions', ()):
        return model
    try:
        inliner = importlib.import_module('onnx.inliner')
    except ImportError as error:
        raise UnsupportedGraphError('the file has functions of its own',
                                    expected='onnx 1.15 or newer, to read them') from error
    return inliner.inline_local_functions(model)


def _onnx_errors() -> Tuple[Type[Exception], ...]:
    """
    Return what a file raises that is not quite right.

    The types of onnx do not derive from each other. The others come of nodes that lack an input,
    attributes of another type than their operator has, impossible numbers, and endless nesting.
    """
    onnx = import_onnx()
    from google.protobuf.message import Error
    return (onnx.checker.ValidationError, Error, ValueError, IndexError, TypeError,
            ArithmeticError, RecursionError)


def _short(error: Exception) -> str:
    return one_line(error)[:_LONGEST_REASON]


class _Made(NamedTuple):
    """A rewritten network, the contract it was written for, and what it leaves out at the end."""

    model: Any
    spec: ModelSpec
    cut: str
    outline: str


def _fold(model: Any, spec: ModelSpec, target: Target) -> _Made:
    end = tail.find_tail(model, spec)
    network = parse_segformer(model, spec.input_name, end.logits)
    if spec.output_kind in model_spec.BINARY:
        network = tail.network_with_rest(network)
    size_hw = network.stage_sizes(spec.input_size_wh[::-1])[0]
    outline = network.describe()
    if end.resize:
        outline += ', logits enlarged with {} from {} x {}'.format(end.resize, *size_hw[::-1])
        size_hw = spec.output_size_wh[::-1]
    elif size_hw[::-1] != tuple(spec.output_size_wh):
        outline += ', logits at {} x {} instead of {} x {}'.format(
            *size_hw[::-1] + tuple(spec.output_size_wh))
    if spec.output_kind == model_spec.LABELS:
        outline += ', logits instead of labels'
    small = spec._replace(output_size_wh=size_hw[::-1], output_kind=model_spec.LOGITS,
                          output_layout='nchw')
    fused = target.fused_attention and segformer_builder.has_fused_attention()
    return _Made(segformer_builder.build(network, small, target, fused, end.resize), small,
                 end.step, outline)


def _change_ends(model: Any, spec: ModelSpec, target: Target) -> _Made:
    body = tail.without_tail(model, spec)
    return _Made(io_adapters.adapt(body.model, body.spec, target), body.spec, body.cut,
                 'input and output changed')


def _runtime_version() -> str:
    """Return onnxruntime's version, or what stands for its absence."""
    try:
        onnxruntime = import_onnxruntime()
    except ImportError:
        return 'none'
    return str(onnxruntime.__version__)
