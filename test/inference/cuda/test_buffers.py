# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""pycuda and the driver itself behave alike behind one interface."""

import re
import sys
import threading

import numpy as np
import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.inference.cuda import driver_buffers
from segformer_ros.inference.cuda.buffers import LIBRARIES
from segformer_ros.inference.cuda.buffers import open_buffers
from segformer_ros.inference.cuda.driver_buffers import Libcuda
from support.fake_libcuda import FakeLibcuda


def add_one(buffers, device, address, count):
    """Queue a kernel that adds one to floats."""
    memory = device.bytes_at(address, 4 * count).view(np.float32)

    def kernel():
        memory[:] += 1.0

    device.enqueue(buffers.stream, kernel)


@pytest.mark.parametrize('library', LIBRARIES)
def test_array_goes_to_the_gpu_and_back(fake_cuda, library):
    buffers = open_buffers(0, library)
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
def test_context_is_popped_even_after_an_error(fake_cuda, library):
    buffers = open_buffers(0, library)
    with pytest.raises(KeyError):
        with buffers.current():
            raise KeyError
    assert fake_cuda.stack() == []
    buffers.close()


@pytest.mark.parametrize('library', LIBRARIES)
def test_thread_that_did_not_open_can_work_and_close(fake_cuda, library):
    buffers = open_buffers(0, library)
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
def test_work_without_the_context_fails(fake_cuda, library):
    buffers = open_buffers(0, library)
    with pytest.raises(Exception, match=r'(?i)context|201'):
        buffers.allocate(16)
    buffers.close()


def test_recorded_work_is_replayed(fake_cuda):
    buffers = open_buffers(0, 'ctypes')
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


def test_failure_while_recording_leaves_the_stream_usable(fake_cuda):
    buffers = open_buffers(0, 'ctypes')

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
    buffers = driver_buffers.DriverBuffers(Libcuda(lambda _: library), 0)
    with buffers.current():
        with pytest.raises(BackendError, match='CUDA graphs are not available'):
            buffers.capture(lambda: pytest.fail('recorded'))
    buffers.close()


def test_everything_is_freed_though_one_free_fails(fake_cuda):
    library = FakeLibcuda()
    buffers = driver_buffers.DriverBuffers(Libcuda(lambda _: library), 0)
    with buffers.current():
        buffers.allocate(16)
        buffers.pinned((4,), 'uint8')
    library._failing = {'cuMemFree_v2': 700}
    with pytest.raises(BackendError, match='cuMemFree: 700'):
        buffers.close()
    assert not fake_cuda.pinned and not fake_cuda.streams and not fake_cuda.retained
    fake_cuda.reset()


def test_auto_takes_pycuda_first_then_the_driver(fake_cuda, monkeypatch):
    found = open_buffers()
    assert found.description == 'pycuda 2022.1'
    found.close()
    monkeypatch.setitem(sys.modules, 'pycuda', None)
    found = open_buffers()
    assert found.description == 'ctypes (libcuda.so.1)'
    found.close()


def test_auto_passes_over_pycuda_where_graphs_are_wanted(fake_cuda):
    found = open_buffers(with_graphs=True)
    assert found.description.startswith('ctypes')
    found.close()
    found = open_buffers(0, 'pycuda', with_graphs=True)
    assert found.description == 'pycuda 2022.1'
    found.close()


def test_nothing_to_be_found_names_all_that_was_tried(fake_cuda, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pycuda', None)

    def no_driver(index):
        raise OSError('libcuda.so.1: cannot open shared object file')

    monkeypatch.setitem(LIBRARIES, 'ctypes', no_driver)
    with pytest.raises(BackendError, match=r'pycuda: .*ctypes: libcuda'):
        open_buffers()
    with pytest.raises(BackendError, match=r"Unknown.*'cupy'"):
        open_buffers(0, 'cupy')


def test_wrong_gpu_number_is_a_backend_error(fake_cuda):
    with pytest.raises(BackendError, match='cuDeviceGet'):
        open_buffers(7, 'ctypes')


def test_driver_calls_have_the_parameters_of_nvidias_own_binding():
    real = pytest.importorskip('cuda.bindings.driver')
    for name, (_, parameters) in driver_buffers._CALLS.items():
        if not hasattr(real, name):
            # Folded into cuGraphInstantiate by CUDA 12; the symbol in libcuda stays.
            assert name == 'cuGraphInstantiateWithFlags'
            continue
        inputs = [kind for kind in parameters if isinstance(kind, type)]
        signature = getattr(real, name).__doc__.split('\n')[0]
        given = re.search(r'\((.*)\)', signature).group(1)
        assert len(inputs) == len([part for part in given.split(',') if part.strip()]), signature
