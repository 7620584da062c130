# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The example policy allows exactly what a running node does, and nothing runs unsecured by mistake.

The wheels of ROS that the tests use bring a Fast DDS that was built without security: that a
secured node hears and is heard by those alone who may cannot be tried with them.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree

import pytest
from segformer_ros.ros.io import topics
from support.keystore import make_keystore
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
        wait_until(lambda: peer.topics_of('segformer'), 'the discovery of the node')
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


def test_policy_has_the_form_that_sros2_reads(project_root):
    # The elements and attributes of sros2's own schema, policy.xsd.
    path = os.path.join(project_root, 'config', 'sros2', 'segformer_policy.xml')
    root = xml.etree.ElementTree.parse(path).getroot()
    assert (root.tag, root.attrib) == ('policy', {'version': '0.2.0'})
    children = {'policy': {'enclaves'}, 'enclaves': {'enclave'}, 'enclave': {'profiles'},
                'profiles': {'profile'}, 'profile': {'topics', 'services', 'actions'},
                'topics': {'topic'}, 'services': {'service'}, 'topic': set(), 'service': set()}
    attributes = {'enclaves': set(), 'enclave': {'path'}, 'profiles': set(),
                  'profile': {'ns', 'node'}, 'topics': {'publish', 'subscribe'},
                  'services': {'reply', 'request'}, 'topic': set(), 'service': set()}
    for element in root.iter():
        assert {each.tag for each in element} <= children[element.tag]
        assert len(element) or not children[element.tag], element.tag
        if element is not root:
            assert set(element.attrib) <= attributes[element.tag]
        if element.tag in ('topics', 'services'):
            # One right a group: a name without a right would allow nothing.
            assert list(element.attrib.values()) == ['ALLOW']


@pytest.fixture(scope='module')
def no_security():
    """Skip where the middleware can do what these tests say it cannot."""
    import rclpy
    folder = os.path.join(sys.prefix, 'lib')
    path = os.path.join(folder, 'librmw_fastrtps_shared_cpp.so')
    if not os.path.exists(path):
        pytest.skip(f'{rclpy.get_rmw_implementation_identifier()} is not of the wheels')
    with open(path, 'rb') as stream:
        if b"doesn't have the security libraries" not in stream.read():
            pytest.skip('Fast DDS has security here')


def start_secured(domain, folder, environment, enclave='/segformer'):
    """Return status and output of a node that shall not come up."""
    done = subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.segformer', '--ros-args', '--enclave', enclave,
         '-p', 'model:=segformer_sim'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, ROS_DOMAIN_ID=str(domain), ROS_LOG_DIR=str(folder), **environment),
        universal_newlines=True, timeout=120, check=False)
    return done.returncode, done.stdout


def told(output):
    """Return the sentence of a start that came to nothing."""
    assert 'Traceback' not in output, output
    line, = (line for line in output.splitlines() if 'Cannot start' in line)
    return line


def test_enforced_enclave_without_security_in_the_middleware_ends_the_start(
        domain, tmp_path, no_security):
    status, output = start_secured(domain, tmp_path, make_keystore(tmp_path, '/segformer'))
    assert status == 2
    assert 'security libraries' in told(output)


def test_enforced_enclave_that_the_keystore_does_not_have_ends_the_start(domain, tmp_path):
    environment = make_keystore(tmp_path, '/another')
    status, output = start_secured(domain, tmp_path, environment)
    assert status == 2
    assert 'SECURITY ERROR' in told(output)
