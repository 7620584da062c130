# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A node under a camera whose every mask is judged, and the books of what a fault cost."""

import contextlib
import time

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from support.ros_graph import NodeProcess
from support.ros_graph import TIMEOUT
from support.ros_graph import wait_until
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.striped_camera import striped_picture
from support.striped_camera import StripedCamera

RATE = 10.0
SETTLE = 3.0
"""Seconds after which a mask that has not come will not come."""
COUNTED = ('received', 'published', 'dropped for newer ones', 'rejected input', 'failed')
"""What the node counts of a camera's images: the first is the sum of the others."""


class Subject:
    """
    One running node, one camera that goes on all the time, one judge.

    :param domain: ROS domain id
    :param folder: for the node's log
    :param parameters: of the node; without a camera's name
    :param node_options: further arguments of :class:`NodeProcess`
    """

    def __init__(self, domain, folder, parameters, **node_options):
        self._stack = contextlib.ExitStack()
        self.domain = domain
        self.status = {}
        """Of each diagnostics task: when it came, its level, message and values."""
        self.worst = {}
        """Of each task the highest level since :meth:`begin`."""
        self.history = []
        """Task, level and values of each entry since :meth:`begin`."""
        self._books = {}
        self.process = NodeProcess(domain, folder, dict({'threads': 1}, **parameters),
                                   **node_options)
        self.peer = SegformerPeer(domain)
        self.camera = None

    def __enter__(self):
        self._stack.enter_context(self.process)
        self._stack.enter_context(self.peer)
        self.peer.node.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.peer.wait_for_state('active')
        self.peer.mask_of(rgb_message(striped_picture([0, 1, 2, 3], 64, 48)))
        self.camera = StripedCamera(self.peer, '/image', RATE)
        self.camera.wait_for_subscriber()
        self.peer.node.create_subscription(
            Image, self.peer.output('mask'), self.camera.judge, 50)
        self.camera.begin()
        self._stack.callback(self.camera.stop)
        self.served_again(time.monotonic())
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def begin(self):
        """Forget what was before: a fault is going to happen."""
        # Masks of images from before come first.
        self.camera.paused = True
        time.sleep(0.5)
        self.wait_for_status('camera', lambda *entry: True)
        self._books = self._counted()
        self.camera.paused = False
        self.worst = {}
        self.history = []
        return time.monotonic(), dict(self.camera.counts)

    def served_again(self, since, timeout=60.0):
        """Wait for a right mask of a picture sent after a moment; return the seconds."""
        wait_until(lambda: self.camera.newest_right > since,
                   lambda: 'a right mask:\n' + self.process.log(), timeout)
        return time.monotonic() - since

    def finish(self, begun, refused=None):
        """
        Let masks that are under way arrive; return the images without one, and judge.

        :param refused: how many images must have been refused; with it, the node must account
            for every other image that reached it. None: images may be lost unaccounted
        """
        _, before = begun
        self.served_again(time.monotonic())
        self.camera.paused = True
        deadline = time.monotonic() + SETTLE

        def balance():
            counts = {key: value - before[key] for key, value in self.camera.counts.items()}
            return counts, counts['sent'] - counts['masks']
        time.sleep(0.3)
        while balance()[1] != 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        if refused is not None:
            self._close_books(lambda: balance()[0], refused)
        counts, _ = balance()
        self.camera.paused = False
        assert counts['wrong'] == 0, counts
        assert counts['for spoiled'] == 0, counts
        assert self.process.is_running(), self.process.log()
        assert 'Traceback' not in self.process.log(), self.process.log()
        return counts['sent'] - counts['masks']

    def wait_for_status(self, task, condition, timeout=TIMEOUT):
        """Wait for a new diagnostics entry that fulfils the condition; return when it came."""
        asked = time.monotonic()

        def found():
            came = self.status.get(task)
            return came if came is not None and came[0] > asked and condition(*came[1:]) else None
        return wait_until(found, lambda: f'{task}: {self.status.get(task)}', timeout)[0]

    def entries(self, task):
        """Return level and values of each entry of a task since :meth:`begin`."""
        return [entry[1:] for entry in self.history if entry[0] == task]

    def _counted(self):
        _, _, _, values = self.status['camera']
        return {name: int(values[name]) for name in COUNTED}

    def _close_books(self, sent_and_masks, refused):
        def gains():
            return {name: value - self._books[name] for name, value in self._counted().items()}

        def even(*entry):
            node = self._counted()
            return node['received'] == sum(node[name] for name in COUNTED[1:]) and \
                gains()['published'] == sent_and_masks()['masks']
        self.wait_for_status('camera', even)
        node, sent = gains(), sent_and_masks()['sent']
        missed = sent - node['received']
        # The subscription keeps one image: a node that gets no processor for a moment misses some.
        assert 0 <= missed <= sent // 2 + RATE, (node, sent)
        assert node['failed'] == 0, node
        # Of the bad ones, too, some may have been missed or made way.
        assert 0 <= refused - node['rejected input'] <= \
            missed + node['dropped for newer ones'], (node, sent)

    def _on_diagnostics(self, message):
        for status in message.status:
            task = status.name.partition(': ')[2]
            level = status.level[0]
            values = {pair.key: pair.value for pair in status.values}
            self.worst[task] = max(self.worst.get(task, 0), level)
            self.history.append((task, level, values))
            self.status[task] = (time.monotonic(), level, status.message, values)


def told(lost):
    """Return what is lost, as a row says it."""
    return f'{lost} images' if lost else 'none'
