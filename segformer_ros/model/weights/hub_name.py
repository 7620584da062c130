# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Names of files on the Hugging Face hub: ``hf:ORG/REPO[@REVISION][:path.onnx]``."""

import re
from typing import NamedTuple, Optional

from segformer_ros.common.errors import ModelError
from segformer_ros.model.weights.catalogue import PATH

PREFIX = 'hf:'
DEFAULT_REVISION = 'main'
FORM = 'hf:ORG/REPO[@REVISION][:path.onnx]'
_PART = r'[A-Za-z0-9](?:[A-Za-z0-9_]|[.-](?![.-])){0,94}'
# A branch may have slashes; no part of it begins with a dot.
_NAME = re.compile(rf'hf:({_PART})/({_PART})'
                   r'(?:@([A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*))?'
                   r'(?::(.+))?', re.DOTALL)
_LONGEST = 400


class HubName(NamedTuple):
    """
    One file of one repository.

    ``revision`` is a branch, a tag or a commit; ``path`` is None where the repository decides.
    """

    organisation: str
    repository: str
    revision: str
    path: Optional[str]

    @property
    def repo_id(self) -> str:
        """Return ``ORG/REPO``."""
        return f'{self.organisation}/{self.repository}'

    @property
    def folder(self) -> str:
        """Return a name for a folder of it."""
        return f'{self.organisation}--{self.repository}'

    def __str__(self) -> str:
        """Return the name as it is written, without the revision where that is the usual one."""
        revision = '' if self.revision == DEFAULT_REVISION else f'@{self.revision}'
        return f'{PREFIX}{self.repo_id}{revision}' + ('' if self.path is None else f':{self.path}')


def is_hub_name(name: str) -> bool:
    """Return whether a name is meant for the hub."""
    return name.startswith(PREFIX)


def parse_hub_name(name: str) -> HubName:
    """
    Read a name.

    :raises ModelError: it has another form
    """
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST else None
    path = None if match is None else match.group(4)
    if match is None or (path is not None
                         and not (PATH.fullmatch(path) and path.endswith('.onnx'))):
        raise ModelError('Name of a model on the hub has another form', got=name, expected=FORM)
    return HubName(match.group(1), match.group(2), match.group(3) or DEFAULT_REVISION, path)
