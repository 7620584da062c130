# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""pycuda, cuda-python and the driver itself behave alike behind one interface."""

import importlib.util
import os
import re
import sys
import threading

import numpy as np
import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.inference.cuda import buffers
from segformer_ros.inference.cuda import buffers as driver_buffers
from segformer_ros.inference.cuda.buffers import _CALLS
from segformer_ros.inference.cuda.buffers import CtypesDriver
from support.fake_libcuda import FakeLibcuda

LIBRARIES = ('pycuda', 'cuda.bindings', 'ctypes')
GRAPH_LIBRARIES = ('cuda.bindings', 'ctypes')


@pytest.fixture
def open_library(fake_cuda):
    """Return a function that opens buffers of a library on the fake device."""

    def open_one(name):
        if name == 'ctypes':
            return driver_buffers.DriverBuffers(CtypesDriver(lambda _: FakeLibcuda()), 0)
        return buffers.open_buffers(0, name)

    return open_one


def add_one(buffers, device, address, count):
    """Queue a kernel that adds one to floats."""
    memory = device.bytes_at(address, 4 * count).view(np.float32)

    def kernel():
        memory[:] += 1.0

    device.enqueue(buffers.stream, kernel)


@pytest.mark.parametrize('library', LIBRARIES)
def test_array_goes_to_the_gpu_and_back(open_library, fake_cuda, library):
    buffers = open_library(library)
    with buffers.current():
        host = buffers.pinned((2, 3), 'float32')
        result = buffers.pinned((2, 3), 'float32')
        address = buffers.allocate(host.nbytes)
        host[:] = np.arange(6).reshape(2, 3)
        result.fill(-1.0)
        buffers.copy_to_device(address, host)
        add_one(buffers, fake_cuda, address, 6)
        buffers.copy_to_host(result, address)
        # Nothing has run yet: copies are asynchronous.
        assert (result == -1.0).all()
        buffers.synchronize()
        np.testing.assert_array_equal(result, np.arange(6).reshape(2, 3) + 1.0)
        assert buffers.memory() == (2 << 30, 4 << 30)
    assert address > 2 ** 32
    buffers.close()
    buffers.close()
    assert fake_cuda.is_clean()


@pytest.mark.parametrize('library', LIBRARIES)
def test_context_is_popped_even_after_an_error(open_library, fake_cuda, library):
    buffers = open_library(library)
    with pytest.raises(KeyError):
        with buffers.current():
            raise KeyError
    assert fake_cuda.stack() == []
    buffers.close()


