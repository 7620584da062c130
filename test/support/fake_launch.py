# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A small stand-in for launch and launch_ros, which have no wheels.

Constructors take exactly the arguments that the release takes (launch_signatures.json); any other
is a TypeError, as it would be on a robot. Of those our files use only what has a meaning here.
Substitutions are performed when a description is run, and actions come out as plain records.
"""

import contextlib
import functools
import json
import os
import sys
import types

PROJECT_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Substitution:
    """Something that becomes text once the arguments are known."""

    def perform(self, context):
        raise NotImplementedError


class LaunchConfiguration(Substitution):
    def __init__(self, variable_name, *, default=None):
        self.variable_name = variable_name
        self.default = default

    def perform(self, context):
        value = context.launch_configurations.get(self.variable_name, self.default)
        if value is None:
            raise LookupError(f'launch configuration {self.variable_name!r} does not exist')
        return value


class FindPackageShare(Substitution):
    def __init__(self, package):
        self.package = package

    def perform(self, context):
        assert self.package in ('segformer_ros', 'nav2_bringup')
        return PROJECT_ROOT if self.package == 'segformer_ros' else '/share/' + self.package


class PathJoinSubstitution(Substitution):
    def __init__(self, substitutions):
        self.substitutions = substitutions

    def perform(self, context):
        return '/'.join(perform(part, context) for part in self.substitutions)


def perform(value, context):
    """Return a text of a text or substitution."""
    if isinstance(value, str):
        return value
    assert isinstance(value, Substitution), f'neither text nor substitution: {value!r}'
    return value.perform(context)


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value=None, description=None, choices=None):
        self.name = name
        self.default_value = default_value
        self.description = description
        self.choices = choices

    def visit(self, context):
        values = context.launch_configurations
        if self.name not in values:
            if self.default_value is None:
                raise RuntimeError(f'Required launch argument "{self.name}" was not provided.')
            values[self.name] = perform(self.default_value, context)
        if self.choices is not None and values[self.name] not in self.choices:
            raise RuntimeError(f'{self.name}:={values[self.name]} is none of {self.choices}')
        return []


class PythonLaunchDescriptionSource:
    def __init__(self, launch_file_path):
        self.launch_file_path = launch_file_path


class IncludeLaunchDescription:
    """Another launch file; its arguments are those of this one unless they are given."""

    def __init__(self, launch_description_source, *, launch_arguments=None):
        self.source = launch_description_source
        self.launch_arguments = list(launch_arguments or [])

    def visit(self, context):
        path = perform(self.source.launch_file_path, context)
        given = {name: perform(value, context) for name, value in self.launch_arguments}
        description = load(path)
        declared = {entity.name for entity in description.entities
                    if isinstance(entity, DeclareLaunchArgument)}
        assert set(given) <= declared, f'not declared: {set(given) - declared}'
        context.launch_configurations.update(given)
        return [process for entity in description.entities for process in entity.visit(context)]


class Shutdown:
    def __init__(self, *, reason='reason not given'):
        self.reason = reason


class OpaqueFunction:
    def __init__(self, *, function, args=None, kwargs=None):
        self.function = function
        self.args = args or []
        self.kwargs = kwargs or {}

    def visit(self, context):
        found = []
        for entity in self.function(context, *self.args, **self.kwargs) or []:
            found += entity.visit(context)
        return found


class Context:
    """
    What an OpaqueFunction is given: launch.LaunchContext, as far as our files use it.

    :param argv: the arguments of the command line, such as ``image:=/camera/image_raw``
    """

    def __init__(self, argv=()):
        self.argv = list(argv)
        self.launch_configurations = dict(each.split(':=', 1) for each in argv)


class IfCondition:
    def __init__(self, predicate_expression):
        self.predicate_expression = predicate_expression

    def evaluate(self, context):
        return {'true': True, 'false': False, '1': True, '0': False}[
            perform(self.predicate_expression, context).lower()]


class Node:
    """launch_ros.actions.Node: its own arguments and those of ExecuteProcess."""

    def __init__(self, *, executable, package=None, name=None, namespace=None, parameters=None,
                 remappings=None, arguments=None, ros_arguments=None, output='log',
                 respawn=False, respawn_delay=0.0, additional_env=None, condition=None,
                 on_exit=None):
        self.fields = dict(  # noqa: C408
            executable=executable, package=package, name=name, namespace=namespace,
            parameters=parameters or [], remappings=remappings or [],
            arguments=arguments or [], ros_arguments=ros_arguments or [], output=output,
            respawn=respawn, respawn_delay=respawn_delay, additional_env=additional_env or {},
            on_exit=on_exit)
        self.condition = condition

    def visit(self, context):
        if self.condition is not None and not self.condition.evaluate(context):
            return []
        fields = dict(self.fields)
        if fields['namespace'] is not None:
            fields['namespace'] = perform(fields['namespace'], context)
        fields['arguments'] = [perform(each, context) for each in fields['arguments']]
        fields['remappings'] = [(perform(old, context), perform(new, context))
                                for old, new in fields['remappings']]
        fields['parameters'] = [
            {key: value if isinstance(value, (bool, int, float, list)) else perform(value, context)
             for key, value in each.items()} if isinstance(each, dict) else perform(each, context)
            for each in fields['parameters']]
        for name in fields['additional_env']:
            fields['additional_env'][name] = perform(fields['additional_env'][name], context)
        return [fields]


class LaunchDescription:
    def __init__(self, initial_entities=None):
        self.entities = list(initial_entities or [])


MODULES = {
    'launch': {'LaunchDescription': LaunchDescription},
    'launch.actions': {'DeclareLaunchArgument': DeclareLaunchArgument,
                       'IncludeLaunchDescription': IncludeLaunchDescription,
                       'OpaqueFunction': OpaqueFunction, 'Shutdown': Shutdown},
    'launch.conditions': {'IfCondition': IfCondition},
    'launch.launch_description_sources': {
        'PythonLaunchDescriptionSource': PythonLaunchDescriptionSource},
    'launch.substitutions': {'LaunchConfiguration': LaunchConfiguration,
                             'PathJoinSubstitution': PathJoinSubstitution},
    'launch_ros': {},
    'launch_ros.actions': {'Node': Node},
    'launch_ros.substitutions': {'FindPackageShare': FindPackageShare},
}


RELEASES = ('humble', 'jazzy', 'rolling')
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'launch_signatures.json'),
          encoding='utf-8') as _stream:
    SIGNATURES = json.load(_stream)
"""The arguments of each constructor by release, positional and by keyword, bases included."""


def as_in(release, stand_in):
    """Return a class that takes only what the real one of a release takes."""
    signature = SIGNATURES['releases'][release]['classes'][stand_in.__name__]

    @functools.wraps(stand_in.__init__)
    def checked(self, *positional, **by_name):
        if len(positional) > len(signature['positional']):
            raise TypeError(f'{stand_in.__name__} of {release}: {len(positional)} arguments')
        unknown = set(by_name) - set(signature['positional']) - set(signature['keyword'])
        if unknown:
            raise TypeError(f'{stand_in.__name__} of {release} takes no {sorted(unknown)}')
        stand_in.__init__(self, *positional, **by_name)

    return type(stand_in.__name__, (stand_in,), {'__init__': checked})


@contextlib.contextmanager
def installed(release):
    """Put the stand-ins of a release where import finds them."""
    before = {name: sys.modules.get(name) for name in MODULES}
    try:
        for name, contents in MODULES.items():
            module = types.ModuleType(name)
            vars(module).update({key: as_in(release, value) for key, value in contents.items()})
            sys.modules[name] = module
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def load(path, release=RELEASES[0]):
    """Return the LaunchDescription of a file."""
    with installed(release), open(path, encoding='utf-8') as stream:
        scope = {'__name__': 'launch_file', '__file__': path}
        exec(compile(stream.read(), path, 'exec'), scope)
        return scope['generate_launch_description']()


def run(path, release=RELEASES[0], argv=(), **arguments):
    """
    Return the processes that ``ros2 launch path name:=value`` starts, as dicts.

    :param argv: further arguments, such as ``front.image:=/front/image_raw``
    """
    description = load(path, release)
    declared = {entity.name for entity in description.entities
                if isinstance(entity, DeclareLaunchArgument)}
    assert set(arguments) <= declared, f'not declared: {set(arguments) - declared}'
    context = Context([f'{name}:={value}' for name, value in arguments.items()] + list(argv))
    started = []
    with installed(release):
        for entity in description.entities:
            started += entity.visit(context)
    return started
