# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Remapping rules of the command line that name nothing a node has."""

import difflib
from typing import Dict, Iterable, List, NamedTuple, Sequence, Set

from rclpy.exceptions import InvalidTopicNameException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.node import NodeNameNonExistentError

ASSIGNMENT = ':='
FLAGS = ('-r', '--remap')
SCHEMES = ('rostopic://', 'rosservice://')
SHARED = ('/tf', '/tf_static', '/clock', '/rosout', '/parameter_events', '/diagnostics')
"""Names that launch files remap for all their nodes, whether each has them or not."""
OF_LIFECYCLE = '~/transition_event'
"""A publisher that rclpy does not list."""
NEAR = 0.7
"""Likeness, of 1, from which a name counts as misspelt: image_raw for image."""


class Rule(NamedTuple):
    """One rule for topics and services; ``node`` is empty where it is for every node."""

    node: str
    name: str
    target: str


def rules_of(command_line: Sequence[str]) -> List[Rule]:
    """
    Return the rules for names that follow ``--ros-args``; not those for a node's own name.

    :param command_line: of the process
    """
    rules = []
    is_for_ros = False
    for flag, word in zip(['', *command_line], command_line):
        if word in ('--ros-args', '--'):
            is_for_ros = word == '--ros-args'
        elif is_for_ros and flag in FLAGS:
            left, _, target = word.partition(ASSIGNMENT)
            node = ''
            for scheme in SCHEMES:
                if scheme in left:
                    node, _, left = left.partition(scheme)
                    break
            else:
                if ':' in left:
                    node, _, left = left.partition(':')
            if not left.startswith('__'):
                rules.append(Rule(node.rstrip(':'), left, target))
    return rules


def idle_rules(node: Node, rules: Iterable[Rule], names: Iterable[str]) -> List[str]:
    """
    Return a sentence for each rule that looks misspelt and does nothing.

    launch gives a node every rule of its group. So a rule is told of alone that is like a name
    of the node, that leads to one, or that is meant for this node by its name.

    :param node: with its publishers, subscriptions and services
    :param rules: of the command line
    :param names: of topics and services that it may have, before they are remapped; relative,
        private or full
    """
    known = {_expanded(node, name): name for name in names}
    inputs = {str(each.topic_name) for each in node.subscriptions}
    taken = _names_taken(node)
    found = []
    for rule in rules:
        if rule.node not in ('', node.get_name()):
            continue
        name, target = _expanded(node, rule.name), _expanded(node, rule.target)
        if not name or name in known or name in (*SHARED, _expanded(node, OF_LIFECYCLE)):
            continue
        if target in taken and target not in known:
            continue  # a name that a parameter gives, or a service of rclpy
        meant = _meant(node, name, rule, known)
        if target in known:
            if target not in inputs and not rule.node:
                continue  # who reads what the node publishes
            meant = f' A rule is FROM:=TO. Meant: {known[target]}{ASSIGNMENT}{rule.name}?'
        if meant or rule.node:
            found.append(f'Remapping {rule.name} to {rule.target} does nothing: the node has no '
                         f'topic or service {name}.{meant}')
    return found


def _meant(node: Node, name: str, rule: Rule, known: Dict[str, str]) -> str:
    best, likeness = '', NEAR
    own = _within(node, name)
    folder, _, last = own.rpartition('/')
    # /camera/camera_info is a driver's, /camera/camera_inf is nobody's.
    if folder and not rule.node and last in {each.rpartition('/')[2] for each in known}:
        return ''
    for full, written in known.items():
        other = _within(node, full)
        other_last = other.rpartition('/')[2]
        near = max(difflib.SequenceMatcher(None, *pair).ratio()
                   for pair in ((own, other), (last, other_last)))
        if near >= likeness and (near > likeness or not best):
            best, likeness = written, near
    return f' Meant: {best}?' if best else ''


def _within(node: Node, name: str) -> str:
    """Return a full name without the node's own or its namespace, which all its names share."""
    for prefix in (node.get_fully_qualified_name(), node.get_namespace().rstrip('/')):
        if name.startswith(prefix + '/'):
            return name[len(prefix) + 1:]
    return name.lstrip('/')


def _expanded(node: Node, name: str) -> str:
    """Return the full name, or nothing where it is none."""
    try:
        return str(node.resolve_topic_name(name, only_expand=True))
    except (InvalidTopicNameException, rclpy_implementation.RCLError):
        return ''


def _names_taken(node: Node) -> Set[str]:
    taken = {str(each.topic_name) for each in node.publishers}
    taken |= {str(each.topic_name) for each in node.subscriptions}
    own = node.get_name(), node.get_namespace()
    try:
        services = node.get_service_names_and_types_by_node(*own)
    except NodeNameNonExistentError:
        services = []  # the graph does not know this node yet
    return taken | {name for name, _ in services}
