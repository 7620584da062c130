# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measurement of the running node over real DDS: latency, losses, processor time, memory."""

import functools
import os
import tempfile
import time
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Set, Tuple

import cv2
import numpy as np
from segformer_ros.cli.support import ros_environment
from segformer_ros.cli.support.node_process import NodeProcess
from segformer_ros.cli.support.node_process import usage_of
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.evaluation.benchmark.node import NodeRun
from segformer_ros.evaluation.benchmark.node import to_json
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
from segformer_ros.model.onnx_file.inspection import Draft
from segformer_ros.model.onnx_file.inspection import write_spec
from segformer_ros.model.optimize.optimize import optimize
from segformer_ros.model.spec import ModelSpec

SIZE_WH = (640, 480)
REST_LIMIT_S = 30.0
START_LIMIT_S = 120.0
IDLE_S = 5.0
# Without a mask, after which none is under way.
SETTLE_S = 1.5
NETWORK_RUNS = 8
# Of a drive: the machine's speed drifts, so the network runs before, between and after them.
PARTS = 4


class Scenario(NamedTuple):
    """
    ``rate`` is each camera's, Hz; ``staggered`` spreads the cameras over its period.

    ``keep_memory`` is the node's parameter.
    """

    name: str
    cameras: int
    rate: float
    staggered: bool
    keep_memory: bool = True


SCENARIOS = (Scenario('one camera, 5 Hz', 1, 5.0, False),
             Scenario('one camera, 5 Hz, allocator left alone', 1, 5.0, False, False),
             Scenario('one camera, 30 Hz', 1, 30.0, False),
             Scenario('four cameras, 5 Hz, in phase', 4, 5.0, False),
             Scenario('four cameras, 5 Hz, staggered', 4, 5.0, True))


def run_node_benchmark(onnx_path: str, spec: ModelSpec, picture: arrays.UInt8,
                       threads: int, seconds: float, tell: Callable[[str], None],
                       scenarios: Sequence[Scenario] = SCENARIOS) -> Dict[str, Any]:
    """
    Run scenarios, each with a node of its own.

    The node gets the optimized model, which the bare network runs as well.

    :param onnx_path: as exported
    :param spec: of that file
    :param picture: (H, W, 3) RGB that every camera sends
    :param threads: the node's parameter
    :param seconds: of images, a scenario
    :return: ``text`` and ``scenarios``, for the report
    :raises SegformerRosError: the node does not start, or ROS is not installed
    """
    ros_environment.carry_images()
    ros_environment.keep_apart()
    optimized = optimize(onnx_path, spec)
    image = np.ascontiguousarray(
        cv2.resize(picture, SIZE_WH, interpolation=cv2.INTER_AREA)[:, :, ::-1], np.uint8)
    results = []
    with tempfile.TemporaryDirectory(prefix='segformer_ros_benchmark_') as folder:
        spec_path = os.path.join(folder, 'optimized.yaml')
        write_spec(spec_path, Draft(optimized.spec, ()), None)
        parameters = {'model': optimized.path, 'model_spec': spec_path, 'resize': 'opencv',
                      'threads': threads}
        for scenario in scenarios:
            tell(f'node, {scenario.name}')
            with OnnxruntimeBackend(optimized.path, threads=threads) as backend:
                bare = functools.partial(network_seconds, backend, optimized.spec)
                run = _run_scenario(scenario, parameters, image, seconds, bare,
                                    os.path.join(folder, 'log'))
            results.append(to_json(scenario.name, run))
    return {
        'text': f'Images of {SIZE_WH[0]} x {SIZE_WH[1]} bgr8, plain resize, {seconds:.0f} s a '
                f'scenario in {PARTS} parts, between which the bare network runs. Latency is from '
                'the stamp to the arrival of the mask in another process.',
        'scenarios': results}


def network_seconds(backend: Backend, spec: ModelSpec) -> List[float]:
    """Return the seconds that bare runs of the network take."""
    tensor = np.zeros([size or 1 for size in spec.input_tensor().shape], spec.input_dtype)
    taken = []
    for _ in range(NETWORK_RUNS):
        started = time.perf_counter()
        backend.infer({spec.input_name: tensor})
        taken.append(time.perf_counter() - started)
    return taken


