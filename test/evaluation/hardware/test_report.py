# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A part that is missing, crashes or hangs is a line; nothing in the report names anybody."""

import getpass
import json
import socket
import sys
import time

import pytest
from segformer_ros.evaluation.hardware import parts
from segformer_ros.evaluation.hardware import report as hardware_report
from segformer_ros.inference.cuda import driver_buffers
from support.fake_device import device
from support.fake_libcuda import FakeLibcuda

BODY = '''
import os, signal, sys, time
from segformer_ros.evaluation.hardware.report import print_part

def good():
    yield 'a', '1'
    yield 'b | c', '/home/somebody/model.onnx'

def stops():
    yield 'a', '1'
    raise RuntimeError('no such thing in /opt/secret')

def crashes():
    yield 'a', '1'
    os.kill(os.getpid(), signal.SIGSEGV)

def hangs():
    yield 'a', '1'
    time.sleep(1000)

def ends():
    sys.exit(3)

print('a word of a library')
PARTS = {"good": good, "stops": stops, "crashes": crashes, "hangs": hangs, "ends": ends}
print_part(PARTS[sys.argv[1]])
'''


@pytest.fixture
def gathered(project_root, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', project_root)
    names = ('good', 'stops', 'crashes', 'ends', 'hangs')
    began = time.monotonic()
    found = hardware_report.gather(
        names, lambda name: [sys.executable, '-c', BODY, name], budget=20.0)
    assert time.monotonic() - began < 60.0
    return found


def test_every_part_that_fails_is_a_line_and_keeps_what_it_had(gathered):
    found = gathered['parts']
    assert found['good']['facts'] == {'a': '1', 'b | c': '<path>'}
    assert found['good']['missing'] == ''
    assert found['stops']['missing'] == 'no such thing in <path>'
    assert found['crashes']['missing'] == 'its process was ended by signal 11'
    assert 'status 3' in found['ends']['missing']
    assert 'had not ended' in found['hangs']['missing']
    for name in ('stops', 'crashes', 'hangs'):
        assert found[name]['facts'] == {'a': '1'}
    page = hardware_report.markdown(gathered)
    assert '## crashes\n\nMissing: its process was ended by signal 11' in page
    assert '| b \\| c | <path> |' in page
    json.dumps(gathered)


def test_without_time_a_part_is_a_line():
    found = hardware_report.gather(['any'], lambda name: ['false'], budget=0.0)
    assert found['parts']['any']['missing'] == 'no time was left for it'


@pytest.mark.parametrize('text, left', [
    ('/home/robin/ws/model.onnx: No such file', '<path>: No such file'),
    ('in ~/models/a.onnx', 'in <path>'),
    ("got '/dev/nvidia0'", "got '<path>'"),
    ('built by (someone@build-machine) today', 'built by (<left out>) today'),
    ('link 00:1a:2b:3c:4d:5e up', 'link  <left out> up'),
    ('GPU 01234567-89ab-cdef-0123-456789abcdef', 'GPU  <left out>'),
    ('Serial: 0421219011234', 'Serial <left out>'),
    ('serial number 12AB-34', 'serial <left out>'),
])
def test_what_names_somebody_is_left_out(text, left):
    assert hardware_report.scrubbed(text) == left


@pytest.mark.parametrize('text', [
    'p50 12.1, p95 13.9, processor time 24.0 ms', '1800 of 2000 MHz', '3/4', '12 Hz', 'N/A',
    'CUDA 12.4, sm_87', 'R35 (release), REVISION: 4.1'])
def test_what_tells_of_the_board_stays(text):
    assert hardware_report.scrubbed(text) == text


def test_names_of_machine_and_user_are_left_out(monkeypatch):
    monkeypatch.setattr(socket, 'gethostname', lambda: 'rosie')
    monkeypatch.setattr(getpass, 'getuser', lambda: 'ada')
    assert hardware_report.scrubbed({'rosie 1': ['ada', 'adapter']}) == {
        '<left out> 1': ['<left out>', 'adapter']}


def test_board_reads_what_a_jetson_tells(tmp_path):
    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write('etc/nv_tegra_release', '# R35 (release), REVISION: 4.1, BOARD: t186ref\n')
    write('proc/meminfo', 'MemTotal:        7850616 kB\nMemFree: 1 kB\n')
    for core in range(4):
        folder = f'sys/devices/system/cpu/cpu{core}/cpufreq/'
        write(folder + 'scaling_governor', 'schedutil\n')
        write(folder + 'scaling_max_freq', '1510400\n')
        write(folder + 'scaling_cur_freq', '729600\n')
    write('sys/class/thermal/thermal_zone0/type', 'CPU-therm\n')
    write('sys/class/thermal/thermal_zone0/temp', '48500\n')
    facts = parts.board(str(tmp_path))
    assert facts['JetPack (L4T)'] == '# R35 (release), REVISION: 4.1, BOARD: t186ref'
    assert facts['memory'] == '7666 MiB'
    assert facts['clocks'] == '4 cores: schedutil, 729 of 1510 MHz'
    assert facts['temperature'] == 'CPU-therm 48 C'


def test_board_of_an_empty_machine_has_a_line_for_everything(tmp_path):
    facts = parts.board(str(tmp_path))
    assert facts['memory'] == 'unknown' and facts['JetPack (L4T)'] == 'no Jetson'
    assert 'does not tell' in facts['clocks'] and 'does not tell' in facts['temperature']
    assert socket.gethostname() not in ' '.join(facts.values())


def test_latency_of_a_size_that_a_network_cannot_have_is_a_line(tmp_path, monkeypatch):
    pytest.importorskip('onnxruntime')
    from support.tiny_model import write_color_model
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(parts, 'SIZES', ((96, 96),))
    found = dict(parts.onnxruntime(write_color_model(tmp_path)))
    assert found['64 x 64'].startswith('p50 ') and 'peak memory' in found['64 x 64']
    assert 'not run: ' in found['96 x 96'] and 'not a SegFormer' in found['96 x 96']


def test_binding_of_cuda_is_tried_as_far_as_the_driver_goes(monkeypatch):
    """On a device that stands in for a GPU."""
    libcuda = driver_buffers.Libcuda
    monkeypatch.setattr(driver_buffers, 'Libcuda', lambda: libcuda(lambda name: FakeLibcuda()))
    monkeypatch.setattr(parts, 'probe_gpu', lambda: None)
    device.reset()
    monkeypatch.setattr(device, 'fail_allocations_above', 1 << 40)
    facts = parts.buffers('ctypes')
    assert facts['pinned memory and stream'] == 'works'
    assert facts['graph'] == 'works'
    assert facts['allocation of 2 PiB'].startswith('refused: ')
    assert facts['copies after that'] == 'works'
    assert device.is_clean()
