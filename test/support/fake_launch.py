# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
A small stand-in for launch and launch_ros, which have no wheels.

Constructors take exactly the arguments that are documented for Humble, Jazzy and Kilted and that
our files use; any other is a TypeError, as it would be on a robot. Substitutions are performed
when a description is run, and actions come out as plain records.
"""

import contextlib
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
        value = context.get(self.variable_name, self.default)
        if value is None:
            raise LookupError(f'launch configuration {self.variable_name!r} does not exist')
        return value


class FindPackageShare(Substitution):
    def __init__(self, package):
        self.package = package

    def perform(self, context):
        return f'<share of {self.package}>'


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
        if self.name not in context:
            assert self.default_value is not None, 'no value for ' + self.name
            context[self.name] = perform(self.default_value, context)
        if self.choices is not None and context[self.name] not in self.choices:
            raise ValueError(f'{self.name}:={context[self.name]} is none of {self.choices}')
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
        path = path.replace(FindPackageShare('segformer_ros').perform(context), PROJECT_ROOT)
        description = load(path)
        declared = {entity.name for entity in description.entities
                    if isinstance(entity, DeclareLaunchArgument)}
        assert set(given) <= declared, f'not declared: {set(given) - declared}'
        context.update(given)
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
        for entity in self.function(Context(context), *self.args, **self.kwargs) or []:
            found += entity.visit(context)
        return found


class Context(dict):
    """What an OpaqueFunction is given."""


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
        fields['arguments'] = [perform(each, context) for each in fields['arguments']]
        fields['remappings'] = [(perform(old, context), perform(new, context))
                                for old, new in fields['remappings']]
        fields['parameters'] = [
            {key: value if isinstance(value, (bool, int, float)) else perform(value, context)
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


@contextlib.contextmanager
def installed():
    """Put the stand-ins where import finds them."""
    before = {name: sys.modules.get(name) for name in MODULES}
    try:
        for name, contents in MODULES.items():
            module = types.ModuleType(name)
            vars(module).update(contents)
            sys.modules[name] = module
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def load(path):
    """Return the LaunchDescription of a file."""
    with installed(), open(path, encoding='utf-8') as stream:
        scope = {'__name__': 'launch_file', '__file__': path}
        exec(compile(stream.read(), path, 'exec'), scope)
        return scope['generate_launch_description']()


def run(path, **arguments):
    """Return the processes that ``ros2 launch path name:=value`` starts, as dicts."""
    description = load(path)
    declared = {entity.name for entity in description.entities
                if isinstance(entity, DeclareLaunchArgument)}
    assert set(arguments) <= declared, f'not declared: {set(arguments) - declared}'
    context = dict(arguments)
    started = []
    with installed():
        for entity in description.entities:
            started += entity.visit(context)
    return started
