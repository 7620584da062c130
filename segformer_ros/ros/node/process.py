# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run a node as a process: orderly at SIGINT and SIGTERM, from any state."""

import os
import signal
import sys
import traceback
from typing import Callable, List, Optional, TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.text import one_line
from segformer_ros.ros.node.stop_signal import StopRequest

RCLError = rclpy_implementation.RCLError
AnyNode = TypeVar('AnyNode', bound=Node)

SHUTDOWN_TIMEOUT = 1.0
"""Seconds that callbacks in work may take at the end."""
LEAVE_TIMEOUT = 20.0
"""
Seconds that DDS may take to leave once the node is closed; then SIGALRM ends the process.

Fast DDS waits for shared memory by the wall clock: where that was set back, for as long as it was
set back. It holds the interpreter meanwhile, so that no thread of Python can end it.
"""
SPIN_TIMEOUT = 0.5
"""
Seconds until a signal is noticed: Python runs its handlers between two waits of rcl. Each wait
builds rcl's wait set anew, which is most of what an idle node costs.
"""
UNRECOVERABLE = 3
"""Exit status where only another process can help; launch files start it anew."""
WRONG_START = 2
"""Exit status where a parameter or an argument given at start cannot be used."""


def run_node(make_node: Callable[[], AnyNode], close: Callable[[AnyNode], None],
             args: Optional[List[str]] = None,
             is_done: Callable[[AnyNode], bool] = lambda node: False,
             is_unrecoverable: Callable[[AnyNode], bool] = lambda node: False,
             stop: Optional[StopRequest] = None,
             leaves_threads: Callable[[AnyNode], bool] = lambda node: False,
             name: str = 'segformer') -> int:
    """
    Spin one node until it is asked to stop, or has done its work.

    :param make_node: called once rclpy is initialised
    :param close: called while publishing still works, before the node is destroyed
    :param args: command line with ROS arguments; None takes the process's own
    :param is_done: asked again and again; by default a node's work never ends
    :param is_unrecoverable: asked again and again; where true the process ends at once, with
        :data:`UNRECOVERABLE`, past threads that would keep an orderly end from coming; unless
        it was asked to stop
    :param stop: made before the imports, where those take long; by default one is made here
    :param leaves_threads: asked once the node is closed; where true the process ends past its
        interpreter, since a runtime aborts whose threads work while it is torn down
    :param name: under which is logged that there is no node
    :return: exit status
    """
    stop = StopRequest() if stop is None else stop
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RCLError as error:
        print(f'Cannot start: ROS does not start: {error}. Correct what stands after --ros-args, '
              'the parameter file that it names, or the ROS variables of the environment.',
              file=sys.stderr)
        return WRONG_START
    try:
        try:
            node = make_node()
        except SegformerRosError as error:
            get_logger(name).fatal(f'Cannot start: {error}')
            return WRONG_START
        except RCLError as error:
            # The first participant is made here, and with it SROS2 begins.
            print(f"Cannot start: the node cannot be made: {one_line(error)}. "
                  'Correct its name and namespace, the ROS variables of the environment '
                  '(ROS_SECURITY_..., RMW_IMPLEMENTATION, ROS_DOMAIN_ID), or the DDS profile.',
                  file=sys.stderr)
            return WRONG_START
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            while not stop.requested and rclpy.ok() and not is_done(node):
                _spin_once(executor, node)
                if is_unrecoverable(node) and not stop.requested:
                    os._exit(UNRECOVERABLE)
        except ExternalShutdownException:
            pass  # somebody shut the context down, which is a request to stop too
        finally:
            close(node)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, LEAVE_TIMEOUT)
            # A request that still waits for its answer must not keep the process.
            executor.shutdown(timeout_sec=SHUTDOWN_TIMEOUT)
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
    if leaves_threads(node):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _spin_once(executor: SingleThreadedExecutor, node: Node) -> None:
    try:
        executor.spin_once(timeout_sec=SPIN_TIMEOUT)
    except ExternalShutdownException:
        raise
    except Exception:
        # A fault in one callback must not take the masks away: told loudly, then go on.
        node.get_logger().fatal('Fault in a callback:\n' + traceback.format_exc())
