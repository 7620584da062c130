# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Remedies for missing packages: commands that exist, said in one place."""

import ast
import os
import re
import sys
import types

import pytest
from segformer_ros.common import install


def sources(project_root):
    """Return path and text of each module of the package."""
    for folder, _, names in os.walk(os.path.join(project_root, 'segformer_ros')):
        for name in names:
            if name.endswith('.py'):
                path = os.path.join(folder, name)
                with open(path, encoding='utf-8') as stream:
                    yield os.path.relpath(path, project_root), stream.read()


def extras_of_setup(project_root):
    """Return the extras that setup.py declares, with their packages."""
    with open(os.path.join(project_root, 'setup.py'), encoding='utf-8') as stream:
        tree = ast.parse(stream.read())
    (given,) = [keyword.value for node in ast.walk(tree) if isinstance(node, ast.Call)
                for keyword in node.keywords if keyword.arg == 'extras_require']
    return ast.literal_eval(given)


def test_the_runtime_s_remedy_is_an_executable_that_is_installed(project_root):
    package, name = re.search(r'ros2 run (\S+) (\S+)"', install.RUNTIME).groups()
    assert package == 'segformer_ros'
    assert os.access(os.path.join(project_root, 'executables', name), os.X_OK)
    for page in re.findall(r'docs/\w+\.md', install.RUNTIME + install.with_extra('evaluation')):
        assert os.path.isfile(os.path.join(project_root, page)), page


def test_every_extra_that_a_message_names_exists(project_root):
    known = extras_of_setup(project_root)
    named = set(re.findall(r"'\.\[(\w+)\]", install.RUNTIME))
    for _, text in sources(project_root):
        named.update(re.findall(r'["\']\.\[(\w+)\]', text))
        named.update(re.findall(r"install\.with_extra\('(\w+)'\)", text))
    assert {'onnxruntime', 'evaluation', 'distributed', 'standalone'} <= named <= set(known)
    for name, packages in install.EXTRAS.items():
        assert packages.split() == known[name], name


def test_no_message_names_the_package_as_if_an_index_had_it(project_root):
    for path, text in sources(project_root):
        assert not re.search(r'pip install\W+segformer_ros', text), path


@pytest.mark.parametrize('inside', [True, False])
def test_the_remedy_for_an_extra_keeps_the_interpreter_and_its_numpy(monkeypatch, inside):
    monkeypatch.setattr(sys, 'prefix', '/opt/mine' if inside else sys.base_prefix)
    monkeypatch.setattr(sys, 'executable', '/opt/mine/bin/python3')
    monkeypatch.setattr(install.os, 'getuid', lambda: 1000)
    monkeypatch.setenv('XDG_DATA_HOME', '/home/me/data')
    monkeypatch.setitem(sys.modules, 'numpy', types.SimpleNamespace(__version__='1.21.5'))
    said = install.with_extra('evaluation')
    python = '/opt/mine' if inside else '/home/me/data/segformer_ros/runtime'
    assert f'{python}/bin/python3 -m pip install rosbags tqdm Jinja2 numpy==1.21.5"' in said
    assert ('install_runtime' in said) is not inside
    monkeypatch.setenv('SEGFORMER_ROS_RUNTIME', '/data/rt')
    assert ('/data/rt/bin/python3 -m pip' in install.with_extra('evaluation')) is not inside


def test_no_other_module_tells_anyone_to_pip_install_a_runtime(project_root):
    for path, text in sources(project_root):
        if not path.endswith('common/install.py'):
            assert not re.search(r'pip install .?(onnx|rosbags|distributed|tqdm|jinja)', text,
                                 re.IGNORECASE), path
