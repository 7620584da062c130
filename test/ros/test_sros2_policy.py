# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The example policy allows exactly what a running node does."""

import os
import xml.etree.ElementTree

from segformer_ros.ros.io import topics
from support.ros_graph import NodeProcess
from support.ros_graph import wait_until
from support.segformer_peer import SegformerPeer


def allowed(project_root, kind, right):
    """Return the full names that the policy allows."""
    path = os.path.join(project_root, 'config', 'sros2', 'segformer_policy.xml')
    profile, = xml.etree.ElementTree.parse(path).getroot().iter('profile')
    assert (profile.get('ns'), profile.get('node')) == ('/', 'segformer')
    names = [each.text for group in profile.findall(kind) if group.get(right) == 'ALLOW'
             for each in group]
    assert len(set(names)) == len(names)
    return {name.replace('~', '/segformer') if name[0] in '~/' else '/' + name for name in names}


def test_policy_is_what_the_node_has_on_the_graph(domain, tmp_path, project_root):
    parameters = {'model': 'segformer_sim', 'threads': 1}
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')

        def names(kind):
            found = getattr(peer.node, f'get_{kind}_names_and_types_by_node')
            return {name for name, _ in found('segformer', '/')}
        published = allowed(project_root, 'topics', 'publish')
        wait_until(lambda: names('publisher') == published,
                   lambda: names('publisher') ^ published)
        replied = allowed(project_root, 'services', 'reply')
        wait_until(lambda: names('service') == replied, lambda: names('service') ^ replied)
        subscribed = allowed(project_root, 'topics', 'subscribe')
        assert names('subscriber') <= subscribed, names('subscriber') - subscribed
        # The others are read with other parameters, and nothing else is in the policy.
        others = {'/' + topic.name for topic in topics.INPUTS + topics.COSTMAP_INPUTS}
        assert subscribed - names('subscriber') <= others | {'/clock'}
        assert others <= subscribed
        assert names('client') == set()
