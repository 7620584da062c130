# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Nothing leaves the robot: a real session of the shipped model, with and without our setting.

Without it onnxruntime of 1.29 and later shows all three: a file, a thread, and the name of its
vendor's collector. So the check can fail.
"""

import ast
import os
import shutil
import subprocess
import sys
import time

import pytest
from segformer_ros.common import telemetry
from support.collector import Collector
from support.collector import SILENCING

DEADLINE = 60.0
"""Seconds; the first report comes some 10 s after the import."""
AFTERWARDS = 5.0
"""Seconds that the silent session is watched longer than the other one needed to be heard."""
SCRIPT = '''
import os
import sys
if sys.argv[2] == 'ours':
    from segformer_ros.common.telemetry import import_onnxruntime
    onnxruntime = import_onnxruntime()
else:
    import onnxruntime
print(onnxruntime.__version__, len(os.listdir('/proc/self/task')), flush=True)
import numpy as np
from segformer_ros.inference.onnxrt.backend import OnnxruntimeBackend
if sys.argv[2] == 'ours':
    with OnnxruntimeBackend(sys.argv[1], threads=1) as backend:
        array = backend.inputs[0]
        backend.infer({array.name: np.zeros(array.shape, array.dtype)})
        print('served', flush=True)
        sys.stdin.read()
else:
    session = onnxruntime.InferenceSession(sys.argv[1])
    print('served', flush=True)
    sys.stdin.read()
'''


class Session:
    """One process with one session."""

    def __init__(self, folder, project_root, who, **setting):
        folder.mkdir()
        self.folder = str(folder)
        self.collector = Collector()
        environment = {name: value for name, value in os.environ.items()
                       if name not in telemetry.VARIABLES and name not in SILENCING}
        environment.update(
            setting, HOME=self.folder, XDG_CACHE_HOME=os.path.join(self.folder, 'cache'),
            https_proxy=self.collector.address, HTTPS_PROXY=self.collector.address,
            OPENBLAS_NUM_THREADS='1', PYTHONPATH=project_root)
        self.trace = os.path.join(self.folder, 'sockets')
        tracer = ['strace', '-f', '-qq', '-e', 'trace=socket,connect', '-o', self.trace] \
            if shutil.which('strace') else []
        self._process = subprocess.Popen(
            tracer + [sys.executable, '-c', SCRIPT,
                      os.path.join(project_root, 'models', 'segformer_sim.onnx'), who],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            universal_newlines=True)
        self.version, threads = self._process.stdout.readline().split()
        self.threads = int(threads)
        assert self._process.stdout.readline() == 'served\n'

    @property
    def files(self):
        """Return what lies in its home folder, our own trace left out."""
        return [name for _, _, names in os.walk(self.folder) for name in names
                if name != 'sockets']

    def close(self):
        """End it."""
        try:
            self._process.communicate(timeout=DEADLINE)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self.collector.close()


@pytest.fixture(scope='module')
def sessions(tmp_path_factory, project_root):
    """Return a session of ours, one as onnxruntime is by itself, and one of an own setting."""
    onnxruntime = pytest.importorskip('onnxruntime')
    version = tuple(int(part) for part in onnxruntime.__version__.split('.')[:2])
    if version < (1, 29):
        pytest.skip('onnxruntime before 1.29 has no telemetry on Linux')
    folder = tmp_path_factory.mktemp('telemetry')
    found = []
    try:
        for who, setting in (('ours', {}), ('plain', {}),
                             ('ours', {'ORT_DISABLE_TELEMETRY': '0'})):
            found.append(Session(folder / str(len(found)), project_root, who, **setting))
        ours, plain, own = found
        deadline = time.monotonic() + DEADLINE
        while not plain.collector.asked_for and time.monotonic() < deadline:
            time.sleep(0.1)
        # What is to be absent is watched for longer than what was to be seen.
        time.sleep(AFTERWARDS)
        yield ours, plain, own
    finally:
        for session in found:
            session.close()


def test_session_of_ours_leaves_no_file(sessions):
    ours, plain, _ = sessions
    assert any('onnxruntime' in name for name in plain.files)
    assert ours.files == []


def test_session_of_ours_has_no_thread_of_telemetry(sessions):
    ours, plain, _ = sessions
    assert plain.threads > 1
    assert ours.threads == 1


def test_session_of_ours_asks_for_no_host(sessions):
    ours, plain, _ = sessions
    assert any(b'CONNECT' in line for line in plain.collector.asked_for)
    assert ours.collector.asked_for == []


def test_session_of_ours_opens_no_socket(sessions):
    ours, plain, _ = sessions
    if not shutil.which('strace'):
        pytest.skip('strace is not installed')
    with open(plain.trace, encoding='utf-8') as stream:
        assert 'AF_INET' in stream.read()
    with open(ours.trace, encoding='utf-8') as stream:
        assert 'AF_INET' not in stream.read()


def test_users_own_word_counts(sessions):
    _, _, own = sessions
    assert own.threads > 1
    assert any('onnxruntime' in name for name in own.files)


def test_child_processes_inherit_the_setting(monkeypatch):
    for name in telemetry.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    telemetry.disable_telemetry()
    printed = subprocess.check_output([sys.executable, '-c', 'import os; print(os.environ)'])
    for name, value in telemetry.VARIABLES.items():
        assert f"'{name}': '{value}'".encode() in printed


@pytest.mark.once
@pytest.mark.parametrize('runtime', ['onnxruntime', 'openvino'])
def test_runtime_that_reports_home_is_imported_in_one_place_alone(project_root, runtime):
    found = set()
    for folder in ('segformer_ros', 'tools', 'launch'):
        for parent, _, names in os.walk(os.path.join(project_root, folder)):
            for name in names:
                path = os.path.join(parent, name)
                if name.endswith('.py') and _imports(path, runtime):
                    found.add(os.path.relpath(path, project_root))
    assert found == {'segformer_ros/common/telemetry.py'}


def _imports(path, runtime):
    with open(path, encoding='utf-8') as stream:
        text = stream.read()
    if runtime not in text:
        return False
    tree = ast.parse(text)
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or '')
    return any(module.split('.')[0] == runtime for module in modules)
