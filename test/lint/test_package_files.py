# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The package's files agree with each other."""

import ast
import glob
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest
import yaml

pytestmark = pytest.mark.linter

HEADER = ('# Copyright 2026 segformer_ros maintainers\n'
          '# SPDX-License-Identifier: Apache-2.0\n')
# Import name -> rosdep key, where they differ.
ROSDEP_KEYS = {'numpy': 'python3-numpy', 'cv2': 'python3-opencv', 'PIL': 'python3-pil',
               'yaml': 'python3-yaml', 'jinja2': 'python3-jinja2', 'tqdm': 'python3-tqdm'}
# Imported late and optional, with an error that says how to get them; no rosdep key. google is
# protobuf, which onnx brings.
OPTIONAL = {'av', 'ffmpeg_image_transport_msgs', 'google', 'huggingface_hub', 'onnx',
            'onnxruntime', 'openvino', 'pycuda', 'rosbags', 'scipy', 'skimage', 'torch'}


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


def test_manifest_can_be_released(project_root):
    manifest = xml.etree.ElementTree.parse(os.path.join(project_root, 'package.xml')).getroot()
    # bloom refuses a package that depends on what pip installs.
    keys = [row.text for row in manifest if 'depend' in row.tag]
    assert [key for key in keys if key.endswith('-pip')] == []
    assert {url.get('type') for url in manifest.iter('url')} \
        == {'website', 'repository', 'bugtracker'}
    used = {name.split('.')[0] for path in tracked(project_root, '.py')
            if os.path.relpath(path, project_root).startswith('test' + os.sep)
            for name in imports(path)}
    declared = {row.text for row in manifest.iter('test_depend')}
    for name in ('hypothesis', 'pytest'):
        assert name in used and 'python3-' + name in declared


def test_rosdoc2_file_is_named_and_shows_the_docs(project_root):
    manifest = xml.etree.ElementTree.parse(os.path.join(project_root, 'package.xml')).getroot()
    kind, settings = yaml.safe_load_all(
        read(project_root, manifest.find('export').find('rosdoc2').text))
    assert kind == {'type': 'rosdoc2 config', 'version': 1}
    folders = [builder['sphinx']['user_doc_dir'] for builder in settings['builders']]
    assert folders == ['docs'] and os.path.isdir(os.path.join(project_root, *folders))


def test_pip_metadata_name_what_is_imported_and_put_one_command_on_path(project_root):
    text = read(project_root, 'setup.py')
    assert re.findall(r"'(\w+) = [\w.]+:main'", text) == ['segformer_ros']
    call = next(node for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'setup')
    given = {word.arg: word.value for word in call.keywords}
    named = set(ast.literal_eval(given['install_requires']))
    for packages in ast.literal_eval(given['extras_require']).values():
        named |= set(packages)
    used = {name.split('.')[0] for path in tracked(project_root, '.py')
            if os.path.relpath(path, project_root).startswith('segformer_ros' + os.sep)
            for name in imports(path)}
    names = {
        'cv2': 'opencv-python-headless', 'PIL': 'Pillow', 'yaml': 'PyYAML', 'jinja2': 'Jinja2',
        'skimage': 'scikit-image'
    }
    for name in ('numpy', 'cv2', 'PIL', 'yaml', 'onnxruntime', 'onnx', 'rosbags', 'jinja2',
                 'skimage'):
        assert name in used and names.get(name, name) in named, name
    # These are imported by name.
    back = {wheel: name for name, wheel in names.items()}
    assert {back.get(name, name) for name in named} - used == {'distributed', 'pytest', 'tqdm'}


def test_dockerfiles_please_hadolint(project_root):
    hadolint = os.path.join(os.path.dirname(sys.executable), 'hadolint')
    if not os.path.exists(hadolint):
        pytest.skip('hadolint is not installed')
    files = sorted(glob.glob(os.path.join(project_root, 'docker', 'Dockerfile.*')))
    assert len(files) >= 3
    done = subprocess.run([hadolint] + files, cwd=project_root, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    assert done.returncode == 0, done.stdout


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
