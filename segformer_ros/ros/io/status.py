# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Entries of diagnostics."""

from typing import List, NamedTuple, Tuple

# The values of diagnostic_msgs/DiagnosticStatus.
OK = 0
WARN = 1
ERROR = 2

Pairs = List[Tuple[str, str]]


class Status(NamedTuple):
    """One entry; ``name`` is without the node's name."""

    level: int
    name: str
    message: str
    values: Pairs


class NodeState(NamedTuple):
    """
    What the node as a whole is doing.

    ``trouble`` says why the last transition failed; ``missing`` names topics that cannot be
    published here, with the reason.
    """

    lifecycle: str
    enabled: bool
    trouble: str
    missing: str
    time_source: str

    @property
    def serving(self) -> bool:
        """Return whether masks are to be expected."""
        return self.lifecycle == 'active' and self.enabled