@pytest.mark.parametrize('library', LIBRARIES)
def test_thread_that_did_not_open_can_work_and_close(open_library, fake_cuda, library):
    buffers = open_library(library)
    seen = []

    def work():
        with buffers.current():
            seen.append(buffers.allocate(16))
        buffers.close()
        seen.append(len(fake_cuda.stack()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[1] == 0
    assert fake_cuda.is_clean()


@pytest.mark.parametrize('library', LIBRARIES)
def test_work_without_the_context_fails(open_library, library):
    buffers = open_library(library)
    with pytest.raises(Exception, match=r'(?i)context|201'):
        buffers.allocate(16)
    buffers.close()


@pytest.mark.parametrize('library', GRAPH_LIBRARIES)
def test_recorded_work_is_replayed(open_library, fake_cuda, library):
    buffers = open_library(library)
    with buffers.current():
        host = buffers.pinned((4,), 'float32')
        address = buffers.allocate(16)

        def work():
            buffers.copy_to_device(address, host)
            add_one(buffers, fake_cuda, address, 4)
            buffers.copy_to_host(host, address)

        host.fill(0.0)
        launch = buffers.capture(work)
        buffers.synchronize()
        assert (host == 0.0).all()
        for _ in range(3):
            launch()
        buffers.synchronize()
        assert (host == 3.0).all()
        launch = buffers.capture(work)
        launch()
        buffers.synchronize()
        assert (host == 4.0).all()
    buffers.close()
    assert fake_cuda.is_clean()


@pytest.mark.parametrize('library', GRAPH_LIBRARIES)
def test_failure_while_recording_leaves_the_stream_usable(open_library, fake_cuda, library):
    buffers = open_library(library)

    def fail():
        raise BackendError('refused')

    with buffers.current():
        with pytest.raises(BackendError, match='refused'):
            buffers.capture(fail)
        buffers.synchronize()
    buffers.close()
    assert fake_cuda.is_clean()


def test_driver_without_graphs_says_so(fake_cuda):
    library = FakeLibcuda(missing=('cuGraphInstantiateWithFlags',))
    buffers = driver_buffers.DriverBuffers(CtypesDriver(lambda _: library), 0)
    with buffers.current():
        with pytest.raises(BackendError, match='CUDA graphs are not available'):
            buffers.capture(lambda: pytest.fail('recorded'))
    buffers.close()


def test_everything_is_freed_though_one_free_fails(fake_cuda):
    library = FakeLibcuda()
    buffers = driver_buffers.DriverBuffers(CtypesDriver(lambda _: library), 0)
    with buffers.current():
        buffers.allocate(16)
        buffers.pinned((4,), 'uint8')
    library._failing = {'cuMemFree_v2': 700}
    with pytest.raises(BackendError, match='cuMemFree: 700'):
        buffers.close()
    assert not fake_cuda.pinned and not fake_cuda.streams and not fake_cuda.retained
    fake_cuda.reset()


def test_auto_takes_pycuda_first_then_cuda_python(fake_cuda, monkeypatch):
    found = buffers.open_buffers()
    assert found.description == 'pycuda 2022.1'
    found.close()
    monkeypatch.setitem(sys.modules, 'pycuda', None)
    found = buffers.open_buffers()
    assert found.description == 'cuda.bindings.driver'
    found.close()


def test_auto_passes_over_pycuda_where_graphs_are_wanted(fake_cuda, monkeypatch, open_library):
    monkeypatch.setitem(buffers.LIBRARIES, 'ctypes', lambda index: open_library('ctypes'))
    found = buffers.open_buffers(with_graphs=True)
    assert found.description == 'cuda.bindings.driver'
    found.close()
    # Undone here: later, the real modules' place would be given to the fake ones.
    with monkeypatch.context() as patch:
        for name in ('cuda', 'cuda.bindings'):
            patch.setitem(sys.modules, name, None)
        found = buffers.open_buffers(with_graphs=True)
    assert found.description.startswith('ctypes')
    found.close()
    found = buffers.open_buffers(0, 'pycuda', with_graphs=True)
    assert found.description == 'pycuda 2022.1'
    found.close()


def test_nothing_to_be_found_names_all_that_was_tried(fake_cuda, monkeypatch):
    for name in ('pycuda', 'cuda', 'cuda.bindings'):
        monkeypatch.setitem(sys.modules, name, None)

    def no_driver(index):
        raise OSError('libcuda.so.1: cannot open shared object file')

    monkeypatch.setitem(buffers.LIBRARIES, 'ctypes', no_driver)
    with pytest.raises(BackendError, match=r'pycuda: .*cuda.bindings: .*ctypes: libcuda'):
        buffers.open_buffers()
    with pytest.raises(BackendError, match=r"Unknown.*'cupy'"):
        buffers.open_buffers(0, 'cupy')


def test_wrong_gpu_number_is_a_backend_error(open_library):
    with pytest.raises(BackendError, match='cuDeviceGet'):
        buffers.open_buffers(7, 'cuda.bindings')


def test_fake_cuda_python_has_the_names_and_parameters_of_the_real_one():
    real = pytest.importorskip('cuda.bindings.driver')
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'support',
                        'fake_cuda', 'cuda', 'bindings', 'driver.py')
    specification = importlib.util.spec_from_file_location('fake_driver', path)
    fake = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(fake)
    names = [name for name in vars(fake) if name.startswith('cu') and name != 'ctypes']
    assert len(names) > 15
    for name in names:
        signature = getattr(real, name).__doc__.split('\n')[0]
        parameters = re.search(r'\((.*)\)', signature).group(1)
        expected = len([part for part in parameters.split(',') if part.strip()])
        assert getattr(fake, name).__code__.co_argcount == expected, signature
    assert real.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL == 1


def test_driver_calls_match_cuda_python():
    real = pytest.importorskip('cuda.bindings.driver')
    for name, (_, parameters) in _CALLS.items():
        if not hasattr(real, name):
            # Folded into cuGraphInstantiate by CUDA 12; the symbol in libcuda stays.
            assert name == 'cuGraphInstantiateWithFlags'
            continue
        inputs = [kind for kind in parameters if isinstance(kind, type)]
        signature = getattr(real, name).__doc__.split('\n')[0]
        given = re.search(r'\((.*)\)', signature).group(1)
        assert len(inputs) == len([part for part in given.split(',') if part.strip()]), signature