def _run_scenario(scenario: Scenario, parameters: Dict[str, Any], image: arrays.UInt8,
                  seconds: float, bare: Callable[[], List[float]], log_path: str) -> NodeRun:
    try:
        from segformer_ros.ros.peers.benchmark_traffic import Traffic
    except ImportError as error:
        raise BackendError('The node cannot be measured without ROS', got=error,
                           remedy='Source a ROS 2 installation, or leave --node out.') from error
    cameras = [''] if scenario.cameras == 1 else [
        f'camera{number}' for number in range(scenario.cameras)]
    parameters = dict(parameters, keep_memory=str(scenario.keep_memory).lower())
    if scenario.cameras > 1:
        parameters['cameras'] = f"[{', '.join(cameras)}]"
    with Traffic(cameras, image) as traffic:
        started = time.time()
        with NodeProcess('segformer_ros.cli.segformer', log_path, parameters, {}) as node:
            first_mask = _await_first_mask(node, traffic, cameras) - started
            idle = _cpu_share(node.pid, IDLE_S)
            before = _counts(traffic, cameras)
            traffic.arrivals()
            network, drives = bare(), []
            cpu, page_faults = 0.0, 0
            for _ in range(PARTS):
                start = usage_of(node.pid)
                drives.append(traffic.drive(scenario.rate, seconds / PARTS, scenario.staggered))
                end = usage_of(node.pid)
                cpu += end.cpu - start.cpu
                page_faults += end.page_faults - start.page_faults
                network += bare()
            arrivals, counts = _await_the_rest(traffic, cameras, before)
            peak = _peak_mb(node.pid)
            node.check()
    return NodeRun(cameras, scenario.rate, sum(part.sent for part in drives), arrivals,
                   [last for part in drives
                    for last in part.last], [answer for part in drives for answer in part.answers],
                   counts['received'], counts['published'], counts['dropped for newer ones'],
                   network, cpu, idle, page_faults, first_mask, peak)


def _await_first_mask(node: NodeProcess, traffic: Any, cameras: Sequence[str]) -> float:
    """Send images until a mask of every camera came; return when the first did."""
    deadline = time.monotonic() + START_LIMIT_S
    first = 0.0
    seen: Set[str] = set()
    while seen != set(cameras):
        node.check()
        if time.monotonic() > deadline:
            raise BackendError('The node gives no mask', got=f'{START_LIMIT_S:.0f} s',
                               remedy=f'Its last words:\n{node.last_words()}')
        if traffic.node_is_ready():
            for name in cameras:
                traffic.send(name)
        time.sleep(0.1)
        for arrival in traffic.arrivals():
            first = first or arrival.received
            seen.add(arrival.camera)
    time.sleep(SETTLE_S)
    while traffic.arrivals():
        # Masks under way arrive before the measurement starts.
        time.sleep(SETTLE_S)
    return first


def _await_the_rest(traffic: Any, cameras: Sequence[str], before: Dict[str, int]
                    ) -> Tuple[List[Any], Dict[str, int]]:
    """Return the masks and the node's counts once they agree, or REST_LIMIT_S later."""
    deadline = time.monotonic() + REST_LIMIT_S
    arrivals: List[Any] = []
    while True:
        counts = {key: value - before[key] for key, value in _counts(traffic, cameras).items()}
        arrivals += traffic.arrivals()
        done = counts['published'] + counts['dropped for newer ones']
        if (counts['received'] <= done and counts['published'] <= len(arrivals)) or \
                time.monotonic() > deadline:
            return arrivals, counts


def _counts(traffic: Any, cameras: Sequence[str]) -> Dict[str, int]:
    """Return the node's own counts of images, summed over its cameras."""
    values = [traffic.camera_values(name) for name in cameras]
    return {key: sum(int(each[key]) for each in values)
            for key in ('received', 'published', 'dropped for newer ones')}


def _cpu_share(pid: int, seconds: float) -> float:
    before = usage_of(pid).cpu
    time.sleep(seconds)
    return (usage_of(pid).cpu - before) / seconds


def _peak_mb(pid: int) -> float:
    with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as stream:
        line = next(line for line in stream if line.startswith('VmHWM:'))
    return int(line.split()[1]) * 1024 / 1e6
