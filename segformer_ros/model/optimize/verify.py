# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compare an optimized model with the network that it was made from."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from segformer_ros.common import arrays
from segformer_ros.common import install
from segformer_ros.common.errors import BackendError
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.model import spec as model_spec
from segformer_ros.model.optimize.io_adapters import WHITE

MAX_LOGIT_DIFFERENCE = 1e-3
MIN_MASK_AGREEMENT = 0.9999
# Radius of the smallest and largest disc of a dead-leaves picture, as shares of its height.
LEAF_SIZES = (0.01, 0.3)
LEAVES = 2000
# Rows of the output that are compared at a time: of 150 classes at 1024 pixels, 40 MB.
_ROWS = 64


class Agreement(NamedTuple):
    """
    How far two graphs agree over some pictures.

    ``max_logit_difference`` is absolute; of labels it is that by which the label's logit is
    below the largest. ``mask_agreement`` is the share 0..1 of cells with the same argmax, at the
    original's output size.
    """

    max_logit_difference: float
    mask_agreement: float

    @property
    def is_exact(self) -> bool:
        """Return whether one graph may run in place of the other."""
        return self.max_logit_difference < MAX_LOGIT_DIFFERENCE \
            and self.mask_agreement >= MIN_MASK_AGREEMENT

    def __str__(self) -> str:
        """Return both figures as text."""
        return (f'largest logit difference {self.max_logit_difference:.1e}, '
                f'masks equal on {self.mask_agreement:.3%}')


def compare(original: str, spec: model_spec.ModelSpec, optimized: str,
            optimized_spec: model_spec.ModelSpec,
            pictures: Optional[Sequence[arrays.UInt8]] = None,
            cut: str = '') -> Agreement:
    """
    Run two graphs on the same pictures with onnxruntime's CPU provider.

    :param original: path of an ONNX file
    :param optimized: path of the model made from it
    :param pictures: (H, W, 3) RGB at the input's size, by default :func:`sample_pictures`
    :param cut: the last operator of the original, where the optimized model ends before it; it
        is computed here
    :raises BackendError: onnxruntime is not installed, or cannot run one of them
    """
    if pictures is None:
        pictures = sample_pictures(spec.input_size_wh)
    difference, equal, cells = 0.0, 0, 0
    for one, other in zip(run(original, spec, pictures),
                          run(optimized, optimized_spec, pictures)):
        for begin in range(0, len(one), _ROWS):
            part = one[begin:begin + _ROWS]
            got = _TAILS[cut](_upsampled(other, one.shape[1::-1], begin, len(part)))
            if spec.output_kind == model_spec.LABELS:
                distance, same = _by_labels(part[:, :, 0], got)
            else:
                part = _of_every_class(part, spec)
                distance = float(np.abs(part - got).max())
                same = part.argmax(axis=2) == got.argmax(axis=2)
            # NaN compares false with everything: count it as the worst.
            difference = max(difference, distance if np.isfinite(distance) else np.inf)
            equal += int(same.sum())
            cells += same.size
    return Agreement(difference, equal / float(cells))


def sample_pictures(size_wh: Tuple[int, int]) -> List[arrays.UInt8]:
    """
    Return pictures that need no file: white noise, and two with natural statistics.

    The latter are dead leaves: opaque discs of random place, colour and scale-free size, which
    occlude each other. They have the edges, flat regions and spectrum of photographs
    (Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41, 2001).

    :return: (H, W, 3) RGB, the same at every call
    """
    random = np.random.RandomState(20260101)
    width, height = size_wh
    noise = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
    return [noise, _dead_leaves(random, size_wh), _dead_leaves(random, size_wh)]


def run(path: str, spec: model_spec.ModelSpec,
        pictures: Sequence[arrays.UInt8]) -> List[arrays.Array]:
    """
    Return the output (h, w, channels) of each picture, as the file gives it.

    :param pictures: (H, W, 3) RGB at the input's size
    :raises BackendError: onnxruntime is not installed, or cannot run the file
    """
    session = open_session(path)
    results = []
    try:
        for picture in pictures:
            logits = session.run([spec.output_name],
                                 {spec.input_name: _input(picture, spec)})[0][0]
            if spec.output_layout == model_spec.LABEL_LAYOUT:
                logits = logits[np.newaxis]
            results.append(logits if spec.output_layout == 'nhwc'
                           else logits.transpose(1, 2, 0))
    except Exception as error:  # onnxruntime's own types are not exported in 1.10
        raise BackendError('Graph cannot be run', got=f'{path} ({error})') from error
    return results


