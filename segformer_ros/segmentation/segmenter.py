# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From an image to a mask: preprocessing, network, postprocessing."""

import time
from typing import Callable, Dict, Mapping, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.onnxrt.backend import default_threads
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation import postprocessing
from segformer_ros.segmentation import preprocessing
from segformer_ros.segmentation.images.decoding import Picture
from segformer_ros.segmentation.kernel_build import Compiled
from segformer_ros.segmentation.kernel_build import load_kernels

# OpenCV's codes for turning an image clockwise by so many degrees, and for turning it back.
_TURN = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_TURN_BACK = {90: _TURN[270], 180: _TURN[180], 270: _TURN[90]}
ROTATIONS = (0,) + tuple(_TURN)
NO_CONFIDENCE = ('The network returns labels alone (output_kind: labels): export it with its '
                 'logits where the confidence is needed.')


class SegmenterSettings(NamedTuple):
    """
    What may change between two frames.

    ``resize`` is ``pillow`` (the filter that the checkpoint was trained with) or ``opencv``
    (faster; up to 4 % of the labels differ). ``postprocess`` is ``exact``, or ``fast`` (argmax
    at the size of the logits: an approximation). ``threshold`` is the confidence 0..1 below
    which a pixel becomes UNLABELED; 0 turns it off.
    """

    resize: str = preprocessing.RESIZES[0]
    postprocess: str = postprocessing.METHODS[0]
    threshold: float = 0.0

    def check(self) -> None:
        """
        Look for settings that cannot be used.

        :raises ConfigurationError: a setting is unknown or out of range
        """
        for what, value, choices in (
                ('resize', self.resize, preprocessing.RESIZES),
                ('postprocess', self.postprocess, postprocessing.METHODS)):
            if value not in choices:
                raise ConfigurationError(f'Unknown setting of {what!r}', got=repr(value),
                                         expected=' or '.join(choices))
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigurationError('Threshold out of range', got=self.threshold,
                                     expected='a confidence from 0.0 to 1.0')


class Timings(NamedTuple):
    """Where the time of one frame went, in seconds."""

    preprocess: float
    infer: float
    postprocess: float


class Segmentation(NamedTuple):
    """
    The result for one image; the arrays are the caller's to keep.

    ``mask`` is (H, W) class ids; ``confidence`` is (H, W) 0..255, or None when not asked for
    or where the network returns labels alone.
    Pixels below the threshold are UNLABELED in the mask and keep their confidence.
    """

    mask: arrays.UInt8
    confidence: Optional[arrays.UInt8]
    timings: Timings


class Prepared(NamedTuple):
    """
    An image on its way through the network; from :meth:`Segmenter.prepare`.

    ``size_wh`` is that of the upright image. ``tensor`` is valid until the next one is prepared,
    ``seconds`` what that took.
    """

    tensor: arrays.Array
    size_wh: Tuple[int, int]
    rotate: int
    settings: SegmenterSettings
    with_confidence: bool
    seconds: float


