# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The command ``evaluate``: how good and how fast a network is on recordings."""

import argparse
import logging
import os
import sys
import tempfile
from typing import List
from typing import Optional

from segformer_ros.cli.evaluate_options import DONE
from segformer_ros.cli.evaluate_options import FAILED
from segformer_ros.cli.evaluate_options import GATE_CLOSED
from segformer_ros.cli.evaluate_options import INTERRUPTED
from segformer_ros.cli.evaluate_options import make_parser
from segformer_ros.cli.evaluate_options import make_request
from segformer_ros.cli.progress import ProgressLine
from segformer_ros.errors import ConfigurationError
from segformer_ros.errors import SegformerRosError
from segformer_ros.evaluation import gates
from segformer_ros.evaluation.compare import compare_reports
from segformer_ros.evaluation.compare import regressions
from segformer_ros.evaluation.compare_markdown import render_comparison
from segformer_ros.evaluation.evaluator import evaluate
from segformer_ros.evaluation.report import Report
from segformer_ros.evaluation.report_html import write_html
from segformer_ros.evaluation.report_json import read_json
from segformer_ros.evaluation.report_json import write_json
from segformer_ros.evaluation.report_markdown import render_markdown
from segformer_ros.evaluation.report_markdown import write_markdown


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run the command.

    :param arguments: of the command line, without the program's name
    :return: exit status, see ``evaluate_options.EXIT_STATUS``; 130 interrupted
    """
    options = make_parser().parse_args(arguments)
    logging.basicConfig(format='%(message)s', level=logging.INFO, stream=sys.stderr)
    try:
        return _compare(options) if options.compare else _evaluate(options)
    except SegformerRosError as error:
        print('evaluate: {}'.format(error), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('\nInterrupted; no report is written.', file=sys.stderr)
        return INTERRUPTED


def _evaluate(options: argparse.Namespace) -> int:
    at_least = [gates.parse_bound(text) for text in options.fail_under]
    at_most = [gates.parse_bound(text) for text in options.fail_over]
    allowed = [gates.parse_bound(text, 'miou') for text in options.max_regression]
    if allowed and not options.baseline:
        raise ConfigurationError('No baseline for --max-regression',
                                 remedy='Name one with --baseline REPORT.json.')
    baseline = read_json(options.baseline) if options.baseline else None
    request = make_request(options)
    os.makedirs(options.output, exist_ok=True)
    line = ProgressLine('evaluating', format_amount=_frames_text)
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = evaluate(request, folder, line.update)
        finally:
            line.finish()
        _write(report, options.output)
    print(render_markdown(report))
    print('Reports: {}'.format(', '.join(
        os.path.join(options.output, name) for name in ('report.html', 'report.md',
                                                        'report.json'))))
    problems = gates.failures(report.document, at_least, at_most)
    left_out = report.document['left_out']
    if options.strict and left_out['listed']:
        problems.append('{} frames were left out{}'.format(
            left_out['frames'], ' and more were lost' if left_out['inputs_of_unknown_loss']
            else ''))
    if baseline is not None:
        after = read_json(os.path.join(options.output, 'report.json'))
        print(render_comparison(compare_reports(baseline, after), baseline, after))
        problems += regressions(baseline, after, allowed)
    return _verdict(problems)


def _compare(options: argparse.Namespace) -> int:
    if options.inputs:
        raise ConfigurationError('--compare takes no recordings', got=options.inputs[0],
                                 remedy='Give --baseline to evaluate and compare in one go.')
    before, after = (read_json(_report_path(path)) for path in options.compare)
    allowed = [gates.parse_bound(text, 'miou') for text in options.max_regression]
    print(render_comparison(compare_reports(before, after), before, after))
    at_least = [gates.parse_bound(text) for text in options.fail_under]
    at_most = [gates.parse_bound(text) for text in options.fail_over]
    return _verdict(regressions(before, after, allowed)
                    + gates.failures(after, at_least, at_most))


def _verdict(problems: List[str]) -> int:
    for problem in problems:
        print('FAILED: {}'.format(problem), file=sys.stderr)
    return GATE_CLOSED if problems else DONE


def _write(report: Report, folder: str) -> None:
    write_json(report, os.path.join(folder, 'report.json'))
    write_markdown(report, os.path.join(folder, 'report.md'))
    write_html(report, os.path.join(folder, 'report.html'))


def _frames_text(amount: float) -> str:
    return ('{:.1f} frames' if amount < 10 and amount % 1 else '{:,.0f} frames').format(amount)


def _report_path(path: str) -> str:
    return os.path.join(path, 'report.json') if os.path.isdir(path) else path


if __name__ == '__main__':
    raise SystemExit(main())
