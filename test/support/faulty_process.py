# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A node whose backend a test can break: ``support.faulty_node`` and its other side."""

import contextlib
import os
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from support.ros_graph import NodeProcess
from support.ros_graph import wait_until
from support.segformer_peer import pixels
from support.segformer_peer import rgb_message
from support.segformer_peer import SegformerPeer
from support.tiny_model import BLUE
from support.tiny_model import color_image

TEST_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))


class FaultFile:
    """
    What the backend reads before each run.

    :param folder: where the file is written
    """

    def __init__(self, folder):
        self.path = os.path.join(str(folder), 'fault')
        self.environment = {'FAULT_FILE': self.path, 'PYTHONPATH': os.pathsep.join(
            [TEST_ROOT, os.environ.get('PYTHONPATH', '')])}
        """For the node's process."""
        self.write('ok')

    def write(self, text):
        """Make the backend do something from its next run on."""
        # In one step: the node reads it at any moment.
        with open(self.path + '.new', 'w', encoding='ascii') as stream:
            stream.write(text)
        os.replace(self.path + '.new', self.path)


class FaultyNode:
    """The process, its peer, and what the file makes its backend do."""

    def __init__(self, process, peer, fault):
        self.process = process
        self.peer = peer
        self.let = fault.write
        self._inbox = peer.subscribe(DiagnosticArray, '/diagnostics')

    def send(self):
        """Send a blue picture and return its stamp."""
        return self.peer.send(rgb_message(color_image(['blue'])))

    def status(self, task, condition=lambda status: True):
        """Return the next diagnostics entry of a task that fulfils the condition."""
        def found(message):
            return [each for each in message.status
                    if each.name == 'segformer: ' + task and condition(each)]
        return found(self._inbox.wait(found, after=len(self._inbox.messages)))[0]

    def serves_again(self):
        """Send pictures until one gets its mask, and look at that one."""
        stamps, before = [], len(self.peer.masks.messages)

        def answered():
            stamps.append(self.send())
            time.sleep(0.1)
            return [mask for mask in self.peer.masks.messages[before:]
                    if mask.header.stamp in stamps]
        mask = wait_until(answered, lambda: 'a mask:\n' + self.process.log())[0]
        assert np.all(pixels(mask) == BLUE)

    def send_until_logged(self, text, times=1):
        """Send pictures until a text stands in the log that often; return their stamps."""
        stamps = []

        def logged():
            stamps.append(self.send())
            time.sleep(0.1)
            return self.process.log().count(text) >= times
        wait_until(logged, lambda: f'{text!r} in the log:\n{self.process.log()}')
        return stamps

    def counts(self):
        """Return the camera's books."""
        values = {pair.key: pair.value for pair in self.status('camera').values}
        return {key: int(values[key]) for key in (
            'received', 'published', 'dropped for newer ones', 'rejected input', 'failed')}


@contextlib.contextmanager
def faulty_node(domain, folder, parameters, fault='ok'):
    """Run a node whose backend does what a word says; it is not waited for."""
    file = FaultFile(folder)
    file.write(fault)
    with NodeProcess(domain, folder, parameters, module='support.faulty_node',
                     environment=file.environment) as process, SegformerPeer(domain) as peer:
        yield FaultyNode(process, peer, file)
        # What hangs would keep the process from its end.
        file.write('ok')
