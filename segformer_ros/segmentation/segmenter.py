# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From an image to a mask: preprocessing, network, postprocessing."""

import time
from typing import NamedTuple
from typing import Optional
from typing import TYPE_CHECKING

import numpy as np

from segformer_ros.errors import ConfigurationError
from segformer_ros.errors import InvalidInputError
from segformer_ros.inference.backend import Backend
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation import postprocessing
from segformer_ros.segmentation import preprocessing

if TYPE_CHECKING:
    import numpy.typing as npt

ROTATIONS = (0, 90, 180, 270)


class SegmenterSettings(NamedTuple):
    """
    What may change between two frames.

    ``resize``: ``pillow`` (as the checkpoint was trained) or ``opencv`` (faster, other pixels).
    ``postprocess``: ``exact``, or ``fast`` (argmax at logits size: an approximation).
    ``threshold``: confidence 0..1 below which a pixel becomes UNLABELED; 0 turns it off.
    """

    resize: str = 'pillow'
    postprocess: str = 'exact'
    threshold: float = 0.0


class Timings(NamedTuple):
    """Where the time of one frame went, in seconds."""

    preprocess: float
    infer: float
    postprocess: float


class Segmentation(NamedTuple):
    """
    The result for one image; the arrays belong to the caller.

    ``mask`` is (H, W) class ids; ``confidence`` (H, W) 0..255, or None when not asked for.
    """

    mask: 'npt.NDArray[np.uint8]'
    confidence: Optional['npt.NDArray[np.uint8]']
    timings: Timings


class Segmenter:
    """
    Segment images with one network.

    :param spec: what the network takes and returns
    :param backend: open; stays the caller's to close
    :param settings: may be replaced between frames through ``settings``
    :raises ModelError: the opened network does not fit the specification
    :raises ConfigurationError: a setting is not known
    """

    def __init__(self, spec: ModelSpec, backend: Backend,
                 settings: SegmenterSettings = SegmenterSettings()) -> None:
        spec.check(backend.inputs, backend.outputs)
        self._spec = spec
        self._backend = backend
        self.settings = settings

    @property
    def settings(self) -> SegmenterSettings:
        """Return the settings of the next frame."""
        return self._settings

    @settings.setter
    def settings(self, settings: SegmenterSettings) -> None:
        if settings.postprocess not in postprocessing.METHODS:
            raise ConfigurationError('Unknown postprocess', got=repr(settings.postprocess),
                                     expected=' or '.join(postprocessing.METHODS))
        if not 0.0 <= settings.threshold <= 1.0:
            raise ConfigurationError('Threshold out of range', got=settings.threshold,
                                     expected='0.0 to 1.0')
        self._preprocessor = preprocessing.Preprocessor(self._spec, settings.resize)
        self._settings = settings

    def segment(self, image: 'npt.NDArray[np.uint8]', rotate: int = 0,
                with_confidence: bool = True) -> Segmentation:
        """
        Return the mask of one image.

        :param image: (H, W, 3) RGB uint8
        :param rotate: clockwise degrees by which the image must be turned to stand upright:
            0, 90, 180 or 270; the outputs have the image's own orientation again
        :param with_confidence: compute the confidence too
        :raises InvalidInputError: the image or the rotation cannot be used
        :raises BackendError: the network failed or returned values that are not finite
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise InvalidInputError('Not an image', got='{}{}'.format(
                image.dtype, list(image.shape)), expected='uint8[H, W, 3], H and W above 0')
        if rotate not in ROTATIONS:
            raise InvalidInputError('Wrong rotation', got=rotate,
                                    expected='one of {}'.format(ROTATIONS))
        started = time.perf_counter()
        turns = rotate // 90
        upright = np.ascontiguousarray(np.rot90(image, -turns))
        tensor = self._preprocessor.run(upright)
        prepared = time.perf_counter()
        outputs = self._backend.infer({self._spec.input_name: tensor})
        inferred = time.perf_counter()
        logits = outputs[self._spec.output_name][0]
        if self._spec.output_layout == 'nhwc':
            logits = logits.transpose(2, 0, 1)
        logsumexp = outputs[self._spec.logsumexp_name][0] if self._spec.logsumexp_name else None
        mask, confidence = postprocessing.segment_logits(
            logits, logsumexp, (upright.shape[1], upright.shape[0]),
            self._settings.postprocess, self._settings.threshold, with_confidence)
        mask = np.ascontiguousarray(np.rot90(mask, turns))
        if confidence is not None:
            confidence = np.ascontiguousarray(np.rot90(confidence, turns))
        done = time.perf_counter()
        return Segmentation(mask, confidence, Timings(
            prepared - started, inferred - prepared, done - inferred))
