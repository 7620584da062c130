# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Measure what capture costs a running node: processor time of its inference thread, and latency.

``python3 tools/measure/capture_cost.py [--rounds 8]`` starts one node over real DDS and sends it
a picture five times a second. Each round drives it without capture, with capture that looks at
each frame and keeps none, with the default rate, and keeping every frame, in a random order; the
ratios are medians over rounds of paired figures. The network has one thread here, so that all it
computes is the inference thread's. The costmap is on, as by default, so the confidence is computed
in any case.
"""

import argparse
import os
import random
import tempfile
import time
from typing import Any, Dict, List, NamedTuple

import cv2
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from segformer_ros.cli.support import node_process
from segformer_ros.cli.support import ros_environment
from segformer_ros.common import resources
from segformer_ros.ros.peers.benchmark_traffic import NODE
from segformer_ros.ros.peers.benchmark_traffic import Traffic

RATE, SECONDS = 5.0, 4.0
WARM_UP_S = 10.0
WITHOUT = 'without capture'
NEVER = {'capture.unsure_share': 1.0, 'capture.flicker_share': 1.0, 'capture.trickle_period': 0.0}
MODES: Dict[str, Dict[str, Any]] = {
    WITHOUT: {'capture.enabled': False},
    'looks at each frame, keeps none': dict(NEVER, **{'capture.enabled': True}),
    'keeps one every two seconds': dict(NEVER, **{
        'capture.enabled': True, 'capture.trickle_period': 0.01, 'capture.max_rate': 0.5}),
    'keeps each frame': dict(NEVER, **{
        'capture.enabled': True, 'capture.trickle_period': 0.01, 'capture.max_rate': 10.0})}


class Sample(NamedTuple):
    """Medians of one drive: seconds; ``inference`` and ``process`` are processor time a mask."""

    latency: float
    slow_latency: float
    inference: float
    process: float


class Operator(Traffic):
    """Traffic that sets parameters too."""

    def set_parameters(self, values: Dict[str, Any]) -> None:
        """Set parameters of the node; raise where one is refused."""
        client = self._node.create_client(SetParametersAtomically,
                                          NODE + '/set_parameters_atomically')
        try:
            if not client.wait_for_service(30.0):
                raise RuntimeError('the node has no parameters')
            future = client.call_async(SetParametersAtomically.Request(parameters=[
                Parameter(name, value=value).to_parameter_msg()
                for name, value in values.items()]))
            deadline = time.monotonic() + 30.0
            while not future.done():
                if time.monotonic() > deadline:
                    raise RuntimeError('no answer')
                time.sleep(0.01)
            if not future.result().result.successful:
                raise RuntimeError(future.result().result.reason)
        finally:
            self._node.destroy_client(client)


def thread_seconds(pid: int) -> Dict[str, float]:
    """Return the processor time of each thread of a process: schedstat of proc(5)."""
    found = {}
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/schedstat', encoding='ascii') as stream:
            found[thread] = 1e-9 * int(stream.read().split()[0])
    return found


def busiest(before: Dict[str, float], after: Dict[str, float]) -> str:
    """Return the thread that has computed most meanwhile: the one that runs the network."""
    return max(after, key=lambda each: after[each] - before.get(each, 0.0))


def take(traffic: Operator, pid: int, inference: str) -> Sample:
    """Drive the node once."""
    traffic.arrivals()
    before, used = thread_seconds(pid), node_process.usage_of(pid).cpu
    traffic.drive(RATE, SECONDS, False)
    after, used = thread_seconds(pid), node_process.usage_of(pid).cpu - used
    masks = traffic.arrivals()
    taken = [each.received - each.stamp for each in masks]
    return Sample(float(np.median(taken)), float(np.percentile(taken, 95)),
                  (after[inference] - before[inference]) / len(masks), used / len(masks))


def measure(rounds: int, folder: str) -> Dict[str, List[Sample]]:
    """Return the samples of each mode, one a round."""
    ros_environment.carry_images()
    ros_environment.keep_apart()
    picture = cv2.resize(cv2.imread(resources.find('config/self_check/indoor_3.jpg')), (640, 480))
    parameters = {'model': 'segformer_sim', 'threads': 1,
                  'capture.folder': os.path.join(folder, 'captures'), 'capture.min_free_mib': 0,
                  'capture.max_frames': 50}
    samples: Dict[str, List[Sample]] = {name: [] for name in MODES}
    with Operator([''], np.ascontiguousarray(picture)) as traffic, node_process.NodeProcess(
            'segformer_ros.cli.segformer', os.path.join(folder, 'log'), parameters, {}) as node:
        while not traffic.node_is_ready():
            node.check()
            time.sleep(0.1)
        traffic.drive(RATE, WARM_UP_S, False)
        before = thread_seconds(node.pid)
        traffic.drive(RATE, WARM_UP_S, False)
        inference = busiest(before, thread_seconds(node.pid))
        shuffle = random.Random(0).shuffle
        for _ in range(rounds):
            names = list(MODES)
            shuffle(names)
            for name in names:
                traffic.set_parameters(MODES[name])
                samples[name].append(take(traffic, node.pid, inference))
    return samples


def table(samples: Dict[str, List[Sample]]) -> str:
    """Return the figures as a Markdown table."""
    lines = ['| capture | inference thread, CPU a mask | ratio | whole process, CPU a mask | '
             'latency p50 | ratio | latency p95 |', '|---|---|---|---|---|---|---|']
    for name, found in samples.items():
        medians = Sample(*(float(np.median(column)) for column in zip(*found)))
        cpu, latency = (float(np.median([getattr(one, field) / getattr(other, field)
                                         for one, other in zip(found, samples[WITHOUT])]))
                        for field in ('inference', 'latency'))
        lines.append(
            f'| {name} | {1e3 * medians.inference:.1f} ms | {cpu:.3f} | '
            f'{1e3 * medians.process:.1f} ms | {1e3 * medians.latency:.0f} ms | {latency:.3f} | '
            f'{1e3 * medians.slow_latency:.0f} ms |')
    return '\n'.join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--rounds', type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix='segformer_ros_capture_') as folder:
        print(table(measure(arguments.rounds, folder)))


if __name__ == '__main__':
    main()
