# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Corners of a floor of noise, followed into an image whose place is known."""

import numpy as np
import pytest
from segformer_ros.calibration import ground_motion
from segformer_ros.calibration import tracking
from segformer_ros.costmap.geometry import transforms
from support import noise_floor


@pytest.mark.parametrize('step, turn', [(0.15, 0.0), (0.15, 0.1), (0.15, -0.1), (0.5, 0.0),
                                        (0.5, 0.15)])
def test_corners_are_followed_to_where_they_are_although_the_second_image_ends(step, turn):
    camera, mount = noise_floor.camera(), noise_floor.TOLD
    moved = transforms.planar_pose(step, 0.0, turn)
    floor = noise_floor.floor_picture()
    (first, labels), (second, later) = (noise_floor.seen(floor, place, mount)
                                        for place in (np.eye(4), moved))

    def predict(pixels):
        met = ground_motion.ground_points(camera.unproject(pixels[:, 0], pixels[:, 1]),
                                          mount.matrix())
        points = np.concatenate([met, np.zeros((len(met), 1)), np.ones((len(met), 1))], axis=1)
        return ground_motion.seen_at(camera, points.dot(transforms.inverse(moved).T)[:, :3],
                                     transforms.inverse(mount.matrix()))
    tracks = tracking.track(
        first[..., 0], second[..., 0], noise_floor.IS_GROUND[labels], noise_floor.IS_GROUND[later],
        predict, 100, tracking.whole_image(camera.size_wh, predict, 8))
    assert tracks.corners > 40
    # Others leave the second image's ground, or lie too near to its end.
    assert len(tracks.first) > 0.7 * tracks.corners
    off = np.hypot(*(tracks.second - predict(tracks.first)).T)
    assert np.median(off) < 0.1
    assert np.percentile(off, 90) < 0.4
