# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Gather the parts of the hardware report, each in its own process, and write them down."""

import getpass
import json
import os
import re
import signal
import socket
import subprocess
import time
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple

from segformer_ros.common.text import one_line

# Of the whole report; what is left when a part begins is that part's limit.
BUDGET_S = 570.0
FACT, MISSING, END = 'FACT ', 'MISSING ', 'END'
"""Begin the lines that a part prints."""
_LONGEST = 400
# An absolute path, also behind = or a quote; not the slash of a fraction or a unit.
_PATH = re.compile(r'(?<![\w.)])~?/[\w.+@~-]+(?:/[\w.+@~-]*)*')
_AT = re.compile(r'[\w.+-]+@[\w.-]+')
# MAC addresses, UUIDs, and numbers after a word that announces an identity.
_IDENTITY = re.compile(
    r'(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
    r'|(?<=serial)[ :=#]+(?:number[ :=#]+)?[\w-]+', re.IGNORECASE)


def gather(names: Sequence[str], command: Callable[[str], List[str]],
           tell: Callable[[str], None] = lambda line: None,
           budget: float = BUDGET_S) -> Dict[str, Any]:
    """
    Run every part; one that fails, hangs or crashes becomes a line.

    :param names: of the parts
    :param command: returns the command line that prints one part's facts
    :param tell: called with a line on what comes next
    :param budget: seconds for all of them
    :return: ``date``, and ``parts``: by name ``facts``, ``missing`` and ``seconds``
    """
    deadline = time.monotonic() + budget
    parts: Dict[str, Any] = {}
    for name in names:
        tell(name)
        started = time.monotonic()
        parts[name] = dict({'facts': {}, 'missing': ''},
                           **_run(command(name), max(0.0, deadline - started)))
        parts[name]['seconds'] = round(time.monotonic() - started, 1)
    return scrubbed({'date': time.strftime('%Y-%m-%d', time.gmtime()), 'parts': parts})


def _run(words: List[str], limit: float) -> Dict[str, Any]:
    if limit <= 0:
        return {'missing': 'no time was left for it'}
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, ending = process.communicate(timeout=limit)[0], ''
    except subprocess.TimeoutExpired:
        # Its children too, such as a builder.
        os.killpg(process.pid, signal.SIGKILL)
        output, ending = process.communicate()[0], f'it had not ended after {limit:.0f} s'
    lines = output.decode('utf-8', 'replace').split('\n')
    facts = dict(json.loads(line[len(FACT):]) for line in lines if line.startswith(FACT))
    missing = [line[len(MISSING):] for line in lines if line.startswith(MISSING)]
    if not ending and not missing and END not in lines:
        ending = f'its process was ended by signal {-process.returncode}' \
            if process.returncode < 0 else 'its process ended with status {}: {}'.format(
                process.returncode, ' '.join(' '.join(lines).split())[-_LONGEST:])
    return {'facts': facts, 'missing': ending or ''.join(missing[:1])}


def print_part(part: Callable[[], Iterable[Tuple[str, str]]]) -> None:
    """Run one part here and print each fact, or why there is no more, for :func:`gather`."""
    last = END
    try:
        for fact in part():
            print('\n' + FACT + json.dumps(fact), flush=True)
    except Exception as error:  # whatever a runtime raises is a line of the report
        last = MISSING + (one_line(error)[:_LONGEST] or type(error).__name__)
    print('\n' + last, flush=True)


def scrubbed(value: Any) -> Any:
    """Return a value of JSON without names of machine and user, paths and serial numbers."""
    if isinstance(value, dict):
        return {scrubbed(key): scrubbed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [scrubbed(each) for each in value]
    if not isinstance(value, str):
        return value
    text = _IDENTITY.sub(' <left out>', _AT.sub('<left out>', _PATH.sub('<path>', value)))
    for name in _names():
        text = re.sub(rf'\b{re.escape(name)}\b', '<left out>', text)
    return text


def _names() -> List[str]:
    names = [socket.gethostname()]
    try:
        names.append(getpass.getuser())
    except (KeyError, OSError):
        pass  # a user without an entry, as in some containers, has no name
    # Words that are no names of anybody.
    return [name for name in names if len(name) > 2 and name not in ('root', 'localhost')]


def markdown(report: Dict[str, Any]) -> str:
    """Return the report as Markdown, to paste into an issue."""
    lines = ['# Hardware report', '', f'Made by `hardware_report` on {report["date"]}.']
    for name, part in report['parts'].items():
        lines += ['', f'## {name}', '']
        if part['missing']:
            lines += ['Missing: ' + _cell(part['missing']), '']
        if not part['facts']:
            continue
        lines += ['| | |', '|---|---|']
        lines += [f'| {_cell(key)} | {_cell(value)} |' for key, value in part['facts'].items()]
    return '\n'.join(lines) + '\n'


def _cell(text: str) -> str:
    return ' '.join(text.replace('|', '\\|').split())
