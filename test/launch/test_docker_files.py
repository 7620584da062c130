# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the container files name exists: files, commands, launch arguments, tested versions."""

import os
import re
import shlex
import subprocess

import pytest
from segformer_ros.inference.trt.api import INSTALL_TENSORRT
import yaml

JETPACKS = ('jetpack4', 'jetpack6')


def read(project_root, *parts):
    with open(os.path.join(project_root, *parts), encoding='utf-8') as stream:
        return stream.read()


def compose(project_root):
    return yaml.safe_load(read(project_root, 'docker', 'compose.yaml'))


def instructions(project_root, jetpack):
    """Return the instructions of a Dockerfile, continuation lines joined, without comments."""
    text = read(project_root, 'docker', 'Dockerfile.' + jetpack)
    lines = [line for line in text.split('\n') if not line.startswith('#')]
    return [line.split(None, 1) for line in '\n'.join(lines).replace('\\\n', ' ').split('\n')
            if line.strip()]


def pins(text):
    return dict(re.findall(r'^([\w.-]+)==([\w.]+)$', text, re.MULTILINE))


def check_command(project_root, words):
    """Check that a ros2 command of ours exists and that its options and arguments do."""
    if words[:3] == ['ros2', 'launch', 'segformer_ros']:
        text = read(project_root, 'launch', words[3])
        for word in words[4:]:
            assert "'{}'".format(word.split(':=')[0]) in text, word
    elif words[:3] == ['ros2', 'run', 'segformer_ros']:
        text = read(project_root, 'segformer_ros', 'cli', words[3] + '.py')
        for word in words[4:]:
            assert not word.startswith('--') or f"'{word}'" in text, word
    else:
        return False
    return True


@pytest.mark.parametrize('jetpack', JETPACKS)
def test_dockerfile_copies_and_runs_what_is_there(project_root, jetpack):
    found = instructions(project_root, jetpack)
    kinds = [kind for kind, _ in found]
    assert kinds[:2] == ['ARG', 'FROM']
    copied = [rest.split()[0] for kind, rest in found if kind == 'COPY']
    assert '.' in copied and len(copied) == 3
    for path in copied:
        assert os.path.exists(os.path.join(project_root, path)), path
    command = [word.strip('"') for word in dict(found)['CMD'].strip('[]').split(', ')]
    assert check_command(project_root, command)
    assert os.access(os.path.join(project_root, 'docker', 'entrypoint.sh'), os.X_OK)


def test_image_of_jazzy_has_the_runtime_and_the_same_start(project_root):
    found = instructions(project_root, 'jazzy')
    copied = [rest.split()[0] for kind, rest in found if kind == 'COPY']
    assert copied == ['package.xml', 'tools/install_runtime.sh', '.', 'docker/entrypoint.sh']
    assert all(os.path.exists(os.path.join(project_root, path)) for path in copied)
    jetson = dict(instructions(project_root, 'jetpack6'))
    for kind in ('ENTRYPOINT', 'STOPSIGNAL', 'CMD'):
        assert dict(found)[kind] == jetson[kind]
    assert 'SEGFORMER_ROS_CACHE=/cache' in dict(found)['ENV']


