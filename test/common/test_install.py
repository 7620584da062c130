# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Remedies for missing packages: commands that exist, said in one place."""

import ast
import os
import re

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
    """Return the names of the extras that setup.py declares."""
    with open(os.path.join(project_root, 'setup.py'), encoding='utf-8') as stream:
        tree = ast.parse(stream.read())
    (given,) = [keyword.value for node in ast.walk(tree) if isinstance(node, ast.Call)
                for keyword in node.keywords if keyword.arg == 'extras_require']
    return set(ast.literal_eval(given))


def test_the_runtime_s_remedy_is_an_executable_that_is_installed(project_root):
    package, name = re.search(r'ros2 run (\S+) (\S+)"', install.RUNTIME).groups()
    assert package == 'segformer_ros'
    assert os.access(os.path.join(project_root, 'executables', name), os.X_OK)
    for page in re.findall(r'docs/\w+\.md', install.RUNTIME + install.with_extra('evaluation')):
        assert os.path.isfile(os.path.join(project_root, page)), page


def test_every_extra_that_a_message_names_exists(project_root):
    known = extras_of_setup(project_root)
    named = set(re.findall(r'segformer_ros\[(\w+)\]', install.RUNTIME))
    for _, text in sources(project_root):
        named.update(re.findall(r'segformer_ros\[(\w+)\]', text))
        named.update(re.findall(r"install\.with_extra\('(\w+)'\)", text))
    assert {'onnxruntime', 'evaluation', 'distributed', 'standalone'} <= named <= known


def test_no_other_module_tells_anyone_to_pip_install_a_runtime(project_root):
    for path, text in sources(project_root):
        if not path.endswith('common/install.py'):
            assert not re.search(r'pip install .?(onnx|rosbags|distributed|tqdm|jinja)', text,
                                 re.IGNORECASE), path
