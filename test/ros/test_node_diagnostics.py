# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What /diagnostics tells about a running node, in every state and with simulated time."""

import os

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
import pytest
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import color_image
from support.tiny_model import write_color_model

OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'
PICTURE = color_image(['red', 'blue'])


class Watcher:
    """Reads the entries of one node out of /diagnostics."""

    def __init__(self, peer):
        self._inbox = peer.subscribe(DiagnosticArray, '/diagnostics')

    def wait(self, task, condition):
        """Return the next entry of a task that fulfils the condition, and its values."""
        def fits(message):
            found = entry(message, task)
            return found is not None and condition(found)
        found = entry(self._inbox.wait(fits, after=len(self._inbox.messages)), task)
        return found, values_of(found)

    def message(self, condition):
        """Return the next message that fulfils the condition."""
        return self._inbox.wait(condition, after=len(self._inbox.messages))


def entry(message, task):
    found = [status for status in message.status if status.name == 'segformer: ' + task]
    assert len(found) < 2
    return found[0] if found else None


def values_of(status):
    return {pair.key: pair.value for pair in status.values}


def served(peer, watcher, condition):
    """Have a picture served before each entry of the camera until one fulfils the condition."""
    def found():
        peer.mask_of(rgb_message(PICTURE))
        status, values = watcher.wait('camera', lambda status: True)
        return (status, values) if condition(status, values) else None
    return wait_until(found, 'an entry of the camera')


def is_well(status, values):
    return status.level == OK


@pytest.fixture(scope='module')
def peer(tmp_path_factory):
    folder = tmp_path_factory.mktemp('node')
    # Two entries at least fall between both, one a second.
    parameters = {'model': write_color_model(folder), 'warn_after': 1.5, 'error_after': 4.5}
    with private_domain() as domain, NodeProcess(domain, folder, parameters), \
            SegformerPeer(domain) as found:
        found.wait_for_state('active')
        yield found


def test_backend_and_node_are_described(peer):
    watcher = Watcher(peer)
    status, values = watcher.wait('backend', lambda status: status.level == OK)
    assert status.message.startswith('onnxruntime fp32 on ')
    assert values['model'].endswith('colors.onnx')
    assert '/graphs/colors-onnxruntime-' in values['runs']
    assert values['asked for'] == 'auto'
    assert 'no NVIDIA GPU' in values['why'] or 'No CUDA driver' in values['why']
    assert status.hardware_id
    status, values = watcher.wait('node', lambda status: status.message == 'active')
    assert (status.level, values['enabled'], values['time']) == (OK, 'yes', 'system')
    assert 'not published' not in values


def test_masks_are_counted_and_silence_turns_to_warning_and_error(peer):
    watcher = Watcher(peer)
    # The masks of the very first images may have come before there was a reader.
    peer.connect()
    watcher.wait('camera', lambda status: True)  # may have been on its way before
    _, before = watcher.wait('camera', lambda status: True)
    masks = len(peer.masks.messages)

    def is_counted(status, values):
        gained = {int(values[name]) - int(before[name]) for name in ('received', 'published')}
        return is_well(status, values) and gained == {len(peer.masks.messages) - masks}
    peer.mask_of(rgb_message(PICTURE))
    status, values = served(peer, watcher, is_counted)
    assert int(values['published']) >= int(before['published']) + 2
    assert values['image'] == '64 x 48 rgb8'
    assert values['topic'] == '/image'
    assert values['latency [ms]'].startswith('p50 ')
    assert values['network [ms]'].startswith('p50 ')
    # The test's stamps lie long ago.
    assert float(values['input age [s]']) > 1e6
    status, _ = watcher.wait('camera', lambda status: status.level == WARN)
    assert status.message.startswith('no mask for ')
    status, _ = watcher.wait('camera', lambda status: status.level == ERROR)
    assert 'no image for ' in status.message
    served(peer, watcher, is_well)


