# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which network, costs and groups a request for another network asks for."""

import types

import pytest
from segformer_ros.common.errors import ConfigurationError
from segformer_ros.ros.node import live_segmenter
from segformer_ros.ros.node.model_switch import ModelSwitch
from segformer_ros.ros.parameters.node import CAMERA_ROWS
from segformer_ros.ros.parameters.node import node_rows
from segformer_ros.ros.parameters.node import snapshot


class StandInNode:
    """Takes a service and has a name."""

    def create_service(self, *arguments, **options):
        """Offer nothing."""

    def get_fully_qualified_name(self):
        return '/segformer'


class Settings:
    """Holds parameters that no server changes."""

    def __init__(self, **changes):
        self.current = snapshot(dict(
            {row.name: row.default for row in node_rows() + CAMERA_ROWS}, **changes))


def wanted(**changes):
    """Return the parameters of the other network; the one that serves has costs and groups."""
    settings = Settings(model='now', model_spec='now.yaml', cost_profile='indoor',
                        category_groups='own_groups.yaml', **changes)
    return ModelSwitch(StandInNode(), settings, lambda: None, None)._wanted()


@pytest.mark.parametrize('changes, costs, groups', [
    ({}, 'indoor', 'own_groups.yaml'),
    # Groups of the costs before do not fit others: those of the profile come with it.
    ({'next_cost_profile': 'outdoor'}, 'outdoor', ''),
    ({'next_category_groups': 'other.yaml'}, 'indoor', 'other.yaml'),
    ({'next_cost_profile': 'outdoor', 'next_category_groups': 'other.yaml'},
     'outdoor', 'other.yaml')])
def test_costs_and_groups_are_the_next_ones_or_the_same_as_now(changes, costs, groups):
    found = wanted(next_model='next', **changes)
    assert (found.costmap.cost_profile, found.costmap.category_groups) == (costs, groups)
    # A specification belongs to its own network.
    assert (found.model, found.model_spec) == ('next', '')
    assert wanted(next_model='next', next_model_spec='a.yaml').model_spec == 'a.yaml'


def test_request_without_a_network_names_the_parameter():
    with pytest.raises(ConfigurationError, match='No network is named.*param set /segformer '
                                                 'next_model'):
        wanted(next_cost_profile='outdoor')


def test_network_is_looked_at_until_the_request_is_given_up(monkeypatch):
    asked = []
    monkeypatch.setattr(live_segmenter, 'find_model', lambda parameters, *is_stopping: (
        asked.append(is_stopping[0]) or parameters.model))
    settings = Settings(model='now')
    switch = ModelSwitch(StandInNode(), settings, lambda: None, None)
    switch._validation = types.SimpleNamespace(close=lambda: None, hanging=None)
    serving = types.SimpleNamespace(load_tables=lambda parameters, model: 'tables',
                                    make_thread=lambda model, parameters: 'thread')
    assert switch._make(serving, settings.current) == ('now', 'tables', 'thread')
    assert not asked[0]()
    switch.cancel()
    assert asked[0]()
