# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Input tensors of the pictures that come with the package, to check engines on."""

import os
from typing import List, Sequence

import numpy as np
from PIL import Image
from segformer_ros.common import resources
from segformer_ros.common.errors import InvalidInputError
from segformer_ros.common.image_header import PILLOW_ERRORS
from segformer_ros.inference.base.frames import Frame
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.preprocessing import Preprocessor

FOLDER = 'config/self_check'
_SUFFIXES = ('.jpg', '.jpeg', '.png')


def self_check_frames(spec: ModelSpec, folder: str = '') -> List[Frame]:
    """
    Return the input tensors of every picture in a folder, in the order of their names.

    :param spec: of the network
    :param folder: with JPEG or PNG files; by default the pictures of the package, rendered
        from its simulated world
    :raises InvalidInputError: the folder has no picture, or one cannot be read
    """
    place = folder or resources.find(FOLDER)
    try:
        names = sorted(name for name in os.listdir(place) if name.lower().endswith(_SUFFIXES))
    except OSError as error:
        raise InvalidInputError('Pictures cannot be listed',
                                got=f'{place} ({error.strerror})') from error
    if not names:
        raise InvalidInputError('No pictures to check engines on', got=place,
                                expected=f"files that end in {', '.join(_SUFFIXES)}")
    return _tensors(spec, [os.path.join(place, name) for name in names])


def _tensors(spec: ModelSpec, paths: Sequence[str]) -> List[Frame]:
    preprocessor = Preprocessor(spec, None)
    frames = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                image = np.asarray(picture.convert('RGB'))
        except PILLOW_ERRORS as error:
            raise InvalidInputError('Picture cannot be read', got=f'{path} ({error})') from error
        # The tensor is the preprocessor's own and holds the next picture soon.
        frames.append({spec.input_name: preprocessor.run(image, 'pillow').copy()})
    return frames