def open_session(model: Union[str, bytes], literally: bool = False) -> Any:
    """
    Return a session of onnxruntime on the CPU.

    :param model: path or content of an ONNX file
    :param literally: compute node by node what the file says: without it, pairs around a layer
        become another integer layer, which is not TensorRT's
    :raises BackendError: onnxruntime is not installed, or refuses the file
    """
    try:
        onnxruntime = import_onnxruntime()
    except ImportError as error:
        raise BackendError('onnxruntime cannot be imported', got=error,
                           remedy=install.RUNTIME) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if literally:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
    except Exception as error:  # onnxruntime's own types are not exported in 1.10
        raise BackendError('Graph cannot be run', got=error if isinstance(model, bytes)
                           else f'{model} ({error})') from error


def _dead_leaves(random: np.random.RandomState,
                 size_wh: Tuple[int, int]) -> arrays.UInt8:
    width, height = size_wh
    picture = np.full((height, width, 3), 128, np.uint8)
    smallest, largest = (share * height for share in LEAF_SIZES)
    # Density of radii r^-3 between the bounds, by inversion of its distribution function.
    radii = random.uniform(largest ** -2, smallest ** -2, LEAVES) ** -0.5
    centres = random.randint(0, (width, height), (LEAVES, 2)).tolist()
    colors = random.randint(0, 256, (LEAVES, 3)).tolist()
    for radius, centre, color in zip(radii.tolist(), centres, colors):
        cv2.circle(picture, tuple(centre), max(1, int(radius)), color, -1)
    shade = cv2.resize(random.randint(-40, 41, (4, 4)).astype(np.float32), size_wh,
                       interpolation=cv2.INTER_CUBIC)
    grain = random.normal(0.0, 4.0, picture.shape)
    return np.clip(picture + shade[:, :, np.newaxis] + grain, 0, WHITE).astype(np.uint8)


def _upsampled(logits: arrays.Array, size_wh: Tuple[int, int], begin: int,
               rows: int) -> arrays.Array:
    """Return some rows of (h, w, classes) logits at another size, bilinear between centres."""
    height, width = logits.shape[:2]
    if (width, height) == tuple(size_wh):
        return logits[begin:begin + rows]
    above, below, down = _neighbours(height, size_wh[1])
    left, right, across = _neighbours(width, size_wh[0])
    part = slice(begin, begin + rows)
    weight = down[part, np.newaxis, np.newaxis]
    tall = logits[above[part]] * (1 - weight) + logits[below[part]] * weight
    weight = across[np.newaxis, :, np.newaxis]
    return np.asarray(tall[:, left] * (1 - weight) + tall[:, right] * weight)


def _neighbours(size: int, wanted: int) -> Tuple[arrays.Array, arrays.Array, arrays.Array]:
    """Return the cells on both sides of each new one, and the share of the second."""
    places = (np.arange(wanted) + 0.5) * size / wanted - 0.5
    first = np.floor(places).astype(np.int64)
    return (np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1),
            (places - first).astype(np.float32))


def _by_labels(labels: arrays.Array, logits: arrays.Array) -> Tuple[float, arrays.Array]:
    """Return how far the labels' logits are below the largest, and where the labels agree."""
    classes = logits.shape[2]
    if labels.min() < 0 or labels.max() >= classes:
        return np.inf, np.zeros(labels.shape, bool)
    rows, cols = np.indices(labels.shape)
    chosen = logits[rows, cols, labels.astype(np.int64)]
    return float((logits.max(axis=2) - chosen).max()), logits.argmax(axis=2) == labels


def _of_every_class(values: arrays.Array,
                    spec: model_spec.ModelSpec) -> arrays.Array:
    if spec.output_kind not in model_spec.BINARY:
        return values
    rest = np.zeros_like(values) if spec.output_kind == model_spec.BINARY_LOGITS else 1.0 - values
    return np.concatenate([values, rest], axis=2)


def _log_softmax(logits: arrays.Array) -> arrays.Array:
    shifted = logits.astype(np.float64) - logits.max(axis=2, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True)))


def _softmax(logits: arrays.Array) -> arrays.Array:
    return np.asarray(np.exp(_log_softmax(logits)))


# A sigmoid was made a softmax of two classes.
_TAILS: Dict[str, Callable[[arrays.Array], arrays.Array]] = {
    '': lambda logits: logits, 'LogSoftmax': _log_softmax, 'Softmax': _softmax,
    'Sigmoid': _softmax}


def _input(picture: arrays.UInt8, spec: model_spec.ModelSpec) -> arrays.Array:
    tensor: arrays.Array = picture[np.newaxis]
    if spec.input_dtype != 'uint8':
        tensor = ((tensor / WHITE - np.asarray(spec.mean)) / spec.std).astype(spec.input_dtype)
    if spec.color_order == 'bgr':
        tensor = tensor[:, :, :, ::-1]
    if spec.input_layout == 'nchw':
        tensor = tensor.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(tensor)
