# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Landing sites over the simulated land, with the settings of config/drone.yaml."""

import landing_sites
import numpy as np
import pytest
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.landing import LandingSite
from segformer_ros.model.classes import load_class_table
from segformer_ros.simulation.render.renderer import pinhole_rays
from segformer_ros.simulation.render.renderer import Renderer
from segformer_ros.simulation.world.trajectory import camera_mount
from segformer_ros.simulation.world.world import World

ADE20K = load_class_table('ade20k')
pytestmark = pytest.mark.once

COSTS = load_cost_table('landing', ADE20K)


def check(figures):
    assert figures.free >= 0.99 * figures.reported
    assert figures.found >= 0.9 * figures.possible


def test_sites_over_the_simulated_land_are_free_and_found(settings):
    figures = landing_sites.survey(settings, COSTS, 14, 100)
    assert figures.possible > 8
    check(figures)


@pytest.mark.slow
def test_sites_over_much_simulated_land_are_free_and_found(settings):
    check(landing_sites.survey(settings, COSTS, 240, 200))


def test_labels_that_call_everything_grass_give_sites_that_are_not_free(settings):
    grass = ADE20K.id_of('grass')
    told = []
    figures = landing_sites.survey(
        settings, COSTS, 8, 100,
        lambda picture: (np.full(picture.labels.shape, grass, np.uint8), None), told.append)
    assert figures.reported == 8 and figures.free < 8
    assert figures.shares()['free'] == figures.free / 8.0
    assert told == list(range(1, 9))


def test_truth_of_one_disc_is_that_of_each_of_its_places(settings):
    world = World('aerial', 100)
    pose = camera_mount(12.0, np.pi / 2, 0.0, 0.0)
    center = 0.5 * (landing_sites.WIDTH - 1), 0.5 * (landing_sites.HEIGHT - 1)
    focal = landing_sites.FOCAL
    picture = Renderer(pinhole_rays(landing_sites.WIDTH, landing_sites.HEIGHT, focal, focal,
                                    *center)).render(world, pose, 0.0)
    truth = landing_sites.LandingTruth(world, picture, COSTS, settings)
    x, y = np.meshgrid(np.arange(-8.0, 8.0, 0.25), np.arange(-6.0, 6.0, 0.25))
    free = truth.free(x, y)
    assert 0.0 < free.mean() < 1.0
    # A disc as small as a point is free where that point is.
    for number in range(0, x.size, 97):
        at = LandingSite(x.flat[number], y.flat[number], 1e-3, 0.0)
        assert truth.is_free(at) == free.flat[number]


def test_where_the_network_is_unsure_nothing_is_reported(settings):
    figures = landing_sites.survey(
        settings, COSTS, 4, 100,
        lambda picture: (picture.labels, np.full(picture.labels.shape, 76, np.uint8)))
    assert settings.projection.min_confidence == 77
    assert figures.reported == 0
