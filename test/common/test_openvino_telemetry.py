# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Importing openvino leaves no trace and asks for no host, with its telemetry package installed.

Without our import the same two are seen, so that the check can fail.
"""

import importlib.util
import os
import subprocess
import sys
import time

import pytest
from support.collector import Collector
from support.collector import SILENCING

pytestmark = pytest.mark.once
DEADLINE = 60.0
SCRIPT = '''
import sys
if sys.argv[1] == 'ours':
    from segformer_ros.common.telemetry import import_openvino
    openvino = import_openvino()
else:
    import openvino
print(openvino.__version__, 'openvino_telemetry.main' in sys.modules, flush=True)
'''


class Import:
    """One process that imported openvino and ended."""

    def __init__(self, folder, project_root, who):
        folder.mkdir()
        self.collector = Collector()
        environment = {name: value for name, value in os.environ.items()
                       if name not in SILENCING}
        environment.update(HOME=str(folder), https_proxy=self.collector.address,
                           HTTPS_PROXY=self.collector.address, PYTHONPATH=os.pathsep.join(
                               [project_root, os.environ.get('PYTHONPATH', '')]))
        try:
            words = subprocess.check_output(
                [sys.executable, '-c', SCRIPT, who], env=environment, timeout=DEADLINE,
                universal_newlines=True).split()
            self.was_loaded = words[-1] == 'True'
            deadline = time.monotonic() + (DEADLINE if who == 'plain' else 2.0)
            while not self.collector.asked_for and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            self.collector.close()
        self.files = [name for _, _, names in os.walk(str(folder)) for name in names]


@pytest.fixture(scope='module')
def imports(tmp_path_factory, project_root):
    """Return an import of ours, and one as openvino is by itself."""
    for name in ('openvino', 'openvino_telemetry'):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"could not import '{name}'")
    folder = tmp_path_factory.mktemp('openvino')
    return [Import(folder / who, project_root, who) for who in ('ours', 'plain')]


def test_import_of_ours_loads_no_telemetry_and_leaves_no_file(imports):
    ours, plain = imports
    assert plain.was_loaded and plain.files
    assert not ours.was_loaded
    assert ours.files == []


def test_import_of_ours_asks_for_no_host(imports):
    ours, plain = imports
    assert plain.collector.asked_for
    assert ours.collector.asked_for == []
