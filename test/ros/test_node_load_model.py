# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Another network takes over while images come, between two frames, or is refused and named."""

import hashlib
import json
import re
import threading

from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from sensor_msgs.msg import Image
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger
from support import captured
from support.costmap_robot import color_parameters
from support.costmap_robot import CostmapRobot
from support.costmap_robot import LATCHED
from support.costmap_robot import RELIABLE_50
from support.ros_graph import NodeProcess
from support.ros_graph import private_domain
from support.ros_graph import wait_until
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import color_image
from support.tiny_model import COLORS
from support.tiny_model import write_color_model
from vision_msgs.msg import LabelInfo

NAMES = list(COLORS)
STRIPES = ['red', 'green', 'blue', 'white']


def write_turned_model(folder, name='turned', spoil=''):
    """
    Write the network of colours with its classes in reverse order, so that every id differs.

    :param spoil: ``blind`` always says white, ``broken`` gives values that are not finite
    """
    onnx = pytest.importorskip('onnx')
    path = write_color_model(folder, name)
    model = onnx.load(path)
    for weight in model.graph.initializer:
        if weight.name in ('weights', 'bias', 'above'):
            values = onnx.numpy_helper.to_array(weight).copy()
            axis = 1 if weight.name == 'above' else 0
            values = np.flip(values, axis).copy()
            if weight.name == 'bias' and spoil == 'blind':
                values[0] = 1e6
            if weight.name == 'bias' and spoil == 'broken':
                values[:] = np.nan
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, path)
    table = folder / f'{name}_classes.yaml'
    table.write_text('name: turned\nclasses:\n' + ''.join(
        f'- {{name: {color}, color: {list(COLORS[color])}}}\n' for color in NAMES[::-1]))
    spec = (folder / f'{name}.yaml')
    spec.write_text('\n'.join(
        f'classes: {table}' if line.startswith('classes:') else line
        for line in spec.read_text().splitlines()) + '\n')
    return path


class Stream:
    """Sends an image whenever the mask of the one before has come; keeps what came, by time."""

    def __init__(self, peer):
        self._peer = peer
        self._stop = threading.Event()
        self.events = []
        self.sent = []
        self.late = []
        peer.connect()
        for kind, topic, qos in ((Image, 'mask', 50), (LabelInfo, 'label_info', LATCHED)):
            peer.node.create_subscription(kind, peer.output(topic), self._listener(), qos)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _listener(self):
        def listen(message, info):
            # Of the node's own clock, so that topics can be put in order.
            self.events.append((info['source_timestamp'], message))
        return listen

    def _run(self):
        while not self._stop.is_set():
            message = rgb_message(color_image(STRIPES))
            try:
                stamp = self._peer.mask_of(message, 20.0).header.stamp
            except AssertionError:
                stamp = message.header.stamp
                self.late.append(stamp)
            self.sent.append((stamp.sec, stamp.nanosec))

    def wait_for_masks(self, count):
        """Wait for so many more masks."""
        wanted = len(self.sent) + count
        wait_until(lambda: len(self.sent) > wanted, 'masks')

    def stop(self):
        """End, and return label infos and masks in the order in which the node sent them."""
        self._stop.set()
        self._thread.join()
        last = self.sent[-1]
        wait_until(lambda: any(not hasattr(message, 'class_map') and last == (
            message.header.stamp.sec, message.header.stamp.nanosec)
            for _, message in list(self.events)), 'the last mask')
        return [message for _, message in sorted(self.events, key=lambda event: event[0])]


def load(peer, **parameters):
    """Name a network and ask for it; return the answer."""
    assert peer.set_parameters(**parameters) == ''
    return peer.call(Trigger, '/segformer/load_model', Trigger.Request())


