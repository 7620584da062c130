# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads one node's entries out of /diagnostics."""

from diagnostic_msgs.msg import DiagnosticArray
from support.ros_graph import TIMEOUT

OK, WARN, ERROR = b'\x00', b'\x01', b'\x02'


class StatusWatcher:
    """
    What the node segformer says about itself.

    :param peer: subscribes
    """

    def __init__(self, peer):
        self._inbox = peer.subscribe(DiagnosticArray, '/diagnostics')

    def wait(self, task, condition, timeout=TIMEOUT):
        """Return the next entry of a task that fulfils the condition, and its values."""
        def fits(message):
            found = entry(message, task)
            return found is not None and condition(found)
        found = entry(self.message(fits, timeout), task)
        return found, values_of(found)

    def latest(self, task):
        """Return the newest entry of a task and its values; None before the first."""
        for message in reversed(self._inbox.messages):
            found = entry(message, task)
            if found is not None:
                return found, values_of(found)
        return None

    def message(self, condition, timeout=TIMEOUT):
        """Return the next message that fulfils the condition."""
        return self._inbox.wait(condition, timeout, after=len(self._inbox.messages))


def entry(message, task):
    """Return the entry of a task in a message, or None."""
    found = [status for status in message.status if status.name == 'segformer: ' + task]
    assert len(found) < 2
    return found[0] if found else None


def values_of(status):
    """Return the values of an entry by key."""
    return {pair.key: pair.value for pair in status.values}
