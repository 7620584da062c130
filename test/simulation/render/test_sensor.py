# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the sensor does to light."""

import numpy as np
import pytest

from segformer_ros.simulation.render.sensor import expose
from segformer_ros.simulation.render.sensor import Sensor

PLAIN = Sensor(noise=0.0, vignette=0.0, softness=0.0)


def picture(light, sensor=PLAIN, motion=(0.0, 0.0), seed=0):
    return expose(light.astype(np.float32), sensor, np.random.RandomState(seed), motion)


def test_exposure_is_automatic():
    light = np.random.RandomState(1).uniform(0.1, 0.9, (24, 32, 3))
    difference = picture(light).astype(int) - picture(light * 4.0)
    assert np.abs(difference).max() <= 1


def test_exposure_factor_brightens_and_white_balance_tints():
    light = np.full((16, 16, 3), 0.3)
    usual = picture(light).mean()
    assert picture(light, PLAIN._replace(exposure=1.5)).mean() > usual + 10
    tinted = picture(light, PLAIN._replace(white_balance=(1.3, 0.8))).mean(axis=(0, 1))
    assert tinted[0] > usual + 5 > usual - 5 > tinted[2]


def test_noise_has_the_promised_spread_and_follows_the_seed():
    light = np.full((64, 64, 3), 0.3)
    sensor = PLAIN._replace(noise=0.02)
    noisy = picture(light, sensor, seed=3)
    assert noisy.std() == pytest.approx(0.02 * 255, rel=0.15)
    assert np.array_equal(noisy, picture(light, sensor, seed=3))
    assert not np.array_equal(noisy, picture(light, sensor, seed=4))


def test_motion_blur_spreads_a_point_along_the_motion():
    light = np.full((21, 21, 3), 0.01)
    light[10, 10] = 2.0
    sharp = picture(light).astype(int)[..., 0]
    smeared = picture(light, motion=(6.0, 0.0)).astype(int)[..., 0]
    bright = smeared > smeared.min() + 20
    assert (sharp > sharp.min() + 20).sum() == 1
    assert bright[10].sum() == 7
    assert bright.sum() == 7


def test_more_light_is_never_darker():
    ramp = np.linspace(0.0, 3.9, 400).reshape(1, 400, 1) * np.ones((8, 1, 3))
    for exposure in (0.3, 1.0, 6.0):
        shown = picture(ramp, PLAIN._replace(exposure=exposure)).astype(int)[0, :, 0]
        assert (np.diff(shown) >= 0).all()


def test_softness_keeps_the_amount_of_light():
    light = np.zeros((15, 15, 3))
    light[7, 7] = 0.2
    blurred = picture(light + 0.2, PLAIN._replace(softness=0.4)).astype(float)
    assert blurred[7, 7, 0] > blurred[7, 8, 0] > blurred[7, 9, 0]
