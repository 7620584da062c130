# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The package's files agree with each other."""

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

pytestmark = pytest.mark.linter

HEADER = ('# Copyright 2026 segformer_ros maintainers\n'
          '# SPDX-License-Identifier: Apache-2.0\n')
# Import name -> rosdep key, where they differ.
ROSDEP_KEYS = {'numpy': 'python3-numpy', 'cv2': 'python3-opencv', 'PIL': 'python3-pil',
               'yaml': 'python3-yaml', 'onnxruntime': 'python3-onnxruntime-pip',
               'jinja2': 'python3-jinja2', 'tqdm': 'python3-tqdm'}
# Imported late and optional, with an error that says how to get them; no rosdep key.
OPTIONAL = {'tensorrt', 'tensorrt_rtx', 'pycuda', 'cuda', 'numba', 'onnx', 'onnxconverter_common',
            'rosbags', 'dask', 'distributed', 'torch'}


def tracked(project_root, ending):
    listing = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=project_root,
        stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.split('\n')
    paths = [os.path.join(project_root, name) for name in listing if name.endswith(ending)]
    assert paths
    return [path for path in paths if os.path.exists(path)]


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as stream:
        return stream.read()


def imports(path):
    """Return the dotted names that a file imports, wherever it does so."""
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_every_python_file_carries_copyright_and_licence(project_root):
    def carries(text):
        return (text.split('\n', 1)[1] if text.startswith('#!') else text).startswith(HEADER)

    wanting = [path for path in tracked(project_root, '.py') if not carries(read(path))]
    assert wanting == []


@pytest.mark.parametrize('path', ['package.xml', 'tools/interfaces/vision_msgs/package.xml'])
def test_package_xml_has_what_format_3_demands(project_root, path):
    root = xml.etree.ElementTree.parse(os.path.join(project_root, path)).getroot()
    assert root.tag == 'package'
    assert root.get('format') == '3'
    for tag in ('name', 'version', 'description', 'maintainer', 'license'):
        assert root.find(tag) is not None and root.find(tag).text.strip(), tag
    # A malformed address turns the package into a plain Python one for colcon, silently.
    assert re.match(r'^[\w.+-]+@[\w-]+(\.[\w-]+)+$', root.find('maintainer').get('email'))


def test_version_is_the_same_everywhere(project_root):
    manifest = xml.etree.ElementTree.parse(os.path.join(project_root, 'package.xml')).getroot()
    setup = subprocess.run([sys.executable, 'setup.py', '--version'], cwd=project_root,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           universal_newlines=True, check=True).stdout.strip().split('\n')[-1]
    version = manifest.find('version').text
    assert setup == version
    assert re.search(rf'^{re.escape(version)} \(', read(project_root, 'CHANGELOG.rst'),
                     re.MULTILINE)


def test_every_import_of_the_package_is_declared(project_root):
    manifest = xml.etree.ElementTree.parse(os.path.join(project_root, 'package.xml')).getroot()
    declared = {element.text for element in manifest
                if element.tag in ('depend', 'exec_depend')}
    standard = set(sys.stdlib_module_names)
    missing = set()
    for path in tracked(project_root, '.py'):
        if os.path.relpath(path, project_root).split(os.sep)[0] not in ('segformer_ros', 'launch'):
            continue
        for name in imports(path):
            top = name.split('.')[0]
            known = (top in standard or top == 'segformer_ros' or top in OPTIONAL
                     or ROSDEP_KEYS.get(top, top) in declared)
            if not known:
                missing.add((os.path.relpath(path, project_root), top))
    assert missing == set()


def test_package_checks_no_input_with_assert(project_root):
    found = []
    for path in tracked(project_root, '.py'):
        if os.path.relpath(path, project_root).split(os.sep)[0] == 'segformer_ros':
            found += [(path, node.lineno) for node in ast.walk(ast.parse(read(path)))
                      if isinstance(node, ast.Assert)]
    assert found == []


def test_no_file_names_a_machine(project_root):
    """Paths of the machine that somebody worked on have no place in the project."""
    pattern = re.compile(r'(?<![\w.])/(?:root|work)/')
    found = []
    for ending in ('.py', '.md', '.yaml', '.txt', '.sh', '.rst', 'Makefile', '.xml', '.cfg'):
        try:
            paths = tracked(project_root, ending)
        except AssertionError:
            continue
        found += [os.path.relpath(path, project_root) for path in paths
                  if not path.endswith('test_package_files.py') and pattern.search(read(path))]
    assert found == []
