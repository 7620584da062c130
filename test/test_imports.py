# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Everything outside ros/ imports without ROS and without any inference runtime."""

import os
import subprocess
import sys

import pytest

BLOCKED = ('rclpy', 'sensor_msgs', 'std_msgs', 'std_srvs', 'nav_msgs', 'geometry_msgs',
           'vision_msgs', 'visualization_msgs', 'diagnostic_msgs', 'lifecycle_msgs', 'tf2_ros',
           'cv_bridge', 'ament_index_python', 'launch', 'launch_ros', 'onnxruntime', 'onnx',
           'onnxconverter_common', 'tensorrt', 'pycuda', 'cuda', 'rosbags', 'numba', 'torch',
           'dask', 'distributed', 'scipy')
SCRIPT = '''
import importlib
import sys
for name in {blocked!r}:
    sys.modules[name] = None
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(name, repr(error))
'''


def module_names(root, room_filter):
    """Return the dotted names of all modules of the package that the filter takes."""
    names = []
    package = os.path.join(root, 'segformer_ros')
    for folder, _, files in sorted(os.walk(package)):
        relative = os.path.relpath(folder, root).split(os.sep)
        if not room_filter(relative[1] if len(relative) > 1 else ''):
            continue
        for file in sorted(files):
            if file.endswith('.py'):
                stem = file[:-len('.py')]
                names.append('.'.join(relative + ([] if stem == '__init__' else [stem])))
    return names


@pytest.mark.smoke
def test_rooms_outside_ros_import_without_ros_and_without_runtimes(project_root):
    names = module_names(project_root, lambda room: room not in ('ros', 'cli'))
    assert len(names) > 30
    done = subprocess.run([sys.executable, '-c', SCRIPT.format(blocked=BLOCKED)] + names,
                          cwd=project_root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120)
    assert done.stdout.decode() == ''
    assert done.returncode == 0


def test_a_blocked_import_would_be_noticed(project_root, tmp_path):
    (tmp_path / 'needs_ros.py').write_text('import rclpy\n')
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT.format(blocked=BLOCKED), 'needs_ros'], cwd=str(tmp_path),
        stdout=subprocess.PIPE, timeout=60)
    assert b'needs_ros' in done.stdout
