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

# Python packages of ROS; those that are named here belong to no family.
OF_ROS = re.compile(
    r'(rclpy|tf2\w*|ament_\w+|launch(_\w+)?|\w+_(msgs|srvs|interfaces)|rosidl\w*|rosbag2\w*|'
    r'ros2\w*|nav2_\w+|cv_bridge|image_geometry|message_filters)$')
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
                   ('benchmark', 'replay', 'demo', 'hardware', 'quantization'), ('drive',)),
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
    """Return the modules of a small package; ``__`` stands for a folder, init for its file."""
    for name, text in files.items():
        parts = ['__init__' if part == 'init' else part for part in name.split('__')]
        path = folder.joinpath('segformer_ros', *parts)
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


# An import inside a function points as one way as any; one for types alone may close a circle.
COUNTED = (structure.AT_IMPORT, structure.IN_FUNCTION)


def circles_of_files(modules, kinds=COUNTED):
    return structure.circles(structure.import_graph(modules, modules, kinds))


def circles_of_parts(modules):
    """Return the circles between the folders and files of one room."""
    graph = collections.defaultdict(set)
    for name, targets in structure.import_graph(modules, modules, COUNTED).items():
        for target in targets:
            ends = [(modules[each].room, part_of(each)) for each in (name, target)]
            if ends[0] != ends[1] and ends[0][0] == ends[1][0] and None not in ends[0] + ends[1]:
                graph['/'.join(ends[0])].add('/'.join(ends[1]))
                graph['/'.join(ends[1])].update()
    return structure.circles(graph)


def imports_of(root, module):
    """Return what a module imports at any depth: line, module, whole name."""
    with open(os.path.join(root, module.path), encoding='utf-8') as stream:
        tree = ast.parse(stream.read())
    folder = os.path.dirname(module.path).split(os.sep)
    return [(node.lineno,) + names for node in ast.walk(tree)
            for names in structure.imported(node, folder)]


def imports_of_ros(root, modules):
    """Return the imports of ROS in the rooms that do not know it, late and tentative ones too."""
    return [(name, line, target) for name, module in modules.items()
            if module.room not in ('ros', 'cli')
            for line, target, _ in imports_of(root, module) if OF_ROS.match(target.split('.')[0])]


def names_taken_three_at_a_time(root, modules):
    """Return the modules that give three names or more to one, packages left out."""
    found = collections.defaultdict(set)
    for name, module in modules.items():
        for _, target, whole in imports_of(root, module):
            if target in modules and not modules[target].is_folder:
                found[name, target].add(whole)
    return found, {key for key, names in found.items() if len(names) > 2}


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


def test_rooms_that_do_not_know_ros_never_import_it(project_root, modules):
    assert all(OF_ROS.match(name) for name in BLOCKED[:BLOCKED.index('onnxruntime')])
    assert imports_of_ros(project_root, modules) == []


@pytest.mark.parametrize('text', [
    'import rclpy.node\n', 'def late():\n    import rclpy\n',
    'try:\n    from sensor_msgs.msg import Image\nexcept ImportError:\n    Image = None\n',
    'import importlib\nmsg = importlib.import_module("std_msgs.msg")\n',
    'def late():\n    return __import__("tf2_ros")\n',
    'class A:\n    from nav2_simple_commander import robot_navigator\n'])
def test_planted_import_of_ros_is_found(tmp_path, text):
    planted = written(tmp_path, ros__node=text, model__spec=text, model__other='import rosbags\n')
    assert [name for name, _, _ in imports_of_ros(str(tmp_path), planted)] == [
        'segformer_ros.model.spec']


@pytest.mark.parametrize('text', [
    'from segformer_ros.ros import node\n',
    'from ..ros import node\n', 'from ..ros.node import run\n', 'from .. import ros\n',
    'def late():\n    from ..ros.node import run\n',
    'import importlib\nnode = importlib.import_module("segformer_ros.ros.node")\n',
    'from importlib import import_module\nnode = import_module("..ros.node", __package__)\n',
    'def late():\n    return __import__("segformer_ros.ros.node")\n',
    'def late():\n    import segformer_ros.ros.node\n',
    'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from segformer_ros.ros.node '
    'import run\n',
    'from segformer_ros import load_model\n'])
def test_planted_import_upwards_is_found(tmp_path, text):
    planted = written(tmp_path, ros__node='', ros__init='', model__spec=text)
    assert [name for name, _, _ in wrong_between_rooms(planted)] == ['segformer_ros.model.spec']


