# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Results that must be the same on every processor, recorded on one: an x86-64.

    python3 tools/arm64/recorded_results.py test/data/recorded_x86_64.npz

Logits and pictures are made of whole numbers, so that nothing before the tested code rounds.
The test is test/tools/arm64/test_recorded_results.py; make test-arm64 runs it on ARM64.
"""

import math
import os
import sys
from typing import Dict, Optional

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from segformer_ros.common import arrays  # noqa: E402
from segformer_ros.common import resources  # noqa: E402
from segformer_ros.common.telemetry import disable_telemetry  # noqa: E402
from segformer_ros.costmap import pipeline as costmap_pipeline  # noqa: E402
from segformer_ros.costmap.cost_table import load_cost_table  # noqa: E402
from segformer_ros.costmap.geometry import camera_model  # noqa: E402
from segformer_ros.costmap.geometry import transforms  # noqa: E402
from segformer_ros.costmap.settings import CostmapSettings  # noqa: E402
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend  # noqa: E402
from segformer_ros.model.classes import load_class_table  # noqa: E402
from segformer_ros.model.spec import load_model_spec  # noqa: E402
from segformer_ros.model.spec import ModelSpec  # noqa: E402
from segformer_ros.segmentation.kernel_build import load_kernels  # noqa: E402
from segformer_ros.segmentation.kernels import Kernels  # noqa: E402
from segformer_ros.segmentation.postprocessing import Postprocessor  # noqa: E402
from segformer_ros.segmentation.preprocessing import Preprocessor  # noqa: E402

Results = Dict[str, 'arrays.Array']

MASK_WH = (161, 119)
CLASSES = 150
GRID_WH = (24, 18)
PICTURES = ('indoor_3',)


def logits() -> 'arrays.Float32':
    """Return logits (classes, h, w): patches of a class with noise of whole 256ths around."""
    random = np.random.RandomState(20261129)
    width, height = GRID_WH
    noise = random.randint(-1500, 1500, (CLASSES, height, width))
    # Of many neighbours in the class table, so that costs, obstacles and ground all occur.
    patches = np.kron(random.randint(0, CLASSES, (height // 3, width // 4)), np.ones((3, 4), int))
    noise[patches, np.arange(height)[:, np.newaxis], np.arange(width)] += 2500
    noise[3, height // 2:] += 2000    # floor
    return (noise / 256.0).astype(np.float32)


def ties() -> 'arrays.Float32':
    """
    Return logits of which many are equal between grid points, so that rounding decides.

    A compiler that fuses multiply and add changes their masks.
    """
    width, height = GRID_WH
    return np.random.RandomState(3).randint(0, 4, (CLASSES, height, width)).astype(np.float32)


def masks(kernels: Optional[Kernels], prefix: str) -> Results:
    """Return masks and confidence of both kinds of logits, in both layouts, with a threshold."""
    return dict(_masks(logits(), kernels, prefix), **_masks(ties(), kernels, prefix + ' ties'))


def _masks(values: 'arrays.Float32', kernels: Optional[Kernels], prefix: str) -> Results:
    found = {}
    for layout in ('nchw', 'nhwc'):
        spec = ModelSpec('recorded', 'ade20k', CLASSES, input_size_wh=(96, 72),
                         output_layout=layout, output_size_wh=GRID_WH)
        given = values if layout == 'nchw' else np.ascontiguousarray(values.transpose(1, 2, 0))
        post = Postprocessor(spec, kernels, threads=2)
        for threshold in (0.0, 0.4):
            mask, confidence = post.run({spec.output_name: given[np.newaxis]}, MASK_WH, 'exact',
                                        threshold, True)
            found[f'{prefix} mask {layout} {threshold}'] = mask
            found[f'{prefix} confidence {layout} {threshold}'] = confidence
    return found


def tensors(kernels: Optional[Kernels], prefix: str) -> Results:
    """Return the network's input of a made picture, enlarged and reduced as Pillow does."""
    random = np.random.RandomState(7)
    small = random.randint(0, 256, (20, 30, 3)).astype(np.uint8)
    image = np.kron(small, np.ones((6, 5, 1), np.uint8))
    found = {}
    for name, size_wh in (('reduced', (48, 36)), ('enlarged', (192, 144))):
        spec = ModelSpec('recorded', 'ade20k', CLASSES, input_size_wh=size_wh,
                         output_size_wh=GRID_WH)
        found[f'{prefix} tensor {name}'] = Preprocessor(spec, kernels, 2).run(image, 'pillow')
    return found


