# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Whole frames from camera bytes to a mask message: ours, and the two common ways to write it.

The others are what wrappers of SegFormer do, written anew and no slower than need be: each call
is the plain, fast one of its library.
"""

import array
import time
from types import SimpleNamespace
from typing import Any, Callable, Dict, Mapping, Optional

import cv2
import numpy as np
from PIL import Image

from segformer_ros.common import arrays
from segformer_ros.evaluation.benchmark.paired_timing import Run
from segformer_ros.evaluation.benchmark.paired_timing import Variant
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.base.backend import Opened
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.images.decoding import image_to_picture
from segformer_ros.segmentation.postprocessing import bytes_of
from segformer_ros.segmentation.segmenter import Segmenter
from segformer_ros.segmentation.segmenter import SegmenterSettings

CONVERT, PRE, INFER, POST, MESSAGE = 'convert', 'pre', 'infer', 'post', 'message'
OVERHEAD = (CONVERT, PRE, POST, MESSAGE)
# OpenCV 5 refuses arrays of more channels.
MOST_CHANNELS = 128
# Ours stays off the cores that the session uses; the others leave OpenCV as it comes.
OUR_OPENCV_THREADS = 1


class Watch:
    """Cuts the time since its making into stages."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.stages: Dict[str, float] = {}

    def cut(self, stage: str) -> None:
        """End a stage here."""
        now = time.perf_counter()
        self.stages[stage] = now - self._last
        self._last = now


class MeteredBackend(Backend):
    """
    An open backend that counts the processor time of its runs.

    :param inner: stays the caller's to close
    """

    def __init__(self, inner: Backend) -> None:
        super().__init__()
        self._inner = inner
        self.cpu = 0.0

    def infer(self, inputs: Mapping[str, arrays.Array]) -> Dict[str, arrays.Array]:
        """Run the network once."""
        started = time.process_time()
        outputs = self._inner.infer(inputs)
        self.cpu = time.process_time() - started
        return outputs

    def _open(self) -> Opened:
        return Opened(self._inner.inputs, self._inner.outputs, self._inner.info)

    def _infer(self, inputs: Mapping[str, arrays.Array]) -> Dict[str, arrays.Array]:
        return self._inner.infer(inputs)

    def _close(self) -> None:
        self.cpu = 0.0


class CameraImage:
    """
    A camera's image as it comes in a message, and what has become of it.

    :param rgb: (H, W, 3) RGB
    """

    def __init__(self, rgb: arrays.UInt8) -> None:
        height, width = rgb.shape[:2]
        self.size_wh = (width, height)
        self.message = SimpleNamespace(
            height=height, width=width, encoding='bgr8', step=3 * width, is_bigendian=0,
            data=array.array('B', np.ascontiguousarray(rgb[:, :, ::-1]).tobytes()))
        self.masks: Dict[str, arrays.UInt8] = {}


def our_pipeline(name: str, camera_image: CameraImage, backend: Backend, spec: ModelSpec,
                 resize: str, with_confidence: bool, threads: int) -> Variant:
    """Return the pipeline of the node, without ROS."""
    metered = MeteredBackend(backend)
    segmenter = Segmenter(spec, metered.open(), SegmenterSettings(resize=resize), threads=threads)

    def run() -> Run:
        cv2.setNumThreads(OUR_OPENCV_THREADS)
        watch = Watch()
        image = image_to_picture(camera_image.message)
        watch.cut(CONVERT)
        result = segmenter.segment(image, with_confidence=with_confidence)
        watch.cut(INFER)
        message_bytes(result.mask)
        if result.confidence is not None:
            message_bytes(result.confidence)
        watch.cut(MESSAGE)
        camera_image.masks[name] = result.mask
        timings = result.timings
        return Run({CONVERT: watch.stages[CONVERT], PRE: timings.preprocess,
                    INFER: timings.infer, POST: timings.postprocess,
                    MESSAGE: watch.stages[MESSAGE]}, metered.cpu)

    return Variant(name, run)


def transformers_pipeline(name: str, camera_image: CameraImage, backend: Backend,
                          spec: ModelSpec) -> Optional[Variant]:
    """
    Return the pipeline of the transformers example, or None where PyTorch is not installed.

    Pillow's resize, numpy's normalisation, PyTorch's upsampling of all logits to the picture's
    size, argmax over the classes.
    """
    try:
        import torch
    except ImportError:
        return None

    def pre(image: arrays.UInt8) -> arrays.Float32:
        small = Image.fromarray(image).resize(
            spec.input_size_wh, Image.BILINEAR)  # type: ignore[attr-defined]
        return _normalise(np.asarray(small), spec)

    def post(logits: arrays.Float32) -> arrays.UInt8:
        with torch.inference_mode():
            upsampled = torch.nn.functional.interpolate(
                torch.from_numpy(logits), size=camera_image.size_wh[::-1], mode='bilinear',
                align_corners=False)
            labels: arrays.UInt8 = upsampled.argmax(dim=1)[0].numpy().astype(np.uint8)
        return labels

    return _plain_pipeline(name, camera_image, backend, spec, pre, post)


