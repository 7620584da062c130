# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``hardware_report``: what this machine is and does, to attach to an issue."""

import argparse
import json
import os
import sys
import tempfile
from typing import List, Optional

if __name__ == '__main__':
    # Before the imports below, since one that fails is told in a sentence.
    from segformer_ros.cli.main import run_module
    raise SystemExit(run_module())

from segformer_ros.cli.support import command
from segformer_ros.evaluation.hardware import report as hardware_report
from segformer_ros.evaluation.hardware.parts import all_parts
from segformer_ros.evaluation.hardware.parts import LIMITS
from segformer_ros.evaluation.hardware.scrub import Scrubber

BUILD = (sys.executable, '-m', 'segformer_ros.cli.build_engine')
FILES = ('hardware_report.md', 'hardware_report.json')


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status: 0 done, 1 failed with a message
    """
    options = _parser().parse_args(arguments)
    if options.part:
        hardware_report.print_part(all_parts(options.model, BUILD)[options.part])
        return command.DONE
    return command.run('hardware_report', lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='hardware_report',
        description='Say what this machine is and how fast it is, in at most ten minutes. '
                    'Whatever is missing is a line. Names, serial numbers and paths are left out; '
                    'look at the file before you attach it to an issue.')
    parser.add_argument('--model', default='segformer_sim', help='name of a known model, or path '
                        'of an ONNX file (default: %(default)s)')
    parser.add_argument('--output', default='.', metavar='FOLDER',
                        help='folder for hardware_report.md and hardware_report.json')
    parser.add_argument('--skip', action='append', default=[], choices=list(all_parts()),
                        metavar='PART', help='leave a part out; may be repeated: %(choices)s')
    parser.add_argument('--part', choices=list(all_parts()), help=argparse.SUPPRESS)
    return parser


def _run(options: argparse.Namespace) -> int:
    _make_folder(options.output)
    names = [name for name in all_parts() if name not in options.skip]
    found = hardware_report.gather(
        names, lambda name: [sys.executable, '-m', 'segformer_ros.cli.hardware_report', '--model',
                             options.model, '--part', name],
        lambda line: print(f'hardware_report: {line}', file=sys.stderr, flush=True),
        limits=LIMITS, scrubber=Scrubber(options.model))
    page = hardware_report.markdown(found)
    # What ten minutes have measured is not lost where the disk has become full.
    print(page, flush=True)
    with command.report_folder(options.output):
        for name, text in zip(FILES, (page, json.dumps(found, indent=1) + '\n')):
            with open(os.path.join(options.output, name), 'w', encoding='utf-8') as stream:
                stream.write(text)
    print('Reports: ' + ', '.join(os.path.join(options.output, name) for name in FILES))
    return command.DONE


def _make_folder(folder: str) -> None:
    """Make the folder and try it: permissions and read-only disks tell in no other way."""
    command.make_report_folder(folder)
    with command.report_folder(folder):
        with tempfile.TemporaryFile(dir=folder):
            pass
        for name in FILES:
            path = os.path.join(folder, name)
            if os.path.lexists(path):
                with open(path, 'a', encoding='utf-8'):
                    pass
