# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Real nodes over real DDS for tests: private domains, deadlines instead of sleeps."""

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time

from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.node import NodeNameNonExistentError
from segformer_ros.cli.support import ros_environment

TIMEOUT = 120.0
"""Seconds; ten times what discovery and start take on a machine with four times too much to do."""
ASK_AGAIN = 5.0
POLL = 0.02
"""Seconds between two looks, each of which may read a whole log."""
READING = (GetState, GetParameters)
_NUMBERS = itertools.count()


@contextlib.contextmanager
def private_domain():
    """Lend a domain id that no other test on this machine holds, in any process."""
    domain, reservation = ros_environment.reserve_domain()
    with reservation:
        yield domain


def wait_until(condition, what, timeout=TIMEOUT):
    """Return the condition's first true value; fail with ``what`` at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(f'not within {timeout:.0f} s: {text}')
        time.sleep(POLL)


class Inbox:
    """What a subscription has received."""

    def __init__(self):
        self.messages = []
        self._arrived = threading.Condition()

    def __call__(self, message):
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()

    def wait(self, condition=lambda message: True, timeout=TIMEOUT, after=0):
        """Return the first message from index ``after`` on that fulfils the condition."""
        deadline = time.monotonic() + timeout
        seen = after
        with self._arrived:
            while True:
                for message in self.messages[seen:]:
                    if condition(message):
                        return message
                seen = max(seen, len(self.messages))
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        f'no such message within {timeout:.0f} s among {len(self.messages)}')
                self._arrived.wait(left)


class Peer:
    """A node of the test's own, spun by a thread, in a context of its own."""

    def __init__(self, domain, name=None):
        name = name or f'peer_{next(_NUMBERS)}'
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = Node(name, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._stopped = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def add_node(self, node):
        """Spin another node of the same context, which the caller destroys."""
        self._executor.add_node(node)

    def _spin(self):
        while not self._stopped:
            self._executor.spin_once()

    def _stop(self):
        self._stopped = True

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        # The thread ends before its context: waiting and publishing in one that was shut down
        # are errors. A task is run by the thread itself, and ends its wait.
        self._executor.create_task(self._stop)
        self._thread.join(TIMEOUT)
        if self._thread.is_alive():
            raise AssertionError(f'a callback of {self.node.get_name()} does not end')
        self._executor.shutdown()
        # In this order: rcl has crashed on a client with an open call while the context lived.
        self.context.try_shutdown()
        self.node.destroy_node()

    def subscribe(self, message_type, topic, qos=10):
        """Return an inbox that fills from now on."""
        inbox = Inbox()
        self.node.create_subscription(message_type, topic, inbox, qos)
        return inbox

    def publisher(self, message_type, topic, qos, wait_for_subscriber=True):
        """Return a publisher that has found its subscriber."""
        publisher = self.node.create_publisher(message_type, topic, qos)
        if wait_for_subscriber:
            wait_until(publisher.get_subscription_count, 'a subscriber of ' + topic)
        return publisher

    def topics_of(self, node_name, published=False):
        """
        Return the types of the topics that a node reads or publishes, by name.

        There are none while the graph does not know the node: a log line or an answer may come
        before it is discovered.
        """
        ask = self.node.get_publisher_names_and_types_by_node if published \
            else self.node.get_subscriber_names_and_types_by_node
        try:
            return {name: types[0] for name, types in ask(node_name, '/')}
        except NodeNameNonExistentError:
            return {}

    def wait_for_publisher(self, topic):
        """Wait until somebody publishes a topic."""
        wait_until(lambda: self.node.count_publishers(topic), 'a publisher of ' + topic)

    def call(self, service_type, name, request, timeout=TIMEOUT, changes=True):
        """
        Return the answer of a service.

        What only reads, or is known to change nothing, is asked again: an answer is lost for
        good where the server does not know the client's reader yet (rmw waits 100 ms for it, then
        drops the answer).
        """
        client = self.node.create_client(service_type, name)
        deadline = time.monotonic() + timeout
        futures = []
        try:
            assert client.wait_for_service(timeout), 'no service ' + name
            done = threading.Event()
            while not done.is_set():
                left = deadline - time.monotonic()
                assert left > 0.0, f'no answer of {name} within {timeout:.0f} s'
                futures.append(client.call_async(request))
                futures[-1].add_done_callback(lambda _: done.set())
                done.wait(min(left, ASK_AGAIN) if service_type in READING or not changes
                          else left)
            return next(future for future in futures if future.done()).result()
        finally:
            self.node.destroy_client(client)


class NodeProcess:
    """
    A node of the package as a process of its own.

    :param domain: ROS domain id
    :param folder: for its log files
    :param parameters: by name; given on the command line
    :param arguments: further ROS arguments
    :param prefix: a program that starts the node, such as ``taskset``, with its arguments
    """

    def __init__(self, domain, folder, parameters=None, arguments=(),
                 module='segformer_ros.cli.segformer', environment=None, prefix=()):
        command = list(prefix) + [sys.executable, '-m', module, '--ros-args']
        for name, value in (parameters or {}).items():
            command += ['-p', f'{name}:={value}']
        self._log_path = os.path.join(str(folder), f'node_{time.monotonic_ns()}.log')
        variables = dict(os.environ, ROS_DOMAIN_ID=str(domain), ROS_LOG_DIR=str(folder),
                         RCUTILS_LOGGING_BUFFERED_STREAM='0', **(environment or {}))
        with open(self._log_path, 'wb') as log:
            self._child = subprocess.Popen(command + list(arguments), env=variables, stdout=log,
                                           stderr=subprocess.STDOUT)
        self.pid = self._child.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(f'process {self.pid}, exit status {self._child.poll()}:\n{self.log()[-8000:]}',
                  file=sys.stderr)
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
                raise AssertionError('did not end after SIGINT:\n' + self.log()) from None

    def log(self):
        """Return everything that it wrote so far."""
        with open(self._log_path, encoding='utf-8', errors='replace') as stream:
            return stream.read()

    def wait_for_log(self, pattern, timeout=TIMEOUT, after=0):
        """Wait until a pattern stands in what it wrote behind position ``after``."""
        def found():
            assert self._child.poll() is None or re.search(pattern, self.log()[after:]), \
                f'ended with {self._child.returncode}:\n{self.log()}'
            return re.search(pattern, self.log()[after:])
        return wait_until(found, lambda: f'{pattern!r} in the log:\n{self.log()}',
                          timeout)

    def signal(self, number):
        """Send a signal."""
        self._child.send_signal(number)

    def wait(self, timeout=TIMEOUT):
        """Return the exit status."""
        return self._child.wait(timeout)

    def is_running(self):
        """Return whether it has not ended."""
        return self._child.poll() is None

    def resident_mb(self):
        """Return the resident memory in MB."""
        with open(f'/proc/{self.pid}/status', encoding='ascii') as stream:
            return int(re.search(r'VmRSS:\s+(\d+) kB', stream.read()).group(1)) / 1024.0

    def cpu_seconds(self):
        """Return the processor time that it has used."""
        with open(f'/proc/{self.pid}/stat', encoding='ascii') as stream:
            fields = stream.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def threads(self):
        """Return the number of threads."""
        return len(os.listdir(f'/proc/{self.pid}/task'))

    def descriptors(self):
        """Return the number of open files."""
        return len(os.listdir(f'/proc/{self.pid}/fd'))