def opencv_pipeline(name: str, camera_image: CameraImage, backend: Backend,
                    spec: ModelSpec) -> Variant:
    """
    Return the straightforward pipeline of OpenCV and numpy.

    OpenCV's bilinear resize, numpy's normalisation, OpenCV's upsampling of all logits with the
    classes as channels, argmax over the last axis. At its best: the large arrays are kept from
    frame to frame, since giving 100 MB back and taking them anew costs as much as filling them.
    """
    height, width = spec.output_size_wh[::-1]
    planes = np.empty((height, width, spec.num_classes), np.float32)
    upsampled = np.empty(camera_image.size_wh[::-1] + (spec.num_classes,), np.float32)

    def pre(image: arrays.UInt8) -> arrays.Float32:
        small: Any = cv2.resize(image, spec.input_size_wh, interpolation=cv2.INTER_LINEAR)
        return _normalise(small, spec)

    def post(logits: arrays.Float32) -> arrays.UInt8:
        np.copyto(planes, logits[0].transpose(1, 2, 0))
        upsample_channels(planes, upsampled)
        labels: arrays.UInt8 = upsampled.argmax(axis=2).astype(np.uint8)
        return labels

    return _plain_pipeline(name, camera_image, backend, spec, pre, post)


def upsample_channels(planes: arrays.Float32, upsampled: arrays.Float32) -> None:
    """
    Fill (H, W, C) from (h, w, C), in one call where this OpenCV takes C channels.

    OpenCV 4 does, and is several times faster for it.
    """
    height, width, channels = upsampled.shape
    if channels <= MOST_CHANNELS or int(cv2.__version__.split('.')[0]) < 5:
        cv2.resize(planes, (width, height), upsampled, interpolation=cv2.INTER_LINEAR)
        return
    for start in range(0, channels, MOST_CHANNELS):
        part: Any = cv2.resize(np.ascontiguousarray(planes[:, :, start:start + MOST_CHANNELS]),
                               (width, height), interpolation=cv2.INTER_LINEAR)
        upsampled[:, :, start:start + MOST_CHANNELS] = part.reshape(height, width, -1)


def fill_message(values: arrays.UInt8) -> 'array.array[int]':
    """Return the bytes in the form that rclpy's messages take without looking at each."""
    data = array.array('B')
    data.frombytes(values)  # type: ignore[arg-type]
    return data


def message_bytes(values: arrays.UInt8) -> 'array.array[int]':
    """Return the same, as the node does: without a copy where the array stands in such bytes."""
    found = bytes_of(values)
    return fill_message(values) if found is None else found


def _plain_pipeline(name: str, camera_image: CameraImage, backend: Backend, spec: ModelSpec,
                    pre: Callable[[Any], Any], post: Callable[[Any], Any]) -> Variant:
    opencv_threads = cv2.getNumberOfCPUs()
    metered = MeteredBackend(backend)

    def run() -> Run:
        cv2.setNumThreads(opencv_threads)
        message = camera_image.message
        watch = Watch()
        image = cv2.cvtColor(np.frombuffer(message.data, np.uint8).reshape(
            message.height, message.width, 3), cv2.COLOR_BGR2RGB)
        watch.cut(CONVERT)
        tensor = pre(image)
        watch.cut(PRE)
        logits = metered.infer({spec.input_name: tensor})[spec.output_name]
        watch.cut(INFER)
        mask = post(logits)
        watch.cut(POST)
        fill_message(mask)
        watch.cut(MESSAGE)
        camera_image.masks[name] = mask
        return Run(watch.stages, metered.cpu)

    return Variant(name, run)


def _normalise(small: arrays.UInt8, spec: ModelSpec) -> arrays.Float32:
    scaled = small.astype(np.float32) * np.float32(1.0 / 255.0)
    scaled -= np.asarray(spec.mean, np.float32)
    scaled /= np.asarray(spec.std, np.float32)
    if spec.color_order == 'bgr':
        scaled = scaled[:, :, ::-1]
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[np.newaxis])
