# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measure one model: the network alone, whole frames against the common ways, memory, start."""

import contextlib
import itertools
import math
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.allocator import keep_freed_memory
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.common.telemetry import import_onnxruntime
from segformer_ros.costmap.cost_table import load_cost_table
from segformer_ros.costmap.geometry import transforms
from segformer_ros.costmap.geometry.camera_model import Calibration
from segformer_ros.costmap.geometry.camera_model import CameraModel
from segformer_ros.costmap.pipeline import CameraView
from segformer_ros.costmap.pipeline import CostmapPipeline
from segformer_ros.costmap.settings import CostmapSettings
from segformer_ros.costmap.settings import GridSettings
from segformer_ros.evaluation.benchmark import cold_caches
from segformer_ros.evaluation.benchmark import memory
from segformer_ros.evaluation.benchmark import paired_timing
from segformer_ros.evaluation.benchmark import pipelines
from segformer_ros.inference.base.backend import Backend
from segformer_ros.inference.onnxrt import backend as ort_backend
from segformer_ros.inference.ov import backend as ov_backend
from segformer_ros.model.classes import load_class_table
from segformer_ros.model.optimize.optimize import optimize
from segformer_ros.model.optimize.target import ONNXRUNTIME
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.kernel_build import load_kernels

PLAIN, FAITHFUL, BARE = 'ours, opencv resize', 'ours, pillow resize', 'ours, mask only'
TRANSFORMERS, OPENCV = 'transformers example', 'opencv + numpy'
ORIGINAL, OPTIMIZED = 'original', 'optimized'
OPENVINO_ORIGINAL, OPENVINO_OPTIMIZED = 'OpenVINO, original', 'OpenVINO, optimized'
# They compute elsewhere than on this machine, or build engines for minutes.
NOT_TIMED = ('AzureExecutionProvider', 'TensorrtExecutionProvider')
# Further rounds of ours alone, as a multiple of those against the others.
OUR_ROUNDS = 5
FIXED, MOVING = 'fixed mount', 'moving mount'
# A robot at walking pace: metres and seconds between two frames at 10 Hz.
STEP, PERIOD = 0.1, 0.1
CAMERA_HEIGHT, CAMERA_PITCH = 0.8, math.radians(15.0)
# The barrel distortion of a webcam: with a moving mount it counts for every sample.
DISTORTION = (-0.25, 0.06, 0.001, 0.0005, 0.0)
# Amplitude of a mount that gives, radians; any change makes every pixel's ray count anew.
SWAY = math.radians(0.5)


class BenchmarkSettings(NamedTuple):
    """``rounds`` are the quiet ones wanted, ``time_limit`` seconds to look for them, a table."""

    sizes: Sequence[Tuple[int, int]]
    rounds: int
    time_limit: float
    threads: int
    memory: bool


class Runtime(NamedTuple):
    """A further way to run the model: an open backend, or why it does not run."""

    name: str
    backend: Optional[Backend]
    spec: ModelSpec
    problem: str


class Networks(NamedTuple):
    """
    One model twice: as exported and as optimized, both open with the same threads.

    ``changes`` and ``detail`` as in ``OptimizedModel``; ``others`` are the other runtimes and
    providers that are installed.
    """

    original: Backend
    original_spec: ModelSpec
    optimized: Backend
    optimized_spec: ModelSpec
    optimized_path: str
    changes: str
    detail: str
    threads: int
    others: Tuple[Runtime, ...]


