# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A GPU, CUDA libraries and TensorRT of any version, on a machine that has none of them."""

import importlib
import os
import shutil
import sys
import time

import numpy as np
import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.inference.cuda import driver_buffers
from segformer_ros.inference.cuda.probe import GpuInfo
from segformer_ros.inference.selection.selector import BackendSelector
from segformer_ros.inference.selection.status import SelectionSettings
from segformer_ros.inference.trt import build_job
from segformer_ros.inference.trt.backend import RuntimeSettings
from segformer_ros.model.spec import ModelSpec
from support.fake_device import device
from support.fake_libcuda import FakeLibcuda
from support.thread_worker import ThreadWorker

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FAKE_MODULE = 'support.fake_tensorrt'
NANO = GpuInfo(number=0, name='NVIDIA Tegra X1', compute_capability=(5, 3), multiprocessors=1,
               driver_version=10020, driver_release='# R32 (release), REVISION: 7.1',
               total_memory=4 << 30, integrated=True)
PATIENCE_S = 120.0
TINY_SPEC = ModelSpec(name='tiny', classes='ade20k', num_classes=7, input_size_wh=(64, 64),
                      output_size_wh=(16, 16))


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory):
    """Return the path of a SegFormer with random weights: 64 x 64 pixels, 7 classes."""
    # A copy: optimized models are kept beside their model.
    return shutil.copy(os.path.join(TESTS, 'data', 'tiny_segformer.onnx'),
                       str(tmp_path_factory.mktemp('tiny')))


@pytest.fixture
def tiny_spec():
    """Return the specification of the tiny model."""
    return TINY_SPEC


@pytest.fixture
def nano():
    """Return a GPU."""
    return NANO


@pytest.fixture
def fake_cuda(monkeypatch):
    """Put a device behind libcuda, and behind pycuda in child processes, too; return it."""
    monkeypatch.syspath_prepend(os.path.join(TESTS, 'support', 'fake_cuda'))
    _forget(monkeypatch, 'pycuda')
    libcuda = driver_buffers.Libcuda
    monkeypatch.setattr(driver_buffers, 'Libcuda', lambda: libcuda(lambda name: FakeLibcuda()))
    device.reset()
    yield device
    # The fake ones must not stay in memory for tests with the real ones.
    for name in _loaded('pycuda'):
        del sys.modules[name]


@pytest.fixture
def fake_tensorrt(monkeypatch, fake_cuda):
    """Return a function that makes TensorRT of a version importable and returns its name."""

    def use(version, faults=''):
        monkeypatch.setenv('FAKE_TENSORRT_VERSION', version)
        monkeypatch.setenv('FAKE_TENSORRT_FAULTS', faults)
        _forget(monkeypatch, FAKE_MODULE)
        importlib.import_module(FAKE_MODULE)
        return FAKE_MODULE

    return use


@pytest.fixture(autouse=True)
def worker(request, monkeypatch):
    """Do the builder's work in a thread, unless the test is marked ``real_process``."""
    if request.node.get_closest_marker('real_process') is None:
        monkeypatch.setattr(build_job, 'EngineProcess', ThreadWorker)


def pytest_configure(config):
    """Declare this room's marker."""
    config.addinivalue_line(
        'markers', 'real_process: builds engines in the process that robots build them in')


def _loaded(*names):
    return [loaded for loaded in sys.modules
            if any(loaded == name or loaded.startswith(name + '.') for name in names)]


def _forget(monkeypatch, *names):
    for loaded in _loaded(*names):
        monkeypatch.delitem(sys.modules, loaded)


@pytest.fixture(scope='session')
def frames():
    """Return input tensors of five frames: smooth noise, normalised as pictures are."""
    random = np.random.RandomState(5)
    made = []
    for _ in range(5):
        coarse = random.normal(0.0, 1.0, (1, 3, 8, 8))
        made.append({'pixel_values': np.ascontiguousarray(
            np.kron(coarse, np.ones((1, 1, 8, 8))), np.float32)})
    return made


class Robot:
    """Drives selectors as the inference thread does: a frame, a poll, a frame."""

    def __init__(self, model, spec, frames, gpu, cache_root, fake_tensorrt):
        self.model, self.spec, self.frames, self.gpu = model, spec, frames, gpu
        self.cache_root, self._use = cache_root, fake_tensorrt
        self.masks = []
        self.selectors = []

    def selector(self, version='8.6.1', faults='', backend='auto', precision='fp16', gpu=True):
        """Return a closed selector on a robot with this TensorRT."""

        def probe(index):
            if not gpu:
                raise BackendError('No CUDA driver', remedy='Use backend: onnxruntime.')
            return self.gpu

        runtime = RuntimeSettings(tensorrt_module=self._use(version, faults), probe=False)
        made = BackendSelector(
            self.model, self.spec, SelectionSettings(
                backend=backend, precision=precision, cache_root=self.cache_root,
                runtime=runtime, rewrite=False),
            lambda: self.frames[:3], probe)
        self.selectors.append(made)
        return made

    def drive(self, selector, backend, until):
        """Infer and poll until a condition holds; return the backend in use then."""
        give_up_at = time.monotonic() + PATIENCE_S
        number = 0
        while not until(selector):
            assert time.monotonic() < give_up_at, selector.status
            frame = self.frames[number % len(self.frames)]
            logits = backend.infer(frame)['logits']
            assert np.isfinite(logits).all()
            self.masks.append((number % len(self.frames), logits.argmax(axis=1).copy()))
            selector.offer_frame(frame)
            backend = selector.poll() or backend
            number += 1
            # The rate of a camera: the builder needs the processor, too.
            time.sleep(0.02)
        return backend


@pytest.fixture
def robot(tiny_model, tiny_spec, frames, nano, tmp_path, fake_tensorrt):
    """Return a robot with a GPU and an empty cache."""
    made = Robot(tiny_model, tiny_spec, frames, nano, str(tmp_path / 'cache'), fake_tensorrt)
    yield made
    for selector in made.selectors:
        selector.close()
