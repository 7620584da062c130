# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The driver is asked for a GPU through the types that cuda.h gives."""

import ctypes

import pytest

from segformer_ros.common.errors import BackendError
from segformer_ros.inference.cuda import probe as cuda_probe
from support.fake_libcuda import FakeLibcuda


def test_gpu_is_described(tmp_path, monkeypatch):
    release = tmp_path / 'release'
    release.write_text('# R36 (release), REVISION: 4.3\nmore\n')
    monkeypatch.setattr(cuda_probe, 'driver_release', lambda: '# R36 (release), REVISION: 4.3')
    gpu = cuda_probe.probe_gpu(0, lambda name: FakeLibcuda())
    assert gpu == cuda_probe.GpuInfo(
        0, 'Orin', (8, 7), 16, 12060, '# R36 (release), REVISION: 4.3', 8 << 30, True)
    assert str(gpu) == 'Orin (sm_87)'
    assert cuda_probe.driver_release is not None


def test_first_readable_release_file_is_taken(tmp_path):
    absent, empty, present = (str(tmp_path / name) for name in 'abc')
    open(empty, 'w').close()
    with open(present, 'w') as stream:
        stream.write('NVRM version: 570.1\nGCC\n')
    assert cuda_probe.driver_release((absent, empty, present)) == 'NVRM version: 570.1'
    assert cuda_probe.driver_release((absent,)) == ''


def test_missing_driver_names_the_remedy():
    def no_library(name):
        raise OSError(f'{name}: cannot open shared object file')

    with pytest.raises(BackendError, match=r'libcuda.so.1.*--runtime nvidia'):
        cuda_probe.probe_gpu(0, no_library)


@pytest.mark.parametrize('function, status', [('cuInit', 100), ('cuDeviceGetCount', 3)])
def test_refusing_driver_is_an_error_with_its_number(function, status):
    library = FakeLibcuda(failing={function: status})
    with pytest.raises(BackendError, match=f'refused {function}: got error {status}'):
        cuda_probe.probe_gpu(0, lambda name: library)


@pytest.mark.parametrize('number', [-1, 1])
def test_gpu_that_is_not_there_is_an_error(number):
    with pytest.raises(BackendError, match=r'No such GPU.*one of 1 GPU'):
        cuda_probe.probe_gpu(number, lambda name: FakeLibcuda())


def test_real_machine_either_has_a_gpu_or_says_why_not():
    try:
        gpu = cuda_probe.probe_gpu()
    except BackendError as error:
        assert error.remedy == cuda_probe.NO_GPU_REMEDY
    else:
        assert gpu.compute_capability >= (3, 0)
        assert ctypes.CDLL(cuda_probe.LIBRARY) is not None


@pytest.mark.parametrize('path, text, expected', [
    ('dev/nvidia0', '', True),
    ('etc/nv_tegra_release', '# R35', True),
    ('sys/bus/pci/devices/0000:01:00.0/vendor', '0x10de\n', True),
    ('sys/devices/soc0/family', 'Tegra\n', True),
    ('sys/bus/pci/devices/0000:01:00.0/vendor', '0x8086\n', False),
    ('sys/devices/soc0/family', 'Freescale i.MX\n', False),
    ('dev/null', '', False),
])
def test_hardware_shows_without_its_driver(tmp_path, path, text, expected):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding='utf-8')
    assert cuda_probe.has_nvidia_hardware(f'{tmp_path}/') is expected
