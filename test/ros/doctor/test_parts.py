# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Whatever part is missing or broken is told, by a command that itself needs none of them."""

import json
import os
import subprocess
import sys

import pytest
from segformer_ros.cli.doctor import MODEL_PARAMETERS
from segformer_ros.common.errors import ERROR
from segformer_ros.ros.doctor import parts
from segformer_ros.ros.parameters.node import NODE_ROWS

MISSING = 'raise ImportError("none here")'


def doctor(folder, modules, *arguments, **environment):
    """Run the command where modules do what is given; return its status and its findings."""
    for name, content in modules.items():
        (folder / (name + '.py')).write_text(content + '\n')
    path = os.pathsep.join([str(folder)] + [each for each in sys.path if each])
    done = subprocess.run(
        [sys.executable, '-m', 'segformer_ros.cli.doctor', '--json'] + list(arguments),
        env=dict(os.environ, PYTHONPATH=path, **environment), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, universal_newlines=True, timeout=200, check=False)
    assert 'Traceback' not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)['findings']


@pytest.mark.parametrize('name, level, remedy', [
    ('numpy', 'error', 'python3-numpy'), ('yaml', 'error', 'python3-yaml'),
    ('cv2', 'error', 'python3-opencv'), ('PIL', 'error', 'python3-pil'),
    ('onnx', 'warn', 'onnx')])
def test_missing_part_is_told_with_its_remedy(tmp_path, name, level, remedy):
    status, found = doctor(tmp_path, {name: MISSING}, '--no-ros')
    told = [each for each in found if each['subject'] == 'parts' and each['level'] != 'ok'
            and each['text'].startswith(name)]
    assert [each['level'] for each in told] == [level]
    assert 'none here' in told[0]['text'] and remedy in told[0]['remedy']
    if level == 'error':
        assert status == 2


def test_everything_missing_at_once_with_ros_is_told(tmp_path):
    names = ('numpy', 'yaml', 'cv2', 'PIL', 'onnx', 'onnxruntime', 'rclpy')
    status, found = doctor(tmp_path, dict.fromkeys(names, MISSING))
    assert status == 2
    text = json.dumps([each for each in found if each['level'] != 'ok'])
    assert all(name in text for name in names if name != 'onnxruntime')
    assert all(each['remedy'] for each in found if each['level'] != 'ok')


def test_part_that_kills_its_process_is_told_and_the_others_are_tried(tmp_path):
    _, found = doctor(tmp_path, {'yaml': 'import os; os._exit(7)'}, '--no-ros')
    told, = [each for each in found if each['subject'] == 'parts' and each['level'] == 'error']
    assert told['text'] == (
        'yaml cannot be imported: the process that tried it ended with 7')
    fine, = [each for each in found if each['subject'] == 'parts' and each['level'] == 'ok']
    assert 'numpy' in fine['text'] and 'cv2' in fine['text']


def test_missing_compiler_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', '/nowhere')
    assert 'gcc' in parts.check_compiler().remedy
    (tmp_path / 'cc').write_text('')
    (tmp_path / 'cc').chmod(0o777)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert f'{tmp_path}/cc could be changed by others' in parts.check_compiler().text


@pytest.mark.parametrize('value, is_right', [
    (None, True), ('', True), ('0', True), ('232', True), ('233', False), ('robot', False),
    ('-1', False), ('1.5', False)])
def test_domain_that_rcl_refuses_is_told(value, is_right):
    found = parts.check_domain(value)
    assert (found is None) == is_right
    assert is_right or found.level == ERROR


def test_domain_of_words_and_a_log_folder_that_cannot_be_made_are_told(tmp_path):
    status, found = doctor(tmp_path, {}, '--seconds', '0', ROS_DOMAIN_ID='robot')
    assert status == 2
    assert any("ROS_DOMAIN_ID is 'robot'" in each['text'] for each in found)
    status, found = doctor(tmp_path, {}, '--seconds', '0', ROS_LOG_DIR='/proc/none/log')
    assert status == 2
    assert any('/proc/none/log cannot be written to' in each['text'] for each in found)
    # The graph is looked at all the same.
    assert any(each['subject'] == 'node' for each in found)


def test_log_folder_lies_in_ros_home(monkeypatch, tmp_path):
    monkeypatch.delenv('ROS_LOG_DIR', raising=False)
    monkeypatch.setenv('ROS_HOME', '/proc/none')
    assert 'the log folder /proc/none/log cannot' in parts.check_log_folder().text
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    assert parts.check_log_folder() is None


def test_defaults_are_those_of_the_node():
    rows = {row.name: row.default for row in NODE_ROWS}
    assert {name: rows[name] for name in MODEL_PARAMETERS} == MODEL_PARAMETERS