class FreeStream:
    """
    Sends images at a fixed rate, whatever comes back, and judges every picture on its own.

    In every state of the node ``color_mask`` shows the stripes' colours, since colours go by the
    names of the classes: only a frame whose ids are of one network and whose names are of another
    shows anything else.
    """

    def __init__(self, peer, rate):
        self._peer, self._rate = peer, rate
        self._stop = threading.Event()
        self.counts = {'mask': 0, 'color_mask': 0}
        self.wrong = []
        publisher = peer.connect()
        for topic, judge in (('mask', self._any), ('color_mask', self._colors)):
            peer.node.create_subscription(
                Image, peer.output(topic), self._judged(topic, judge), 50)
        self._thread = threading.Thread(target=self._run, args=(publisher,))
        self._thread.start()

    def _judged(self, topic, judge):
        def listen(message):
            if message.header.frame_id == 'stream':
                self.counts[topic] += 1
                found = judge(message)
                if found is not None:
                    self.wrong.append((topic, message.header.stamp, found))
        return listen

    def _run(self, publisher):
        stamp = 5000
        while not self._stop.wait(1.0 / self._rate):
            message = rgb_message(color_image(STRIPES), 'stream')
            stamp += 1
            message.header.stamp.sec = stamp
            publisher.publish(message)

    def _any(self, message):
        ids = _centres(pixels(message))
        return None if len(set(ids)) == len(STRIPES) else ids

    def _colors(self, message):
        found = [tuple(int(each) for each in color) for color in _centres(pixels(message))]
        return None if found == [COLORS[name] for name in STRIPES] else found

    def wait(self, count):
        """Wait for so many more pictures of each kind."""
        wanted = {topic: before + count for topic, before in self.counts.items()}
        wait_until(lambda: all(self.counts[topic] >= wanted[topic] for topic in wanted),
                   'pictures of each kind')

    def stop(self):
        """Send no more."""
        self._stop.set()
        self._thread.join()


