# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Imports: nothing heavy outside ros/, one direction between rooms, no circles; sizes."""

import ast
import collections
import itertools
import os
import re
import subprocess
import sys

import pytest
import structure

BLOCKED = ('rclpy', 'sensor_msgs', 'std_msgs', 'std_srvs', 'nav_msgs', 'geometry_msgs',
           'vision_msgs', 'visualization_msgs', 'diagnostic_msgs', 'lifecycle_msgs', 'tf2_ros',
           'cv_bridge', 'ament_index_python', 'launch', 'launch_ros', 'onnxruntime', 'onnx',
           'openvino', 'onnxconverter_common', 'tensorrt', 'pycuda', 'cuda', 'rosbags', 'numba',
           'torch', 'dask', 'distributed', 'scipy', 'skimage', 'huggingface_hub',
           'av', 'ffmpeg_image_transport_msgs')
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

# What each room may import beside itself. Imports inside functions and for types count too.
ROOMS = {
    'common': set(),
    'model': {'common'},
    'inference': {'common', 'model'},
    'segmentation': {'common', 'model', 'inference'},
    'costmap': {'common', 'model'},
    'capture': {'common', 'model', 'costmap'},
    'calibration': {'common', 'model', 'costmap'},
    'simulation': {'common', 'model', 'costmap'},
    'evaluation': {'common', 'model', 'inference', 'segmentation', 'costmap', 'capture',
                   'calibration', 'simulation'},
    'ros': {'common', 'model', 'inference', 'segmentation', 'costmap', 'capture', 'calibration',
            'simulation', 'evaluation'},
    'cli': {'common', 'model', 'inference', 'segmentation', 'costmap', 'capture', 'calibration',
            'simulation', 'evaluation', 'ros'},
}
# Inside a room: what stands in one row imports from earlier rows alone, never from its own row.
ORDERS = {
    'inference': (('base',), ('cuda',), ('onnxrt',), ('ov', 'trt'), ('selection',)),
    'evaluation': (('sources',), ('metrics',), ('run',), ('report',),
                   ('benchmark', 'replay', 'demo', 'hardware'), ('drive',)),
    'ros': (('io',), ('parameters',), ('costmap', 'peers'), ('capture',), ('node', 'doctor')),
}
MOST_MODULES = 16
MOST_LINES = 500
# Dotted names of modules that may be longer, each with the reason; none today.
LONG = {}


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


@pytest.fixture(scope='module')
def modules(project_root):
    """Return the package's modules with their imports."""
    found = structure.read_package(project_root)
    assert len(found) > 100
    return found


def written(folder, **files):
    """Return the modules of a small package; ``__`` in a name stands for a folder."""
    for name, text in files.items():
        path = folder.joinpath('segformer_ros', *(name.split('__')))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix('.py').write_text(text)
    (folder / 'segformer_ros' / '__init__.py').write_text('')
    return structure.read_package(str(folder))


def wrong_between_rooms(modules):
    """Return the imports that a room may not make, and those of the package's own lazy names."""
    return [(name, found.line, found.target) for name, module in modules.items()
            if module.room != structure.TOP for found in module.imports
            if found.target not in modules
            or modules[found.target].room not in ROOMS[module.room] | {module.room}]


def part_of(name):
    """Return the folder or file of a room that a module belongs to, None for the room itself."""
    parts = name.split('.')
    return parts[2] if len(parts) > 2 else None


def wrong_inside_rooms(modules):
    """Return the imports against the order inside their room."""
    found = []
    for room, order in ORDERS.items():
        row_of = {part: row for row, parts in enumerate(order) for part in parts}
        for name, module in modules.items():
            for each in module.imports:
                own, other = part_of(name), part_of(each.target)
                if module.room == room and each.target in modules \
                        and modules[each.target].room == room and own != other \
                        and own in row_of and row_of.get(other, len(order)) >= row_of[own]:
                    found.append((name, each.line, each.target))
    return found


def circles_of_files(modules):
    return structure.circles(structure.import_graph(modules, modules))


def circles_of_parts(modules):
    """Return the circles between the folders and files of one room."""
    graph = collections.defaultdict(set)
    for name, targets in structure.import_graph(modules, modules).items():
        for target in targets:
            ends = [(modules[each].room, part_of(each)) for each in (name, target)]
            if ends[0] != ends[1] and ends[0][0] == ends[1][0] and None not in ends[0] + ends[1]:
                graph['/'.join(ends[0])].add('/'.join(ends[1]))
                graph['/'.join(ends[1])].update()
    return structure.circles(graph)


def test_every_room_has_its_row(modules):
    assert {module.room for module in modules.values()} - {structure.TOP} == set(ROOMS)
    for room, order in ORDERS.items():
        folders = {part_of(name) for name, module in modules.items()
                   if module.room == room and module.is_folder} - {None}
        assert {part for parts in order for part in parts} == folders, room


def documented_rows(project_root, heading):
    """Return the rows of a table of the architecture's page: first and last cell."""
    with open(os.path.join(project_root, 'docs', 'architecture.md'), encoding='utf-8') as stream:
        lines = stream.read().split(heading, 1)[1].splitlines()[2:]
    rows = itertools.takewhile(lambda line: line.startswith('| '), lines)
    cells = [[cell.strip() for cell in row.strip('|').split('|')] for row in rows]
    return [(row[0].strip('`/'), row[-1]) for row in cells]


