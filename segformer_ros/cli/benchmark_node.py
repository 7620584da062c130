# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measure the running node over real DDS: latency, losses, fairness, processor, memory."""

import functools
import os
import tempfile
import time
from typing import Any
from typing import Callable
from typing import Dict
from typing import List
from typing import NamedTuple
from typing import Sequence
from typing import Set
from typing import TYPE_CHECKING

import cv2
import numpy as np

from segformer_ros import resources
from segformer_ros.cli.child_process import ChildProcess
from segformer_ros.errors import BackendError
from segformer_ros.evaluation.node_figures import NodeRun
from segformer_ros.evaluation.node_figures import to_json
from segformer_ros.inference.backend import Backend
from segformer_ros.inference.onnxruntime_backend import OnnxruntimeBackend
from segformer_ros.model.graph import prepare
from segformer_ros.model.spec import ModelSpec

if TYPE_CHECKING:
    import numpy.typing as npt

SIZE_WH = (640, 480)
START_LIMIT_S = 120.0
IDLE_S = 5.0
NETWORK_RUNS = 15


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


class Usage(NamedTuple):
    """Processor seconds and minor page faults of a process."""

    cpu: float
    page_faults: int


SCENARIOS = (Scenario('one camera, 5 Hz', 1, 5.0, False),
             Scenario('one camera, 5 Hz, allocator left alone', 1, 5.0, False, False),
             Scenario('one camera, 30 Hz', 1, 30.0, False),
             Scenario('four cameras, 5 Hz, in phase', 4, 5.0, False),
             Scenario('four cameras, 5 Hz, staggered', 4, 5.0, True))


def run_node_benchmark(model: str, onnx_path: str, spec: ModelSpec,
                       picture: 'npt.NDArray[np.uint8]', threads: int, seconds: float,
                       tell: Callable[[str], None],
                       scenarios: Sequence[Scenario] = SCENARIOS) -> Dict[str, Any]:
    """
    Run scenarios, each with a node of its own.

    :param model: the node's parameter
    :param onnx_path: of that model
    :param spec: of that model
    :param picture: (H, W, 3) RGB that every camera sends
    :param threads: the node's parameter
    :param seconds: of images, a scenario
    :return: ``text`` and ``scenarios``, for the report
    :raises SegformerRosError: the node does not start, or ROS is not installed
    """
    use_image_transport()
    prepared = prepare(onnx_path, spec)
    small = cv2.resize(picture, SIZE_WH, interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(small[:, :, ::-1]).tobytes()
    results = []
    for scenario in scenarios:
        tell('node, {}'.format(scenario.name))
        with OnnxruntimeBackend(prepared.path, threads=threads) as backend:
            bare = functools.partial(network_seconds, backend, prepared.spec)
            run = _run_scenario(scenario, model, pixels, threads, seconds, bare)
        results.append(to_json(scenario.name, run))
    return {'text': 'Images of {} x {} bgr8, plain resize, {:.0f} s a scenario. Latency is from '
                    'the stamp to the arrival of the mask in another process.'.format(
                        SIZE_WH[0], SIZE_WH[1], seconds), 'scenarios': results}


def use_image_transport() -> None:
    """Choose, before rclpy starts, a transport that carries images, and a domain of our own."""
    profile = resources.find('config/fastdds.xml')
    for variable in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        os.environ.setdefault(variable, profile)
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))


def network_seconds(backend: Backend, spec: ModelSpec) -> List[float]:
    """Return how long bare runs of the network take here and now."""
    tensor = np.zeros([size or 1 for size in spec.input_tensor().shape], spec.input_dtype)
    taken = []
    for _ in range(NETWORK_RUNS):
        started = time.perf_counter()
        backend.infer({spec.input_name: tensor})
        taken.append(time.perf_counter() - started)
    return taken


def _run_scenario(scenario: Scenario, model: str, pixels: bytes, threads: int, seconds: float,
                  bare: Callable[[], List[float]]) -> NodeRun:
    try:
        from segformer_ros.ros.benchmark_traffic import Traffic
    except ImportError as error:
        raise BackendError('The node cannot be measured without ROS', got=error,
                           remedy='Source a ROS 2 installation, or leave --node out.') from error
    cameras = [''] if scenario.cameras == 1 else [
        'camera{}'.format(number) for number in range(scenario.cameras)]
    parameters: Dict[str, Any] = {'model': model, 'resize': 'opencv', 'threads': threads,
                                  'keep_memory': str(scenario.keep_memory).lower()}
    if scenario.cameras > 1:
        parameters['cameras'] = '[{}]'.format(', '.join(cameras))
    with tempfile.TemporaryDirectory(prefix='segformer_ros_benchmark_') as folder, \
            Traffic(cameras, SIZE_WH) as traffic:
        traffic.prepare(pixels)
        started = time.time()
        with ChildProcess('segformer_ros.cli.segformer', os.path.join(folder, 'log'), parameters,
                          {}) as node:
            first_mask = _await_first_mask(node, traffic, cameras) - started
            idle = _cpu_share(node.pid, IDLE_S)
            network = bare()
            before = _usage(node.pid)
            counts = _counts(traffic, cameras)
            traffic.arrivals()
            sent, answers = traffic.drive(scenario.rate, seconds, scenario.staggered)
            arrivals = traffic.arrivals()
            used = _usage(node.pid)
            counts = {key: value - counts[key]
                      for key, value in _counts(traffic, cameras).items()}
            network += bare()
            peak = _peak_mb(node.pid)
            node.check()
    return NodeRun(
        cameras, scenario.rate, sent, arrivals, answers, counts['received'], counts['published'],
        counts['dropped for newer ones'], network, used.cpu - before.cpu, idle,
        used.page_faults - before.page_faults, first_mask, peak)


def _await_first_mask(node: ChildProcess, traffic: Any, cameras: Sequence[str]) -> float:
    """Send images until a mask of every camera came; return when the first did."""
    deadline = time.monotonic() + START_LIMIT_S
    first = 0.0
    seen: Set[str] = set()
    while seen != set(cameras):
        node.check()
        if time.monotonic() > deadline:
            raise BackendError('The node gives no mask', got='{:.0f} s'.format(START_LIMIT_S),
                               remedy='Its last words:\n{}'.format(node.last_words()))
        if traffic.node_is_ready():
            for name in cameras:
                traffic.send(name)
        time.sleep(0.1)
        for arrival in traffic.arrivals():
            first = first or arrival.received
            seen.add(arrival.camera)
    # Let what is under way come to an end.
    time.sleep(1.0)
    return first


def _counts(traffic: Any, cameras: Sequence[str]) -> Dict[str, int]:
    """Return the node's own counts of images, summed over its cameras."""
    values = [traffic.camera_values(name) for name in cameras]
    return {key: sum(int(each[key]) for each in values)
            for key in ('received', 'published', 'dropped for newer ones')}


def _usage(pid: int) -> Usage:
    """Return what a process has used so far; see proc(5), stat fields 10, 14 and 15."""
    with open('/proc/{}/stat'.format(pid), encoding='ascii', errors='replace') as stream:
        fields = stream.read().rsplit(')', 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / float(os.sysconf('SC_CLK_TCK')), int(fields[7]))


def _cpu_share(pid: int, seconds: float) -> float:
    before = _usage(pid).cpu
    time.sleep(seconds)
    return (_usage(pid).cpu - before) / seconds


def _peak_mb(pid: int) -> float:
    with open('/proc/{}/status'.format(pid), encoding='ascii', errors='replace') as stream:
        line = next(line for line in stream if line.startswith('VmHWM:'))
    return int(line.split()[1]) * 1024 / 1e6
