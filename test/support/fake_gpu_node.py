# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
The node as it is, on a robot with a GPU: CUDA and TensorRT are the fakes of these tests.

``python -m support.fake_gpu_node`` stands in for ``segformer``. ``FAKE_TENSORRT_VERSION`` and
``FAKE_TENSORRT_FAULTS`` say what TensorRT it is; builder processes get the same one.
"""

import os
import sys

from segformer_ros.cli.segformer import main
from segformer_ros.inference.cuda import driver_buffers
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.ros.node import live_segmenter
from support.fake_libcuda import FakeLibcuda

ORIN = GpuInfo(number=0, name='Orin', compute_capability=(8, 7), multiprocessors=8,
               driver_version=12060, driver_release='# R36 (release), REVISION: 4.0',
               total_memory=8 << 30, integrated=True)
TEST_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

if __name__ == '__main__':
    sys.path.insert(0, os.path.join(TEST_ROOT, 'support', 'fake_cuda'))
    libcuda = driver_buffers.Libcuda
    driver_buffers.Libcuda = lambda: libcuda(lambda name: FakeLibcuda())
    live_segmenter.probe_gpu = lambda index: ORIN
    live_segmenter.DEFAULT_RUNTIME = RuntimeSettings(
        tensorrt_module='support.fake_tensorrt', probe=False)
    raise SystemExit(main())