def test_planted_import_against_the_order_inside_a_room_is_found(tmp_path):
    planted = written(tmp_path, inference__base__backend='def late():\n    from segformer_ros'
                      '.inference.trt import backend\n', inference__trt__backend='')
    assert [name for name, _, _ in wrong_inside_rooms(planted)] == [
        'segformer_ros.inference.base.backend']


@pytest.mark.parametrize('other', [
    'from segformer_ros.model import a\n', 'from . import a\n', 'from .a import name\n',
    'def late():\n    from segformer_ros.model import a\n',
    'from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    from . import a\n'])
def test_planted_circle_is_found_late_or_not(tmp_path, other):
    planted = written(tmp_path, model__a='import segformer_ros.model.b\n', model__b=other)
    assert circles_of_files(planted) == [['segformer_ros.model.a', 'segformer_ros.model.b']]
    late = [(structure.IN_FUNCTION if 'late' in other else structure.AT_IMPORT)]
    assert [each.when for each in planted['segformer_ros.model.b'].imports] == late


def test_imports_for_types_make_no_circle(tmp_path):
    types = ('import typing\nif typing.TYPE_CHECKING:\n    from . import a\n'
             'else:\n    from . import c\n')
    planted = written(tmp_path, model__a='from . import b, c\n', model__b=types, model__c='')
    assert circles_of_files(planted) == []
    assert [(each.when, each.target) for each in planted['segformer_ros.model.b'].imports] == [
        (structure.FOR_TYPES, 'segformer_ros.model.a'),
        (structure.AT_IMPORT, 'segformer_ros.model.c')]


def test_planted_late_import_against_the_direction_of_two_folders_is_found(tmp_path):
    planted = written(
        tmp_path, costmap__projection__rays='from segformer_ros.costmap.geometry import a\n',
        costmap__geometry__a='', costmap__projection__other='',
        costmap__geometry__b='def late():\n    from ..projection import other\n')
    assert circles_of_files(planted) == []
    assert circles_of_parts(planted) == [['costmap/geometry', 'costmap/projection']]


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
    found, crowded = names_taken_three_at_a_time(project_root, modules)
    assert len(found) > 500
    assert crowded == set()


@pytest.mark.parametrize('text', [
    'from segformer_ros.model.spec import a, b, c\n',
    'from segformer_ros.model.spec import a\nfrom .spec import b, c\n',
    'def late():\n    from segformer_ros.model.spec import a\n'
    '    from segformer_ros.model.spec import b\n    from segformer_ros.model.spec import c\n'])
def test_three_planted_names_are_found_two_and_modules_are_not(tmp_path, text):
    planted = written(tmp_path, model__spec='', model__taker=text, model__init='',
                      model__two='from .spec import a, b\nfrom . import spec, taker, two\n')
    assert names_taken_three_at_a_time(str(tmp_path), planted)[1] == {
        ('segformer_ros.model.taker', 'segformer_ros.model.spec')}


def test_folder_of_tests_of_a_room_is_one_of_the_package(project_root, modules):
    """Where a room has several modules of the test's name, it lies beside one of them."""
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


# Tests that bear the name of one module and lie elsewhere, each with the reason.
AWAY = {
    # Commands that are run beside whole nodes over DDS, which the lane of ROS does.
    'test/ros/test_doctor.py', 'test/ros/test_replay_evaluation.py'}


def away_from_their_module(root, modules):
    """Return the tests that bear the name of one module and do not lie beside it."""
    homes = collections.defaultdict(set)
    for module in modules.values():
        homes['test_' + os.path.basename(module.path)].add(os.path.dirname(module.path))
    away = set()
    for folder, _, files in os.walk(os.path.join(root, 'test')):
        relative = os.path.relpath(folder, root)
        beside = os.path.join('segformer_ros', os.path.relpath(relative, 'test'))
        away.update(os.path.join(relative, file) for file in files
                    if len(homes.get(file, ())) == 1 and beside not in homes[file])
    return away


def test_tests_lie_where_their_modules_do(project_root, modules):
    assert away_from_their_module(project_root, modules) == AWAY


def test_planted_test_in_a_wrong_folder_is_found(tmp_path):
    planted = written(tmp_path, segmentation__segmenter='', model__spec='', costmap__spec='')
    for name in ('model/test_segmenter.py', 'segmentation/test_segmenter.py', 'tools/test_spec.py',
                 'model/test_other.py'):
        path = tmp_path / 'test' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('')
    assert away_from_their_module(str(tmp_path), planted) == {'test/model/test_segmenter.py'}


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