def _centres(values):
    width = values.shape[1] // len(STRIPES)
    return [values[values.shape[0] // 2, stripe * width + width // 2]
            for stripe in range(len(STRIPES))]


def labels_of(cloud):
    offset = next(field.offset for field in cloud.fields if field.name == 'label')
    data = np.frombuffer(bytes(cloud.data), np.uint8).reshape(cloud.width, cloud.point_step)
    return set(data[:, offset].tolist())


def names_of(label_info):
    by_id = {each.class_id: each.class_name for each in label_info.class_map}
    return [by_id[number] for number in range(len(by_id))]


def stripes_of(mask, names):
    values = pixels(mask)
    width = values.shape[1] // len(STRIPES)
    return [names[values[values.shape[0] // 2, stripe * width + width // 2]]
            for stripe in range(len(STRIPES))]


def check_order(events, sent):
    """Every image has its mask, and every mask means what the names before it say."""
    names, changes, stamps = None, 0, []
    for message in events:
        if isinstance(message, LabelInfo):
            changes += names not in (None, names_of(message))
            names = names_of(message)
        elif pixels(message).shape == (48, 64):
            assert names is not None
            assert stripes_of(message, names) == STRIPES
            stamps.append((message.header.stamp.sec, message.header.stamp.nanosec))
    # Masks of the grey images with which the connection was made lie before.
    assert stamps == sent
    return changes


@pytest.fixture
def node(tmp_path):
    model = write_color_model(tmp_path)
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path, {'model': model, 'costmap': False}) as process, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        peer.model = model
        peer.process = process
        yield peer


def test_network_takes_over_between_two_frames_and_none_is_lost_or_mixed(node, tmp_path):
    turned = write_turned_model(tmp_path)
    stream = Stream(node)
    try:
        stream.wait_for_masks(5)
        answer = load(node, next_model=turned)
        assert answer.success, answer.message
        assert f'{turned} serves: checked on 3 live frames, 4 classes seen' in answer.message
        stream.wait_for_masks(5)
        # And back, in the other order, with the parameters as they are by now.
        assert node.parameter('model') == turned and node.parameter('next_model') == ''
        answer = load(node, next_model=node.model)
        assert answer.success, answer.message
        stream.wait_for_masks(5)
    finally:
        events = stream.stop()
    assert not stream.late
    assert check_order(events, stream.sent) == 2
    assert node.parameter('model') == node.model


def test_network_takes_over_whose_classes_cannot_be_blurred(tmp_path):
    model, turned = write_color_model(tmp_path), write_turned_model(tmp_path)
    parameters = {'model': model, 'costmap': False, 'capture.blur': True}
    with private_domain() as domain, NodeProcess(domain, tmp_path, parameters), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        stream = Stream(peer)
        try:
            stream.wait_for_masks(3)
            answer = load(peer, next_model=turned)
            assert answer.success, answer.message
            stream.wait_for_masks(3)
            # Nothing that was wrong before keeps another parameter from being changed.
            assert peer.set_parameters(overlay_alpha=0.3) == ''
        finally:
            stream.stop()
    assert not stream.late


def test_captured_frames_are_of_the_network_that_made_their_masks(node, tmp_path):
    turned = write_turned_model(tmp_path)
    folders = [tmp_path / 'of_the_first', tmp_path / 'of_the_second']
    assert node.set_parameters(capture__folder=str(folders[0]), capture__min_free_mib=0) == ''

    def capture():
        return node.call(Trigger, '/segformer/capture', Trigger.Request())
    stream = Stream(node)
    try:
        stream.wait_for_masks(3)
        answer = capture()
        assert answer.success, answer.message
        answer = load(node, next_model=turned)
        assert answer.success, answer.message
        stream.wait_for_masks(3)
        # Ids of the other network's masks mean something else there.
        answer = capture()
        assert not answer.success and 'Folder holds frames of another network' in answer.message
        assert node.set_parameters(capture__folder=str(folders[1])) == ''
        answer = capture()
        assert answer.success, answer.message
    finally:
        stream.stop()
    for folder, path, names in zip(folders, (node.model, turned), (NAMES, NAMES[::-1])):
        record, = captured.check_whole(folder)
        with open(path, 'rb') as network:
            assert record['model']['digest'] == hashlib.sha256(network.read()).hexdigest()
        assert json.loads((folder / 'classes.json').read_text()) == names
        mask = captured.picture(folder, record['mask'])
        assert [names[each] for each in _centres(mask)] == STRIPES


REFUSED = {
    'blind': 'sees one class everywhere.*white.*sees 4 in the same 3 frames',
    'broken': 'not finite|cannot be run|no mask', 'gone': 'Model file not found',
    'alone': 'no specification', '': 'No network is named.*next_model',
    'nonesuch': 'Unknown model'}


def test_network_that_is_refused_leaves_the_other_one_serving(node, tmp_path):
    for spoil in ('blind', 'broken'):
        write_turned_model(tmp_path, spoil, spoil)
    (tmp_path / 'alone.onnx').write_bytes(b'x')
    stream = Stream(node)
    try:
        for name, reason in REFUSED.items():
            stream.wait_for_masks(2)
            is_path = name not in ('', 'nonesuch')
            answer = load(node, next_model=str(tmp_path / f'{name}.onnx') if is_path else name)
            assert not answer.success
            assert re.search(reason, answer.message), answer.message
            assert node.parameter('model') == node.model
        assert node.process.log().count('The network is not exchanged') == len(REFUSED)
        # Refused is not for ever.
        assert load(node, next_model=write_turned_model(tmp_path)).success
        stream.wait_for_masks(2)
    finally:
        events = stream.stop()
    assert not stream.late
    assert check_order(events, stream.sent) == 1


def test_no_frame_of_a_stream_is_of_a_mixed_state_however_often_networks_change(tmp_path):
    model, turned = write_color_model(tmp_path), write_turned_model(tmp_path)
    blind = write_turned_model(tmp_path, 'blind', 'blind')
    parameters = {'model': model, 'costmap': False}
    with private_domain() as domain, NodeProcess(domain, tmp_path, parameters) as process, \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        stream = FreeStream(peer, 40.0)
        try:
            stream.wait(10)
            for path, is_taken in ((turned, True), (blind, False), (model, True),
                                   (blind, False), (turned, True), (model, True)):
                answer = load(peer, next_model=path)
                assert answer.success is is_taken, answer.message
                stream.wait(5)
        finally:
            stream.stop()
        assert not stream.wrong
        assert min(stream.counts.values()) > 40
        assert 'Traceback' not in process.log()


def test_without_masks_there_is_nothing_to_check_on_and_the_request_is_refused(node, tmp_path):
    turned = write_turned_model(tmp_path)
    assert node.call(SetBool, '/segformer/enable', SetBool.Request(data=False)).success
    answer = load(node, next_model=turned)
    assert not answer.success and 'makes no masks' in answer.message
    assert node.call(SetBool, '/segformer/enable', SetBool.Request(data=True)).success
    assert node.change_state('deactivate')
    answer = load(node, next_model=turned)
    assert not answer.success and 'makes no masks' in answer.message


def test_cleanup_while_a_request_waits_for_frames_ends_it_and_the_process_ends(node, tmp_path):
    turned = write_turned_model(tmp_path)
    assert node.set_parameters(next_model=turned) == ''
    client = node.node.create_client(Trigger, '/segformer/load_model')
    wait_until(client.service_is_ready, 'the service')
    answer = client.call_async(Trigger.Request())
    node.process.wait_for_log(f'runs {turned}|runs .*turned')
    second = node.call(Trigger, '/segformer/load_model', Trigger.Request())
    assert not second.success and 'Another network is being loaded' in second.message
    used = node.process.cpu_seconds()
    assert node.change_state('deactivate') and node.change_state('cleanup')
    wait_until(answer.done, 'the answer')
    assert not answer.result().success and 'stopped meanwhile' in answer.result().message
    assert node.process.cpu_seconds() - used < 10.0
    assert node.change_state('configure') and node.change_state('activate')
    assert stripes_of(node.mask_of(rgb_message(color_image(STRIPES))), NAMES) == STRIPES


def test_costmap_that_the_network_before_could_not_have_comes_up_with_the_next(tmp_path):
    model, turned = write_color_model(tmp_path), write_turned_model(tmp_path)
    costs = tmp_path / 'costs.yaml'
    costs.write_text('name: mine\ncosts: {white: 7, green: 50, red: lethal, blue: ignore}\n')
    with private_domain() as domain, \
            NodeProcess(domain, tmp_path, {'model': model, 'costmap_rate': 10.0}), \
            SegformerPeer(domain) as peer:
        peer.wait_for_state('active')
        grids = peer.subscribe(OccupancyGrid, '/segformer/costmap', LATCHED)
        groups = peer.subscribe(LabelInfo, '/segformer/category_label_info', LATCHED)
        stream = Stream(peer)
        try:
            stream.wait_for_masks(2)
            # What is named is refused by its name; the parameters stay as they are.
            for name, folder in (('next_cost_profile', 'config/costs'),
                                 ('next_category_groups', 'config/groups')):
                wrong = {'next_cost_profile': str(costs), name: 'nonesuch'}
                answer = load(peer, next_model=turned, **wrong)
                assert not answer.success
                assert f"{name}: Not found in {folder}: got 'nonesuch'" in answer.message
                assert peer.parameter('cost_profile') == 'indoor'
                assert peer.set_parameters(next_cost_profile='', next_category_groups='') == ''
            # What is not named took the costmap away before: it stays off, and that is told.
            answer = load(peer, next_model=turned)
            assert answer.success and 'The costmap stays off: cost_profile: ' in answer.message
            assert not grids.messages
            answer = load(peer, next_model=turned, next_cost_profile=str(costs))
            assert answer.success and 'The costmap, which was off, is on.' in answer.message
            assert peer.parameter('cost_profile') == str(costs)
            assert names_of(groups.wait()) == ['free', 'caution', 'obstacle', 'moving']
            grids.wait()
            stream.wait_for_masks(2)
            # It is there like any other: costs are changed, and it goes and comes with the node.
            assert 'nonesuch' in peer.set_parameters(cost_profile='nonesuch')
        finally:
            events = stream.stop()
        assert not stream.late
        check_order(events, stream.sent)
        assert peer.change_state('deactivate') and peer.change_state('cleanup')
        assert peer.change_state('configure') and peer.change_state('activate')
        assert peer.call(Trigger, '/segformer/clear_costmap', Trigger.Request()).success


def test_costs_are_checked_where_there_is_to_be_no_costmap(node, tmp_path):
    turned = write_turned_model(tmp_path)
    stream = Stream(node)
    try:
        stream.wait_for_masks(2)
        for name in ('next_cost_profile', 'next_category_groups'):
            answer = load(node, next_model=turned, **{name: 'nonesuch'})
            assert not answer.success and f'{name}: Not found' in answer.message
            assert node.set_parameters(**{name: ''}) == ''
        assert node.parameter('cost_profile') == 'indoor'
        answer = load(node, next_model=turned)
        assert answer.success and 'costmap' not in answer.message
    finally:
        stream.stop()


def test_costs_and_groups_follow_the_classes(tmp_path):
    parameters = color_parameters(tmp_path)
    turned = write_turned_model(tmp_path)
    costs = tmp_path / 'other_costs.yaml'
    costs.write_text('name: other\ncosts: {white: 7, green: 50, red: lethal, blue: ignore}\n')
    wrong = tmp_path / 'wrong_costs.yaml'
    wrong.write_text('name: wrong\ncosts: {white: 0, road: 0}\n')
    groups = tmp_path / 'other_groups.yaml'
    groups.write_text('name: other\ngroups:\n'
                      '- {name: fine, color: [0, 200, 0], members: [white, green]}\n'
                      '- {name: stop, color: [200, 0, 0], members: [red]}\n'
                      'unlabeled: [blue]\n')
    with private_domain() as domain, NodeProcess(domain, tmp_path, parameters), \
            CostmapRobot(domain) as robot:
        robot.wait_for_state('active')
        groups_seen = robot.subscribe(LabelInfo, '/segformer/category_label_info', LATCHED)
        clouds = robot.subscribe(PointCloud2, '/segformer/obstacle_points', RELIABLE_50)
        robot.look_until(lambda: clouds.messages and clouds.messages[-1].width,
                         'obstacles')
        assert labels_of(clouds.messages[-1]) == {NAMES.index('red')}
        assert names_of(groups_seen.wait()) == ['free', 'caution', 'obstacle']
        done = threading.Event()
        answers = []

        def ask(**values):
            answers.append(load(robot, **values))
            done.set()

        def answer_to(**values):
            done.clear()
            thread = threading.Thread(target=ask, kwargs=values)
            thread.start()
            robot.look_until(done.is_set, 'an answer')
            thread.join()
            return answers[-1]

        answer = answer_to(next_model=turned, next_cost_profile=str(wrong),
                           next_category_groups=str(groups))
        assert not answer.success and "'road'" in answer.message
        answer = answer_to(next_cost_profile=str(costs))
        assert answer.success, answer.message
        assert robot.parameter('cost_profile') == str(costs)
        assert robot.parameter('category_groups') == str(groups)
        changed = groups_seen.wait(lambda info: len(info.class_map) == 2)
        assert names_of(changed) == ['fine', 'stop']
        before = len(clouds.messages)
        robot.look_until(lambda: [cloud for cloud in clouds.messages[before + 3:] if cloud.width],
                         'obstacles again')
        labels = set().union(*map(labels_of, clouds.messages[before + 3:]))
        assert labels == {NAMES[::-1].index('red')}
