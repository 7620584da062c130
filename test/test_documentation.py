# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The commands and links of README and docs lead somewhere."""

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from segformer_ros.cli.support import launch_arguments
import structure

pytestmark = pytest.mark.linter

# What pages name although the checkout does not have it: output of commands and of the node, what
# lies in caches, in downloads and in recordings, and a header of Fast DDS.
LIES_ELSEWHERE = {
    'drive.md', 'front_image_raw.txt', 'hardware_report.md',
    'images/ID.png', 'masks/ID.png', 'confidence/ID.png', 'labels/', 'report.md', 'sizes.md',
    'replay.md', 'replay_evaluation/', 'run/model.onnx', 'run/report.md', 'run/report.json',
    'run/held_out.png', 'run/evaluation/', 'calibrations/', 'camera/', 'engines/', 'graphs/',
    'onnx/model.onnx', 'fastrtps/config.h'}


def pages(project_root):
    found = [os.path.join(project_root, name) for name in ('README.md', 'CONTRIBUTING.md')]
    for folder in ('docs', 'docs/decisions'):
        found += [os.path.join(project_root, folder, name)
                  for name in sorted(os.listdir(os.path.join(project_root, folder)))
                  if name.endswith('.md')]
    return found


def read(path):
    with open(path, encoding='utf-8') as stream:
        return stream.read()


def commands(text):
    """Return the shell lines of a page's bash blocks, continuation lines joined."""
    lines = []
    for block in re.findall(r'```bash\n(.*?)```', text, re.DOTALL):
        lines += block.replace('\\\n', ' ').split('\n')
    return [line.split('#')[0].strip() for line in lines if line.split('#')[0].strip()]


def every_command(project_root, *prefix):
    """Yield ``(page, words)`` of each documented command that starts with the prefix."""
    for page in pages(project_root):
        for line in commands(read(page)):
            words = shlex.split(line)
            if words[:len(prefix)] == list(prefix):
                yield os.path.basename(page), words


def entry_points(project_root):
    folder = os.path.join(project_root, 'executables')
    return {name: 'segformer_ros.cli.' + name for name in os.listdir(folder)
            if name != 'install_runtime'}


def test_make_targets_exist(project_root):
    makefile = read(os.path.join(project_root, 'Makefile'))
    targets = set(re.findall(r'^([\w-]+):', makefile, re.MULTILINE))
    used = [(page, word) for page, words in every_command(project_root, 'make')
            for word in words[1:] if '=' not in word and not word.startswith('-')]
    assert {'demo', 'test'} <= {word for _, word in used}
    assert [use for use in used if use[1] not in targets] == []


def test_launch_files_and_their_arguments_exist(project_root):
    wrong = []
    seen = 0
    for page, words in every_command(project_root, 'ros2', 'launch', 'segformer_ros'):
        seen += 1
        path = os.path.join(project_root, 'launch', words[3])
        if not os.path.isfile(path):
            wrong.append((page, words[3]))
            continue
        text = read(path)
        # What follows the name of a camera: launch_arguments.camera_topics.
        names = [word.split(':=')[0] for word in words[4:] if ':=' in word]
        wrong += [(page, words[3], name) for name in names
                  if f"'{name}'" not in text and name.partition('.')[2] not in
                  launch_arguments.CAMERA_INPUTS + launch_arguments.CAMERA_SETTINGS]
    assert seen
    assert wrong == []


def test_documented_commands_exist_and_take_their_options(project_root):
    known = entry_points(project_root)
    wrong = []
    helps = {}
    for page, words in every_command(project_root, 'ros2', 'run', 'segformer_ros'):
        name = words[3]
        if name == 'install_runtime':
            continue    # test/install
        if name not in known:
            wrong.append((page, name))
            continue
        options = [word.split('=')[0] for word in words[4:] if word.startswith('--')]
        if not options or '--ros-args' in options:
            continue
        if name not in helps:
            helps[name] = subprocess.run(
                [sys.executable, '-m', known[name], '--help'], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, universal_newlines=True, check=False).stdout
        wrong += [(page, name, option) for option in options if option not in helps[name]]
    assert wrong == []