@pytest.mark.parametrize('layout', ['install/setup.bash', 'setup.bash'])
def test_entry_point_finds_ros_as_built_and_as_packaged(project_root, tmp_path, layout):
    setup = tmp_path / 'ros' / layout
    setup.parent.mkdir(parents=True)
    setup.write_text('export FOUND=ros\n')
    (tmp_path / 'workspace.bash').write_text('export FOUND=$FOUND,workspace\n')
    script = tmp_path / 'entrypoint.sh'
    text = read(project_root, 'docker', 'entrypoint.sh')
    script.write_text(text.replace('/segformer_ws/install/setup.bash',
                                   str(tmp_path / 'workspace.bash'))
                      .replace('/opt/ros/${ROS_DISTRO:-humble}', str(tmp_path / 'ros')))
    environment = {name: value for name, value in os.environ.items() if name != 'ROS_ROOT'}
    said = subprocess.run(['bash', str(script), 'sh', '-c', 'echo $FOUND'], env=environment,
                          stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    assert said == 'ros,workspace\n'


def test_the_nano_gets_what_its_numpy_needs(project_root):
    text = read(project_root, 'docker', 'Dockerfile.jetpack4')
    assert 'OPENBLAS_CORETYPE=ARMV8' in text


def test_versions_for_python_36_are_those_that_the_core_is_tested_with(project_root):
    shipped = pins(read(project_root, 'docker', 'requirements-jetpack4.txt'))
    tested = pins(read(project_root, 'requirements', 'core36.txt'))
    both = set(shipped) & set(tested)
    assert {'numpy', 'onnxruntime', 'protobuf', 'Pillow', 'PyYAML'} <= both
    assert {name: shipped[name] for name in both} == {name: tested[name] for name in both}


def test_services_use_files_commands_and_arguments_that_exist(project_root):
    services = compose(project_root)['services']
    ours = []
    for name, service in services.items():
        assert service['runtime'] == 'nvidia', name
        assert 'cache:/cache' in service['volumes'], name
        assert os.path.isdir(os.path.join(project_root, 'docker', service['build']['context']))
        for jetpack in JETPACKS:
            path = re.sub(r'\$\{JETPACK:-\w+\}', jetpack, service['build']['dockerfile'])
            assert os.path.isfile(os.path.join(project_root, path)), path
        words = shlex.split(re.sub(r'\$\{\w+:-([^}]*)\}', r'\1', service['command']))
        if check_command(project_root, words):
            ours.append(name)
    assert ours == ['segformer', 'fetch_model', 'build_engine']
    assert 'cache' in compose(project_root)['volumes']


def test_containers_are_stopped_by_the_signal_that_launch_passes_on(project_root):
    for jetpack in JETPACKS:
        assert dict(instructions(project_root, jetpack))['STOPSIGNAL'] == 'SIGINT'


def test_cache_of_the_image_is_the_volume(project_root):
    for jetpack in JETPACKS:
        assert 'SEGFORMER_ROS_CACHE=/cache' in read(
            project_root, 'docker', 'Dockerfile.' + jetpack)


def test_camera_services_publish_where_the_node_listens(project_root):
    services = compose(project_root)['services']
    assert '/camera/image_raw' in services['segformer']['command']
    assert '__ns:=/camera' in services['usb_camera']['command']
    # gscam's topics are called camera/image_raw and camera/camera_info.
    assert '__ns' not in services['csi_camera']['command']
    assert '/tmp/argus_socket:/tmp/argus_socket' in services['csi_camera']['volumes']


def test_documented_services_exist(project_root):
    text = read(project_root, 'docs', 'jetson.md')
    named = set()
    for line in re.findall(r'docker compose -f (.*)', text):
        words = [word for word in line.split() if not word.startswith('-')]
        assert os.path.isfile(os.path.join(project_root, words[0]))
        assert words[1] in ('build', 'run', 'up')
        named.update(words[2:])
    assert {'segformer', 'fetch_model', 'build_engine', 'csi_camera'} == named
    assert named <= set(compose(project_root)['services'])


def test_base_images_and_every_jetpack_stand_in_the_table(project_root):
    text = read(project_root, 'docs', 'jetson.md')
    for jetpack in JETPACKS:
        base = dict(instructions(project_root, jetpack)[:1])['ARG'].split('=')[1]
        assert f'`{base}`' in text
    header = next(line for line in text.split('\n') if line.startswith('| | '))
    for name in ('4.6.1', '5.1', '6.0', '6.2', '7.x'):
        assert name in header
    assert 'JetPack 4.6.0 has TensorRT 8.0.1 and is refused by name' in text
    assert 'docs/jetson.md' in INSTALL_TENSORRT