def test_the_architecture_s_page_says_what_each_room_may_import(project_root):
    said, above = {}, set()
    for room, text in documented_rows(project_root, '| room | knows | may import |'):
        said[room] = set(above) if text in ('all above', 'everything') else set(
            re.findall('`([a-z]+)/`', text))
        assert said[room] or text == 'nothing of the package'
        above.add(room)
    assert said == ROOMS


def test_the_architecture_s_page_says_the_order_inside_rooms(project_root):
    said = {room: re.findall('`([a-z]+)/`', text)
            for room, text in documented_rows(project_root, '| room | order |')}
    assert said == {room: [part for parts in order for part in parts]
                    for room, order in ORDERS.items()}


def test_imports_between_rooms_point_one_way(modules):
    assert wrong_between_rooms(modules) == []


def test_imports_inside_rooms_point_one_way(modules):
    assert wrong_inside_rooms(modules) == []


def test_neither_files_nor_parts_of_a_room_import_each_other_in_a_circle(modules):
    assert circles_of_files(modules) == []
    assert circles_of_parts(modules) == []


@pytest.mark.parametrize('text', [
    'from segformer_ros.ros import node\n',
    'def late():\n    import segformer_ros.ros.node\n',
    'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from segformer_ros.ros.node '
    'import run\n',
    'from segformer_ros import load_model\n'])
def test_planted_import_upwards_is_found(tmp_path, text):
    planted = written(tmp_path, ros__node='', model__spec=text)
    assert [name for name, _, _ in wrong_between_rooms(planted)] == ['segformer_ros.model.spec']


def test_planted_import_against_the_order_inside_a_room_is_found(tmp_path):
    planted = written(tmp_path, inference__base__backend='def late():\n    from segformer_ros'
                      '.inference.trt import backend\n', inference__trt__backend='')
    assert [name for name, _, _ in wrong_inside_rooms(planted)] == [
        'segformer_ros.inference.base.backend']


def test_planted_circle_is_found_and_late_imports_make_none(tmp_path):
    one, other = 'import segformer_ros.model.b\n', 'from segformer_ros.model import a\n'
    late = 'def late():\n    from segformer_ros.model import a\n'
    planted = written(tmp_path, model__a=one, model__b=other)
    assert circles_of_files(planted) == [['segformer_ros.model.a', 'segformer_ros.model.b']]
    assert circles_of_files(written(tmp_path, model__b=late)) == []


def test_planted_circle_between_two_folders_is_found(tmp_path):
    planted = written(
        tmp_path, model__x__a='from segformer_ros.model.y import c\n', model__x__b='',
        model__y__c='', model__y__d='from segformer_ros.model.x.b import name\n')
    assert circles_of_files(planted) == []
    assert circles_of_parts(planted) == [['model/x', 'model/y']]


def test_no_folder_is_crowded_and_no_module_long_without_a_reason(modules):
    crowd = collections.Counter(os.path.dirname(module.path) for module in modules.values()
                                if not module.is_folder)
    assert {folder: count for folder, count in crowd.items() if count > MOST_MODULES} == {}
    long = {name for name, module in modules.items() if module.lines > MOST_LINES}
    assert long == set(LONG)


def test_where_three_names_of_a_module_are_used_the_module_is_imported(project_root, modules):
    """As the Google style that ROS names has it; packages give modules, and typing its names."""
    found = collections.Counter()
    for name, module in modules.items():
        with open(os.path.join(project_root, module.path), encoding='utf-8') as stream:
            tree = ast.parse(stream.read())
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                found[name, node.module] += len(node.names)
    assert len(found) > 500
    assert {key for key, count in found.items()
            if count > 2 and not modules[key[1]].is_folder} == set()


def test_tests_lie_where_their_modules_do(project_root, modules):
    """A folder of tests of a room is one of the package; a test of a module lies beside it."""
    folders = {os.path.dirname(module.path) for module in modules.values()}
    homes = collections.defaultdict(set)
    for module in modules.values():
        homes[module.room, os.path.basename(module.path)].add(os.path.dirname(module.path))
    wrong = []
    for room in ROOMS:
        for folder, _, files in os.walk(os.path.join(project_root, 'test', room)):
            # What was compiled lies there too where bytecode is written.
            tests = sorted(file for file in files
                           if file.startswith('test_') and file.endswith('.py'))
            home = os.path.join('segformer_ros', os.path.relpath(
                folder, os.path.join(project_root, 'test')))
            wrong += [(home, file) for file in tests if home not in folders
                      or home not in (homes.get((room, file[len('test_'):])) or {home})]
    assert wrong == []


FACE = '''
import segformer_ros
import sys
print([name for name in ('numpy', 'cv2', 'yaml', 'PIL') if name in sys.modules])
print(set(segformer_ros.__all__) <= set(dir(segformer_ros)))
print(hasattr(segformer_ros, 'nonsense'))
from segformer_ros import ClassTable, CostmapPipeline, load_model, Segmenter
print(ClassTable.__module__, CostmapPipeline.__module__, load_model.__module__,
      Segmenter.__module__)
'''


@pytest.mark.smoke
def test_package_itself_imports_nothing_slow_and_offers_its_names(project_root):
    done = subprocess.run([sys.executable, '-c', FACE], cwd=project_root, stdout=subprocess.PIPE,
                          universal_newlines=True, timeout=120, check=True)
    assert done.stdout.split('\n')[:4] == [
        '[]', 'True', 'False',
        'segformer_ros.model.classes segformer_ros.costmap.pipeline '
        'segformer_ros.segmentation.load_model segformer_ros.segmentation.segmenter']