def costmaps(mask: 'arrays.UInt8', confidence: 'arrays.UInt8') -> Results:
    """Return grids and clouds of two lenses at several poses, from one mask."""
    width, height = MASK_WH
    costs = load_cost_table('indoor', load_class_table('ade20k'))
    found = {}
    for lens, focal, distortion in (('none', 90.0, ()), ('equidistant', 70.0, (.02, -.01, 0., 0.)),
                                    ('plumb_bob', 80.0, (-.2, .04, .001, -.001, 0.))):
        camera = camera_model.CameraModel(camera_model.Calibration(
            width, height, lens, distortion,
            (focal, 0.0, (width - 1) / 2.0, 0.0, focal, (height - 1) / 2.0, 0.0, 0.0, 1.0)))
        pipeline = costmap_pipeline.CostmapPipeline(CostmapSettings(), costs)
        clouds = []
        for step in range(3):
            odom_from_ground = np.eye(4)
            odom_from_ground[:2, 3] = 0.21 * step, 0.04 * step
            pose = transforms.CameraPose(odom_from_ground, transforms.mount_pose(
                0.6, math.radians(18.0 + step)))
            frame = pipeline.process('camera', costmap_pipeline.CameraView(
                mask, confidence, camera, pose, 1.0 + 0.1 * step))
            clouds += [frame.obstacle_points, frame.ground_points]
        found[f'grid {lens}'] = pipeline.occupancy(1.3).values
        for number, cloud in enumerate(clouds):
            # Bytes: a value that differs in its last bit differs.
            found[f'cloud {lens} {number}'] = np.frombuffer(cloud.tobytes(), np.uint8)
    return found


def picture_of(name: str) -> 'arrays.UInt8':
    """Return a picture of the package as a camera of 700 x 540 would give it."""
    with Image.open(resources.find(f'config/self_check/{name}.jpg')) as picture:
        image = np.asarray(picture.convert('RGB'))
    # Mirrored at its edges, since repeated pixels would leave a resize nothing to round.
    image = np.concatenate([image, image[:, ::-1]], axis=1)
    return np.ascontiguousarray(np.concatenate([image, image[::-1]])[:540, :700])


def frames(kernels: Optional[Kernels]) -> Results:
    """Return masks and confidence of the shipped network, with both ways to resize."""
    disable_telemetry()
    spec = load_model_spec(resources.find('config/models/segformer_sim.yaml'))
    found = {}
    with OnnxruntimeBackend(resources.find('models/segformer_sim.onnx'), threads=2) as network:
        for name in PICTURES:
            image = picture_of(name)
            found[f'picture {name}'] = image[::16, ::16].copy()
            for resize in ('pillow', 'opencv'):
                tensor = Preprocessor(spec, kernels, 2).run(image, resize)
                outputs = network.infer({spec.input_name: tensor})
                mask, confidence = Postprocessor(spec, kernels, 2).run(
                    outputs, MASK_WH, 'exact', 0.0, True)
                found[f'frame {resize} mask {name}'] = mask
                found[f'frame {resize} confidence {name}'] = confidence
    return found


def plain_resize() -> Results:
    """Return a picture reduced by OpenCV, whose result depends on the processor."""
    image = picture_of(PICTURES[0])
    spec = ModelSpec('recorded', 'ade20k', CLASSES, input_size_wh=(152, 114),
                     output_size_wh=GRID_WH)
    levels = np.arange(256) / 255.0
    tensor = Preprocessor(spec, None).run(image, 'opencv')[0, 0]
    table = ((levels - spec.mean[0]) / spec.std[0]).astype(np.float32)
    return {'opencv resize red': np.searchsorted(table, tensor).astype(np.uint8)}


def main() -> None:
    """Record everything, by the compiled kernels and by their twins."""
    kernels = load_kernels().kernels
    if kernels is None:
        raise SystemExit('No compiled kernels, so nothing is recorded.')
    found = dict(masks(None, 'twins'), **tensors(None, 'twins'))
    found.update(masks(kernels, 'kernels'), **tensors(kernels, 'kernels'))
    found.update(costmaps(found['twins mask nchw 0.0'], found['twins confidence nchw 0.0']))
    found.update(frames(kernels))
    found.update(plain_resize())
    np.savez_compressed(sys.argv[1], **found)
    print(f'{len(found)} results, {os.path.getsize(sys.argv[1])} bytes: {sys.argv[1]}')


if __name__ == '__main__':
    main()
