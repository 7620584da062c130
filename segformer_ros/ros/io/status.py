# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Entries of diagnostics."""

from typing import Any, Dict, List, NamedTuple, Tuple

Pairs = List[Tuple[str, str]]


class Status(NamedTuple):
    """One entry; ``name`` is without the node's name."""

    level: int
    name: str
    message: str
    values: Pairs


def entries_of(message: Any, node: str) -> Dict[str, Tuple[int, str, Dict[str, str]]]:
    """
    Return level, message and values of a node's own diagnostics, by name without the node's.

    :param message: a diagnostic_msgs/DiagnosticArray
    :param node: full name
    """
    prefix = node.lstrip('/') + ': '
    return {status.name[len(prefix):]: (int.from_bytes(status.level, 'little'), status.message,
                                        {each.key: each.value for each in status.values})
            for status in message.status if status.name.startswith(prefix)}


class NodeState(NamedTuple):
    """
    What the node as a whole is doing.

    ``trouble`` says why the last transition failed; ``missing`` names topics that cannot be
    published here, with the reason; ``neighbours`` what is wrong with other nodes.
    """

    lifecycle: str
    enabled: bool
    trouble: str
    missing: str
    time_source: str
    neighbours: str = ''

    @property
    def serving(self) -> bool:
        """Return whether masks are to be expected."""
        return self.lifecycle == 'active' and self.enabled
