#!/usr/bin/env python3
# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure what the approximations of segmentation cost, on real photos.

Prints a Markdown table: how far the confidence lies below the exact softmax, and how many labels
change with the ``fast`` postprocessing and with the ``opencv`` resize.

usage: approximations.py SPEC.yaml MODEL.onnx WIDTHxHEIGHT IMAGE...
Images are resized to WIDTHxHEIGHT first, as if a camera had that size; 0x0 leaves them.
"""

import os
import sys

import cv2
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend  # noqa: E402, I100
from segformer_ros.model.spec import load_model_spec  # noqa: E402
from segformer_ros.segmentation.kernel_build import load_kernels  # noqa: E402
from segformer_ros.segmentation.preprocessing import Preprocessor  # noqa: E402
from segformer_ros.segmentation.segmenter import Segmenter  # noqa: E402
from segformer_ros.segmentation.segmenter import SegmenterSettings  # noqa: E402


def exact_softmax(logits, size_wh):
    """Return (H, W) float64: the largest softmax probability of the upsampled logits."""
    planes = [cv2.resize(plane.astype(np.float64), size_wh, interpolation=cv2.INTER_LINEAR)
              for plane in logits]
    largest = np.maximum.reduce(planes)
    return 1.0 / sum(np.exp(plane - largest) for plane in planes)


def main():
    """Measure every image and print the table."""
    spec = load_model_spec(sys.argv[1])
    size_wh = tuple(int(number) for number in sys.argv[3].split('x'))
    header = ('image', 'size', 'gap mean', 'gap 99 %', 'gap max', 'fast: labels changed',
              'opencv: labels changed')
    print('| {} |\n|{}'.format(' | '.join(header), '---|' * len(header)))
    with OnnxruntimeBackend(sys.argv[2]) as backend:
        segmenter = Segmenter(spec, backend)
        preprocessor = Preprocessor(spec, load_kernels().kernels)
        for path in sys.argv[4:]:
            image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
            if all(size_wh):
                image = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
            segmenter.settings = SegmenterSettings()
            result = segmenter.segment(image)
            tensor = preprocessor.run(image, 'pillow')
            logits = backend.infer({spec.input_name: tensor})[spec.output_name][0]
            if spec.output_layout == 'nhwc':
                logits = logits.transpose(2, 0, 1)
            softmax = exact_softmax(logits, image.shape[1::-1])
            # The levels' own rounding of 1/510 is not part of the gap.
            gap = np.maximum(softmax - result.confidence / 255.0 - 0.5 / 255.0, 0.0)
            changed = []
            for settings in (SegmenterSettings(postprocess='fast'),
                             SegmenterSettings(resize='opencv')):
                segmenter.settings = settings
                other = segmenter.segment(image, with_confidence=False).mask
                changed.append(f'{100.0 * (other != result.mask).mean():.2f} %')
            print('| {} | {} x {} | {:.4f} | {:.3f} | {:.3f} | {} |'.format(
                os.path.basename(path), image.shape[1], image.shape[0], gap.mean(),
                np.percentile(gap, 99), gap.max(), ' | '.join(changed)))


if __name__ == '__main__':
    main()
