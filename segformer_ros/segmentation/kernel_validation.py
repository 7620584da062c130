# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compare the compiled kernels of images with their twins."""

from typing import Any

import numpy as np
from segformer_ros.common.errors import BackendError
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.kernels import Kernels
from segformer_ros.segmentation.postprocessing import Postprocessor
from segformer_ros.segmentation.preprocessing import Preprocessor


def open_kernels(library: Any) -> Kernels:
    """
    Return the kernels of a loaded library; see :mod:`segformer_ros.common.compiled.validation`.

    :raises AttributeError: a function is missing
    :raises BackendError: results differ
    """
    kernels = Kernels(library)
    check(kernels)
    return kernels


def check(kernels: Kernels) -> None:
    """
    Compare with numpy and Pillow on small inputs: a compiler may be broken, or too clever.

    :raises BackendError: results differ
    """
    random = np.random.RandomState(0)
    logits = random.normal(size=(9, 11, 20)).astype(np.float32)
    image = random.randint(0, 256, (37, 83, 3)).astype(np.uint8)
    image_of_four = random.randint(0, 256, (37, 83, 4)).astype(np.uint8)
    for layout, dtype in (('nchw', 'float32'), ('nhwc', 'uint8')):
        spec = ModelSpec('check', 'ade20k', 20, input_size_wh=(24, 32), input_layout=layout,
                         input_dtype=dtype, output_layout=layout, output_size_wh=(11, 9))
        given = logits if layout == 'nhwc' else logits.transpose(2, 0, 1).copy()
        (mask, confidence), expected = [
            Postprocessor(spec, each, threads=2).run(
                {'logits': given[np.newaxis]}, (70, 40), 'exact', 0.1, True)
            for each in (kernels, None)]
        same = np.array_equal(mask, expected[0]) and confidence is not None \
            and expected[1] is not None \
            and abs(confidence.astype(int) - expected[1]).max() <= 1
        for to_rgb, samples in ((None, image), ('COLOR_BGR2RGB', image),
                                ('COLOR_BGRA2RGB', image_of_four),
                                ('COLOR_RGBA2RGB', image_of_four),
                                ('COLOR_GRAY2RGB', image[..., 0].copy())):
            tensor, plain = [Preprocessor(spec, each, threads=2).run(samples, 'pillow', to_rgb)
                             for each in (kernels, None)]
            same = same and np.array_equal(tensor, plain)
        if not same:
            raise BackendError('The compiled kernels give other results than numpy',
                               remedy='Please report the compiler and the processor.')
