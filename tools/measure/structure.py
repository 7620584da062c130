# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Print the size of the package by room, and how its modules import each other.

``python3 tools/measure/structure.py [CHECKOUT] [--before CHECKOUT]`` prints a table that fits
into CHANGELOG.rst. The tests of the import direction read the package with the same functions.
"""

import argparse
import ast
import os
from typing import Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

PACKAGE = 'segformer_ros'
TOP = '(top)'
"""The room of modules that lie in no folder."""

AT_IMPORT, IN_FUNCTION, FOR_TYPES = 'at import', 'in a function', 'for types'


class Import(NamedTuple):
    """One import of a module of the package; ``when`` is one of the three constants."""

    target: str
    line: int
    when: str


class Module(NamedTuple):
    """A file; ``room`` is its folder in the package, ``lines`` its length, with the imports."""

    path: str
    room: str
    lines: int
    import_lines: int
    imports: Tuple[Import, ...]

    @property
    def is_folder(self) -> bool:
        """Return whether it is the ``__init__.py`` of its folder."""
        return os.path.basename(self.path) == '__init__.py'


Package = Dict[str, Module]
"""Modules by dotted name; a folder's ``__init__.py`` has the folder's name."""


def read_package(root: str, package: str = PACKAGE) -> Package:
    """
    Parse every module of a package.

    :param root: the folder that holds the package
    :param package: its name
    """
    paths = {}
    for folder, _, files in os.walk(os.path.join(root, package)):
        for file in files:
            if file.endswith('.py'):
                path = os.path.relpath(os.path.join(folder, file), root)
                parts = path[:-len('.py')].split(os.sep)
                paths['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return {name: _read_module(root, path, paths) for name, path in sorted(paths.items())}


def circles(graph: Dict[str, Set[str]]) -> List[List[str]]:
    """
    Return the groups of nodes that reach each other, sorted; one that reaches itself alone too.

    :param graph: what each node points to
    """
    reach = {node: _reachable(graph, node) for node in graph}
    groups = {tuple(sorted([node] + [other for other in reach[node]
                                     if other != node and node in reach.get(other, ())]))
              for node in graph if node in reach[node]}
    return [list(group) for group in sorted(groups)]


def levels(graph: Dict[str, Set[str]]) -> int:
    """Return the number of nodes on the longest way; nodes of one circle count once."""
    group_of = {node: (node,) for node in graph}
    for group in circles(graph):
        group_of.update((node, tuple(group)) for node in group)
    condensed: Dict[Tuple[str, ...], Set[Tuple[str, ...]]] = {}
    for node, targets in graph.items():
        condensed.setdefault(group_of[node], set()).update(
            group_of[target] for target in targets
            if target in graph and group_of[target] != group_of[node])
    depth: Dict[Tuple[str, ...], int] = {}

    def depth_of(group: Tuple[str, ...]) -> int:
        if group not in depth:
            depth[group] = 1 + max([depth_of(below) for below in condensed[group]] or [0])
        return depth[group]

    return max([depth_of(group) for group in condensed] or [0])


def import_graph(modules: Package, names: Iterable[str],
                 kinds: Sequence[str] = (AT_IMPORT,)) -> Dict[str, Set[str]]:
    """
    Return what each of the named modules imports among them.

    :param kinds: the imports that count; without it those that run when a module is imported
    """
    chosen = set(names)
    return {name: {found.target for found in modules[name].imports
                   if found.when in kinds and found.target in chosen} for name in chosen}


def imported(node: ast.AST, folder: Sequence[str]) -> List[Tuple[str, str]]:
    """
    Return what a statement imports, or a call that names a module: the module, and the whole name.

    The two differ where a name is taken from a module: ``a.b`` and ``a.b.c``.

    :param folder: parts of the dotted name of the folder that the file lies in
    """
    if isinstance(node, ast.Import):
        return [(alias.name, alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = _absolute('.' * node.level + (node.module or ''), folder)
        return [(module, f'{module}.{alias.name}') for alias in node.names]
    if isinstance(node, ast.Call) and node.args:
        called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
        if called in ('import_module', '__import__'):
            try:
                name = ast.literal_eval(node.args[0])
            except ValueError:
                return []    # it is known when it runs, not here
            return [(_absolute(name, folder),) * 2]
    return []


def _absolute(name: str, folder: Sequence[str]) -> str:
    level = len(name) - len(name.lstrip('.'))
    above = list(folder[:len(folder) - level + 1]) if level else []
    return '.'.join(above + [name[level:]] * bool(name[level:]))


def _reachable(graph: Dict[str, Set[str]], start: str) -> Set[str]:
    seen: Set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += graph.get(node, ())
    return seen


def _read_module(root: str, path: str, known: Dict[str, str]) -> Module:
    with open(os.path.join(root, path), encoding='utf-8') as stream:
        text = stream.read()
    parts = path.split(os.sep)
    imports: List[Import] = []
    import_lines: Set[int] = set()

    def visit(node: ast.AST, when: str) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            # Python before 3.8 knows no end of a statement.
            last = getattr(node, 'end_lineno', None) or node.lineno
            import_lines.update(range(node.lineno, last + 1))
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Call)):
            imports.extend(Import(target, node.lineno, when)
                           for target in _targets(node, known, parts[:-1]))
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in (
                getattr(node.test, 'id', ''), getattr(node.test, 'attr', '')):
            for part in node.body:
                visit(part, FOR_TYPES)
            for part in node.orelse:
                visit(part, when)
        else:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                when = IN_FUNCTION
            for child in ast.iter_child_nodes(node):
                visit(child, when)

    visit(ast.parse(text), AT_IMPORT)
    return Module(path, parts[1] if len(parts) > 2 else TOP, text.count('\n'),
                  len(import_lines), tuple(imports))


def _targets(node: ast.AST, known: Iterable[str], folder: Sequence[str]) -> List[str]:
    found = {whole if whole in known else module for module, whole in imported(node, folder)}
    return sorted(name for name in found if name.split('.')[0] == folder[0])


COLUMNS = ('modules', 'folders', 'lines', 'import lines', 'levels', 'circles')


def figures(modules: Package) -> Dict[str, List[int]]:
    """Return the values of COLUMNS by room; ``levels`` is the longest chain of imports in it."""
    rooms = sorted({module.room for module in modules.values()})
    groups = [(room, {name for name in modules if modules[name].room == room}) for room in rooms]
    rows = {}
    for room, names in groups + [('all', set(modules))]:
        found = [modules[name] for name in names]
        graph = import_graph(modules, names)
        rows[room] = [sum(not module.is_folder for module in found),
                      len({os.path.dirname(module.path) for module in found}),
                      sum(module.lines for module in found),
                      sum(module.import_lines for module in found),
                      levels(graph), len(circles(graph))]
    return rows


def _table(after: Dict[str, List[int]], before: Dict[str, List[int]]) -> List[str]:
    rows = [('room',) + COLUMNS]
    for room in sorted(set(after) | set(before), key=lambda room: (room == 'all', room)):
        new, old = ([f'{number:,}' for number in table[room]] if room in table else
                    ['-'] * len(COLUMNS) for table in (after, before or after))
        cells = [f'{one} -> {other}' for one, other in zip(old, new)] if before else new
        rows.append((room,) + tuple(cells))
    widths = [max(map(len, column)) for column in zip(*rows)]
    line = '  '.join('=' * width for width in widths)
    texts = ['  '.join(f'{cell:{width}}' for cell, width in zip(row, widths)).rstrip()
             for row in rows]
    return [line, texts[0], line] + texts[1:] + [line]


def main() -> None:
    """Print the table of one checkout, and the circles if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('checkout', nargs='?', default=os.path.join(
        os.path.dirname(os.path.abspath(__file__)), '..', '..'))
    parser.add_argument('--before', help='another checkout: its figures stand before an arrow')
    options = parser.parse_args()
    modules = read_package(options.checkout)
    before = figures(read_package(options.before)) if options.before else {}
    print('\n'.join(_table(figures(modules), before)))
    for circle in circles(import_graph(modules, modules)):
        print('circle:', ', '.join(circle))


if __name__ == '__main__':
    main()
