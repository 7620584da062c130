# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images in, masks out, over real topics."""

import numpy as np
import pytest
from support.ros_graph import NodeProcess
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import BLUE
from support.tiny_model import color_image
from support.tiny_model import RED


@pytest.mark.smoke
def test_mask_names_the_colours_at_source_size_with_the_image_header(domain, tmp_path,
                                                                     color_model):
    with NodeProcess(domain, tmp_path, {'model': color_model}), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        image = rgb_message(color_image(['red', 'blue'], 47, 61), 'left_eye')
        mask = peer.mask_of(image)
        assert mask.header == image.header
        assert (mask.encoding, mask.height, mask.width, mask.step) == ('mono8', 47, 61, 61)
        values = pixels(mask)
        assert np.all(values[:, :28] == RED)
        assert np.all(values[:, 33:] == BLUE)
