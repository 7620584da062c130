# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Names of rectified topics."""

import pytest
from segformer_ros.costmap.geometry.camera_model import is_rectified


@pytest.mark.parametrize('topic, expected', [
    ('/camera/image_rect', True), ('/camera/image_rect_color', True),
    ('/camera/image_rect/compressed', True), ('image_rect', True),
    ('/camera/image_raw', False), ('/camera/image_raw/compressed', False),
    ('/camera/my_image_rect', False), ('/image_rect/image_raw', False), ('', False)])
def test_rectified_topics_are_known_by_their_last_name(topic, expected):
    assert is_rectified(topic) is expected
