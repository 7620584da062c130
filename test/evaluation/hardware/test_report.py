# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A part that is missing, crashes or hangs is a line; nothing in the report names anybody."""

import getpass
import json
import os
import signal
import socket
import sys
import time

import pytest
from segformer_ros.common.errors import BackendError
from segformer_ros.evaluation.hardware import parts
from segformer_ros.evaluation.hardware import report as hardware_report
from segformer_ros.evaluation.hardware.scrub import network_name
from segformer_ros.evaluation.hardware.scrub import Scrubber
from segformer_ros.inference.cuda import driver_buffers
from support.color_network import write_color_network
from support.fake_device import device
from support.fake_libcuda import FakeLibcuda
from support.tiny_model import write_color_model
from support.tiny_model import write_color_spec

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
def garbles():
    print('\\nFACT {"a": ')
    print('\\nFACT ["a", {"b": 1}]')
    yield 'a', '1'

def builder():
    import subprocess
    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])
    yield 'child', str(child.pid)
    time.sleep(1000)

def orphan():
    import subprocess
    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'],
                             start_new_session=True)
    yield 'child', str(child.pid)
    time.sleep(1000)

PARTS = dict(globals())
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
    ('S/N 1423 of the board', 'S/N <left out> of the board'),
    ('SN: 1423-A', 'SN <left out>'),
    ('Serial-No. 1423', 'Serial <left out>'),
    ('serialno=1423', 'serial <left out>'),
    ('no models/my_client/net.onnx', 'no <path>'),
    ('corp/secretnet.onnx', '<path>'),
    ('../acme/net is missing', '<path> is missing'),
    ('link 00-1A-2B-3C-4D-5E up', 'link  <left out> up'),
    ('from 192.168.0.17, 10.1.2.3:22', 'from <left out>, <left out>:22'),
    ('from fe80::1a2b:3c4d and 2001:db8:0:1:2:3:4:5',
     'from  <left out> and  <left out>'),
])
def test_what_names_somebody_is_left_out(text, left):
    assert Scrubber().scrubbed(text) == left


@pytest.mark.parametrize('text', [
    'p50 12.1, p95 13.9, processor time 24.0 ms', '1800 of 2000 MHz', '3/4', '12 Hz', 'N/A',
    'CUDA 12.4, sm_87', 'R35 (release), REVISION: 4.1', 'TensorRT 10.3.0.26', '550.54.15',
    'serial port', 'see docs/docker.md', '12:34:56',
    '0000:01:00.0', '90.5 MiB/s', 'SegFormer-B0 fp16/fp32'])
def test_what_tells_of_the_board_stays(text):
    assert Scrubber().scrubbed(text) == text


def test_names_of_machine_and_user_are_left_out(monkeypatch):
    monkeypatch.setattr(socket, 'gethostname', lambda: 'rosie')
    monkeypatch.setattr(getpass, 'getuser', lambda: 'ada')
    assert Scrubber().scrubbed({'rosie 1': ['ada', 'adapter']}) == {
        '<left out> 1': ['<left out>', 'adapter']}


def test_version_of_four_numbers_is_no_address():
    facts = {'TensorRT': '10.3.0.26', 'release': '10.2.0.1'}
    assert Scrubber().scrubbed(facts) == facts
    assert Scrubber().scrubbed({'host': '10.3.0.26'}) == {'host': '<left out>'}


@pytest.mark.parametrize('host, text, left', [
    ('rosie', 'ROSIE and rosie_arm, rosie2, rosier',
     '<left out> and <left out>_arm, <left out>2, rosier'),
    ('rosie.lab.acme.com', 'rosie, arm.lab.acme.com, rosie.lab.acme.com',
     '<left out>, arm.<left out>, <left out>'),
    ('r2', 'r2, R2_left and her2', '<left out>, <left out>_left and her2'),
    ('pi', 'Raspberry Pi 5', 'Raspberry Pi 5'),
    ('nvidia', 'no NVIDIA driver', 'no NVIDIA driver')])
def test_name_of_the_host_is_left_out_in_every_form(monkeypatch, host, text, left):
    monkeypatch.setattr(socket, 'gethostname', lambda: host)
    monkeypatch.setattr(getpass, 'getuser', lambda: 'root')
    assert Scrubber().scrubbed(text) == left


def test_own_network_is_never_named():
    model = '../acme corp/secretnet.onnx'
    text = Scrubber(model).scrubbed(
        f"no {model}; '{os.path.abspath(model)}'; secretnet.onnx; secretnet_q; in ../acme corp")
    assert 'acme' not in text and 'secret' not in text and 'own network' in text
    assert network_name(model) == 'own network'
    assert network_name('segformer_sim') == 'segformer_sim'
    assert Scrubber('segformer_sim').scrubbed('segformer_sim') == 'segformer_sim'


def body(*names, **settings):
    """Gather parts of the program above."""
    return hardware_report.gather(
        names, lambda name: [sys.executable, '-c', BODY, name], **settings)['parts']


