# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Gather the parts of the hardware report, each in its own process, and write them down."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from segformer_ros.common.text import one_line
from segformer_ros.evaluation.hardware.scrub import Scrubber

# Of the whole report.
BUDGET_S = 570.0
FACT, MISSING, END = 'FACT ', 'MISSING ', 'END'
"""Begin the lines that a part prints."""
# A process that the kernel does not let go, such as one inside a driver, is left behind.
KILL_WAIT_S = 2.0
_LONGEST = 400
# What is read of a part that prints without end.
_MOST_BYTES = 1 << 20


def gather(names: Sequence[str], command: Callable[[str], List[str]],
           tell: Callable[[str], None] = lambda line: None, budget: float = BUDGET_S,
           limits: Optional[Mapping[str, float]] = None,
           scrubber: Optional[Scrubber] = None) -> Dict[str, Any]:
    """
    Run every part; one that fails, hangs or crashes becomes a line.

    No part but the last gets more than half of the time that is left, so that those after it
    always have some.

    :param names: of the parts
    :param command: returns the command line that prints one part's facts
    :param tell: called with a line on what comes next
    :param budget: seconds for all of them
    :param limits: seconds that a part gets at most, by name
    :param scrubber: takes out what names somebody
    :return: ``date``, and ``parts``: by name ``facts``, ``missing`` and ``seconds``
    """
    scrubber = scrubber or Scrubber()
    deadline = time.monotonic() + budget
    parts: Dict[str, Any] = {}
    for name in names:
        tell(name)
        started = time.monotonic()
        left = max(0.0, deadline - started)
        limit = min((limits or {}).get(name, left), left if name == names[-1] else left / 2.0)
        found = scrubber.scrubbed(_run(command(name), limit))
        parts[name] = {'facts': found['facts'],
                       # Cut when nothing is left of which a half would tell as much.
                       'missing': _shortened(found['missing']),
                       'seconds': round(time.monotonic() - started, 1)}
    return {'date': time.strftime('%Y-%m-%d', time.gmtime()), 'parts': parts}


def _run(words: List[str], limit: float) -> Dict[str, Any]:
    if limit <= 0:
        return {'facts': {}, 'missing': 'no time was left for it'}
    # A file and no pipe: whoever still holds a pipe's end would have to be waited for.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        ending = ''
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            ending = f'it had not ended after {limit:.0f} s'
        finally:
            _end(process)
        output.seek(0)
        lines = output.read(_MOST_BYTES).decode('utf-8', 'replace').split('\n')
    facts: Dict[str, str] = {}
    missing = [ending] if ending else []
    for line in lines:
        if line.startswith(FACT):
            fact = _fact(line[len(FACT):])
            if fact is None:
                missing.append(f'a fact that cannot be read: {line[len(FACT):]}')
            else:
                facts[fact[0]] = fact[1]
        elif line.startswith(MISSING):
            missing.append(line[len(MISSING):])
    if not ending and not missing and END not in lines:
        status = process.returncode
        missing.append(f'its process was ended by signal {-status}' if status < 0 else
                       f'its process ended with status {status}: {_tail(" ".join(lines))}')
    return {'facts': facts, 'missing': '; '.join(missing)}


def _end(process: 'subprocess.Popen[bytes]') -> None:
    """Kill what still runs, its children too, such as a builder."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILL_WAIT_S)


def _fact(text: str) -> Optional[Tuple[str, str]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value):
        return value[0], value[1]
    return None


def _tail(text: str) -> str:
    # From the beginning of a word: half a path or name would not be found any more.
    text = one_line(text)
    return text if len(text) <= _LONGEST else text[-_LONGEST:].partition(' ')[2]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + ' ...'


def print_part(part: Callable[[], Iterable[Tuple[str, str]]]) -> None:
    """Run one part here and print each fact, or why there is no more, for :func:`gather`."""
    last = END
    try:
        for fact in part():
            print('\n' + FACT + json.dumps(fact), flush=True)
    except Exception as error:  # whatever a runtime raises is a line of the report
        last = MISSING + (one_line(error) or type(error).__name__)
    print('\n' + last, flush=True)


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
