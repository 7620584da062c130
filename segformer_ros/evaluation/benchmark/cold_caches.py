# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The stages beside the network: bytes that they move, and their time with warm and cold caches.

After a network run no cache holds anything of the frame, so a stage in a node waits for memory
where one that is repeated does not. Each stage is timed right after itself, and after a buffer of
twice the last cache was read. Beside ours stand the same stages as passes of their own: a picture
of RGB first, and messages that copy their arrays, once to bytes and once in their constructor.
"""

import array
import glob
import re
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np
from segformer_ros.common import arrays
from segformer_ros.evaluation.benchmark import paired_timing
from segformer_ros.evaluation.benchmark import pipelines
from segformer_ros.inference.base.backend import Backend
from segformer_ros.model.spec import ModelSpec
from segformer_ros.segmentation.images.decoding import image_to_picture
from segformer_ros.segmentation.kernel_build import load_kernels
from segformer_ros.segmentation.postprocessing import bytes_of
from segformer_ros.segmentation.postprocessing import Postprocessor
from segformer_ros.segmentation.preprocessing import Preprocessor

OURS, SEPARATE = 'ours', 'passes of their own'
WARM, COLD = 'warm', 'cold'
RESIZE = 'pillow'
# Where the system does not tell: larger than the caches of most boards.
USUAL_CACHE = 32 << 20
MOST_CACHE = 256 << 20
_UNITS = {'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
_CACHES = '/sys/devices/system/cpu/cpu0/cache/index*/size'


class StageBytes(NamedTuple):
    """
    What a stage reads and writes of whole arrays.

    A few rows that a stage keeps for itself stay in the first caches and do not count.
    """

    read: int
    written: int


class Stages(NamedTuple):
    """
    One frame beside its network, stage by stage.

    ``steps`` are to be run in their order; ``traffic`` returns the bytes of each, once they ran.
    """

    steps: Sequence[Tuple[str, Callable[[], None]]]
    traffic: Callable[[], Dict[str, StageBytes]]


def measure(image: pipelines.CameraImage, backend: Backend, spec: ModelSpec, threads: int,
            rounds: int) -> Dict[str, Any]:
    """
    Time the stages in both ways.

    :param backend: open, of ``spec``; run once
    :param threads: of the kernels
    :param rounds: to take the median of
    :return: what JSON can hold: ``cache_bytes`` that were read to make caches cold, and ``rows``
    :raises SegformerRosError: the network cannot be run
    """
    cv2.setNumThreads(pipelines.OUR_OPENCV_THREADS)
    kernels = load_kernels().kernels
    tensor = Preprocessor(spec, kernels, threads).run(image_to_picture(image.message).rgb, RESIZE)
    # Copies: a backend may overwrite what it returned.
    outputs = {name: values.copy() for name, values in backend.infer(
        {spec.input_name: tensor}).items()}
    ways = {name: make(image, outputs, Preprocessor(spec, kernels, threads),
                       Postprocessor(spec, kernels, threads))
            for name, make in ((OURS, our_stages), (SEPARATE, separate_stages))}
    cache = last_cache_bytes()
    evict = _evictor(2 * cache)
    timing = paired_timing.time_in_pairs(
        [paired_timing.Variant(f'{name}, {state}', _timed(way, evict if state == COLD else None))
         for name, way in ways.items() for state in (WARM, COLD)], rounds)
    rows = []
    for name, way in ways.items():
        traffic = way.traffic()
        times = {state: timing.stages(f'{name}, {state}') for state in (WARM, COLD)}
        rows.append({
            'name': name, 'stages': {stage: {
                'read': traffic[stage].read, 'written': traffic[stage].written,
                **{f'{state}_cpu_ms': 1e3 * times[state][stage] for state in times}}
                for stage in traffic},
            'read': sum(each.read for each in traffic.values()),
            'written': sum(each.written for each in traffic.values()),
            **{f'{state}_cpu_ms': 1e3 * times[state][paired_timing.TOTAL] for state in times}})
    return {'cache_bytes': cache, 'rounds': rounds, 'rows': rows}


def our_stages(image: pipelines.CameraImage, outputs: Dict[str, arrays.Array],
               preprocessor: Preprocessor, postprocessor: Postprocessor) -> Stages:
    """Return the stages as the node runs them."""
    made: Dict[str, Any] = {}

    def convert() -> None:
        made['picture'] = image_to_picture(image.message)

    def pre() -> None:
        picture = made['picture']
        made['tensor'] = preprocessor.run(picture.samples, RESIZE, picture.to_rgb)

    def post() -> None:
        made['masks'] = postprocessor.run(outputs, image.size_wh, 'exact', 0.0, True)

    def message() -> None:
        made['messages'] = [pipelines.message_bytes(values) for values in made['masks']]

    def traffic() -> Dict[str, StageBytes]:
        sent, samples = len(image.message.data), made['picture'].samples
        is_view = np.shares_memory(samples, np.frombuffer(image.message.data, np.uint8))
        results = sum(values.nbytes for values in made['masks'])
        copied = sum(values.nbytes for values in made['masks'] if bytes_of(values) is None)
        between = preprocessor.intermediate_bytes(samples, RESIZE, made['picture'].to_rgb)
        return {
            pipelines.CONVERT: StageBytes(0, 0) if is_view else StageBytes(sent, samples.nbytes),
            pipelines.PRE: StageBytes(samples.nbytes + between, made['tensor'].nbytes + between),
            pipelines.POST: StageBytes(_size_of(outputs), results),
            pipelines.MESSAGE: StageBytes(copied, copied)}

    return Stages([(pipelines.CONVERT, convert), (pipelines.PRE, pre), (pipelines.POST, post),
                   (pipelines.MESSAGE, message)], traffic)


def separate_stages(image: pipelines.CameraImage, outputs: Dict[str, arrays.Array],
                    preprocessor: Preprocessor, postprocessor: Postprocessor) -> Stages:
    """Return the same work with a picture of RGB in between, and messages that are copies."""
    made: Dict[str, Any] = {}

    def convert() -> None:
        made['rgb'] = cv2.cvtColor(
            image_to_picture(image.message).samples, cv2.COLOR_BGR2RGB)

    def pre() -> None:
        made['tensor'] = preprocessor.run(made['rgb'], RESIZE)

    def post() -> None:
        made['masks'] = postprocessor.run(outputs, image.size_wh, 'exact', 0.0, True)

    def message() -> None:
        # The constructor of a message copies what it is given.
        made['messages'] = [array.array('B', pipelines.fill_message(values))
                            for values in made['masks']]

    def traffic() -> Dict[str, StageBytes]:
        rgb, results = made['rgb'].nbytes, sum(values.nbytes for values in made['masks'])
        between = preprocessor.intermediate_bytes(made['rgb'], RESIZE, None)
        return {
            pipelines.CONVERT: StageBytes(len(image.message.data), rgb),
            pipelines.PRE: StageBytes(rgb + between, made['tensor'].nbytes + between),
            pipelines.POST: StageBytes(_size_of(outputs), results),
            pipelines.MESSAGE: StageBytes(2 * results, 2 * results)}

    return Stages([(pipelines.CONVERT, convert), (pipelines.PRE, pre), (pipelines.POST, post),
                   (pipelines.MESSAGE, message)], traffic)


def last_cache_bytes() -> int:
    """Return the size of the largest cache of the first core; a usual one where it is untold."""
    sizes: List[int] = []
    for path in glob.glob(_CACHES):
        try:
            with open(path, encoding='ascii') as stream:
                found = re.match(r'(\d+)([KMG])', stream.read())
        except OSError:
            continue
        if found:
            sizes.append(int(found.group(1)) * _UNITS[found.group(2)])
    return min(max(sizes), MOST_CACHE) if sizes else USUAL_CACHE


def _evictor(size: int) -> Callable[[], None]:
    buffer = array.array('q', bytes(size // 8 * 8))
    values = np.frombuffer(buffer, np.int64)

    def evict() -> None:
        # Written to as well: a cache may keep what is only read in fewer of its places.
        np.add(values, 1, out=values)

    return evict


def _timed(way: Stages, evict: Optional[Callable[[], None]]) -> Callable[[], paired_timing.Run]:
    def run() -> paired_timing.Run:
        stages = {}
        for name, step in way.steps:
            # Once for a stage that finds in the caches what itself left there.
            (step if evict is None else evict)()
            started = time.process_time()
            step()
            stages[name] = time.process_time() - started
        return paired_timing.Run(stages)

    return run


def _size_of(outputs: Dict[str, arrays.Array]) -> int:
    return sum(values.nbytes for values in outputs.values())