def is_running(pid):
    """Return whether a process is there and no zombie."""
    try:
        with open(f'/proc/{pid}/stat') as stream:
            return stream.read().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def test_part_that_hangs_leaves_time_for_the_others(project_root, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', project_root)
    found = hardware_report.gather(
        ['hang', 'next', 'last'], lambda name: ['sleep', '1000'] if name == 'hang'
        else ['printf', 'FACT ["a", "1"]\\nEND\\n'], budget=6.0)['parts']
    assert 2.5 < found['hang']['seconds'] < 5.5
    assert found['hang']['missing'] == 'it had not ended after 3 s'
    for name in ('next', 'last'):
        assert found[name]['facts'] == {'a': '1'} and found[name]['missing'] == ''


def test_part_has_a_limit_of_its_own():
    began = time.monotonic()
    found = hardware_report.gather(['hang', 'last'], lambda name: ['sleep', '1000'], budget=100.0,
                                   limits={'hang': 0.5, 'last': 1.0})['parts']
    assert time.monotonic() - began < 30.0
    assert 0.5 <= found['hang']['seconds'] < 10.0
    # Where one of them hangs, or both runtimes do, there is still time for the engines.
    assert max(parts.LIMITS.values()) < 0.5 * hardware_report.BUDGET_S
    runtimes = parts.LIMITS['onnxruntime'] + parts.LIMITS['openvino']
    assert runtimes < hardware_report.BUDGET_S - 200.0
    assert set(parts.LIMITS) < set(parts.all_parts())


def test_fact_that_cannot_be_read_is_a_line(project_root, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', project_root)
    part = body('garbles', budget=60.0)['garbles']
    assert part['facts'] == {'a': '1'}
    assert part['missing'].count('a fact that cannot be read') == 2
    assert '{"a": ' in part['missing']


def test_children_of_a_part_end_with_it(project_root, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', project_root)
    child = int(body('builder', budget=8.0)['builder']['facts']['child'])
    deadline = time.monotonic() + 10.0
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        assert not is_running(child)
    finally:
        if is_running(child):
            os.kill(child, signal.SIGKILL)


def test_process_that_left_the_session_is_not_waited_for(project_root, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', project_root)
    began = time.monotonic()
    child = int(body('orphan', budget=8.0)['orphan']['facts']['child'])
    try:
        assert time.monotonic() - began < 20.0
        assert is_running(child)
    finally:
        os.kill(child, signal.SIGKILL)


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
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(parts, 'SIZES', ((96, 96),))
    found = dict(parts.onnxruntime(write_color_model(tmp_path)))
    assert found['64 x 64'].startswith('p50 ') and 'peak memory' in found['64 x 64']
    assert found['network'] == 'own network'
    assert 'not run: ' in found['96 x 96'] and 'not a SegFormer' in found['96 x 96']


def test_memory_is_of_one_size_alone(tmp_path, monkeypatch):
    """A process that has run the larger size, or has optimized a graph, keeps its peak."""
    pytest.importorskip('onnxruntime')
    monkeypatch.setenv('SEGFORMER_ROS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(parts, 'SIZES', ((1536, 1536), (96, 96)))
    write_color_network(tmp_path / 'colors.onnx', dynamic=True)
    write_color_spec(str(tmp_path), 'colors')
    found = dict(parts.onnxruntime(str(tmp_path / 'colors.onnx')))
    small, large = (int(found[name].split()[-2]) for name in ('96 x 96', '1536 x 1536'))
    # The input alone takes 27 MiB.
    assert small + 20 < large


@pytest.fixture
def stand_in_gpu(monkeypatch):
    """Let a device stand in for a GPU, with less memory than the report asks for."""
    libcuda = driver_buffers.Libcuda
    monkeypatch.setattr(driver_buffers, 'Libcuda', lambda: libcuda(lambda name: FakeLibcuda()))
    monkeypatch.setattr(parts, 'probe_gpu', lambda: None)
    device.reset()
    monkeypatch.setattr(device, 'fail_allocations_above', 1 << 40)


def test_binding_of_cuda_is_tried_as_far_as_the_driver_goes(stand_in_gpu):
    facts = parts.buffers('ctypes')
    assert facts['pinned memory and stream'] == 'works'
    assert facts['graph'] == 'works'
    assert facts['allocation of 2 PiB'].startswith('refused: ')
    assert facts['copies after that'] == 'works'
    assert device.is_clean()


def test_copies_that_bring_nothing_after_a_refused_allocation_are_told(stand_in_gpu, monkeypatch):
    """What the first copies brought must not stand for what the later ones bring."""
    real = driver_buffers.DriverBuffers
    refused = []
    allocate, copy = real.allocate, real.copy_to_host

    def allocate_and_note(self, size):
        try:
            return allocate(self, size)
        except BackendError:
            refused.append(size)
            raise

    monkeypatch.setattr(real, 'allocate', allocate_and_note)
    monkeypatch.setattr(real, 'copy_to_host', lambda self, *arguments: None if refused
                        else copy(self, *arguments))
    facts = parts.buffers('ctypes')
    assert refused == [parts.TOO_MUCH]
    assert facts['pinned memory and stream'] == 'works'
    assert facts['copies after that'] == 'gives other bytes: wrong'
