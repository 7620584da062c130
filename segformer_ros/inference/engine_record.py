# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is known about one engine: the content of its JSON file."""

import json
from typing import Any
from typing import Dict
from typing import NamedTuple
from typing import Optional

from segformer_ros.inference.self_check import self_check_from_json
from segformer_ros.inference.self_check import SelfCheck

FORMAT = 1
# A build may fail for want of memory at a bad moment; after this many it is no accident.
GIVEN_UP_AFTER = 3

_FIELDS: Dict[str, Any] = {
    'name': str, 'key': dict, 'plan_sha256': (str, type(None)), 'plan_bytes': int,
    'built': dict, 'check': (dict, type(None)), 'failure': str, 'failed_builds': int,
    'unfinished_loads': int}


class EngineRecord(NamedTuple):
    """
    One engine of the cache, as its JSON file says.

    ``plan_sha256`` is None where there is no plan, because building or the check failed: the
    record stays, so that it is not tried again at each start. ``check`` is None until the
    self-check ran. ``failure`` says why building or loading failed, ``failed_builds`` how often.
    ``unfinished_loads`` counts openings that never reported back: a crash of the process.
    """

    name: str
    key: Dict[str, Any]
    plan_sha256: Optional[str]
    plan_bytes: int
    built: Dict[str, Any]
    check: Optional[SelfCheck]
    failure: str
    failed_builds: int
    unfinished_loads: int

    @property
    def usable(self) -> bool:
        """Tell whether the engine passed its self-check."""
        return self.plan_sha256 is not None and self.check is not None and self.check.passed

    @property
    def rejected(self) -> bool:
        """Tell whether the engine failed and shall not be built again."""
        return self.failed_builds >= GIVEN_UP_AFTER or (
            self.check is not None and not self.check.passed)

    @property
    def verdict(self) -> str:
        """Return why the engine may or may not be used."""
        if self.check is not None:
            return str(self.check) if self.check.passed else '{} ({})'.format(
                self.check.reason, self.check)
        return self.failure or 'not checked yet'


def format_record(record: EngineRecord) -> bytes:
    """Return the content of an engine's JSON file."""
    values = dict(record._asdict(), format=FORMAT)
    values['check'] = None if record.check is None else record.check._asdict()
    return json.dumps(values, indent=1, sort_keys=True).encode('utf-8')


def parse_record(name: str, content: bytes) -> EngineRecord:
    """
    Return the record in an engine's JSON file.

    :param name: that the record must have
    :raises ValueError: not JSON, of another format, or of another engine
    :raises TypeError: a field is of the wrong kind, missing, or unknown
    """
    values = json.loads(content.decode('utf-8'))
    if not isinstance(values, dict):
        raise TypeError('the record is a {}'.format(type(values).__name__))
    if values.pop('format', None) != FORMAT:
        raise ValueError('unknown format')
    if values.get('name') != name:
        raise ValueError('named {!r} inside'.format(values.get('name')))
    for field, kinds in _FIELDS.items():
        if field not in values:
            raise TypeError('{} is missing'.format(field))
        if not isinstance(values.get(field), kinds):
            raise TypeError('{} is a {}'.format(field, type(values.get(field)).__name__))
    if values['check'] is not None:
        values['check'] = self_check_from_json(values['check'])
    return EngineRecord(**values)