def run_benchmark(onnx_path: str, spec: ModelSpec, picture: arrays.UInt8,
                  settings: BenchmarkSettings, tell: Callable[[str], None]) -> Dict[str, Any]:
    """
    Measure a model.

    :param onnx_path: as exported
    :param picture: (H, W, 3) RGB; resized to the camera sizes
    :param tell: called with a line on what comes next
    :return: what JSON can hold
    :raises SegformerRosError: the model cannot be run
    """
    # As the node does, whose pipeline this is.
    keep_freed_memory()
    threads = settings.threads or ort_backend.default_threads()
    result: Dict[str, Any] = {'name': spec.name, 'input_size_wh': list(spec.input_size_wh),
                              'threads': threads, 'frames': {}, 'caches': {}, 'memory': {}}
    with _open_networks(onnx_path, spec, threads, tell) as networks:
        result['changes'] = networks.changes
        result['optimized_model'] = f'{networks.changes}: {networks.detail}'
        tell('network: original against optimized, and every other runtime')
        timing = paired_timing.time_in_pairs(
            [_bare(ORIGINAL, networks.original, networks.original_spec),
             _bare(OPTIMIZED, networks.optimized, networks.optimized_spec)]
            + [_bare(each.name, each.backend, each.spec) for each in networks.others
               if each.backend is not None],
            settings.rounds, settings.time_limit)
        result['network'] = timing_to_json(timing, [ORIGINAL, OPENVINO_ORIGINAL])
        result['runtimes'] = {
            ORIGINAL: runtime_text(networks.original), OPTIMIZED: runtime_text(networks.optimized),
            **{each.name: each.problem if each.backend is None else runtime_text(each.backend)
               for each in networks.others}}
        for size_wh in settings.sizes:
            name = '{}x{}'.format(*size_wh)
            tell(f'whole frames at {name}')
            image = pipelines.CameraImage(cv2.resize(  # type: ignore[arg-type]
                picture, tuple(size_wh), interpolation=cv2.INTER_AREA))
            result['frames'][name] = _time_frames(networks, image, settings)
            tell(f'stages with warm and cold caches at {name}')
            result['caches'][name] = cold_caches.measure(
                image, networks.optimized, networks.optimized_spec, threads,
                settings.rounds)
        optimized_path, optimized_spec = networks.optimized_path, networks.optimized_spec
    if settings.memory:
        for size_wh in settings.sizes:
            tell('memory and start at {}x{}'.format(*size_wh))
            result['memory']['{}x{}'.format(*size_wh)] = memory.measure(
                optimized_path, optimized_spec, size_wh, threads)
    return result


@contextlib.contextmanager
def _open_networks(onnx_path: str, spec: ModelSpec, threads: int,
                   tell: Callable[[str], None]) -> Iterator[Networks]:
    tell('optimizing the model')
    optimized = optimize(onnx_path, spec, ONNXRUNTIME)
    # Sessions of one process that spin would steal each other's cores.
    with contextlib.ExitStack() as opened:
        original = opened.enter_context(ort_backend.OnnxruntimeBackend(onnx_path, threads=threads))
        ours = opened.enter_context(
            ort_backend.OnnxruntimeBackend(optimized.path, threads=threads))
        others = tuple(_open_others(onnx_path, spec, optimized.path, optimized.spec, threads,
                                    opened))
        yield Networks(original, spec, ours, optimized.spec, optimized.path,
                       optimized.changes, optimized.detail, threads, others)


def _open_others(onnx_path: str, spec: ModelSpec, optimized_path: str, optimized_spec: ModelSpec,
                 threads: int, opened: contextlib.ExitStack) -> Iterator[Runtime]:
    """Open what is installed beside onnxruntime's CPU provider; what fails is told."""
    ways: List[Tuple[str, Backend, ModelSpec]] = []
    if ov_backend.is_installed():
        settings = ov_backend.DeviceSettings(threads=threads)
        ways += [
            (OPENVINO_ORIGINAL, ov_backend.OpenvinoBackend(onnx_path, settings), spec),
            (OPENVINO_OPTIMIZED, ov_backend.OpenvinoBackend(optimized_path, settings),
             optimized_spec)]
    ways += [(f'{provider}, original', ort_backend.OnnxruntimeBackend(
        onnx_path, threads=threads, providers=(provider, ort_backend.CPU_PROVIDER)), spec)
        for provider in import_onnxruntime().get_available_providers()
        if provider != ort_backend.CPU_PROVIDER and provider not in NOT_TIMED]
    for name, backend, own_spec in ways:
        try:
            yield Runtime(name, opened.enter_context(backend), own_spec, '')
        except SegformerRosError as error:
            yield Runtime(name, None, own_spec, f'not run: {error}')


def runtime_text(backend: Backend) -> str:
    """Return runtime, version, device or provider, and precision of an open backend."""
    info = backend.info
    where = info.details.get('providers') or info.device
    return f'{info.name} {info.version}, {where}, {info.precision}'


def _bare(name: str, backend: Backend, spec: ModelSpec) -> paired_timing.Variant:
    shape = [size or 1 for size in spec.input_tensor().shape]
    random = np.random.RandomState(0)
    tensor = random.randint(0, 256, shape).astype(np.uint8) if spec.input_dtype == 'uint8' \
        else random.normal(size=shape).astype(spec.input_dtype)

    def run() -> paired_timing.Run:
        watch = pipelines.Watch()
        backend.infer({spec.input_name: tensor})
        watch.cut(pipelines.INFER)
        return paired_timing.Run(watch.stages)

    return paired_timing.Variant(name, run)


