# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The commands and links of README and docs lead somewhere."""

import os
import re
import shlex
import subprocess
import sys

import pytest

pytestmark = pytest.mark.linter


def pages(project_root):
    found = [os.path.join(project_root, 'README.md')]
    docs = os.path.join(project_root, 'docs')
    found += [os.path.join(docs, name) for name in sorted(os.listdir(docs))
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
        wrong += [(page, words[3], word) for word in words[4:]
                  if ':=' in word and "'{}'".format(word.split(':=')[0]) not in text]
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


def test_every_entry_point_explains_itself(project_root):
    for name, module in entry_points(project_root).items():
        if name in ('segformer', 'simulated_camera'):
            continue    # ROS nodes: their help is the parameter table
        done = subprocess.run([sys.executable, '-m', module, '--help'], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, check=False)
        assert done.returncode == 0, done.stdout
        assert 'usage:' in done.stdout, name


def test_links_to_files_lead_to_files(project_root):
    broken = []
    for page in pages(project_root):
        targets = re.findall(r'\]\(([^)#]+)[^)]*\)', read(page))
        broken += [(os.path.basename(page), target) for target in targets
                   if not re.match(r'\w+:', target) and not os.path.exists(
                       os.path.join(os.path.dirname(page), target))]
    assert broken == []
