# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Read small YAML files so that a slip of the pen is an error, not a surprise."""

import difflib
import os
from typing import Any, Callable, Dict, Iterable, List, Tuple, Type, Union

from segformer_ros.common.errors import ConfigurationError
from segformer_ros.common.text import one_line
from segformer_ros.common.text import plain
import yaml

MOST_BYTES = 1 << 23
"""Of a file: half a minute. The metadata of a recording of a thousand topics have one megabyte."""
LONGEST_NUMBER = 100
"""Characters of a whole number; one of 64 bits has 20."""
LONGEST_WORD = 200
"""Characters of a slip of the pen; three million took 0.2 s for each word that is known."""


class _StrictLoader(yaml.SafeLoader):
    """
    The safe loader, with two more errors, and numbers within bounds.

    A repeated key, of which YAML keeps the last one silently; and an alias: nine lines of nested
    ones stand for a billion values.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, 'an alias (*name) cannot be used; write the value out',
                event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        # A tag may call anything a mapping: !!set [x].
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(
                None, None, f'{plain(node.tag, 60)} is written as a {node.id}',
                node.start_mark)
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key {plain(repr(key), 60)} is not text; put it in quotes',
                    key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key {plain(key, 60)!r} stands twice', key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _whole(loader: _StrictLoader, node: yaml.ScalarNode) -> Any:
    if len(node.value) > LONGEST_NUMBER:
        raise yaml.constructor.ConstructorError(
            None, None, f'a whole number of {len(node.value)} characters', node.start_mark)
    return loader.construct_yaml_int(node)


def _number(make: Callable[[_StrictLoader, yaml.ScalarNode], Any]
            ) -> Callable[[_StrictLoader, yaml.ScalarNode], Any]:
    """Return the constructor of a number that leaves one of base 60 as text, as YAML 1.2 does."""
    return lambda loader, node: node.value if ':' in node.value else make(loader, node)


_StrictLoader.add_constructor('tag:yaml.org,2002:int', _number(_whole))
_StrictLoader.add_constructor(
    'tag:yaml.org,2002:float', _number(lambda loader, node: loader.construct_yaml_float(node)))


def read_mapping(path: str) -> Dict[str, Any]:
    """
    Return the mapping that a YAML file holds.

    :param path: file name, UTF-8
    :raises ConfigurationError: unreadable, not YAML, not a mapping, or a key stands twice
    """
    content = _read(path, lambda loader: loader.get_single_data())
    if not isinstance(content, dict):
        raise ConfigurationError('YAML file does not hold a mapping',
                                 got=f'{type(content).__name__} in {path}',
                                 expected='"key: value" lines')
    return content


def read_node(path: str) -> Any:
    """
    Return the root of a YAML file as PyYAML composed it, for readers with types of their own.

    :param path: file name, UTF-8
    :return: a yaml.Node, None for an empty file
    :raises ConfigurationError: unreadable, or not YAML
    """
    return _read(path, lambda loader: loader.get_single_node())


def _read(path: str, take: Callable[[Any], Any]) -> Any:
    try:
        with open(path, encoding='utf-8') as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MOST_BYTES:
                raise ConfigurationError('YAML file is too large', got=f'{path} of {size} bytes',
                                         expected=f'at most {MOST_BYTES}')
            return take(_StrictLoader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError('YAML file cannot be read', got=f'{path} ({error})',
                                 expected='a readable UTF-8 text file') from error
    # PyYAML lets through what int, float and datetime say of a scalar, and nests as deep as
    # Python's stack.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            'Not valid YAML', got=f"{path}: {one_line(error)}",
            remedy='Correct the file at that line.') from error


def check_keys(mapping: Dict[str, Any], where: str, required: Iterable[str],
               optional: Iterable[str] = ()) -> None:
    """
    Compare the keys of a mapping with those that are known.

    :param where: names the mapping in errors, for example the file
    :raises ConfigurationError: a key is unknown or missing
    """
    required = list(required)
    known = required + list(optional)
    for key in mapping:
        if key not in known:
            raise ConfigurationError(
                f'Unknown key in {where}', got=repr(key),
                expected=f"one of {', '.join(known)}", remedy=nearest_text(key, known))
    missing = [key for key in required if key not in mapping]
    if missing:
        raise ConfigurationError(
            f'Missing key in {where}', got=f"only {', '.join(mapping) or 'none'}",
            expected=', '.join(missing), remedy='Add it.')


def value_of(mapping: Dict[str, Any], key: str, where: str,
             kind: Union[Type[Any], Tuple[Type[Any], ...]], expected: str) -> Any:
    """
    Return a value of the wanted type; a boolean does not pass for a number.

    :param kind: type or types, as for isinstance
    :param expected: names them in the error
    :raises ConfigurationError: the value has another type
    """
    value = mapping[key]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ConfigurationError(
            f'Wrong value of {key!r} in {where}', got=repr(value), expected=expected)
    return value


def nearest(word: str, known: Iterable[str], count: int = 3) -> List[str]:
    """Return the known words most like this one, best first; possibly none."""
    if len(word) > LONGEST_WORD:
        return []
    return difflib.get_close_matches(word, list(known), n=count, cutoff=0.5)


def nearest_text(word: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the nearest known words, or nothing."""
    words = nearest(word, known)
    return f"Did you mean {' or '.join(repr(near) for near in words)}?" if words else ''