def test_a_refused_image_warns_with_the_reason_until_the_next_mask(peer):
    watcher = Watcher(peer)
    peer.connect()
    _, before = watcher.wait('camera', lambda status: True)
    sent = []

    def told():
        # After a good one, or the silence is what it tells of.
        peer.mask_of(rgb_message(PICTURE))
        bad = rgb_message(PICTURE)
        bad.step = 10
        sent.append(peer.send(bad))
        status, values = watcher.wait('camera', lambda status: True)
        return (status, values) if 'Wrong row step' in status.message else None
    status, values = wait_until(told, 'an entry that tells of the bad image')
    assert status.level == WARN
    assert 1 <= int(values['rejected input']) - int(before['rejected input']) <= len(sent)
    served(peer, watcher, is_well)


def test_switched_off_and_inactive_are_no_faults(peer):
    watcher = Watcher(peer)
    assert peer.call(SetBool, '/segformer/enable', SetBool.Request(data=False)).success
    status, _ = watcher.wait('camera', lambda status: status.message == 'not serving')
    assert status.level == OK
    watcher.wait('node', lambda status: 'switched off by ~/enable' in status.message)
    assert peer.call(SetBool, '/segformer/enable', SetBool.Request(data=True)).success
    assert peer.change_state('deactivate')
    watcher.wait('node', lambda status: status.message == 'inactive' and status.level == OK)
    assert peer.change_state('cleanup')
    watcher.wait('backend', lambda status: 'not configured' in status.message)


def test_failed_configure_is_an_error_entry_with_its_reason(domain, tmp_path):
    # As on a robot's first day: the default model, and nothing fetched yet.
    cache = {'SEGFORMER_ROS_CACHE': str(tmp_path / 'cache')}
    with NodeProcess(domain, tmp_path, environment=cache), SegformerPeer(domain) as peer:
        status, _ = Watcher(peer).wait('node', lambda status: status.level == ERROR)
        assert 'Cannot configure: Model segformer_b0_ade20k has not been fetched' in status.message
        assert 'fetch_model segformer_b0_ade20k' in status.message


def test_simulated_time_stamps_diagnostics_and_holds_no_mask_back(domain, tmp_path,
                                                                  color_model):
    # Silence is no subject here.
    parameters = {'model': color_model, 'use_sim_time': 'true', 'warn_after': 600.0,
                  'error_after': 600.0}
    with NodeProcess(domain, tmp_path, parameters), SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        watcher = Watcher(peer)
        image = rgb_message(PICTURE)
        image.header.stamp = Time(sec=40)
        peer.mask_of(image)  # before any clock message
        message = watcher.message(lambda message: entry(message, 'camera') is not None)
        assert message.header.stamp == Time()
        clock = peer.publisher(Clock, '/clock', 10)

        def stamped(now):
            def told(message):
                # Each time anew: the node takes it best effort, and may find the clock later
                # than the clock finds the node.
                clock.publish(Clock(clock=now))
                return message.header.stamp == now
            return told
        watcher.message(stamped(Time(sec=42)))
        image.header.stamp = Time(sec=41)
        peer.mask_of(image)
        _, values = watcher.wait('camera', lambda status: status.level == OK and values_of(
            status)['input age [s]'] == '1.000')
        back = int(values['stamps that went back'])
        assert watcher.wait('node', lambda status: True)[1]['time'] == 'simulated'
        # The bag starts over.
        clock.publish(Clock(clock=Time(sec=10)))
        image.header.stamp = Time(sec=10)
        peer.mask_of(image)
        watcher.wait('camera', lambda status: int(
            values_of(status)['stamps that went back']) == back + 1)
        watcher.message(stamped(Time(sec=10)))


def test_without_vision_msgs_the_node_warns_once_and_goes_on(domain, tmp_path, color_model):
    package = tmp_path / 'vision_msgs'
    package.mkdir()
    (package / '__init__.py').write_text("raise ImportError('not here')\n", encoding='utf-8')
    environment = {'PYTHONPATH': os.pathsep.join(
        [str(tmp_path), os.environ.get('PYTHONPATH', '')])}
    with NodeProcess(domain, tmp_path, {'model': color_model}, environment=environment) as node, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        peer.mask_of(rgb_message(PICTURE))
        assert node.log().count('[WARN]') == 1
        assert 'Not published: label_info, because vision_msgs' in node.log()
        assert peer.node.count_publishers('/segformer/label_info') == 0
        _, values = Watcher(peer).wait('node', lambda status: True)
        assert values['not published'].startswith('label_info')