def _time_frames(networks: Networks, image: pipelines.CameraImage,
                 settings: BenchmarkSettings) -> Dict[str, Any]:
    variants: List[Optional[paired_timing.Variant]] = [
        pipelines.our_pipeline(name, image, networks.optimized, networks.optimized_spec, resize,
                               with_confidence, networks.threads)
        for name, resize, with_confidence in (
            (PLAIN, 'opencv', True), (FAITHFUL, 'pillow', True), (BARE, 'opencv', False))]
    variants += [
        pipelines.transformers_pipeline(TRANSFORMERS, image, networks.original,
                                        networks.original_spec),
        pipelines.opencv_pipeline(OPENCV, image, networks.original, networks.original_spec)]
    timing = paired_timing.time_in_pairs([one for one in variants if one is not None],
                                         settings.rounds, settings.time_limit)
    found = timing_to_json(timing, [TRANSFORMERS, OPENCV])
    # What takes milliseconds needs more rounds to meet a quiet one than what takes seconds.
    ours = paired_timing.time_in_pairs([one for one in variants[:2] if one is not None],
                                       settings.rounds)
    for row in found['rows']:
        row['overhead_ms'] = 1e3 * timing.sum_of(row['name'], pipelines.OVERHEAD)
        row['overhead_cpu_ms'] = 1e3 * timing.beside_cpu(row['name'])
        row['overhead_fastest_ms'] = 1e3 * min(
            each.fastest(row['name'], pipelines.OVERHEAD) for each in (timing, ours)
            if row['name'] in each.names)
    found['kernels'] = load_kernels().origin
    found['labels_differ'] = {
        f'{one} / {other}': float(np.mean(image.masks[one] != image.masks[other]))
        for one, other in ((FAITHFUL, TRANSFORMERS), (PLAIN, OPENCV), (PLAIN, FAITHFUL))
        if other in image.masks}
    costs = paired_timing.time_in_pairs(
        [costmap_variant(image.masks[FAITHFUL], mount)
         for mount in (FIXED, MOVING)], settings.rounds, settings.time_limit)
    found['costmap'] = timing_to_json(costs, [])
    return found


def timing_to_json(timing: paired_timing.PairedTiming,
                   references: Sequence[str]) -> Dict[str, Any]:
    """
    Return figures: times in milliseconds, ratios to each reference that took part.

    :param references: names of variants
    """
    present = [name for name in references if name in timing.names]
    rows = [{'name': name, 'cpu_ms': 1e3 * timing.cpu(name),
             'fastest_ms': 1e3 * timing.fastest(name),
             'stages_ms': {stage: 1e3 * value for stage, value in timing.stages(name).items()},
             'ratio': {other: timing.ratio(name, other) for other in present},
             'cpu_ratio': {other: timing.cpu_ratio(name, other) for other in present},
             'fastest_ratio': {other: timing.fastest(name) / timing.fastest(other)
                               for other in present}}
            for name in timing.names]
    return {'rows': rows, 'rounds': timing.rounds, 'counted': timing.counted,
            'quiet': timing.quiet}


def costmap_variant(mask: arrays.UInt8, mount: str, size: float = GridSettings().size
                    ) -> paired_timing.Variant:
    """
    Return the default costmap, at 0.05 m, over a robot that drives ahead.

    :param mask: (H, W) class ids of ADE20K
    :param mount: FIXED, or MOVING for a camera whose pose over the ground changes each frame
    :param size: side of the grid, metres
    """
    height, width = mask.shape
    focal = 500.0 * width / 640.0
    camera = CameraModel(Calibration(width, height, 'plumb_bob', DISTORTION, (
        focal, 0.0, width / 2.0, 0.0, focal, height / 2.0, 0.0, 0.0, 1.0)))
    pipeline = CostmapPipeline(CostmapSettings(grid=GridSettings(size=size)),
                               load_cost_table('indoor', load_class_table('ade20k')))
    confidence = np.full_like(mask, 200)
    counter = itertools.count(1)

    def run() -> paired_timing.Run:
        number = next(counter)
        sway = SWAY * math.sin(number) if mount == MOVING else 0.0
        pose = transforms.CameraPose(transforms.planar_pose(STEP * number, 0.0, 0.0),
                                     transforms.mount_pose(CAMERA_HEIGHT, CAMERA_PITCH + sway))
        stamp = PERIOD * number
        view = CameraView(mask, confidence, camera, pose, stamp)
        timings = pipeline.process('camera', view).timings
        started = time.perf_counter()
        pipeline.occupancy(stamp)
        return paired_timing.Run({'project': timings.project, 'fuse': timings.fuse,
                                  'fill': time.perf_counter() - started})

    return paired_timing.Variant(mount, run)