def test_installation_is_that_of_install_runtime_everywhere(project_root):
    script = os.path.join('tools', 'install_runtime.sh')
    usage = subprocess.run([os.path.join(project_root, script), '--help'],
                           stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    used = set()
    for page in pages(project_root):
        for line in commands(read(page)):
            words = shlex.split(line)
            for i, word in enumerate(words):
                if not re.search(r'(^|/)install_runtime(\.sh)?$', word):
                    continue
                used.add(os.path.basename(page))
                assert word == 'install_runtime' or word.endswith('src/segformer_ros/' + script)
                assert [option for option in words[i + 1:] if option not in usage] == []
            # Outside an environment pip replaces what apt installed, or is refused.
            assert 'pip install onnx' not in line, (page, line)
    assert {'README.md', 'install.md', 'jetson.md'} <= used


def test_no_page_has_pip_refused_or_asks_an_index_for_this_package(project_root):
    seen = 0
    for page in pages(project_root):
        text = read(page)
        assert not re.search(r'pip install\W+segformer_ros', text), page
        for line in commands(text):
            # A system's own pip is refused from Ubuntu 24.04 on (PEP 668).
            if re.search(r'\bpip3? install\b', line):
                seen += 1
                assert re.search(r'(/bin/pip|/bin/python3 -m pip) install', line), (page, line)
    assert seen >= 5


def test_container_has_its_weights_before_the_node_starts(project_root):
    text = read(os.path.join(project_root, 'README.md')).split('## In a container')[1]
    lines = [line for line in commands(text.split('\n## ')[0]) if line.startswith('docker')]
    build, fetch, start, small = [shlex.split(line) for line in lines]
    image = build[build.index('-t') + 1]
    assert all(image in words for words in (fetch, start, small))
    recipe = read(os.path.join(project_root, build[build.index('-f') + 1]))
    folder = re.search(r'SEGFORMER_ROS_CACHE=(\S+)', recipe).group(1)
    volume = fetch[fetch.index('-v') + 1]
    assert volume.endswith(':' + folder)
    assert start[start.index('-v') + 1] == volume
    topics = ['image:=/camera/image_raw', 'camera_info:=/camera/camera_info']
    entry = json.loads(re.search(r'^CMD (.*)$', recipe, re.MULTILINE).group(1))
    assert start[start.index(image) + 1:] == entry + topics
    assert small[small.index(image) + 1:] == entry + topics + ['model:=segformer_sim']
    assert fetch[fetch.index(image) + 1:][:4] == [
        'ros2', 'run', 'segformer_ros', 'fetch_model']
    model = fetch[fetch.index('fetch_model') + 1]
    defaults = read(os.path.join(project_root, 'config', 'segformer.yaml'))
    assert re.search(rf'^ *model: {model}\b', defaults, re.MULTILINE)


def test_links_to_files_lead_to_files(project_root):
    broken = []
    for page in pages(project_root):
        targets = re.findall(r'\]\(([^)#]+)[^)]*\)', read(page))
        broken += [(os.path.basename(page), target) for target in targets
                   if not re.match(r'\w+:', target) and not os.path.exists(
                       os.path.join(os.path.dirname(page), target))]
    assert broken == []


def code_words(text):
    """Return what stands between single backticks, outside of blocks."""
    return re.findall(r'`([^`\n]+)`', re.sub(r'```.*?```', '', text, flags=re.DOTALL))


def missing_paths(text, project_root):
    """Return the paths of a page that are neither in the checkout nor in a room of the package."""
    roots = [project_root] + [
        folder for folder, _, _ in os.walk(os.path.join(project_root, 'segformer_ros'))
        if folder.count(os.sep) - project_root.count(os.sep) <= 2]
    paths = [word for word in code_words(text)
             # Topics begin with / or ~, places for a name are in capitals.
             if re.match(r'^\.?\w[\w./-]*$', word) and not re.search('[A-Z]{4}', word)
             and (word.endswith('/') or re.search(r'/[\w.-]+\.\w+$|\.(py|md|txt|sh|rst)$', word))]
    # What git ignores comes and goes.
    known = {line.lstrip('/') for line in read(os.path.join(
        project_root, '.gitignore')).split()}
    # Of a test or a script its name is enough.
    for folder in ('segformer_ros', 'test', 'tools'):
        for _, _, files in os.walk(os.path.join(project_root, folder)):
            known.update(file for file in files if file.endswith(('.py', '.sh')))
    return [path for path in paths if path not in known
            and not any(os.path.exists(os.path.join(root, path)) for root in roots)]


def missing_scripts(text, project_root):
    """Return the files of the checkout that commands of a page start and that are not there."""
    words = [word for line in commands(text) for word in shlex.split(line)]
    paths = [re.sub('^.*src/segformer_ros/', '', word) for word in words]
    return [path for path in paths if re.match(r'(tools|test|examples|segformer_ros)/\S*\w$', path)
            and not os.path.exists(os.path.join(project_root, path))]


def missing_names(text):
    """Return the dotted names below the package that cannot be imported."""
    missing = []
    for name in re.findall(r'\bsegformer_ros(?:\.\w+)+', text):
        if re.search(r'\.(py|yaml|css|git)$', name):
            continue
        module, _, last = name.rpartition('.')
        try:
            found = hasattr(importlib.import_module(module), last)
            if not found:
                importlib.import_module(name)
        except ImportError:
            missing.append(name)
    return missing


def test_paths_and_names_on_every_page_exist(project_root):
    elsewhere = set()
    for page in pages(project_root):
        text = read(page)
        missing = set(missing_paths(text, project_root))
        elsewhere |= missing
        assert missing - LIES_ELSEWHERE == set(), page
        assert missing_names(text) == [], page
        assert missing_scripts(text, project_root) == [], page
    assert elsewhere == LIES_ELSEWHERE


@pytest.mark.parametrize('name', ['README.md', 'docs/nav2.md', 'docs/architecture.md'])
def test_wrong_path_and_name_would_be_noticed_on_a_page(project_root, name):
    text = read(os.path.join(project_root, name))
    assert text.count('```') % 2 == 0
    text += '\n`segformer_ros/ros/no_such.py` `segformer_ros.model.no`\n'
    assert 'segformer_ros/ros/no_such.py' in missing_paths(text, project_root)
    assert 'segformer_ros.model.no' in missing_names(text)


def test_path_or_name_that_is_not_there_is_noticed(project_root):
    text = 'In `common/` and `segformer_ros/ros/io/` lie `nonsense/` and `test/no_such.py`.'
    assert missing_paths(text, project_root) == ['nonsense/', 'test/no_such.py']
    text = '```bash\npython3 tools/no_such.py x/y\nsrc/segformer_ros/tools/install_runtime.sh\n```'
    assert missing_scripts(text, project_root) == ['tools/no_such.py']
    text = '`segformer_ros.model.spec.ModelSpec`, `segformer_ros.model.spec.Other`'
    assert missing_names(text) == ['segformer_ros.model.spec.Other']


def test_architecture_has_a_row_for_every_room(project_root):
    text = read(os.path.join(project_root, 'docs', 'architecture.md'))
    rows = re.findall(r'^\| `(\w+)/` \|', text.split('Inside a room')[0], re.MULTILINE)
    rooms = {module.room for module in structure.read_package(project_root).values()}
    assert sorted(rows) == sorted(rooms - {structure.TOP})


def test_decision_on_dependencies_names_those_of_setup_py(project_root):
    given = [keyword.value for node in ast.walk(ast.parse(read(os.path.join(
        project_root, 'setup.py')))) if isinstance(node, ast.Call) for keyword in node.keywords
        if keyword.arg == 'install_requires']
    assert len(given) == 1
    text = read(os.path.join(project_root, 'docs', 'decisions', '0007-few-dependencies.md'))
    said = re.findall(r'^`install_requires` names (.*?)\. ', text, re.MULTILINE)
    assert [re.split(', | and ', names) for names in said] == [ast.literal_eval(given[0])]


def test_every_decision_is_listed_and_has_its_parts(project_root):
    folder = os.path.join(project_root, 'docs', 'decisions')
    index = read(os.path.join(folder, 'README.md'))
    names = sorted(name for name in os.listdir(folder) if name != 'README.md')
    assert len(names) > 9
    for number, name in enumerate(names, 1):
        text = read(os.path.join(folder, name))
        title = re.match(r'# (\d+)\. (.+)\n\nStatus: (\w+)', text)
        assert title and int(title.group(1)) == number == int(name[:4]), name
        assert f'| {number} | [{title.group(2)}]({name}) | {title.group(3)} |' in index
        assert re.findall('^## (.*)', text, re.MULTILINE) == [
            'Context', 'Decision', 'Consequences'], name


def test_help_of_make_lists_the_lanes_with_a_runtime_or_machine_of_their_own(project_root):
    told = subprocess.check_output(['make', '--no-print-directory', 'help'], cwd=project_root,
                                   universal_newlines=True)
    listed = {line.split()[1] for line in told.splitlines()}
    assert {'test', 'test-slow', 'test-arm64', 'test-openvino', 'bench'} <= listed