class Segmenter:
    """
    Segment images with one network.

    :meth:`segment` does all. Its steps are :meth:`prepare`, :meth:`begin`, :meth:`end` and
    :meth:`finish`: where the backend overlaps, one image may be finished and another prepared
    while the network runs, between ``begin`` and ``end``. At most one is between these two.

    Calls must come from one thread at a time: working memory is reused from frame to frame.

    :param spec: what the network takes and returns
    :param backend: open; stays the caller's to close
    :param settings: by default those of ``SegmenterSettings()``; may be replaced between frames
    :param compiled: the image kernels to use; by default those of ``load_kernels``
    :param on_input: is given each input tensor, by name, that the network has taken; the next
        frame overwrites it
    :param threads: of the image kernels, which run before and after the network and not beside
        it; 0 takes :func:`default_threads`
    :raises ModelError: the opened network does not fit the specification
    :raises ConfigurationError: a setting is unknown, out of range, or not for this network
    """

    def __init__(self, spec: ModelSpec, backend: Backend,
                 settings: Optional[SegmenterSettings] = None,
                 compiled: Optional[Compiled] = None,
                 on_input: Optional[Callable[[Mapping[str, 'arrays.Array']], None]] = None,
                 threads: int = 0) -> None:
        spec.check(backend.inputs, backend.outputs)
        self.spec = spec
        self.has_confidence = spec.has_confidence
        self.settings = SegmenterSettings() if settings is None else settings
        self.backend = backend
        self._on_input = on_input
        self._outputs: Dict[str, arrays.Array] = {}
        self._begun = self._ran = 0.0
        kernels = (load_kernels() if compiled is None else compiled).kernels
        threads = threads or default_threads()
        self._preprocessor = preprocessing.Preprocessor(spec, kernels, threads)
        self._postprocessor = postprocessing.Postprocessor(spec, kernels, threads)
        self._buffers = postprocessing.PixelBuffers()
        if any(size is None for output in backend.outputs for size in output.shape):
            self._check_one_run()

    @property
    def settings(self) -> SegmenterSettings:
        """Return the settings of the next frame; assigning checks them."""
        return self._settings

    @settings.setter
    def settings(self, settings: SegmenterSettings) -> None:
        settings.check()
        if settings.threshold > 0.0 and not self.has_confidence:
            raise ConfigurationError('Threshold without a confidence', got=settings.threshold,
                                     expected='0.0', remedy=NO_CONFIDENCE)
        self._settings = settings

    def segment(self, image: Union[arrays.UInt8, Picture], rotate: int = 0,
                with_confidence: bool = True) -> Segmentation:
        """
        Return the mask of one image.

        :param image: (H, W, 3) RGB uint8, rows may be padded; or what a camera sent, of which
            no RGB is made
        :param rotate: clockwise degrees by which the image must be turned to stand upright:
            0, 90, 180 or 270. The network sees it upright; the outputs fit the image as given
        :param with_confidence: compute the confidence too
        :raises InvalidInputError: the image or the rotation cannot be used
        :raises BackendError: the network failed, or returned values that are not finite
        """
        prepared = self.prepare(image, rotate, with_confidence)
        self.begin(prepared)
        self.end()
        return self.finish(prepared)

    def prepare(self, image: Union[arrays.UInt8, Picture], rotate: int = 0,
                with_confidence: bool = True) -> Prepared:
        """
        Make the network's input of an image, with the settings of this moment.

        :raises InvalidInputError: the image or the rotation cannot be used
        """
        picture = image if isinstance(image, Picture) else Picture(image)
        upright = _upright(picture, rotate)
        started = time.perf_counter()
        tensor = self._preprocessor.run(upright, self._settings.resize, picture.to_rgb)
        return Prepared(tensor, (upright.shape[1], upright.shape[0]), rotate, self._settings,
                        with_confidence, time.perf_counter() - started)

    def begin(self, prepared: Prepared) -> None:
        """
        Start the network; where the backend does not overlap it runs here and now.

        :raises BackendError: the network failed
        """
        self._begun = time.perf_counter()
        inputs = {self.spec.input_name: prepared.tensor}
        if self.backend.overlaps:
            self.backend.begin(inputs)
        else:
            self._outputs = self.backend.infer(inputs)
        if self._on_input is not None:
            self._on_input(inputs)

    def end(self) -> None:
        """
        Wait for the network.

        :raises BackendError: the network failed
        """
        if self.backend.overlaps:
            self._outputs = self.backend.end()
        self._ran = time.perf_counter() - self._begun

    def finish(self, prepared: Prepared) -> Segmentation:
        """
        Make mask and confidence; the next run may have been begun, but not ended.

        :param prepared: of the last image whose run ended
        :raises BackendError: the network returned values that are not finite
        """
        started = time.perf_counter()
        settings = prepared.settings
        mask, confidence = self._postprocessor.run(
            self._outputs, prepared.size_wh, settings.postprocess, settings.threshold,
            prepared.with_confidence)
        if prepared.rotate:
            turn = _TURN_BACK[prepared.rotate]
            mask = self._turned(mask, turn)
            if confidence is not None:
                confidence = self._turned(confidence, turn)
        return Segmentation(mask, confidence, Timings(
            prepared.seconds, self._ran, time.perf_counter() - started))

    def _turned(self, values: arrays.UInt8, turn: int) -> arrays.UInt8:
        height, width = values.shape
        result = self._buffers.take((height, width) if turn == cv2.ROTATE_180 else (width, height))
        cv2.rotate(values, turn, result)
        return result

    def _check_one_run(self) -> None:
        """Learn from a grey image what sizes a network with dynamic outputs really returns."""
        width, height = self.spec.input_size_wh
        grey = np.full((height, width, 3), 128, np.uint8)
        tensor = self._preprocessor.run(grey, self._settings.resize)
        outputs: Dict[str, arrays.Array] = self.backend.infer(
            {self.spec.input_name: tensor})
        self.spec.check_shapes({name: array.shape for name, array in outputs.items()})


def _upright(picture: Picture, rotate: int) -> arrays.UInt8:
    image = picture.samples
    channels = picture.channels
    shape = (channels,) if channels > 1 else ()
    if image.dtype != np.uint8 or image.ndim < 2 or image.shape[2:] != shape or image.size == 0:
        raise InvalidInputError(
            'Not an image', got=f'{image.dtype}{list(image.shape)}',
            expected='uint8[{}], height and width above 0'.format(
                ', '.join(['height', 'width'] + [str(size) for size in shape])))
    if rotate not in ROTATIONS:
        raise InvalidInputError('Wrong rotation', got=rotate, expected='one of {}'.format(
            ', '.join(str(angle) for angle in ROTATIONS)))
    if image.strides[1:] != (channels, 1)[:image.ndim - 1] \
            or image.strides[0] < channels * image.shape[1]:
        image = np.ascontiguousarray(image)
    if rotate:
        return cv2.rotate(image, _TURN[rotate])  # type: ignore[return-value]
    return image
